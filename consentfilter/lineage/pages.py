"""The commitment tree (`prefix-pages-sha256/v1`): pages of entries under one root.

An entry is `path ‖ value`, 48 bytes. Page p holds the entries whose path starts with
the b bits of p, sorted; the root is the RFC 9162 tree hash over all 2^b pages. The
page that may hold an id is dictated by the id's own bits, so one path through the
tree shows presence and absence alike, and nobody can show both against one root.
Nothing here depends on who found which entry: only on the set of entries.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from consentfilter.errors import EvidenceError
from consentfilter.lineage.columns import Bytes2D, sha256_slices
from consentfilter.lineage.verifier import (
    ENTRY_BYTES,
    HASH_BYTES,
    PATH_BYTES,
    leaf_hash,
    page_bits,
)

__all__ = ["Leaves", "Tree", "leaf_hashes", "page_bits", "path_heads", "sort_order"]

#: Merkle tree hash of nothing (RFC 9162); never a root here, 2^b is at least 1.
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def path_heads(paths: Bytes2D) -> npt.NDArray[np.uint64]:
    """Return the first 8 bytes of each path as one number, for order and pages."""
    return _words(paths)[:, 0].astype(np.uint64)


def path_tails(paths: Bytes2D) -> npt.NDArray[np.uint64]:
    """Return the last 8 bytes of each path as one number."""
    return _words(paths)[:, 1].astype(np.uint64)


def _words(paths: Bytes2D) -> npt.NDArray[Any]:
    return np.ascontiguousarray(paths[:, :PATH_BYTES]).view(">u8").reshape(-1, 2)


def sort_order(paths: Bytes2D) -> npt.NDArray[np.int64]:
    """Return the order that sorts paths (16 bytes each) as byte strings; stable."""
    heads = path_heads(paths)
    order = packed_order(np.zeros(len(heads), np.uint64), 1, heads, is_strict=False)
    tails = path_tails(paths)
    if order is not None:
        in_order = heads.take(order)
        same = np.flatnonzero(in_order[1:] == in_order[:-1])
        if np.array_equal(tails[order[same]], tails[order[same + 1]]):
            return order
    return np.lexsort((tails, heads))


def packed_order(
    group: npt.NDArray[np.uint64],
    groups: int,
    heads: npt.NDArray[np.uint64],
    *,
    is_strict: bool = True,
) -> npt.NDArray[np.int64] | None:
    """Return the order by group, then head, then position; None if it takes more.

    Group, the first bits of the head and position are packed into one number: plain
    numbers are sorted several times as fast as an order is found. None when these
    bits do not tell two heads of a group apart; or, if `is_strict`, all of them.
    """
    place_bits = len(heads).bit_length()
    group_bits = max(0, groups - 1).bit_length()
    head_bits = 64 - place_bits - group_bits
    if head_bits < 1:
        return None
    # What all heads begin with tells nothing.
    shared = _shared_bits(heads)
    lower = np.uint64(64 - head_bits)
    packed = ((heads << np.uint64(shared)) >> lower) << np.uint64(place_bits)
    if group_bits:
        packed |= group << np.uint64(64 - group_bits)
    packed |= np.arange(len(heads), dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64((1 << place_bits) - 1)).astype(np.int64)
    in_order, groups_in_order = heads.take(order), group.take(order)
    follows = in_order[1:] > in_order[:-1]
    if not is_strict:
        follows |= in_order[1:] == in_order[:-1]
    if not np.all(follows | (groups_in_order[1:] != groups_in_order[:-1])):
        return None
    return order


def _shared_bits(heads: npt.NDArray[np.uint64]) -> int:
    """Return with how many equal bits all heads begin, at most 63."""
    if not len(heads):
        return 0
    differ = int(np.bitwise_or.reduce(heads ^ heads[0]))
    return min(63, 64 - differ.bit_length())


def first_duplicate(paths: Bytes2D) -> int | None:
    """Return where a sorted matrix of paths first repeats one, or None."""
    same = np.all(paths[1:] == paths[:-1], axis=1)
    return int(np.argmax(same)) if same.any() else None


def leaf_hashes(entries: Bytes2D, depth: int, first: int, count: int) -> Bytes2D:
    """Return the leaf hashes of `count` pages from page `first` on.

    Args:
        entries: shape (n, 48), sorted; all and only those of these pages.
        depth: b, the number of leading bits that name a page.
        first: number of the first page.
        count: how many pages, empty ones too.
    """
    bounds = np.empty(count + 1, np.int64)
    bounds[0], bounds[-1] = 0, len(entries)
    if count > 1:
        pages = np.arange(first + 1, first + count, dtype=np.uint64)
        starts = pages << np.uint64(64 - depth)
        bounds[1:-1] = np.searchsorted(path_heads(entries), starts)
    data = np.ascontiguousarray(entries).reshape(-1)
    return sha256_slices(data, bounds * ENTRY_BYTES, lead=b"\x00")


class Leaves:
    """Leaf hashes of a tree whose entries come in order, a batch at a time."""

    def __init__(self, depth: int) -> None:
        """Start with the hash of an empty page everywhere.

        Args:
            depth: b, the number of leading bits that name a page.
        """
        self._depth = depth
        self._rest: Bytes2D = np.empty((0, ENTRY_BYTES), np.uint8)
        self.hashes: Bytes2D = np.empty((1 << depth, HASH_BYTES), np.uint8)
        self.hashes[:] = np.frombuffer(leaf_hash(b""), np.uint8)

    def add(self, entries: Bytes2D) -> None:
        """Take the next entries, shape (n, 48); hash the pages that are complete.

        Raises:
            EvidenceError: they are not sorted by path.
        """
        ready = np.concatenate([self._rest, entries])
        if not len(ready):
            return
        heads = path_heads(ready)
        if not _is_sorted(ready, heads):
            raise EvidenceError("evidence: entries are not sorted by path")
        numbers = heads >> np.uint64(64 - self._depth) if self._depth else heads * 0
        end = int(np.searchsorted(numbers, numbers[-1]))
        self._hash(ready[:end], numbers[:end])
        self._rest = ready[end:]

    def close(self) -> Bytes2D:
        """Hash the last page; return all leaf hashes."""
        if len(self._rest):
            numbers = [page_of(bytes(self._rest[0, :PATH_BYTES]), self._depth)]
            self._hash(self._rest, np.array(numbers, np.uint64))
        return self.hashes

    def _hash(self, entries: Bytes2D, numbers: npt.NDArray[np.uint64]) -> None:
        if len(entries):
            first, last = int(numbers[0]), int(numbers[-1])
            made = leaf_hashes(entries, self._depth, first, last - first + 1)
            self.hashes[first : last + 1] = made


def _is_sorted(entries: Bytes2D, heads: npt.NDArray[np.uint64]) -> bool:
    if np.all(heads[1:] > heads[:-1]):
        return True
    order = sort_order(entries[:, :PATH_BYTES])
    return bool(np.array_equal(order, np.arange(len(order))))


class Tree:
    """All hashes of a tree with 2^b leaves; 64 bytes per page in memory.

    Attributes:
        levels: from the leaves (2^b rows of 32 bytes) up to the root (one row).
    """

    def __init__(self, leaves: Bytes2D) -> None:
        if len(leaves) & (len(leaves) - 1) or not len(leaves):
            raise ValueError(f"{len(leaves)} leaves: wanted a power of two")
        self.levels = [leaves]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            data = np.ascontiguousarray(below).reshape(-1)
            pairs = np.arange(len(below) // 2 + 1, dtype=np.int64) * (2 * HASH_BYTES)
            self.levels.append(sha256_slices(data, pairs, lead=b"\x01"))

    @property
    def root(self) -> bytes:
        """The tree hash."""
        return bytes(self.levels[-1][0])

    def siblings(self, page: int) -> list[bytes]:
        """Return the hashes beside the way from a page up, leaf first."""
        return [
            bytes(level[(page >> at) ^ 1]) for at, level in enumerate(self.levels[:-1])
        ]

    def to_bytes(self) -> bytes:
        """Return all levels one after the other, the leaves first, the root last."""
        return b"".join(level.tobytes() for level in self.levels)


def page_of(path: bytes, depth: int) -> int:
    """Return the number of the page that may hold a path."""
    return int.from_bytes(path, "big") >> (8 * PATH_BYTES - depth)

"""The commitment tree (`prefix-pages-sha256/v1`): pages of entries under one root.

An entry is `path ‖ value`, 48 bytes. Page p holds the entries whose path starts with
the b bits of p, sorted; the root is the RFC 9162 tree hash over all 2^b pages. The
page that may hold an id is dictated by the id's own bits, so one path through the
tree shows presence and absence alike, and nobody can show both against one root.
Nothing here depends on who found which entry: only on the set of entries.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

from consentfilter.lineage.columns import Bytes2D, sha256_slices
from consentfilter.lineage.verifier import (
    ENTRY_BYTES,
    HASH_BYTES,
    PATH_BYTES,
    page_bits,
)

__all__ = ["Tree", "leaf_hashes", "page_bits", "path_heads", "sort_order"]

#: Merkle tree hash of nothing (RFC 9162); never a root here, 2^b is at least 1.
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def path_heads(paths: Bytes2D) -> npt.NDArray[np.uint64]:
    """Return the first 8 bytes of each path as one number, for order and pages."""
    heads = np.ascontiguousarray(paths[:, :8]).view(">u8")
    return heads.reshape(-1).astype(np.uint64)


def sort_order(paths: Bytes2D) -> npt.NDArray[np.int64]:
    """Return the order that sorts paths (16 bytes each) as byte strings."""
    heads = path_heads(paths)
    order = np.argsort(heads)
    in_order = heads[order]
    if np.any(in_order[1:] == in_order[:-1]):
        tails = np.ascontiguousarray(paths[:, 8:]).view(">u8").reshape(-1)
        order = np.lexsort((tails.astype(np.uint64), heads))
    return order


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

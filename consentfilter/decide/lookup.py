"""Finding many strings in a fixed set of strings: open addressing over hashes.

polars joins and `pyarrow.compute.index_in` rebuild their hash table at every call;
this one is built once. What the hashes find is confirmed by comparing the strings,
so a collision can not lend one person another person's consent.
"""

from __future__ import annotations

import ctypes
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.kernels import native, strings

#: The greatest share of slots that are in use.
_FILL: Final = 0.65
_EMPTY: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def _hashes(strings: pa.Array) -> np.ndarray:
    """Return a 64-bit hash per string, stable within this process only."""
    return pl.Series(pl.from_arrow(strings)).hash().to_numpy()


class KeyTable:
    """A set of distinct strings, each known by its position in `keys`.

    Args:
        keys: distinct, non-null `pa.string()` or `pa.large_string()` values.
    """

    __slots__ = ("_slots", "keys")

    def __init__(self, keys: pa.Array) -> None:
        self.keys = keys
        library = native.library()
        self._slots = _Slots(keys) if library is None else _CompiledSlots(library, keys)

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, wanted: pa.Array) -> np.ndarray:
        """Return the position of each string (int32), -1 where absent or null."""
        if not len(self.keys) or not len(wanted):
            return np.full(len(wanted), -1, np.int32)
        return self._slots.find(wanted)


def _slot_bits(size: int) -> int:
    """Return how many leading bits of a hash name its slot."""
    return max(4, int(size / _FILL).bit_length())


def _low_bits(size: int) -> int:
    """Return the bits of a slot that hold a position; no position has all of them."""
    return (1 << size.bit_length()) - 1


class _CompiledSlots:
    """The table of `lookup.c`, over hashes of its own."""

    __slots__ = ("_keys", "_library", "_slots", "_table")

    def __init__(self, library: ctypes.CDLL, keys: pa.Array) -> None:
        self._library = library
        self._keys = strings.texts(keys)
        size = len(keys)
        bits = _slot_bits(size)
        self._slots = np.full(1 << bits, _EMPTY)
        self._table = native.address(self._slots), _low_bits(size), bits
        library.cf_fill_table(*self._table, self._keys.pointer, size)

    def find(self, wanted: pa.Array) -> np.ndarray:
        """Return the position of each string, -1 where absent or null."""
        found = np.empty(len(wanted), np.int32)
        asked = strings.texts(wanted)
        self._library.cf_find(
            *self._table,
            self._keys.pointer,
            asked.pointer,
            len(wanted),
            native.address(found),
        )
        return found


class _Slots:
    """The twin of the compiled table, over the hashes of polars.

    A slot holds the leading bits of a string's hash, and in the others its position.
    Slots in use ascend, and a string stands at or after the slot that its hash
    names, with no empty one between: a search ends at the first that is greater.
    """

    __slots__ = ("_keys", "_low", "_shift", "_size", "_slots")

    def __init__(self, keys: pa.Array) -> None:
        self._keys = keys
        size = len(keys)
        self._low = np.uint64(_low_bits(size))
        self._size = np.uint64(size)
        bits = _slot_bits(size)
        self._shift = np.uint64(64 - bits)
        numbers = np.arange(size, dtype=np.int64)
        used = _hashes(keys) & ~self._low
        used |= numbers.view(np.uint64)
        used.sort()
        # Each takes the slot its hash names, or the one after its predecessor's.
        at = (used >> self._shift).view(np.int64)
        at -= numbers
        np.maximum.accumulate(at, out=at)
        at += numbers
        last = int(at[-1]) if size else 0
        self._slots = np.full(max(1 << bits, last + 1) + 1, _EMPTY)
        self._slots[at] = used

    def find(self, wanted: pa.Array) -> np.ndarray:
        """Return the position of each string, -1 where absent or null."""
        hashes = _hashes(wanted)
        slot = (hashes >> self._shift).astype(np.int64)
        leading = hashes & ~self._low
        found = self._probe(leading, slot)
        wrong = self._unconfirmed(found, wanted)
        # Another string has a hash that begins alike: look further.
        while len(wrong):
            at = slot[wrong] + 1
            found[wrong] = self._probe(leading[wrong], at)
            slot[wrong] = at
            again = self._unconfirmed(found[wrong], wanted.take(pa.array(wrong)))
            wrong = wrong[again]
        return found

    def _probe(self, leading: np.ndarray, slot: np.ndarray) -> np.ndarray:
        """Return the first position, from each slot on, whose hash begins alike.

        Args:
            leading: the leading bits of the hashes.
            slot: where to begin; moved to where the search ended.
        """
        entry = self._slots.take(slot)
        pending = np.flatnonzero(entry < leading)
        while len(pending):
            following = slot[pending] + 1
            slot[pending] = following
            ahead = self._slots.take(following)
            entry[pending] = ahead
            pending = pending[ahead < leading[pending]]
        entry -= leading
        return np.where(entry < self._size, entry, _EMPTY).astype(np.int32)

    def _unconfirmed(self, found: np.ndarray, wanted: pa.Array) -> np.ndarray:
        """Return which of the strings were found, but are not what was wanted."""
        hits = np.flatnonzero(found >= 0)
        if not len(hits):
            return hits
        if len(hits) < len(found):
            found, wanted = found[hits], wanted.take(pa.array(hits))
        candidates = self._keys.take(pa.array(found))
        if candidates.type != wanted.type:
            candidates = candidates.cast(wanted.type)
        same = pc.equal(candidates, wanted).fill_null(False)
        if same.true_count == len(same):
            return hits[:0]
        return hits[~same.to_numpy(zero_copy_only=False)]

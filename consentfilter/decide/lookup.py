"""Finding many strings in a fixed set of strings: a radix directory over hashes.

polars joins and `pyarrow.compute.index_in` rebuild their hash table at every call;
this one is built once. A hash match is confirmed by comparing the strings, so a
collision can not lend one person another person's consent.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_SEEDS = range(16)


def _hashes(strings: pa.Array, seed: int) -> np.ndarray:
    """Return a 64-bit hash per string, stable within this process only."""
    return pl.Series(pl.from_arrow(strings)).hash(seed=seed).to_numpy()


class KeyTable:
    """A set of distinct strings, each known by its position in `keys`.

    Args:
        keys: distinct, non-null `pa.string()` values.
    """

    __slots__ = ("_directory", "_hash", "_position", "_seed", "_shift", "keys")

    def __init__(self, keys: pa.Array) -> None:
        self.keys = keys
        bits = max(4, min(28, int(len(keys)).bit_length()))
        self._shift = np.uint64(64 - bits)
        for seed in _SEEDS:
            hashes = _hashes(keys, seed)
            order = np.argsort(hashes)
            ordered = hashes[order]
            if not (ordered[1:] == ordered[:-1]).any():
                break
        else:
            msg = "distinct keys share a 64-bit hash under every seed"
            raise AssertionError(msg)
        self._seed = seed
        self._hash = ordered
        self._position = order.astype(np.int32)
        bucket = (ordered >> self._shift).astype(np.int64)
        counts = np.bincount(bucket, minlength=1 << bits)
        self._directory = np.zeros(len(counts) + 1, np.int32)
        np.cumsum(counts, out=self._directory[1:])

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, wanted: pa.Array) -> np.ndarray:
        """Return the position of each string (int32), -1 where absent or null."""
        result = np.full(len(wanted), -1, np.int32)
        if not len(self.keys) or not len(wanted):
            return result
        hashes = _hashes(wanted, self._seed)
        bucket = (hashes >> self._shift).astype(np.int32)
        at = self._directory[bucket]
        end = self._directory[bucket + 1]
        pending = np.flatnonzero(at < end)
        at, end, hashes = at[pending], end[pending], hashes[pending]
        while len(pending):
            hit = self._hash[at] == hashes
            result[pending[hit]] = self._position[at[hit]]
            at = at + 1
            more = ~hit & (at < end)
            pending, at, end, hashes = pending[more], at[more], end[more], hashes[more]
        return self._confirmed(result, wanted)

    def _confirmed(self, found: np.ndarray, wanted: pa.Array) -> np.ndarray:
        hits = np.flatnonzero(found >= 0)
        if not len(hits):
            return found
        candidates = self.keys.take(pa.array(found[hits]))
        asked = wanted if len(hits) == len(wanted) else wanted.take(pa.array(hits))
        same = pc.equal(candidates.cast(asked.type), asked).fill_null(False)
        wrong = ~same.to_numpy(zero_copy_only=False)
        found[hits[wrong]] = -1
        return found

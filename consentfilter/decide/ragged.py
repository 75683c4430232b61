"""Ragged arrays in numpy: expanding ranges and reducing runs; constant arrays."""

from __future__ import annotations

import numpy as np

#: Larger than every encoded value and every instant: "none" in a minimum.
FAR = np.iinfo(np.int64).max


def same(value: int, size: int, kind: type[np.generic]) -> np.ndarray:
    """Return an array of one value in every place, which takes no memory."""
    return np.broadcast_to(kind(value), (size,))


def is_same(values: np.ndarray) -> bool:
    """Tell whether an array was made to hold one value in every place."""
    return values.strides == (0,)


def is_absent(codes: np.ndarray) -> bool:
    """Tell whether codes were made to be -1, "none", in every place."""
    return is_same(codes) and not (codes[:1] != -1).any()


def taken(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return `values[index]`; it takes no memory either where all are the same."""
    if is_same(values) and len(values):
        return np.broadcast_to(values[0], index.shape)
    return values.take(index)


def where(mask: np.ndarray, yes: np.ndarray | int, no: np.ndarray | int) -> np.ndarray:
    """Return `np.where(mask, yes, no)` of integers, of one type or Python's.

    Without a branch per entry: where a mask is anybody's guess, as it is with what
    people permit, one takes ten times as long.
    """
    bits = np.subtract(0, mask, dtype=np.result_type(yes, no))
    return (yes ^ no) & bits ^ no


def expand(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every index of the ranges [start, start + count), and its range.

    Args:
        starts: first index per range.
        counts: length per range, may be 0.

    Returns:
        (owner, index), both int64, one entry per element of all ranges in order.
    """
    counts = counts.astype(np.int64, copy=False)
    if len(counts) and counts.min() == counts.max() == 1:
        return np.arange(len(counts), dtype=np.int64), starts.astype(np.int64)
    total = int(counts.sum())
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    offset = starts.astype(np.int64, copy=False) - before
    return owner, np.arange(total, dtype=np.int64) + offset[owner]


def run_starts(owner: np.ndarray) -> np.ndarray:
    """Return where each run of equal values starts in an ascending array."""
    if not len(owner):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))


class Runs:
    """The runs of an ascending owner array, for several reductions of its values."""

    def __init__(self, owner: np.ndarray, size: int) -> None:
        self.size = size
        self.starts = run_starts(owner)
        self.is_single = len(self.starts) == len(owner)
        self.owner = owner if self.is_single else owner[self.starts]

    def least(self, values: np.ndarray, default: int = FAR) -> np.ndarray:
        """Return the least value per owner (int64), or `default`."""
        return self._reduced(np.minimum, values, default)

    def greatest(self, values: np.ndarray, default: int = -1) -> np.ndarray:
        """Return the greatest value per owner (int64), or `default`."""
        return self._reduced(np.maximum, values, default)

    def least_where(self, flags: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the least flagged value per owner (int64), `FAR`: none."""
        if not self.is_single:
            return self.least(np.where(flags, values, FAR))
        result = np.full(self.size, FAR, np.int64)
        at = np.flatnonzero(flags)
        result[self.owner[at]] = values[at]
        return result

    def _reduced(self, ufunc: np.ufunc, values: np.ndarray, default: int) -> np.ndarray:
        result = np.full(self.size, default, np.int64)
        if self.is_single:
            result[self.owner] = values
        elif len(self.starts):
            result[self.owner] = ufunc.reduceat(values, self.starts)
        return result


def min_by(
    owner: np.ndarray, values: np.ndarray, size: int, default: int = FAR
) -> np.ndarray:
    """Return the least value per owner; `owner` must be ascending.

    Returns:
        int64 of length `size`, `default` for owners without a value.
    """
    return Runs(owner, size).least(values, default)


def max_by(
    owner: np.ndarray, values: np.ndarray, size: int, default: int = -1
) -> np.ndarray:
    """Return the greatest value per owner; `owner` must be ascending."""
    return Runs(owner, size).greatest(values, default)


def last_by(owner: np.ndarray, flags: np.ndarray, size: int) -> np.ndarray:
    """Return the last flagged place per owner, -1: none; `owner` must be ascending."""
    result = np.full(size, -1, np.int64)
    at = np.flatnonzero(flags)
    if len(at):
        whose = owner[at]
        is_last = np.append(whose[1:] != whose[:-1], True)
        result[whose[is_last]] = at[is_last]
    return result


def any_by(owner: np.ndarray, flags: np.ndarray, size: int) -> np.ndarray:
    """Tell per owner whether any of its flags is set; any order of `owner`."""
    result = np.zeros(size, bool)
    result[owner[flags]] = True
    return result


def count_by(owner: np.ndarray, size: int) -> np.ndarray:
    """Count the entries per owner (int64)."""
    return np.bincount(owner, minlength=size).astype(np.int64, copy=False)


def ranges(owner: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (starts, counts) of the runs of an ascending owner array."""
    counts = count_by(owner, size)
    return np.cumsum(counts) - counts, counts

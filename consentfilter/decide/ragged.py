"""Ragged arrays in numpy: expanding ranges and reducing runs."""

from __future__ import annotations

import numpy as np

#: Larger than every encoded value and every instant: "none" in a minimum.
FAR = np.iinfo(np.int64).max


def expand(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every index of the ranges [start, start + count), and its range.

    Args:
        starts: first index per range.
        counts: length per range, may be 0.

    Returns:
        (owner, index), both int64, one entry per element of all ranges in order.
    """
    counts = counts.astype(np.int64, copy=False)
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


def min_by(
    owner: np.ndarray, values: np.ndarray, size: int, default: int = FAR
) -> np.ndarray:
    """Return the least value per owner; `owner` must be ascending.

    Returns:
        int64 of length `size`, `default` for owners without a value.
    """
    result = np.full(size, default, np.int64)
    starts = run_starts(owner)
    if len(starts):
        result[owner[starts]] = np.minimum.reduceat(values, starts)
    return result


def max_by(
    owner: np.ndarray, values: np.ndarray, size: int, default: int = -1
) -> np.ndarray:
    """Return the greatest value per owner; `owner` must be ascending."""
    result = np.full(size, default, np.int64)
    starts = run_starts(owner)
    if len(starts):
        result[owner[starts]] = np.maximum.reduceat(values, starts)
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

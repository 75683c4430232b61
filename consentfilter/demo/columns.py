"""Small builders of Arrow columns from numpy arrays of choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

UTC: Final = pa.timestamp("us", tz="UTC")
DAY: Final = 86_400_000_000

SUBJECT: Final = pa.struct(
    [
        ("ns", pa.string()),
        ("id", pa.string()),
        ("role", pa.string()),
        ("relation", pa.string()),
    ]
)


def instant(text: str) -> int:
    """Return microseconds since 1970 UTC of a day or an instant in RFC 3339."""
    return int(np.datetime64(text.removesuffix("Z"), "us").astype(np.int64))


def times(micros: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Return UTC timestamps; null where `missing`."""
    return pa.array(micros.astype(np.int64), pa.int64(), mask=missing).cast(UTC)


def pick(values: Sequence[str], at: np.ndarray) -> pa.Array:
    """Return `values[at]` as text; null where `at` is negative."""
    where = pa.array(at.astype(np.int32), pa.int32(), mask=at < 0)
    return pa.array(values, pa.string()).take(where)


def numbered(prefix: str, numbers: np.ndarray, width: int = 6) -> pa.Array:
    """Return `prefix` and the zero-padded number, e.g. `tr-000042`."""
    digits = pa.array(numbers.astype(np.int64)).cast(pa.string())
    return pc.binary_join_element_wise(
        pa.scalar(prefix), pc.utf8_lpad(digits, width=width, padding="0"), ""
    )


def constant(value: str | None, length: int) -> pa.Array:
    """Return the same text `length` times."""
    return pa.repeat(pa.scalar(value, pa.string()), length)


def lists(values: pa.Array, lengths: np.ndarray) -> pa.Array:
    """Return lists that take `lengths` values each, in order."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def joined(*parts: pa.Array) -> pa.Array:
    """Return text columns joined by one space."""
    return pc.binary_join_element_wise(*parts, " ")

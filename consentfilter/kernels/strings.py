"""Taking strings by position: random reads of memory, which C asks for ahead."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from consentfilter.kernels import native

_OUT_OF_BOUNDS: Final = -2


def is_plain(kind: pa.DataType) -> bool:
    """Tell whether the library reads a type as text: no views, no dictionaries."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def texts(*arrays: pa.Array) -> native.Columns:
    """Hand text to the library.

    Raises:
        TypeError: an array is of another type, which would be read as text.
    """
    for array in arrays:
        if not is_plain(array.type):
            raise TypeError(f"{array.type}: wanted string or large_string")
    return native.Columns(arrays)


def hashes(values: pa.Array) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash per string, stable within this process only.

    Args:
        values: text; a null has some hash.
    """
    library = native.library()
    if library is None:
        return _hashes(values)
    # One text has one hash, whatever type it comes in.
    given = texts(values if is_plain(values.type) else values.cast(pa.large_string()))
    found = np.empty(len(values), np.uint64)
    library.cf_hash_texts(given.pointer, len(values), native.address(found))
    return found


def take(values: pa.Array, positions: npt.NDArray[np.integer[Any]]) -> pa.Array:
    """Return the strings at some positions (`pa.string()`).

    Args:
        values: text; null gives null.
        positions: anything negative gives null.

    Raises:
        IndexError: a position is beyond the values.
    """
    library = native.library()
    if library is None or not is_plain(values.type):
        return _taken(values, positions)
    rows = len(positions)
    positions = np.ascontiguousarray(positions, np.int64)
    offsets, valid = layout(rows)
    starts = np.empty(rows, np.uintp)
    given = texts(values)
    needed = library.cf_take_sizes(
        given.pointer,
        len(values),
        native.address(positions),
        rows,
        native.address(offsets),
        native.address(valid),
        native.address(starts),
    )
    if needed == _OUT_OF_BOUNDS:
        raise IndexError(f"a position is beyond {len(values)} strings")
    if needed < 0:  # more bytes than 32-bit offsets reach: Arrow says what it can do
        return _taken(values, positions)
    data = np.empty(needed, np.uint8)
    library.cf_take_bytes(
        native.address(starts), native.address(offsets), rows, native.address(data)
    )
    return made(rows, valid, offsets, data)


def size(values: pa.Array) -> int:
    """Return how many bytes a text array spans, those below nulls counted too."""
    if not len(values):
        return 0
    kind = np.int64 if pa.types.is_large_string(values.type) else np.int32
    offsets = np.frombuffer(values.buffers()[1], kind)
    return int(offsets[values.offset + len(values)] - offsets[values.offset])


def layout(rows: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Return room for the offsets of so many strings, and bits that say all are null.

    Both are for a compiled loop to fill.
    """
    return np.empty(rows + 1, np.int32), np.zeros(-(-rows // 8), np.uint8)


def made(
    rows: int,
    valid: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int32],
    data: npt.NDArray[np.uint8],
) -> pa.Array:
    """Return the `pa.string()` array that a compiled loop has filled."""
    buffers = [pa.py_buffer(each) for each in (valid, offsets, data)]
    array = pa.Array.from_buffers(pa.string(), rows, buffers)
    if array.null_count:
        return array
    return pa.Array.from_buffers(pa.string(), rows, [None, *buffers[1:]], 0)


def _hashes(values: pa.Array) -> npt.NDArray[np.uint64]:
    """Hash by Polars: the twin of the compiled loop, with hashes of its own."""
    return pl.Series(pl.from_arrow(values)).hash(seed=1).to_numpy()


def _taken(values: pa.Array, positions: npt.NDArray[np.integer[Any]]) -> pa.Array:
    """Take by Arrow: the twin of the compiled loop."""
    return values.take(pa.array(positions, mask=positions < 0)).cast(pa.string())

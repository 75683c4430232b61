"""Arrow columns of a snapshot or a side file as numpy arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.decide.ragged import same

#: Text columns of more bytes need 64-bit offsets.
_LARGE_BYTES: Final = (1 << 31) - (1 << 20)


def text(table: pa.Table, name: str) -> pa.Array:
    """Return a text column as one array: `string`, or `large_string` beyond 2 GB."""
    column = table.column(name)
    wanted = pa.large_string() if column.nbytes > _LARGE_BYTES else pa.string()
    return one_array(column if column.type == wanted else column.cast(wanted))


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, without a copy if it is one already."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return (
        pa.concat_arrays(column.chunks)
        if column.num_chunks
        else (pa.array([], column.type))
    )


def codes(table: pa.Table, name: str) -> tuple[np.ndarray, list[str | None]]:
    """Return dictionary codes (null has a code of its own) and their values."""
    column = table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column, null_encoding="encode")
    encoded = one_array(column.unify_dictionaries())
    values = encoded.dictionary.to_pylist()
    indices = encoded.indices
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int32()), len(values))
        values = [*values, None]
    elif len(values) == 1:
        return same(0, len(column), np.int32), values
    return indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), values


def required_instants(table: pa.Table, name: str) -> np.ndarray:
    """Return microseconds since 1970 UTC (int64) of a column without nulls."""
    column = table.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return one_array(column).to_numpy()


def instants(table: pa.Table, name: str, default: int) -> np.ndarray | None:
    """Return them with `default` for null, or None where there is nothing else."""
    column = table.column(name)
    if column.null_count == len(column):
        return None
    values = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return one_array(values.fill_null(default)).to_numpy()

"""Polars statements as the Arrow table of a snapshot.

Text of few values becomes a dictionary of the values that occur, sorted, so that
equal statements give equal bytes whatever else the process has seen.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from consentfilter.consent.columns import read_names
from consentfilter.consent.schema import INSTANT, SNAPSHOT, WORD

#: Rows of a chunk: its text stays below the 2 GiB that 32-bit offsets reach.
CHUNK_ROWS: Final = 4_194_304
_NULL_ROWS: Final = 65_536


def statements_table(
    statements: dict[str, pl.Series], placed: pl.DataFrame
) -> pa.Table:
    """Return derived statements, in their order, in the snapshot's schema.

    Args:
        statements: the columns that hold anything, rows in no order. Each one is
            taken out as it is used, so that not all are in memory twice.
        placed: `row` (of each statement, in order), `order_in_group`,
            `superseded_at`.
    """
    size = placed.height
    columns = []
    for field in SNAPSHOT:
        if field.name in placed.columns:
            values = placed[field.name]
        elif field.name in statements:
            values = statements.pop(field.name).gather(placed["row"])
        else:
            columns.append(nulls(size, field.type))
            continue
        if values.null_count() == size:
            columns.append(nulls(size, field.type))
        else:
            columns.append(_column(values, field.type))
    return pa.table(columns, schema=SNAPSHOT)


def nulls(size: int, kind: pa.DataType) -> pa.ChunkedArray:
    """Return so many nulls, all of whose chunks are one, so that they take no room."""
    chunk = pa.nulls(min(size, _NULL_ROWS), kind)
    chunks = [chunk] * (size // _NULL_ROWS)
    return pa.chunked_array([*chunks, chunk[: size % _NULL_ROWS]], kind)


def _column(values: pl.Series, kind: pa.DataType) -> pa.ChunkedArray:
    if kind == WORD:
        return _chunked(_words(values))
    if pa.types.is_list(kind):
        return _chunked(_name_lists(values))
    if kind == INSTANT:
        return _chunked(values.to_arrow().cast(INSTANT))
    chunks = [
        values.slice(start, CHUNK_ROWS).to_arrow().cast(kind)
        for start in range(0, max(len(values), 1), CHUNK_ROWS)
    ]
    return pa.chunked_array(chunks, kind)


def _chunked(array: pa.Array) -> pa.ChunkedArray:
    return pa.chunked_array([array])


def _words(values: pl.Series) -> pa.DictionaryArray:
    codes, distinct = _ranked(values)
    return pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.string()))


def _ranked(values: pl.Series) -> tuple[pa.Array, list[str]]:
    """Return the rank of each value among the sorted distinct ones."""
    physical = values.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    pairs = pl.DataFrame(
        {"text": values.unique(), "code": values.unique().to_physical()}
    )
    pairs = pairs.with_columns(pl.col("text").cast(pl.String)).drop_nulls().sort("text")
    size = 1 + max(int(physical.max(initial=-1)), 0)
    ranks = np.full(size + 1, -1, np.int32)  # the last entry is for null (-1)
    ranks[pairs["code"].to_numpy()] = np.arange(len(pairs), dtype=np.int32)
    found = ranks[physical]
    return pa.array(found, mask=found < 0), pairs["text"].to_list()


def _name_lists(values: pl.Series) -> pa.ListArray:
    codes, distinct = _ranked(values)
    lists = pa.array([read_names(text) for text in distinct], pa.list_(pa.string()))
    return lists.take(codes)

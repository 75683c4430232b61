"""Netstrings over whole columns: `len:text,` per value, `~` for a null.

What a row digest and the body of a commitment entry are made of. A column is an
Arrow array of text, of `int64` (its text is decimal) or of fixed-size binary (its
text is lower-case hex), or a dictionary of text.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.kernels import native
from consentfilter.lineage import columns
from consentfilter.lineage.columns import Bytes2D

#: Lengths below this have their `len:` ready in a table.
_TABLE_SIZE: Final = 1 << 16
#: A table has at least so many, so that few are made.
_LEAST_TABLE_SIZE: Final = 1 << 8


def row_digests(
    values: Sequence[pa.Array], count: int, *, salts: Bytes2D | None = None
) -> Bytes2D:
    """Return the SHA-256 of each row's netstrings, shape (count, 32).

    Args:
        values: one array per column, `count` values each.
        count: how many rows; it says so where there is no column.
        salts: bytes that stand in front of each row's, or None.
    """
    library = native.library()
    if library is not None:
        made = native.digests(count)
        given = native.Columns(values)
        if salts is None:
            salts = np.empty((count, 0), np.uint8)
        salts = np.ascontiguousarray(salts)
        native.refuse_failure(
            library.cf_digest_rows(
                given.pointer,
                given.count,
                count,
                native.address(salts),
                salts.shape[1],
                native.address(made),
            )
        )
        return made
    texts = columns.as_large_binary(joined(values, count))
    if salts is not None:
        texts = pc.binary_join_element_wise(
            columns.binary_rows(salts), texts, pa.scalar(b"", pa.large_binary())
        )
    return columns.sha256_array(texts)


def joined(values: Sequence[pa.Array], count: int) -> pa.Array:
    """Return the netstrings of several columns, joined row by row (`large_string`)."""
    library = native.library()
    if library is None:
        return _joined([_series(each) for each in values], count)
    ends = np.zeros(count + 1, np.int64)
    given = native.Columns(values)
    arguments = given.pointer, given.count, count, native.address(ends)
    native.refuse_failure(library.cf_netstrings(*arguments, None))
    data = np.empty(int(ends[-1]), np.uint8)
    native.refuse_failure(library.cf_netstrings(*arguments, native.address(data)))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), count, buffers)


def _series(values: pa.Array) -> pl.Series:
    """Return the texts of a column (String), null where the value is null."""
    if pa.types.is_fixed_size_binary(values.type):
        hexed = columns.hex_array(columns.byte_matrix(values))
        values = pc.if_else(values.is_valid(), hexed, None)
    if isinstance(values, pa.DictionaryArray):
        return _from_arrow(values.dictionary).gather(_from_arrow(values.indices))
    return _from_arrow(values).cast(pl.String)


def _from_arrow(values: pa.Array) -> pl.Series:
    series = pl.from_arrow(values)
    assert isinstance(series, pl.Series)
    return series


def _joined(texts: list[pl.Series], count: int) -> pa.Array:
    """Join by Polars: the twin of the compiled loop.

    A `","` goes together with the next column's `len:` where no null can make it
    disappear: fewer pieces per row, which is what joining costs.
    """
    pieces: list[pl.Series] = []
    pending = ""
    for text in texts:
        has_nulls = text.null_count() > 0
        pieces.append(_lengths(text, pending))
        pieces.append(text.fill_null("") if has_nulls else text)
        pending = "" if has_nulls else ","
        if has_nulls:
            pieces.append(_commas().gather(text.is_null().cast(pl.UInt32)))
    if not pieces:
        return pa.array([""] * count, pa.large_string())
    frame = pl.DataFrame([piece.alias(str(at)) for at, piece in enumerate(pieces)])
    row = [pl.col(name) for name in frame.columns]
    if pending:
        row.append(pl.lit(pending))
    made = frame.select(pl.concat_str(row).alias("row")).to_series()
    return made.to_arrow().cast(pa.large_string())


def _lengths(text: pl.Series, before: str) -> pl.Series:
    """Return `len:` per value, `~` for a null, each with `before` in front."""
    sizes = text.str.len_bytes()
    largest = int(str(sizes.max() or 0))
    if largest < _TABLE_SIZE:
        table = _length_table(before, max(_LEAST_TABLE_SIZE, 1 << largest.bit_length()))
        return table.gather(sizes.fill_null(table.len() - 1))
    frame = sizes.alias("n").to_frame()
    written = pl.concat_str(pl.lit(before), pl.col("n").cast(pl.String), pl.lit(":"))
    return frame.select(
        pl.when(pl.col("n").is_null()).then(pl.lit(f"{before}~")).otherwise(written)
    ).to_series()


@functools.cache
def _length_table(before: str, size: int) -> pl.Series:
    """Return `len:` of every length below `size`, and `~` at the end."""
    return pl.Series([*(f"{before}{at}:" for at in range(size)), f"{before}~"])


@functools.cache
def _commas() -> pl.Series:
    return pl.Series([",", ""])

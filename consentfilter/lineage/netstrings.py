"""Netstrings over whole columns: `len:text,` per value, `~` for a null.

What a row digest and the body of a commitment entry are made of.
"""

from __future__ import annotations

import functools
from typing import Final

import polars as pl

#: Lengths below this have their `len:` ready in a table.
_TABLE_SIZE: Final = 1 << 16
#: A table has at least so many, so that few are made.
_LEAST_TABLE_SIZE: Final = 1 << 8


def joined(texts: list[pl.Series], count: int) -> pl.Series:
    """Return the netstrings of several String columns, joined row by row.

    A null is `~`, everything else `len:text,` with the length in bytes. A `","` goes
    together with the next column's `len:` where no null can make it disappear:
    fewer pieces per row, which is what joining costs.

    Args:
        texts: one series per column, `count` values each.
        count: how many rows; it says so where there is no column.
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
        return pl.Series([""], dtype=pl.String).new_from_index(0, count)
    frame = pl.DataFrame([piece.alias(str(at)) for at, piece in enumerate(pieces)])
    row = [pl.col(name) for name in frame.columns]
    if pending:
        row.append(pl.lit(pending))
    return frame.select(pl.concat_str(row).alias("row")).to_series()


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

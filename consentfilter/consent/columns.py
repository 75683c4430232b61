"""Columns of any physical type, as the types that consent is derived from.

Exports differ: text is plain, large, dictionary-encoded or a view, times have any
unit, ids are integers here and text there. Each function takes an Arrow column and
returns a Polars series, or raises `ColumnError` with what was found and wanted.
Nothing here knows what a column means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.errors import ConsentFilterError
from consentfilter.ids import is_text

INSTANT: Final = pl.Datetime("us", "UTC")
#: Which of two readings of a local time that a clock change made ambiguous.
Reading = Literal["earliest", "latest"]

_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1000, "us": 1}
_FAR: Final = 2**63 - 1
_NAIVE: Final = r"^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.]\d+)?)?)?$"
_NEXT_STEP: Final = (
    "give every time an offset, or state `assume_timezone` under `events:` in the "
    "dataset file"
)


class ColumnError(ConsentFilterError):
    """A column cannot be read as what it should be; the caller says where it is."""

    exit_status = 2


def text(column: pa.ChunkedArray) -> pl.Series:
    """Return a column as text, one value per row.

    Integers become decimal text, booleans `true` and `false`.

    Raises:
        ColumnError: floats, times and nested types are not text.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return categorical(column).cast(pl.String)
    if pa.types.is_null(kind):
        return pl.Series(values=[None] * len(column), dtype=pl.String)
    is_whole = pa.types.is_integer(kind) or (
        pa.types.is_decimal(kind) and kind.scale == 0
    )
    if is_whole or pa.types.is_boolean(kind):
        return _series(column.cast(pa.string()))
    if not is_text(kind):
        raise ColumnError(f"is of type {kind}, wanted text")
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise ColumnError(f"holds text that is not valid UTF-8 ({error})") from error
    return _series(column)


def categorical(
    column: pa.ChunkedArray, change: Callable[[pl.Series], pl.Series] | None = None
) -> pl.Series:
    """Return a column of few distinct values, each changed once.

    Args:
        column: as for `text`.
        change: applied to the distinct values (`pl.String`).

    Raises:
        ColumnError: as `text`.
    """
    if pa.types.is_null(column.type):
        return pl.Series(values=[None] * len(column), dtype=pl.Categorical)
    if pa.types.is_nested(column.type):  # Arrow has no dictionaries of these
        raise ColumnError(f"is of type {column.type}, wanted text")
    parts = []
    for chunk in column.chunks:
        if not pa.types.is_dictionary(chunk.type):
            chunk = chunk.dictionary_encode()
        values = text(pa.chunked_array([chunk.dictionary]))
        values = change(values) if change is not None else values
        at = pl.Series(chunk.indices.cast(pa.uint32()))
        parts.append(values.cast(pl.Categorical).gather(at))
    if not parts:
        return pl.Series(values=[], dtype=pl.Categorical)
    return pl.concat(parts, rechunk=True)


def stripped(values: pl.Series) -> pl.Series:
    """Strip white space; what is blank becomes null."""
    bare = values.str.strip_chars()
    return bare.set(bare == "", None)


def blank_to_null(values: pl.Series) -> pl.Series:
    """Return text as it is, but null where it is blank."""
    return values.set((values.str.strip_chars() == "").fill_null(False), None)


def integers(column: pa.ChunkedArray) -> pl.Series:
    """Return whole numbers as int64.

    Raises:
        ColumnError: the column is neither integers nor text that reads as such.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return pl.Series(values=[None] * len(column), dtype=pl.Int64)
    if pa.types.is_integer(kind):
        try:
            return _series(column.cast(pa.int64()))
        except pa.ArrowInvalid:
            raise ColumnError(
                f"is of type {kind} and holds a number above {2**63 - 1}, wanted "
                "whole numbers of 64 bits with a sign"
            ) from None
    try:
        return stripped(text(column)).cast(pl.Int64, strict=True)
    except (ColumnError, pl.exceptions.InvalidOperationError):
        raise ColumnError(f"is of type {kind}, wanted whole numbers") from None


def booleans(column: pa.ChunkedArray) -> pl.Series:
    """Return yes and no; what says neither is null.

    Raises:
        ColumnError: the column is neither boolean, integers nor text.
    """
    if pa.types.is_boolean(column.type):
        return _series(column)
    words = categorical(
        column, lambda values: values.str.strip_chars().str.to_lowercase()
    )
    yes, no = words.is_in(["true", "1", "yes"]), words.is_in(["false", "0", "no"])
    return pl.select(pl.when(yes).then(True).when(no).then(False)).to_series()


def name_lists(column: pa.ChunkedArray) -> pl.Series:
    """Return lists of names as one text each, sorted, distinct, without blanks.

    Written as netstrings (`4:acme,1:*,`), so that any name can be in a list;
    `read_names` is the way back. An empty list is null. Plain text is a list of one.

    Raises:
        ColumnError: the column is neither lists of text nor text.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return pl.Series(values=[None] * len(column), dtype=pl.Categorical)
    if not (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
        or pa.types.is_fixed_size_list(kind)
    ):
        return categorical(
            column,
            lambda one: _written(
                pl.select(
                    pl.when(stripped(one).is_not_null()).then(
                        pl.concat_list(stripped(one))
                    )
                ).to_series()
            ),
        )
    item = kind.value_type
    if pa.types.is_dictionary(item):
        item = item.value_type
    if not (is_text(item) or pa.types.is_null(item)):
        raise ColumnError(f"is of type {kind}, wanted a list of text")
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        column = pa.chunked_array([_no_view(chunk) for chunk in column.chunks])
    return _written(_series(column.cast(pa.large_list(pa.large_string()))))


def _no_view(lists: pa.Array) -> pa.Array:
    """Return a list view as a list; Arrow's own cast breaks on nulls."""
    sizes = pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int64())
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(sizes)])
    return pa.LargeListArray.from_arrays(offsets, lists.flatten(), mask=lists.is_null())


def _written(lists: pl.Series) -> pl.Series:
    name = pl.element().str.strip_chars()
    bare = lists.list.eval(name.filter((name != "").fill_null(False)))
    bare = bare.list.unique().list.sort()
    one = pl.element()
    joined = bare.list.eval(
        pl.concat_str(
            one.str.len_bytes().cast(pl.String), pl.lit(":"), one, pl.lit(",")
        )
    ).list.join("")
    return joined.set((joined == "").fill_null(False), None).cast(pl.Categorical)


def read_names(written: str) -> list[str]:
    """Return the names of one text that `name_lists` wrote."""
    raw, names = written.encode(), []
    while raw:
        size, _, rest = raw.partition(b":")
        names.append(rest[: int(size)].decode())
        raw = rest[int(size) + 1 :]
    return names


def instants(
    column: pa.ChunkedArray, zone: str | None, reading: Reading
) -> tuple[pl.Series, pl.Series]:
    """Return times as instants, and where a time was given but not readable.

    Args:
        column: timestamps of any unit with a zone, or RFC 3339 text with an offset;
            without zone or offset (dates included) only when `zone` is given.
        zone: IANA name of the zone of times that state none.
        reading: which instant a local time means that the clock showed twice; one
            that it never showed is the instant at which the clock was put forward.

    Raises:
        ColumnError: naive times without `zone`, or a type that holds no times.
    """
    kind = column.type
    if pa.types.is_null(kind):
        nothing = pl.Series(values=[None] * len(column), dtype=INSTANT)
        return nothing, nothing.is_not_null()
    if pa.types.is_dictionary(kind) and is_text(kind.value_type):
        return _from_text(categorical(column).cast(pl.String), zone, reading)
    if is_text(kind):
        return _from_text(_series(column), zone, reading)
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
    elif not pa.types.is_timestamp(kind):
        raise ColumnError(
            f"is of type {kind}, wanted timestamps with a time zone or RFC 3339 text"
        )
    kind = column.type
    if kind.tz is None:
        if zone is None:
            raise ColumnError(
                f"is of type {kind} without a time zone, wanted instants; {_NEXT_STEP}"
            )
        column = pc.assume_timezone(
            column, zone, ambiguous=reading, nonexistent="latest"
        )
    found = _from_numbers(column)
    return found, pl.Series(column.is_valid()) & found.is_null()


def is_naive(column: pa.ChunkedArray) -> bool:
    """Tell whether times of this column may lack a zone, so that readings differ."""
    kind = column.type
    return not (pa.types.is_timestamp(kind) and kind.tz is not None)


def _from_numbers(column: pa.ChunkedArray) -> pl.Series:
    unit = column.type.unit
    numbers = _series(column.cast(pa.int64()))
    if unit == "ns":
        return (numbers // 1000).cast(INSTANT)
    factor = _MICROSECONDS[unit]
    # What microseconds cannot express would come out as some other time.
    is_near = numbers.is_between(-_FAR // factor, _FAR // factor)
    return (numbers.set(~is_near, None) * factor).cast(INSTANT)


def _from_text(
    values: pl.Series, zone: str | None, reading: Reading
) -> tuple[pl.Series, pl.Series]:
    bare = stripped(values)
    found = bare.str.to_datetime("%+", time_unit="us", strict=False)
    is_open = bare.is_not_null() & found.is_null()
    if not is_open.any():
        return found, is_open
    naive = bare.str.contains(_NAIVE).fill_null(False) & is_open
    if naive.any():
        if zone is None:
            first = naive.arg_true()[0]
            raise ColumnError(
                f"holds {naive.sum():,} times without an offset (first in row "
                f"{first + 1}: {bare[first]!r}), wanted RFC 3339 instants such as "
                f"'2026-01-31T12:00:00Z'; {_NEXT_STEP}"
            )
        local = bare.filter(naive).str.to_uppercase().str.replace(" ", "T")
        read = pl.select(
            pl.coalesce(
                local.str.to_datetime(form, time_unit="us", strict=False)
                for form in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
            ).fill_null(
                local.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
            )
        ).to_series()
        arrow = pc.assume_timezone(
            read.to_arrow(), zone, ambiguous=reading, nonexistent="latest"
        )
        placed = _from_numbers(pa.chunked_array([arrow]))
        found = found.scatter(naive.arg_true(), placed)
    return found, bare.is_not_null() & found.is_null()


def _series(column: pa.ChunkedArray) -> pl.Series:
    return pl.Series(pl.from_arrow(column))

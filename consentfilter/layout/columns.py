"""Standard columns with one value per record: text, times, counts, categories."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.dataset import Dataset
from consentfilter.layout.instants import to_instants
from consentfilter.layout.model import Value
from consentfilter.layout.nested import (
    Flat,
    Path,
    follow,
    is_blank,
    is_null_mask,
    null_where,
    one_array,
    plain_text,
    struct_child,
)

#: Where a record comes from if it does not say.
FIRST_PARTY: Final = "first_party"
_MAX_COUNT: Final = 2**63 - 1


def text(table: pa.Table, value: Value | None) -> pa.Array:
    """Return a standard column as text, null where the record says nothing."""
    if value is None:
        return pa.nulls(table.num_rows, pa.string())
    if value.path is None:
        return pa.repeat(pa.scalar(value.constant, pa.string()), table.num_rows)
    return mapped(plain_text(leaf(table, value.path)), value)


def non_blank_text(table: pa.Table, value: Value | None) -> pa.Array:
    """Return a standard column as text, null where it is blank."""
    texts = text(table, value)
    if texts.null_count == len(texts):
        return texts
    return null_where(texts, is_blank(texts))


def leaf(table: pa.Table, path: Path) -> pa.Array:
    """Return the values at the end of a path that goes through no list."""
    values = one_array(table[path.column])
    for name in path.fields:
        child = struct_child(values, name)
        assert child is not None, f"{path} was found in the schema"
        values = child
    return values


def mapped(texts: pa.Array, value: Value) -> pa.Array:
    """Apply the binding's map; what it does not list becomes null."""
    if value.map is None:
        return texts
    found = pc.index_in(texts, value_set=pa.array(list(value.map), pa.string()))
    return pa.array(list(value.map.values()), pa.string()).take(found)


def instants(
    table: pa.Table, dataset: Dataset, value: Value
) -> tuple[np.ndarray, np.ndarray]:
    """Return collection times (int64 microseconds) and whether each is valid."""
    if value.path is None:
        micros = np.full(table.num_rows, dataset.constant_time_us(), np.int64)
        return micros, np.ones(table.num_rows, bool)
    return to_instants(leaf(table, value.path), dataset.assume_timezone)


def source(table: pa.Table, value: Value | None) -> pa.Array:
    """Return where records come from; `first_party` where they do not say."""
    texts = non_blank_text(table, value)
    return pc.fill_null(texts, FIRST_PARTY) if texts.null_count else texts


def jurisdiction(table: pa.Table, value: Value | None) -> pa.Array:
    """Return jurisdiction codes, stripped and in upper case."""
    texts = text(table, value)
    if texts.null_count == len(texts):
        return texts
    encoded = texts.dictionary_encode()
    codes = pc.utf8_upper(pc.utf8_trim_whitespace(encoded.dictionary))
    return null_where(codes, is_blank(codes)).take(encoded.indices)


def group_size(table: pa.Table, value: Value | None) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each record is an aggregate, and over how many people.

    A negative size counts as 0, which is never enough.
    """
    count = table.num_rows
    if value is None or value.path is None:
        return np.zeros(count, bool), np.zeros(count, np.int64)
    texts = plain_text(leaf(table, value.path))
    is_aggregate = ~is_null_mask(texts)
    if not is_aggregate.any():
        return is_aggregate, np.zeros(count, np.int64)
    # Through decimals: they hold unsigned and decimal sizes of any width.
    sizes = pc.fill_null(texts, "0").cast(pa.decimal256(76, 0))
    limits = [pa.scalar(limit, pa.decimal256(76, 0)) for limit in (0, _MAX_COUNT)]
    sizes = pc.if_else(pc.less(sizes, limits[0]), limits[0], sizes)
    sizes = pc.if_else(pc.greater(sizes, limits[1]), limits[1], sizes)
    return is_aggregate, sizes.cast(pa.int64()).to_numpy(zero_copy_only=False)


def derived(table: pa.Table, value: Value | None) -> Flat:
    """Return the categories that records were derived from, flattened.

    A null entry of a list stays: it is a category nobody knows.
    """
    nothing = Flat(np.zeros(0, np.int32), pa.array([], pa.string()), True)
    if value is None:
        return nothing
    if value.path is None:
        row = np.arange(table.num_rows, dtype=np.int32)
        return Flat(row, text(table, value), False)
    column = one_array(table[value.path.column])
    if pa.types.is_null(column.type):
        return nothing
    flat = follow(column, value.path.fields)
    texts = mapped(plain_text(flat.values), value)
    if flat.in_list:
        return Flat(flat.row, texts, True)
    is_there = ~is_null_mask(flat.values)
    return Flat(flat.row[is_there], texts.filter(pa.array(is_there)), False)

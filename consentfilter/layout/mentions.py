"""Spans that name somebody, and categories that a record gives its own columns."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.dataset import DEFAULT_NS
from consentfilter.layout.model import Layout
from consentfilter.layout.nested import (
    is_blank,
    is_null_mask,
    is_text,
    null_where,
    one_array,
    open_list,
    plain_text,
    struct_child,
    whole_values,
)
from consentfilter.layout.people import Named, subject_keys
from consentfilter.records import FieldOverrides, Mentions

NO_COLUMN: Final = -1


def bind_mentions(
    table: pa.Table, layout: Layout, named: Named, id_key: bytes | None
) -> Mentions:
    """Return all mentions in row order: spans first, then those without one.

    A span must satisfy 0 <= start < end <= characters of the text: an empty one does
    not say where the name stands. A mention that names no field has no span: it cuts
    nothing. One that names a field in which no span can lie is not valid; its column
    is -1 where there is no payload column of that name.
    """
    spans = _spans(table, layout, id_key)
    loose = _without_span(spans, named)
    if not loose.any():
        return spans
    at = pa.array(np.flatnonzero(loose))
    extra = int(loose.sum())
    row = np.concatenate([spans.row, named.mentioned_row[loose]])
    order = np.argsort(row, kind="stable")
    take = pa.array(order)
    zeros = np.zeros(extra, np.int64)
    return Mentions(
        row=row[order],
        key=pa.concat_arrays([spans.key, named.mentioned_key.take(at)]).take(take),
        id=pa.concat_arrays([spans.id, named.mentioned_id.take(at)]).take(take),
        column=np.concatenate([spans.column, np.full(extra, NO_COLUMN, np.int16)])[
            order
        ],
        start=np.concatenate([spans.start, zeros])[order],
        end=np.concatenate([spans.end, zeros])[order],
        segment=np.concatenate([spans.segment, named.mentioned_segment[loose]])[order],
        is_span_valid=np.concatenate([spans.is_span_valid, np.ones(extra, bool)])[
            order
        ],
    )


def _spans(table: pa.Table, layout: Layout, id_key: bytes | None) -> Mentions:
    if layout.mentions is None:
        none, empty = np.zeros(0, np.int32), pa.array([], pa.string())
        wide = np.zeros(0, np.int64)
        return Mentions(
            none,
            empty,
            empty,
            none.astype(np.int16),
            wide,
            wide,
            none,
            wide.astype(bool),
        )
    flat = open_list(one_array(table[layout.mentions]))
    count = len(flat.row)
    ids = struct_child(flat.values, "id")
    assert ids is not None, "check_schema wants mentions with an id"
    field = _text_child(flat.values, "field")
    names = [column.name for column in layout.payload]
    column = _column_of(field, names)
    start, has_start = _whole(struct_child(flat.values, "start"), count)
    end, has_end = _whole(struct_child(flat.values, "end"), count)
    has_field = ~is_null_mask(field)
    is_valid = has_start & has_end & (start >= 0) & (start < end)
    is_valid &= column != NO_COLUMN
    for at in np.unique(column[is_valid]):
        here = is_valid & (column == at)
        is_valid[here] = _fits(table, names[at], flat.row[here], end[here])
    is_valid |= ~has_field
    is_span = is_valid & has_field
    return Mentions(
        row=flat.row,
        key=subject_keys(ids, _text_child(flat.values, "ns"), DEFAULT_NS, id_key),
        id=plain_text(ids),
        column=column,
        start=np.where(is_span, start, 0),
        end=np.where(is_span, end, 0),
        segment=np.full(count, -1, np.int32),
        is_span_valid=is_valid,
    )


def _fits(table: pa.Table, name: str, row: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Tell whether spans end inside their texts; in a null text none does."""
    column = table[name]
    if not is_text(column.type):
        return np.zeros(len(row), bool)
    texts = plain_text(whole_values(one_array(column)).take(pa.array(row)))
    size = pc.fill_null(pc.utf8_length(texts), -1).to_numpy(zero_copy_only=False)
    fits: np.ndarray = end <= size
    return fits


def _without_span(spans: Mentions, named: Named) -> np.ndarray:
    """Tell which subjects of role `mentioned` no span of their record names."""
    count = len(named.mentioned_row)
    if not count or not len(spans):
        return np.ones(count, bool)
    keys = pa.concat_arrays([spans.key, named.mentioned_key]).dictionary_encode()
    codes = pc.fill_null(keys.indices, -1).to_numpy(zero_copy_only=False)
    many = len(keys.dictionary) + 1
    rows = np.concatenate([spans.row, named.mentioned_row]).astype(np.int64)
    pairs = rows * many + codes
    there, wanted = pairs[: len(spans)], pairs[len(spans) :]
    is_nameless: np.ndarray = codes[len(spans) :] < 0
    return is_nameless | ~np.isin(wanted, there[codes[: len(spans)] >= 0])


def bind_overrides(
    table: pa.Table, layout: Layout, category: pa.Array
) -> FieldOverrides:
    """Return the categories that records give to their own columns.

    An entry that names no payload column is kept, with column -1: its category
    counts for the record. An entry without a category has the column's usual one.
    """
    if layout.row_fields is None:
        none, empty = np.zeros(0, np.int32), pa.array([], pa.string())
        return FieldOverrides(none, none.astype(np.int16), empty, none.astype(bool))
    flat = open_list(one_array(table[layout.row_fields]))
    column = _column_of(
        _text_child(flat.values, "name"), [item.name for item in layout.payload]
    )
    usual = pa.array([item.category for item in layout.payload] + [None], pa.string())
    inherited = pc.coalesce(
        usual.take(pa.array(column.astype(np.int64) % len(usual))),
        category.take(pa.array(flat.row)),
    )
    stated = _text_child(flat.values, "category")
    required = struct_child(flat.values, "required")
    is_required = np.zeros(len(flat.row), bool)
    if required is not None and not pa.types.is_null(required.type):
        filled = pc.fill_null(required, False)
        is_required = filled.to_numpy(zero_copy_only=False).astype(bool)
    return FieldOverrides(flat.row, column, pc.coalesce(stated, inherited), is_required)


def _text_child(structs: pa.Array, name: str) -> pa.Array:
    """Return a struct's field as text, null where blank or not there."""
    child = struct_child(structs, name)
    if child is None:
        return pa.nulls(len(structs), pa.string())
    texts = plain_text(child)
    return null_where(texts, is_blank(texts))


def _column_of(names: pa.Array, columns: list[str]) -> np.ndarray:
    found = pc.index_in(names, value_set=pa.array(columns, pa.string()))
    filled = pc.fill_null(found, NO_COLUMN).to_numpy(zero_copy_only=False)
    return np.asarray(filled.astype(np.int16))


def _whole(values: pa.Array | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets as int64 and whether each is there."""
    if values is None or pa.types.is_null(values.type):
        return np.zeros(count, np.int64), np.zeros(count, bool)
    values = whole_values(values)
    if pa.types.is_uint64(values.type):
        too_large = pc.greater(values, pa.scalar(2**63 - 1, pa.uint64()))
        values = pc.if_else(too_large, None, values)
    wide = values.cast(pa.int64())
    return (
        pc.fill_null(wide, 0).to_numpy(zero_copy_only=False),
        ~is_null_mask(values),
    )

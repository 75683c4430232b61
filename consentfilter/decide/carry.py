"""Rows carried out of a table, leaving nothing of the others behind.

Arrow's own filter keeps whole dictionaries and whole list-view children, dropped
values included, and the Parquet writer puts dictionaries into the file as they are:
what a person withdrew would still stand in the release. Text views cannot be
filtered by Arrow at all. Here every value that comes out belongs to a row that was
let through; types, nullability and order stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.errors import InputError
from consentfilter.layout.nested import is_list


def keep_rows(table: pa.Table, mask: np.ndarray) -> pa.Table:
    """Return the rows where the mask is True, in order, with the same schema.

    Raises:
        ValueError: the mask is not as long as the table.
        InputError: a column's type cannot be carried (a union of loose types).
    """
    if len(mask) != table.num_rows:
        raise ValueError(f"a mask of {len(mask)} for {table.num_rows} rows")
    columns = [keep_values(column, mask) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def keep_values(
    column: pa.ChunkedArray, mask: np.ndarray, nulls: np.ndarray | None = None
) -> pa.ChunkedArray:
    """Return the values where `mask` is True, null where `nulls` is True as well.

    Args:
        column: any type.
        mask: bool per row of the column.
        nulls: bool per row of the column, or None for nowhere.
    """
    is_tight = not is_loose(column.type)
    if is_tight and nulls is None and mask.all():
        return column
    chunks, begin = [], 0
    for chunk in column.chunks:
        part = slice(begin, begin + len(chunk))
        begin = part.stop
        if nulls is None and is_tight:
            chunks.append(chunk.filter(pa.array(mask[part])))
            continue
        at = pa.array(np.flatnonzero(mask[part]))
        if nulls is not None:
            gone = pa.array(nulls[part][mask[part]])
            at = pc.if_else(gone, pa.scalar(None, pa.int64()), at)
        chunks.append(carry(chunk, at))
    return pa.chunked_array(chunks, column.type)


def is_loose(kind: pa.DataType) -> bool:
    """Tell whether taking values of a type would leave others behind, or fail."""
    if isinstance(kind, pa.BaseExtensionType):
        return is_loose(kind.storage_type)
    if (
        pa.types.is_dictionary(kind)
        or pa.types.is_run_end_encoded(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    ):
        return True
    return any(is_loose(kind.field(at).type) for at in range(kind.num_fields))


def carry(values: pa.Array, at: pa.Array) -> pa.Array:
    """Return the values at these positions, null for a null position.

    Args:
        values: any type.
        at: int64 positions, with nulls.

    Raises:
        InputError: the type cannot be carried.
    """
    kind = values.type
    if not is_loose(kind):
        return values.take(at)
    if isinstance(values, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(kind, carry(values.storage, at))
    if pa.types.is_dictionary(kind):
        return _carry_dictionary(values, at)
    if pa.types.is_string_view(kind):
        return values.cast(pa.large_string()).take(at).cast(kind)
    if pa.types.is_binary_view(kind):
        return values.cast(pa.large_binary()).take(at).cast(kind)
    if pa.types.is_run_end_encoded(kind):
        plain = carry(pc.run_end_decode(values), at)
        return pc.run_end_encode(plain, kind.run_end_type)
    if pa.types.is_struct(kind):
        children = [carry(values.field(i), at) for i in range(kind.num_fields)]
        return make_struct(kind, children, _is_null(values, at))
    if is_list(kind) or pa.types.is_map(kind):
        return _carry_list(values, at)
    raise InputError(
        f"a column of type {kind} cannot be filtered without leaving values of other "
        "rows behind; cast it to plain text or lists first"
    )


def _is_null(values: pa.Array, at: pa.Array) -> np.ndarray:
    is_there = pc.fill_null(values.is_valid().take(at), False)
    return ~np.asarray(is_there.to_numpy(zero_copy_only=False))


def _carry_dictionary(values: pa.DictionaryArray, at: pa.Array) -> pa.Array:
    indices = values.indices.take(at)
    used = np.zeros(len(values.dictionary), bool)
    used[indices.drop_null().to_numpy(zero_copy_only=False)] = True
    if used.all() and not is_loose(values.type.value_type):
        dictionary = values.dictionary
    else:
        dictionary = carry(values.dictionary, pa.array(np.flatnonzero(used)))
        moved = pa.array(np.cumsum(used) - 1, pa.int64())
        indices = moved.take(indices).cast(values.type.index_type)
    return pa.DictionaryArray.from_arrays(
        indices, dictionary, ordered=values.type.ordered
    )


def _carry_list(values: pa.Array, at: pa.Array) -> pa.Array:
    lengths, is_null, entries = open_lists(values)
    starts = np.cumsum(lengths) - lengths
    safe = pc.fill_null(at, 0).to_numpy(zero_copy_only=False)
    gone = np.asarray(at.is_null().to_numpy(zero_copy_only=False))
    if not len(values):
        return make_lists(values.type, np.zeros(len(at), np.int64), gone, entries)
    taken = np.where(gone, 0, lengths[safe])
    first = np.cumsum(taken) - taken
    inside = np.arange(taken.sum()) - np.repeat(first, taken)
    below = np.repeat(starts[safe], taken) + inside
    children = carry(entries, pa.array(below, pa.int64()))
    return make_lists(values.type, taken, gone | is_null[safe], children)


def open_lists(values: pa.Array) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """Return lengths (int64, 0 for null), which are null, and all entries.

    The entries of a map are its structs of key and value.
    """
    is_null = np.asarray(values.is_null().to_numpy(zero_copy_only=False))
    if pa.types.is_map(values.type):
        kind = values.type
        pair = pa.struct([kind.key_field, kind.item_field])
        values = values.cast(pa.list_(pair))
    lengths = pc.fill_null(pc.list_value_length(values), 0).cast(pa.int64())
    counts = np.where(is_null, 0, lengths.to_numpy(zero_copy_only=False))
    return counts, is_null, pc.list_flatten(values)


def make_lists(
    kind: pa.DataType, lengths: np.ndarray, is_null: np.ndarray, entries: pa.Array
) -> pa.Array:
    """Return lists of a type from lengths, nulls and all entries: `open_lists` back.

    Raises:
        InputError: entries of a fixed-size list are missing.
    """
    mask = pa.array(is_null) if is_null.any() else None
    stops = np.cumsum(lengths, dtype=np.int64)
    starts = stops - lengths
    if pa.types.is_fixed_size_list(kind):
        return _make_fixed(kind, lengths, is_null, entries)
    if pa.types.is_list_view(kind):
        return pa.ListViewArray.from_arrays(
            pa.array(starts, pa.int32()),
            pa.array(lengths, pa.int32()),
            entries,
            type=kind,
            mask=mask,
        )
    if pa.types.is_large_list_view(kind):
        return pa.LargeListViewArray.from_arrays(
            pa.array(starts), pa.array(lengths), entries, type=kind, mask=mask
        )
    offsets = np.concatenate([[0], stops])
    if pa.types.is_map(kind):
        bounds = pa.array(offsets, pa.int32())
        keys, items = entries.field(0), entries.field(1)
        return pa.MapArray.from_arrays(bounds, keys, items, type=kind, mask=mask)
    if pa.types.is_large_list(kind):
        bounds = pa.array(offsets, pa.int64())
        return pa.LargeListArray.from_arrays(bounds, entries, type=kind, mask=mask)
    bounds = pa.array(offsets, pa.int32())
    return pa.ListArray.from_arrays(bounds, entries, type=kind, mask=mask)


def _make_fixed(
    kind: Any, lengths: np.ndarray, is_null: np.ndarray, entries: pa.Array
) -> pa.Array:
    size = kind.list_size
    if (lengths[~is_null] != size).any():
        raise InputError(f"entries of a {kind} cannot be removed: its size is fixed")
    # A null list of fixed size still takes up its entries: fill them with nulls.
    at = np.full(len(lengths) * size, -1, np.int64)
    at[np.repeat(~is_null, size)] = np.arange(len(entries))
    padded = carry(entries, pc.if_else(pa.array(at < 0), None, pa.array(at)))
    mask = pa.array(is_null) if is_null.any() else None
    return pa.FixedSizeListArray.from_arrays(padded, type=kind, mask=mask)


def make_struct(
    kind: pa.StructType, children: list[pa.Array], is_null: np.ndarray
) -> pa.Array:
    """Return structs of a type from children of equal length."""
    fields = [kind.field(at) for at in range(kind.num_fields)]
    mask = pa.array(is_null) if is_null.any() else None
    if not fields:
        return pa.array([None if gone else {} for gone in is_null.tolist()], kind)
    return pa.StructArray.from_arrays(children, fields=fields, mask=mask)

"""Redacted segments: their payload becomes null, or they are removed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.dataset import Dataset
from consentfilter.decide.carry import (
    carry,
    keep_values,
    make_lists,
    make_struct,
    open_lists,
)
from consentfilter.layout.model import SegmentLayout
from consentfilter.layout.nested import can_be_null, is_list


def redact_segments(
    column: pa.ChunkedArray,
    row: np.ndarray,
    goes: np.ndarray,
    is_admitted: np.ndarray,
    layout: SegmentLayout,
    dataset: Dataset,
) -> pa.ChunkedArray:
    """Return the admitted rows' segments without those that go.

    A masked segment keeps its id and its category; its payload becomes null, and so
    does who it is by: the person did not permit to be in the release. Where a field
    that has to be emptied cannot be null, the segment is removed.

    Args:
        column: the lists of segments.
        row: row of the batch per segment, ascending.
        goes: bool per segment.
        is_admitted: bool per row.
        layout: what the struct fields are.
        dataset: whether segments are masked or removed.
    """
    is_removed = removes(layout, dataset)
    kept = keep_values(column, is_admitted)
    goes = goes[is_admitted[row]]
    chunks, begin = [], 0
    for chunk in kept.chunks:
        lengths, is_null, structs = open_lists(chunk)
        here = goes[begin : begin + len(structs)]
        begin += len(structs)
        if is_removed:
            owner = np.repeat(np.arange(len(lengths)), lengths)
            lengths = np.bincount(owner[~here], minlength=len(lengths))
            structs = carry(structs, pa.array(np.flatnonzero(~here)))
        else:
            structs = _masked(structs, here, layout)
        chunks.append(make_lists(chunk.type, lengths, is_null, structs))
    return pa.chunked_array(chunks, column.type)


def removes(layout: SegmentLayout, dataset: Dataset) -> bool:
    """Tell whether segments are removed: asked for, or a field cannot be null."""
    binding = dataset.segments
    stated = binding.redaction if binding else None
    if (stated or dataset.redaction.segments) == "remove":
        return True
    return any(
        not (can_be_null(field) or _can_be_emptied(field.type))
        for field in layout.struct
        if field.name not in layout.named
    )


def _can_be_emptied(kind: pa.DataType) -> bool:
    return is_list(kind) and not pa.types.is_fixed_size_list(kind)


def _masked(structs: pa.Array, goes: np.ndarray, layout: SegmentLayout) -> pa.Array:
    kind = structs.type
    at = pa.array(np.arange(len(structs)))
    nulls = pc.if_else(pa.array(goes), pa.scalar(None, pa.int64()), at)
    children = []
    for index in range(kind.num_fields):
        field, child = kind.field(index), structs.field(index)
        if field.name in layout.named:
            children.append(carry(child, at))
        elif can_be_null(field):
            children.append(carry(child, nulls))
        else:
            children.append(_emptied(child, goes))
    is_null = np.asarray(structs.is_null().to_numpy(zero_copy_only=False))
    return make_struct(kind, children, is_null)


def _emptied(lists: pa.Array, goes: np.ndarray) -> pa.Array:
    """Return lists without the entries of those that go (they cannot be null)."""
    lengths, is_null, entries = open_lists(lists)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    stays = np.flatnonzero(~goes[owner])
    return make_lists(
        lists.type,
        np.where(goes, 0, lengths),
        is_null & ~goes,
        carry(entries, pa.array(stays)),
    )

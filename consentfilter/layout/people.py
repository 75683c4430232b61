"""Who is in a record and in its segments: subjects of any layout, flattened."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.ids import normalise_ids
from consentfilter.layout.columns import mapped
from consentfilter.layout.model import Layout, SegmentLayout, Subjects, Value
from consentfilter.layout.nested import (
    follow,
    is_blank,
    is_present,
    null_where,
    one_array,
    open_list,
    plain_text,
    storage_type,
    struct_child,
    whole_values,
)
from consentfilter.records import ROLES, People, Segments

MENTIONED: Final = ROLES.index("mentioned")
_AUTHOR: Final = ROLES.index("author")


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """People, with the ids of the mentioned ones as written.

    Attributes:
        people: all of them, in row order.
        mentioned_row, mentioned_key, mentioned_id, mentioned_segment: those whose
            role is `mentioned`; the segment is -1 for those of the record itself.
    """

    people: People
    mentioned_row: np.ndarray
    mentioned_key: pa.Array
    mentioned_id: pa.Array
    mentioned_segment: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """The people of one source; `at` are rows, or positions in the segments."""

    at: np.ndarray
    key: pa.Array
    role: np.ndarray
    relation: pa.Array
    mentioned_id: pa.Array


def bind_segments(
    table: pa.Table, layout: SegmentLayout | None, category: pa.Array
) -> tuple[Segments, pa.Array]:
    """Return the segments, and their structs in the same order."""
    if layout is None:
        none = np.zeros(0, np.int32)
        empty = pa.array([], pa.string())
        return Segments(none, none, empty, empty), pa.array([], pa.struct([]))
    flat = open_list(one_array(table[layout.column]))
    first = np.searchsorted(flat.row, flat.row, side="left")
    ordinal = (np.arange(len(flat.row)) - first).astype(np.int32)
    segment_id = (
        pa.nulls(len(flat.row), pa.string())
        if layout.segment_id is None
        else plain_text(struct_child(flat.values, layout.segment_id))
    )
    if segment_id.null_count < len(segment_id):
        segment_id = null_where(segment_id, is_blank(segment_id))
    own = _segment_category(flat.values, layout.category)
    inherited = category.take(pa.array(flat.row))
    if own is not None:
        inherited = pc.coalesce(own, inherited)
    return Segments(flat.row, ordinal, segment_id, inherited), flat.values


def _segment_category(structs: pa.Array, value: Value | None) -> pa.Array | None:
    if value is None:
        return None
    if value.path is None:
        return pa.repeat(pa.scalar(value.constant, pa.string()), len(structs))
    found = structs
    for name in value.path.fields:
        found = struct_child(found, name)
    texts = plain_text(found)
    if value.map is None:
        return texts
    # A value that the map does not list must not fall back to the record's category.
    return pc.if_else(texts.is_null(), None, pc.fill_null(mapped(texts, value), ""))


def bind_people(
    table: pa.Table,
    layout: Layout,
    segments: Segments,
    structs: pa.Array,
    id_key: bytes | None,
) -> Named:
    """Return everybody whom records and segments name, in row order."""
    parts = [
        _part(one_array(table[subjects.path.column]), subjects, id_key)
        for subjects in layout.subjects
    ]
    rows = [part.at for part in parts]
    at_segment = [np.full(len(part.at), -1, np.int32) for part in parts]
    for subjects in layout.segments.subjects if layout.segments else ():
        part = _part(structs, subjects, id_key)
        parts.append(part)
        rows.append(segments.row[part.at])
        at_segment.append(part.at)
    row, segment = _joined(rows), _joined(at_segment)
    people = People(
        row=row,
        segment=segment,
        key=_texts([part.key for part in parts]),
        role=_joined([part.role for part in parts], np.uint8),
        relation=_texts([part.relation for part in parts]),
    )
    mentioned = np.flatnonzero(people.role == MENTIONED)
    named = Named(
        people,
        row[mentioned],
        people.key.take(pa.array(mentioned)),
        _texts([part.mentioned_id for part in parts]),
        segment[mentioned],
    )
    return named if len(parts) < 2 else _in_row_order(named)


def _in_row_order(named: Named) -> Named:
    people = named.people
    if len(people) and (np.diff(people.row) < 0).any():
        order = np.argsort(people.row, kind="stable")
        at = pa.array(order)
        people = People(
            people.row[order],
            people.segment[order],
            people.key.take(at),
            people.role[order],
            people.relation.take(at),
        )
    order = np.argsort(named.mentioned_row, kind="stable")
    at = pa.array(order)
    return Named(
        people,
        named.mentioned_row[order],
        named.mentioned_key.take(at),
        named.mentioned_id.take(at),
        named.mentioned_segment[order],
    )


def _part(values: pa.Array, subjects: Subjects, id_key: bytes | None) -> _Part:
    """Bind one source: an entry per list entry, or per value that is not null."""
    flat = follow(values, subjects.path.fields)
    source = subjects.source
    is_struct = pa.types.is_struct(storage_type(flat.values.type))
    ids, ns, roles, relations = (
        (struct_child(flat.values, name) for name in ("id", "ns", "role", "relation"))
        if is_struct
        else (flat.values, None, None, None)
    )
    assert ids is not None, "check_schema wants structs with an id"
    row, there = flat.row, None
    if not flat.in_list:
        is_there = is_present(flat.values)
        if not is_there.all():
            row, there = flat.row[is_there], pa.array(is_there)
    ids = _those(whole_values(ids), there)
    role = np.full(len(row), ROLES.index(source.role), np.uint8)
    if roles is not None:
        role = _roles(_those(plain_text(roles), there), ROLES.index(source.role))
    relation = pa.nulls(len(row), pa.string())
    if relations is not None:
        relation = _those(plain_text(relations), there)
        relation = null_where(relation, is_blank(relation))
    if source.relation is not None:
        relation = pc.fill_null(relation, source.relation)
    spaces = None if ns is None else _those(plain_text(ns), there)
    mentioned = np.flatnonzero(role == MENTIONED)
    return _Part(
        at=row,
        key=subject_keys(ids, spaces, source.ns, id_key),
        role=role,
        relation=relation,
        mentioned_id=plain_text(ids.take(pa.array(mentioned))),
    )


def _those(values: pa.Array, there: pa.Array | None) -> pa.Array:
    return values if there is None else values.filter(there)


def _roles(texts: pa.Array, default: int) -> np.ndarray:
    """Return role codes; a role nobody knows decides, as an author does."""
    found = pc.index_in(texts, value_set=pa.array(ROLES))
    codes = pc.fill_null(found, _AUTHOR).to_numpy(zero_copy_only=False)
    codes = np.where(is_blank(texts), default, codes)
    return codes.astype(np.uint8)


def subject_keys(
    ids: pa.Array, ns: pa.Array | None, default_ns: str, id_key: bytes | None
) -> pa.Array:
    """Return subject keys of ids whose namespaces may differ from entry to entry."""
    ids = whole_values(ids)
    if ns is None or ns.null_count == len(ns):
        return normalise_ids(default_ns, ids, key=id_key)
    spaces = pc.fill_null(null_where(ns, is_blank(ns)), default_ns)
    return normalise_ids(spaces, ids, key=id_key)


def _joined(parts: Sequence[np.ndarray], kind: type = np.int32) -> np.ndarray:
    if not parts:
        return np.zeros(0, kind)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _texts(parts: Sequence[pa.Array]) -> pa.Array:
    if not parts:
        return pa.array([], pa.string())
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)

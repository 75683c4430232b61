"""A world as Arrow tables in the standard layout, as the library takes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

World = dict[str, Any]

TIME = pa.timestamp("us", tz="UTC")
EVENT_TYPES = {
    "occurred_at": TIME,
    "recorded_at": TIME,
    "valid_from": TIME,
    "valid_until": TIME,
    "data_from": TIME,
    "data_until": TIME,
    "source_seq": pa.int64(),
    "actor_verified": pa.bool_(),
    "recipients": pa.list_(pa.string()),
}
#: Written even when no event has a value: a dump that could say it.
EVENT_COLUMNS = ("event_id", "status", "purpose", "category", "subject_id")


def id_type(values: Iterable[Any]) -> pa.DataType:
    """Return the type of a column of ids: integer if all of them are."""
    found = [type(v) for v in values if v is not None]
    return pa.int64() if found and set(found) == {int} else pa.string()


def events_table(world: World) -> pa.Table:
    """Return the events; a column that no event fills is absent."""
    events = world["events"]
    names = [*EVENT_COLUMNS, *(name for e in events for name in e)]
    filled = [
        name
        for name in dict.fromkeys(names)
        if name in EVENT_COLUMNS or any(e.get(name) is not None for e in events)
    ]
    ids = id_type(e.get("subject_id") for e in events)
    types = {"subject_id": ids, **EVENT_TYPES}
    return pa.table(
        {
            name: column((e.get(name) for e in events), types.get(name, pa.string()))
            for name in filled
        }
    )


def column(values: Iterable[Any], of: pa.DataType) -> pa.Array:
    """Return values as a column; integer ids become text where the column is text."""
    if pa.types.is_string(of):
        return pa.array([None if v is None else str(v) for v in values], of)
    return pa.array(list(values), of)


def subjects_table(world: World) -> pa.Table | None:
    """Return the subjects file, or None for a world without one."""
    subjects = world.get("subjects") or []
    if not subjects:
        return None
    ids = id_type(s["subject_id"] for s in subjects)
    types = {"subject_id": ids, "birth_date": pa.date32()}
    names = ("subject_ns", "subject_id", "birth_date", "jurisdiction", "lifecycle")
    return pa.table(
        {
            name: column((s.get(name) for s in subjects), types.get(name, pa.string()))
            for name in names
        }
    )


def links_table(world: World) -> pa.Table | None:
    """Return the identity links file, or None for a world without one."""
    links = world.get("links") or []
    if not links:
        return None
    ids = id_type(link[side] for link in links for side in ("id_a", "id_b"))
    return pa.table(
        {
            name: column(
                (link.get(name) for link in links),
                ids if name.startswith("id") else pa.string(),
            )
            for name in ("ns_a", "id_a", "ns_b", "id_b")
        }
    )


def records_table(world: World) -> pa.Table:
    """Return the records; ids that are integers stay so, as a list's struct field."""
    records = world["records"]
    casts = [s for r in records for s in r.get("subjects") or ()]
    parts = [part for r in records for part in r.get("segments") or ()]
    casts += [s for part in parts for s in part.get("subjects") or ()]
    casts += [m for r in records for m in r.get("mentions") or ()]
    ids = id_type(s.get("id") for s in casts)
    person = pa.struct(
        {"ns": pa.string(), "id": ids, "role": pa.string(), "relation": pa.string()}
    )
    segment = pa.struct(
        {
            "segment_id": pa.string(),
            "category": pa.string(),
            "subjects": pa.list_(person),
            "words": pa.string(),
        }
    )
    field = pa.struct(
        {"name": pa.string(), "category": pa.string(), "required": pa.bool_()}
    )
    mention = pa.struct(
        {
            "ns": pa.string(),
            "id": ids,
            "field": pa.string(),
            "start": pa.int64(),
            "end": pa.int64(),
        }
    )
    is_text = world.get("collected_as") == "text"
    types = {
        "collected_at": pa.string() if is_text else TIME,
        "record_id": id_type(r["record_id"] for r in records),
        "subjects": pa.list_(person),
        "subject_id": id_type(r.get("subject_id") for r in records),
        "subject_ids": pa.list_(
            id_type(one for r in records for one in r.get("subject_ids") or ())
        ),
        "segments": pa.list_(segment),
        "fields": pa.list_(field),
        "mentions": pa.list_(mention),
        "derived_from": pa.list_(pa.string()),
        "group_size": pa.int64(),
        "n": pa.int32(),
    }
    names = ["record_id", "category", "collected_at", "subjects"]
    names += [name for r in records for name in r]
    fields = [
        pa.field(
            name,
            types.get(name, pa.string()),
            nullable=name not in world.get("non_nullable", ()),
        )
        for name in dict.fromkeys(names)
    ]
    table = pa.table(
        [column((r.get(f.name) for r in records), f.type) for f in fields],
        schema=pa.schema(fields),
    )
    return in_form(table, world.get("form", "plain"))


def in_form(table: pa.Table, form: str) -> pa.Table:
    """Return a table whose text columns have another physical type."""
    kinds = {
        "plain": pa.string(),
        "large": pa.large_string(),
        "view": pa.string_view(),
        "dictionary": pa.dictionary(pa.int32(), pa.string()),
    }
    text = [f.name for f in table.schema if pa.types.is_string(f.type)]
    return table.cast(
        pa.schema(
            [f.with_type(kinds[form]) if f.name in text else f for f in table.schema]
        )
    )


def dataset_mapping(world: World) -> dict[str, Any]:
    """Return the dataset binding of a world, as a `dataset.yaml` would state it."""
    mapping: dict[str, Any] = {}
    if world.get("keep"):
        mapping["segments"] = {"column": "segments", "keep": list(world["keep"])}
    if world.get("fields"):
        mapping["fields"] = {
            name: {k: v for k, v in field.items() if v is not None}
            for name, field in world["fields"].items()
        }
    return mapping

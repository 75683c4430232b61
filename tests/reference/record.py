"""A record as the decision sees it: defaults filled in, people named by key."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from tests.reference.ids import blank_is_none, subject_key

Record = dict[str, Any]

RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
)


def standard(raw: Record, world: dict[str, Any]) -> Record:
    """Return a record with every standard column present and its people keyed.

    Args:
        raw: a record in the layout of section 1.5; absent columns are null.
        world: what is bound for all records: `columns` (the payload columns, without
            `segments`), and optionally `keep` (`segments.keep`), `fields` (name to
            category and required) and `non_nullable`, which counts as required.
    """
    record_id = None if raw.get("record_id") is None else str(raw["record_id"])
    record_id = blank_is_none(record_id)
    category = raw.get("category")
    own = {field["name"]: field for field in raw.get("fields") or ()}
    declared = {**world.get("fields", {}), **own}
    return {
        "record_id": record_id,
        "category": category,
        "collected_at": instant(raw.get("collected_at")),
        "account_id": blank_is_none(raw.get("account_id")),
        "context_id": blank_is_none(raw.get("context_id")),
        "asset_id": blank_is_none(raw.get("asset_id")) or record_id,
        "jurisdiction": raw.get("jurisdiction"),
        "source": raw.get("source") or "first_party",
        "group_size": raw.get("group_size"),
        "derived_from": list(raw.get("derived_from") or ()),
        "people": people(raw),
        "segments": [
            {
                "segment_id": s["segment_id"],
                "category": category if s.get("category") is None else s["category"],
                "people": people(s),
            }
            for s in raw.get("segments") or ()
        ],
        # What a record says of itself has to be known, even of a null column.
        "stated": [f["category"] for f in own.values() if f.get("category")],
        # Otherwise a column that is null in this record counts for nothing.
        "columns": {
            name: {
                "category": declared.get(name, {}).get("category") or category,
                "required": bool(declared.get(name, {}).get("required"))
                or name in world.get("non_nullable", ()),
                "keep": name in world.get("keep", ()),
                "value": raw[name],
            }
            for name in world.get("columns", ("text",))
            if raw.get(name) is not None
        },
        "mentions": mentions(raw),
    }


def instant(value: Any) -> datetime | None:
    """Return a collection time as an instant, or None where it is unusable."""
    if isinstance(value, str):
        if not RFC_3339.fullmatch(value.strip()):
            return None
        value = datetime.fromisoformat(value.strip().upper())
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    return None


def people(raw: Record) -> list[dict[str, Any]]:
    """Return the subjects of a record or a segment, by key, role and relation."""
    named = list(raw.get("subjects") or ())
    shorthand = [raw["subject_id"]] if raw.get("subject_id") is not None else []
    shorthand += raw.get("subject_ids") or []
    named += [{"id": subject_id} for subject_id in shorthand]
    return [
        {
            "id": subject.get("id"),
            "key": subject_key(subject.get("ns"), subject.get("id")),
            "role": subject.get("role") or "author",
            "relation": subject.get("relation"),
        }
        for subject in named
    ]


def mentions(raw: Record) -> list[dict[str, Any]]:
    """Return the spans that name somebody, and the mentioned without a span."""
    spans = [
        {
            "id": f"#{at}" if m.get("id") is None else str(m["id"]),
            "key": subject_key(m.get("ns"), m.get("id")),
            "relation": None,
            "column": m.get("field"),
            "start": m.get("start"),
            "end": m.get("end"),
            "segment": None,
        }
        for at, m in enumerate(raw.get("mentions") or ())
    ]
    spanned = {m["key"] for m in spans if m["key"] is not None}
    places = [(None, raw), *enumerate(raw.get("segments") or ())]
    spanless = [
        {
            "id": str(p["id"]),
            "key": p["key"],
            "relation": p["relation"],
            "column": None,
            "start": 0,
            "end": 0,
            "segment": at,
        }
        for at, part in places
        for p in people(part)
        if p["role"] == "mentioned" and p["key"] not in spanned
    ]
    return spans + spanless


def is_span_valid(mention: dict[str, Any], value: Any) -> bool:
    """Tell whether a span lies inside its column's text."""
    return isinstance(value, str) and (
        0 <= mention["start"] < mention["end"] <= len(value)
    )

"""Binding, row by row: the slow reference that the fast code is compared with.

Reads plain dicts and says in plain lists what `bind` must give.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from consentfilter.dataset import Dataset, SegmentBinding, SubjectSource, ValueSource
from tests.reference.ids import subject_key

Row = Mapping[str, Any]
ROLES = ("author", "speaker", "depicted", "participant", "owner", "mentioned")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def is_blank(text: str | None) -> bool:
    return text is None or not text.strip()


def text_of(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return value.hex() if isinstance(value, bytes) else str(value)


def look(row: Any, path: str) -> Iterator[tuple[Any, bool]]:
    """Yield the values at the end of a path and whether a list was entered."""
    yield from _look(row, path.split("."), False)


def _look(here: Any, path: list[str], in_list: bool) -> Iterator[tuple[Any, bool]]:
    if isinstance(here, list):
        for entry in here:
            yield from _look(entry, path, True)
    elif not path:
        yield here, in_list
    else:
        below = here.get(path[0]) if here is not None else None
        if below is None and path[1:]:
            yield None, in_list
        else:
            yield from _look(below, path[1:], in_list)


def value(row: Row, source: ValueSource | None) -> str | None:
    if source is None:
        return None
    if source.column is None:
        return source.constant
    found = row.get(source.column)
    text = text_of(found)
    return text if source.map is None or text is None else source.map.get(text)


def instant(row: Row, dataset: Dataset) -> int | None:
    found = row.get(dataset.collected_at.column or "")
    if isinstance(found, str):
        try:
            found = dt.datetime.fromisoformat(found.strip().upper())
        except ValueError:
            return None
    if found is None:
        return None
    if found.tzinfo is None:
        return None
    return (found - EPOCH) // dt.timedelta(microseconds=1)


def people(
    row: Any, sources: tuple[SubjectSource, ...], known: set[str]
) -> Iterator[dict[str, Any]]:
    for source in sources:
        if source.name.split(".")[0] not in known:
            continue
        for found, in_list in look(row, source.name):
            if found is None and not in_list:
                continue
            person = found if isinstance(found, dict) else {"id": found}
            ns = person.get("ns")
            role = person.get("role")
            relation = person.get("relation")
            if is_blank(relation):
                relation = source.relation
            if is_blank(role):
                role = source.role
            yield {
                "key": subject_key(
                    (source.ns if is_blank(ns) else ns.strip()), person.get("id")
                ),
                "role": role if role in ROLES else "author",
                "relation": relation,
                "id": text_of(person.get("id")),
            }


def segments(row: Row, binding: SegmentBinding, category: str | None) -> list[Any]:
    found = []
    for at, segment in enumerate(row.get(binding.column) or ()):
        inside = segment or {}
        own = inside.get(binding.category.column)
        if binding.category.map is not None and own is not None:
            own = binding.category.map.get(text_of(own), "")
        identity = text_of(inside.get(binding.segment_id))
        found.append(
            {
                "ordinal": at,
                "id": None if is_blank(identity) else identity,
                "category": category if own is None else own,
                "struct": segment,
            }
        )
    return found


def bound(
    rows: list[Row], dataset: Dataset, known: set[str], inside: set[str]
) -> dict[str, Any]:
    """Return what `bind` must give.

    Args:
        rows: the records.
        dataset: the binding.
        known: the columns of the table.
        inside: the struct fields of its segments.
    """
    result: dict[str, Any] = {
        "records": [],
        "derived": [],
        "people": [],
        "segments": [],
        "mentions": [],
        "overrides": [],
    }
    taken = {"record_id", "category", "collected_at", "account_id", "context_id"}
    taken |= {"asset_id", "jurisdiction", "source", "group_size", "derived_from"}
    taken |= {"subjects", "subject_id", "subject_ids", "segments", "mentions", "fields"}
    payload = [name for name in sorted(known) if name not in taken]
    for at, row in enumerate(rows):
        category = value(row, dataset.category)
        record_id = text_of(row.get("record_id"))
        record_id = None if is_blank(record_id) else record_id
        scopes = [
            value(row, getattr(dataset, f"{n}_id")) for n in ("account", "context")
        ]
        asset = value(row, dataset.asset_id)
        where = (value(row, dataset.jurisdiction) or "").strip().upper()
        source = value(row, dataset.source)
        size = row.get("group_size")
        result["records"].append(
            {
                "record_id": record_id,
                "category": category,
                "collected_at": instant(row, dataset),
                "account_id": None if is_blank(scopes[0]) else scopes[0],
                "context_id": None if is_blank(scopes[1]) else scopes[1],
                "asset_id": record_id if is_blank(asset) else asset,
                "jurisdiction": where or None,
                "source": "first_party" if is_blank(source) else source,
                "group_size": None if size is None else max(0, int(size)),
            }
        )
        derived = row.get("derived_from")
        if isinstance(derived, str):
            derived = [derived]
        result["derived"] += [(at, name) for name in derived or ()]
        parts = segments(row, dataset.segments or SegmentBinding(), category)
        named = list(people(row, dataset.subject_sources, known))
        everybody = [(at, -1, p) for p in named]
        for part in parts:
            number = len(result["segments"])
            result["segments"].append(
                (at, part["ordinal"], part["id"], part["category"])
            )
            sources = dataset.subject_sources_of_segments
            everybody += [
                (at, number, p) for p in people(part["struct"], sources, inside)
            ]
        result["people"] += [
            (row_at, segment, p["key"], p["role"], p["relation"])
            for row_at, segment, p in everybody
        ]
        result["mentions"] += mentions(row, at, everybody, payload)
        for entry in row.get("fields") or ():
            entry = entry or {}
            name = entry.get("name")
            usual = dataset.fields.get(name) if name else None
            own = entry.get("category")
            inherited = (usual and usual.category) or category
            result["overrides"].append(
                (
                    at,
                    name if name in payload else None,
                    inherited if is_blank(own) else own,
                    bool(entry.get("required")),
                )
            )
    return result


def mentions(
    row: Row, at: int, everybody: list[Any], payload: list[str]
) -> list[tuple[Any, ...]]:
    found = []
    spanned = set()
    for entry in row.get("mentions") or ():
        entry = entry or {}
        ns = entry.get("ns")
        key = subject_key(None if is_blank(ns) else ns.strip(), entry.get("id"))
        field = entry.get("field")
        column, start, end, is_valid = None, 0, 0, True
        if not is_blank(field):
            start, end = entry.get("start"), entry.get("end")
            column = field if field in payload else None
            text = row.get(field)
            is_valid = (
                column is not None
                and isinstance(text, str)
                and start is not None
                and end is not None
                and 0 <= start < end <= len(text)
            )
            if not is_valid:
                start = end = 0
        spanned.add(key)
        found.append((at, key, text_of(entry.get("id")), column, start, end, is_valid))
    for _, _, person in everybody:
        if person["role"] == "mentioned" and (
            person["key"] is None or person["key"] not in spanned
        ):
            found.append((at, person["key"], person["id"], None, 0, 0, True))
    return found

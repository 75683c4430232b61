"""The tables of a case: a few rows a person wrote, as the columns the engine reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from consentfilter.consent.binding import EVENT_COLUMNS
from consentfilter.errors import InputError
from consentfilter.yamlfile import did_you_mean, show

Row = Mapping[str, Any]

_SUBJECT_COLUMNS: Final = (
    "subject_ns",
    "subject_id",
    "birth_date",
    "jurisdiction",
    "lifecycle",
    "lifecycle_at",
)
_LINK_COLUMNS: Final = ("ns_a", "id_a", "ns_b", "id_b")
#: Columns whose values are not text; ids may be written as numbers.
_KINDS: Final = {
    "actor_verified": pa.bool_(),
    "source_seq": pa.int64(),
    "recipients": pa.list_(pa.string()),
}
_IDS: Final = ("subject_id", "id_a", "id_b", "account_id", "context_id", "asset_id")


def events(rows: Sequence[Row]) -> pa.Table:
    """Return consent events, with the defaults of absent columns row by row.

    A row without `recorded_at` was recorded at once; one without `actor_type` is the
    person's own act.

    Raises:
        InputError: a column no event has, or a value of the wrong kind.
    """
    filled = [
        {
            "source_id": "default",
            "actor_type": "self",
            "recorded_at": row.get("occurred_at"),
            **row,
        }
        for row in rows
    ]
    if not filled:
        # Nobody said anything: the columns every event must have, and no rows.
        names = ("source_id", "subject_id", "status", "purpose", "category")
        none = dict.fromkeys((*names, "occurred_at", "recorded_at"))
        return _table([none], EVENT_COLUMNS, "consents")[:0]
    return _table(filled, EVENT_COLUMNS, "consents")


def subjects(rows: Sequence[Row]) -> pa.Table | None:
    """Return the side file of people, or None without rows.

    Raises:
        InputError: a column it does not have, or a value of the wrong kind.
    """
    filled = [{"lifecycle": "active", **row} for row in rows]
    table = _table(filled, _SUBJECT_COLUMNS, "subjects") if rows else None
    if table is None or "birth_date" not in table.column_names:
        return table
    at = table.column_names.index("birth_date")
    try:
        dates = table.column(at).cast(pa.date32())
    except pa.ArrowInvalid as wrong:
        raise InputError(
            f"subjects: birth_date: {wrong}; wanted a date such as 2010-05-17"
        ) from None
    return table.set_column(at, "birth_date", dates)


def links(rows: Sequence[Row]) -> pa.Table | None:
    """Return the side file of linked identities, or None without rows.

    Raises:
        InputError: a column it does not have, or a value of the wrong kind.
    """
    filled = [{"ns_a": "user_id", "ns_b": "user_id", **row} for row in rows]
    return _table(filled, _LINK_COLUMNS, "links") if rows else None


def records(rows: Sequence[Row]) -> pa.Table:
    """Return records; ids `record-1`, `record-2` … where none is given.

    `subjects` may name people by their id alone.

    Raises:
        InputError: values of one column are of different kinds.
    """
    named = [
        _with_people({"record_id": f"record-{at}", **row})
        for at, row in enumerate(rows, start=1)
    ]
    columns = {
        name: _inferred([row.get(name) for row in named], name)
        for name in _names(named)
    }
    return pa.table({name: one for name, one in columns.items() if one is not None})


def _with_people(row: dict[str, Any]) -> dict[str, Any]:
    """Write people that are named by their id alone as the structs they stand for."""
    found = dict(row)
    if isinstance(found.get("subjects"), list):
        found["subjects"] = [
            {**person, "id": str(person.get("id"))}
            if isinstance(person, dict) and person.get("id") is not None
            else (person if isinstance(person, dict) else {"id": str(person)})
            for person in found["subjects"]
        ]
    if isinstance(found.get("segments"), list):
        found["segments"] = [
            _with_people(part) if isinstance(part, dict) else part
            for part in found["segments"]
        ]
    return found


def _inferred(values: list[Any], name: str) -> pa.Array | None:
    """Return a column of the kind its values have; None where there is no value."""
    try:
        column = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as wrong:
        raise InputError(
            f"records: {name}: values of different kinds ({wrong}); write them alike"
        ) from None
    return None if pa.types.is_null(column.type) and name != "record_id" else column


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _table(rows: Sequence[Row], known: Sequence[str], where: str) -> pa.Table:
    problems = [
        f"{where}[{at}].{name}: unknown column{did_you_mean(str(name), known)}"
        for at, row in enumerate(rows)
        for name in row
        if name not in known
    ]
    columns: dict[str, pa.Array] = {}
    for name in _names(rows):
        kind = _KINDS.get(name, pa.string())
        values = [row.get(name) for row in rows]
        if name in _IDS:
            values = [str(one) if type(one) is int else one for one in values]
        for at, value in enumerate(values):
            if value is not None and not _is_of(kind, value):
                problems.append(
                    f"{where}[{at}].{name}: found {show(value)}, wanted {_wanted(kind)}"
                )
        if not problems:
            columns[name] = pa.array(values, kind)
    if problems:
        raise InputError(problems)
    return pa.table(columns)


def _is_of(kind: pa.DataType, value: object) -> bool:
    if pa.types.is_list(kind):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if pa.types.is_boolean(kind):
        return isinstance(value, bool)
    return type(value) is (int if pa.types.is_integer(kind) else str)


def _wanted(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return "a list of texts"
    if pa.types.is_boolean(kind):
        return "true or false"
    return "a whole number" if pa.types.is_integer(kind) else "text (in quotes)"

"""Other natural spellings of a `dataset.yaml`, put into the one that is documented.

A binding may be written in several ways that leave no doubt about what is meant; they
are understood, and everything after this sees one of them. What is not recognised is
left as it is, for the models to refuse.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

_SOURCE: Final = {"value": "constant", "const": "constant"}
_MAP: Final = {"values": "map", "mapping": "map", "value_map": "map"}
_MAPS: Final = ("values", "maps", "map", "value_maps", "mappings")


def source(given: Any) -> Any:
    """Return where a value comes from as `{column, constant, map}`."""
    return _renamed(given, {**_SOURCE, **_MAP})


def subject(given: Any) -> Any:
    """Return one source of subjects as `{column or path, ns, role, relation}`."""
    return _renamed(given, {"namespace": "ns", "subject_ns": "ns"})


def dataset(given: Any) -> Any:
    """Return a binding whose subjects are a list and whose fields are a mapping."""
    if not isinstance(given, Mapping):
        return given
    plain = dict(given)
    subjects = plain.get("subjects")
    if isinstance(subjects, str | Mapping):
        plain["subjects"] = [subjects]
    for name in ("subject_id", "subject_ids"):
        single = plain.get(name)
        if isinstance(single, str | Mapping):
            listed = plain.setdefault("subjects", [])
            if isinstance(listed, list):
                plain["subjects"] = [*listed, single]
                del plain[name]
    fields = plain.get("fields")
    if isinstance(fields, list):
        named = dict(filter(None, (_field(entry) for entry in fields)))
        if len(named) == len(fields):  # each has a name, and none comes twice
            plain["fields"] = named
    return plain


def _field(entry: Any) -> tuple[str, Any] | None:
    if not isinstance(entry, Mapping):
        return None
    rest = dict(entry)
    name = rest.pop("column", None) or rest.pop("name", None)
    return (name, rest) if isinstance(name, str) else None


def segments(given: Any) -> Any:
    """Return segments whose place is called `column`."""
    found = _renamed(given, {"path": "column"})
    if isinstance(found, dict) and isinstance(found.get("subjects"), str | Mapping):
        found["subjects"] = [found["subjects"]]
    return found


def events(given: Any, columns: Collection[str], statuses: Collection[str]) -> Any:
    """Return the binding of events as one source for each standard column.

    Understood besides it: the parts `columns` (ours to theirs, or theirs to ours),
    `constants` and `values` (one map for each column, ours or theirs), and a map that
    stands under the name of their column, such as
    `opt_in: {true: given, false: refused}`.

    Args:
        given: what the file says.
        columns: the standard columns.
        statuses: the standard statuses.
    """
    if not isinstance(given, Mapping):
        return given
    plain: dict[Any, Any] = {}
    maps: dict[Any, Mapping[Any, Any]] = {}
    # Columns that stand for themselves first, so that a part that says one of them
    # again is seen.
    for name, said in sorted(given.items(), key=lambda item: item[0] not in columns):
        is_part = isinstance(said, Mapping) and name not in columns
        more: Mapping[Any, Any] = {name: said}
        if is_part and name == "columns":
            more = _columns(said, columns)
        elif is_part and name == "constants":
            more = {ours: {"constant": value} for ours, value in said.items()}
        elif is_part and name in _MAPS and _holds_maps(said):
            maps.update(said)
            continue
        elif is_part and name != "statuses" and _are_statuses(said, statuses):
            maps[name] = said
            continue
        # Said twice is left for the models to refuse.
        plain.update({name: said} if set(more) & set(plain) else more)
    for name, listed in maps.items():
        _put_map(plain, name, listed, columns, statuses)
    return plain


def _columns(said: Mapping[Any, Any], columns: Collection[str]) -> dict[Any, Any]:
    return {
        (theirs if is_turned else ours): (ours if is_turned else theirs)
        for ours, theirs in said.items()
        for is_turned in (ours not in columns and theirs in columns,)
    }


def _are_statuses(said: Mapping[Any, Any], statuses: Collection[str]) -> bool:
    words = list(said.values())
    return bool(words) and all(
        isinstance(word, str) and word in statuses for word in words
    )


def _holds_maps(said: Mapping[Any, Any]) -> bool:
    return all(isinstance(listed, Mapping) for listed in said.values())


def _put_map(
    plain: dict[Any, Any],
    name: Any,
    listed: Mapping[Any, Any],
    columns: Collection[str],
    statuses: Collection[str],
) -> None:
    """Put a map beside the column that it is for."""
    fed = [
        ours for ours in plain if ours in columns and _column_of(plain[ours]) == name
    ]
    if fed:
        ours, theirs = fed[0], name
    elif name in columns:
        ours, theirs = name, _column_of(plain.get(name)) or name
    elif _are_statuses(listed, statuses) and "status" not in plain:
        ours, theirs = "status", name
    else:
        plain[name] = listed
        return
    plain[ours] = {"column": theirs, "map": dict(listed)}


def _column_of(said: Any) -> Any:
    return said.get("column") if isinstance(said, Mapping) else said


def _renamed(given: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(given, Mapping):
        return given
    plain = dict(given)
    for theirs, ours in names.items():
        if theirs in plain and ours not in plain:
            plain[ours] = plain.pop(theirs)
    return plain

"""Where each standard column with one value per record is found."""

from __future__ import annotations

import pyarrow as pa

from consentfilter.dataset import Dataset, ValueSource
from consentfilter.layout.finder import (
    REQUIRED,
    SCALARS,
    WANTED,
    Finder,
    switch_off,
    wanted_of,
)
from consentfilter.layout.model import Value
from consentfilter.layout.nested import (
    Path,
    find_path,
    has_text_form,
    is_list,
    is_text,
    is_whole,
    storage_type,
)
from consentfilter.taxonomy import BASE


def find_values(finder: Finder, dataset: Dataset) -> dict[str, Value]:
    """Return the standard columns that are there; noting those that have to be."""
    found: dict[str, Value] = {}
    for name in ("record_id", "collected_at", *SCALARS):
        source: ValueSource | None = getattr(dataset, name)
        if source is None:
            continue
        if source.column is None:
            found[name] = Value(None, source.constant)
            continue
        is_wanted = name in REQUIRED or dataset.states(name)
        if not is_wanted and find_path(finder.schema, source.column) is None:
            continue
        hint = _missing_hint(dataset, name, source.column)
        path = finder.find(name, source.column, wanted_of(name), hint)
        if path is not None:
            found[name] = Value(path, None, source.map)
            _check_value(finder, dataset, name, source, path)
    return found


def _missing_hint(dataset: Dataset, name: str, column: str) -> str:
    if not dataset.states(name):
        return f"; name it in dataset.yaml as '{name}: COLUMN'"
    if name == "category" and column in dataset.effective_taxonomy(BASE).categories:
        return f"; one category for all records is '{name}: {{constant: {column}}}'"
    return ""


def _check_value(
    finder: Finder, dataset: Dataset, name: str, source: ValueSource, path: Path
) -> None:
    column, kind = source.column or "", path.type
    hint = switch_off(dataset, name)
    if name == "collected_at":
        _check_time(finder, dataset, column, path)
        return
    if path.in_list or (is_list(storage_type(kind)) and name != "derived_from"):
        wanted = f"one value a record: {wanted_of(name)}"
        found = pa.list_(kind) if path.in_list else kind
        finder.wrong(name, column, found, wanted, hint)
        return
    if name == "derived_from" and is_list(kind):
        kind = kind.value_type
    stored = storage_type(kind)
    if pa.types.is_null(stored):
        return
    if name == "group_size":
        fits = is_whole(kind)
    elif name in ("category", "derived_from", "source", "jurisdiction"):
        fits = is_text(kind) or (source.map is not None and has_text_form(kind))
    else:
        fits = has_text_form(kind) and not pa.types.is_boolean(stored)
    if not fits:
        finder.wrong(name, column, path.type, wanted_of(name), hint)


def _check_time(finder: Finder, dataset: Dataset, column: str, path: Path) -> None:
    stored = storage_type(path.type)
    if path.in_list:
        finder.wrong("collected_at", column, pa.list_(path.type), "one time a record")
    elif pa.types.is_timestamp(stored):
        if stored.tz is None and dataset.assume_timezone is None:
            finder.problems.append(
                f"collected_at: column {column!r} is {stored}, a time without a zone; "
                "state the zone it is in, as 'assume_timezone: UTC' in dataset.yaml"
            )
    elif not (is_text(stored) or pa.types.is_null(stored)):
        finder.wrong("collected_at", column, path.type, WANTED["collected_at"])

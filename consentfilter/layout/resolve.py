"""A dataset binding laid over a schema: what is where, and what does not fit.

`Layout` says for one table where each standard column is found, which columns are
payload, and whether records can be redacted in part. All problems are gathered, so
that a reader repairs a binding in one go.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa

from consentfilter.dataset import Dataset, SubjectSource, ValueSource
from consentfilter.layout.nested import (
    Path,
    find_below,
    find_path,
    has_text_form,
    is_list,
    is_text,
    is_uuid,
    is_whole,
    storage_type,
)
from consentfilter.records import PayloadColumn
from consentfilter.yamlfile import did_you_mean

#: Standard columns with one value per record, beside id and time.
SCALARS = (
    "category",
    "account_id",
    "context_id",
    "asset_id",
    "jurisdiction",
    "source",
    "group_size",
    "derived_from",
)
#: Columns without which no record can be decided.
REQUIRED = ("record_id", "collected_at", "category")


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """Where a standard column's values come from in this table.

    Attributes:
        path: where they are read; None: they are `constant` everywhere.
        constant: text, or None.
        map: value as text to ours, or None.
    """

    path: Path | None
    constant: str | None = None
    map: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Subjects:
    """One source of subjects in this table: the binding's entry and its path."""

    source: SubjectSource
    path: Path


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentLayout:
    """Where segments are and what their struct fields mean.

    Attributes:
        column: the list column.
        struct: the type of one segment.
        segment_id: struct field, or None.
        category: a value below the struct, or None.
        subjects: sources below the struct.
        named: struct fields that a masked segment keeps: its id and its category.
    """

    column: str
    struct: pa.StructType
    segment_id: str | None
    category: Value | None
    subjects: tuple[Subjects, ...]
    named: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """What is where in tables of one schema.

    Attributes:
        values: standard column to its source; columns that are not there are absent.
        subjects: sources of the record's own subjects.
        segments, mentions, row_fields: the nested standard columns, or None.
        payload: payload columns in schema order, without the segments.
        has_parts: a record may be redacted in part.
        needed: columns a decision reads, in schema order.
        problems: everything that does not fit, one sentence each.
    """

    values: Mapping[str, Value]
    subjects: tuple[Subjects, ...]
    segments: SegmentLayout | None
    mentions: str | None
    row_fields: str | None
    payload: tuple[PayloadColumn, ...]
    has_parts: bool
    needed: tuple[str, ...]
    problems: tuple[str, ...]


def lay_out(schema: pa.Schema, dataset: Dataset) -> Layout:
    """Lay a binding over a schema; never raises, problems are in the result."""
    problems: list[str] = []
    finder = _Finder(schema, problems)
    values = _values(finder, dataset)
    segments = _segments(finder, dataset)
    subjects = _record_subjects(finder, dataset, values, segments is not None)
    mentions = _list_column(finder, dataset, "mentions", ("id",))
    row_fields = _list_column(finder, dataset, "row_fields", ("name",))
    paths = [found.path for found in values.values() if found.path is not None]
    bound = {path.column for path in paths if not path.fields}
    bound |= {item.path.column for item in subjects if not item.path.fields}
    bound |= {name for name in (mentions, row_fields) if name}
    if segments:
        bound.add(segments.column)
    payload = _payload(schema, dataset, bound)
    has_parts = bool(
        segments
        or mentions
        or row_fields
        or any(column.category is not None for column in payload)
    )
    roots = bound | {path.column for path in paths}
    roots |= {item.path.column for item in subjects}
    needed = [name for name in schema.names if has_parts or name in roots]
    for name in sorted({name for name in needed if schema.names.count(name) > 1}):
        problems.append(
            f"column {name!r} stands {schema.names.count(name)} times; wanted once: "
            "rename the others"
        )
    return Layout(
        values=values,
        subjects=subjects,
        segments=segments,
        mentions=mentions,
        row_fields=row_fields,
        payload=payload,
        has_parts=has_parts,
        needed=tuple(needed),
        problems=tuple(problems),
    )


class _Finder:
    """Finds columns by name and notes what is missing."""

    def __init__(self, schema: pa.Schema, problems: list[str]) -> None:
        self.schema, self.problems = schema, problems

    def find(self, key: str, name: str, wanted: str, hint: str = "") -> Path | None:
        path = find_path(self.schema, name)
        if path is None:
            listed = _listed(self.schema.names)
            self.problems.append(
                f"{key}: there is no column {name!r}; wanted {wanted}"
                f"{did_you_mean(name, self.schema.names)}{hint} (columns: {listed})"
            )
        return path

    def wrong(
        self, key: str, name: str, kind: pa.DataType, wanted: str, hint: str = ""
    ) -> None:
        self.problems.append(f"{key}: column {name!r} is {kind}; wanted {wanted}{hint}")


def _listed(names: Iterable[str], most: int = 30) -> str:
    names = list(names)
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"


_WANTED = {
    "record_id": "the records' ids (text, whole numbers or fixed binary)",
    "collected_at": "the time of collection (a timestamp with time zone, or RFC 3339 "
    "text with an offset)",
    "category": "the records' categories (text)",
    "group_size": "how many people an aggregate covers (whole numbers)",
    "derived_from": "the categories a row was derived from (text or a list of it)",
}


def _wanted(name: str) -> str:
    return _WANTED.get(name, f"the records' {name} (text)")


def _values(finder: _Finder, dataset: Dataset) -> dict[str, Value]:
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
        hint = (
            ""
            if dataset.states(name)
            else f"; or name it in dataset.yaml as '{name}: COLUMN'"
        )
        path = finder.find(name, source.column, _wanted(name), hint)
        if path is not None:
            found[name] = Value(path, None, source.map)
            _check_value(finder, dataset, name, source, path)
    return found


def _check_value(
    finder: _Finder, dataset: Dataset, name: str, source: ValueSource, path: Path
) -> None:
    column, kind = source.column or "", path.type
    hint = _off(dataset, name)
    if name == "collected_at":
        _check_time(finder, dataset, column, path)
        return
    if path.in_list or (is_list(storage_type(kind)) and name != "derived_from"):
        finder.wrong(
            name, column, pa.list_(kind), f"one value a record: {_wanted(name)}"
        )
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
        finder.wrong(name, column, path.type, _wanted(name), hint)


def _off(dataset: Dataset, name: str) -> str:
    """Say how a payload column that happens to bear a standard name is freed."""
    if name in REQUIRED or dataset.states(name):
        return ""
    return f"; if it is payload, say '{name}: null' in dataset.yaml"


def _check_time(finder: _Finder, dataset: Dataset, column: str, path: Path) -> None:
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
        finder.wrong("collected_at", column, path.type, _WANTED["collected_at"])


def _subjects(
    finder: _Finder,
    key: str,
    sources: Iterable[SubjectSource],
    find: Callable[[str], Path | None],
    is_stated: bool,
    columns: Iterable[str],
) -> tuple[Subjects, ...]:
    found = []
    columns = list(columns)
    for at, source in enumerate(sources):
        where = f"{key}[{at}]" if is_stated else source.name
        path = find(source.name)
        if path is None:
            if is_stated:
                finder.problems.append(
                    f"{where}: there is no column {source.name!r}; wanted people's ids"
                    f"{did_you_mean(source.name, columns)} "
                    f"(columns: {_listed(columns)})"
                )
            continue
        _check_subject(finder, where, source, path)
        found.append(Subjects(source, path))
    return tuple(found)


def _check_subject(
    finder: _Finder, where: str, source: SubjectSource, path: Path
) -> None:
    kind = path.type
    while is_list(storage_type(kind)):
        kind = storage_type(kind).value_type
    stored = storage_type(kind)
    wanted = "ids (text or whole numbers), structs with an 'id', or lists of either"
    if not pa.types.is_struct(stored):
        if not _is_id(kind):
            finder.wrong(where, source.name, path.type, wanted)
        return
    index = stored.get_field_index("id")
    if index < 0:
        listed = _listed(field.name for field in stored)
        finder.problems.append(
            f"{where}: {source.name!r} holds structs without a field 'id' "
            f"(fields: {listed}); name the field, as 'path: {source.name}.FIELD'"
        )
        return
    if not _is_id(stored.field(index).type):
        finder.wrong(
            where,
            f"{source.name}.id",
            stored.field(index).type,
            "text or whole numbers",
        )
    for name in ("ns", "role", "relation"):
        at = stored.get_field_index(name)
        kind = stored.field(at).type if at >= 0 else pa.string()
        if not (is_text(kind) or pa.types.is_null(storage_type(kind))):
            finder.wrong(where, f"{source.name}.{name}", kind, "text")


def _is_id(kind: pa.DataType) -> bool:
    stored = storage_type(kind)
    return is_text(kind) or is_whole(kind) or is_uuid(kind) or pa.types.is_null(stored)


def _record_subjects(
    finder: _Finder, dataset: Dataset, values: Mapping[str, Value], has_segments: bool
) -> tuple[Subjects, ...]:
    is_stated = dataset.subjects is not None
    names = finder.schema.names
    found = _subjects(
        finder,
        "subjects",
        dataset.subject_sources,
        lambda name: find_path(finder.schema, name),
        is_stated,
        names,
    )
    if not found and not is_stated and not has_segments and "group_size" not in values:
        finder.problems.append(
            "subjects: none of the columns 'subjects', 'subject_id', 'subject_ids' is "
            "there, so nobody can be named; name the column of people's ids in "
            f"dataset.yaml, as 'subjects: [COLUMN]' (columns: {_listed(names)})"
        )
    return found


def _list_column(
    finder: _Finder, dataset: Dataset, key: str, needs: tuple[str, ...]
) -> str | None:
    name: str | None = getattr(dataset, key)
    if name is None:
        return None
    is_stated = dataset.states(key)
    if name not in finder.schema.names:
        if is_stated:
            finder.find(key, name, "a list of structs")
        return None
    kind = finder.schema.field(finder.schema.get_field_index(name)).type
    wanted = f"a list of structs with {' and '.join(map(repr, needs))}"
    struct = _struct_of(kind)
    is_fixed = pa.types.is_fixed_size_list(kind)
    if (
        is_fixed
        or struct is None
        or any(struct.get_field_index(need) < 0 for need in needs)
    ):
        finder.wrong(key, name, kind, wanted, _off(dataset, key))
        return None
    assert struct is not None
    return name if _fields_fit(finder, key, name, struct) else None


_TEXT_FIELDS = {"ns", "field", "name", "category"}
_WHOLE_FIELDS = {"start", "end"}


def _fields_fit(finder: _Finder, key: str, name: str, struct: pa.StructType) -> bool:
    before = len(finder.problems)
    for field in struct:
        stored = storage_type(field.type)
        where = f"{name}.{field.name}"
        if pa.types.is_null(stored):
            continue
        if field.name in _TEXT_FIELDS and not is_text(stored):
            finder.wrong(key, where, field.type, "text")
        elif field.name in _WHOLE_FIELDS and not pa.types.is_integer(stored):
            finder.wrong(key, where, field.type, "whole numbers")
        elif field.name == "required" and not pa.types.is_boolean(stored):
            finder.wrong(key, where, field.type, "true or false")
        elif field.name == "id" and not _is_id(field.type):
            finder.wrong(key, where, field.type, "text or whole numbers")
    return len(finder.problems) == before


def _struct_of(kind: pa.DataType) -> pa.StructType | None:
    if not is_list(kind):
        return None
    stored = storage_type(kind.value_type)
    return stored if pa.types.is_struct(stored) else None


def _segments(finder: _Finder, dataset: Dataset) -> SegmentLayout | None:
    binding = dataset.segments
    if binding is None:
        return None
    is_stated = dataset.states("segments")
    column = binding.column
    if column not in finder.schema.names:
        if is_stated and binding.model_fields_set - {"keep", "redaction"}:
            finder.find("segments.column", column, "a list of structs")
        return None
    kind = finder.schema.field(finder.schema.get_field_index(column)).type
    struct = _struct_of(kind)
    if struct is None or pa.types.is_fixed_size_list(kind):
        hint = _off(dataset, "segments")
        finder.wrong("segments.column", column, kind, "a list of structs", hint)
        return None
    names = [field.name for field in struct]
    segment_id = _segment_id(finder, dataset, struct)
    category = _segment_category(finder, dataset, struct)
    subjects = _subjects(
        finder,
        "segments.subjects",
        dataset.subject_sources_of_segments,
        lambda name: find_below(struct, name),
        binding.subjects is not None,
        names,
    )
    for name in binding.keep:
        finder.find("segments.keep", name, "a column outside the segments")
    named = {segment_id} if segment_id is not None else set()
    if category and category.path and len(category.path.fields) == 1:
        named.add(category.path.fields[0])
    return SegmentLayout(
        column=column,
        struct=struct,
        segment_id=segment_id,
        category=category,
        subjects=subjects,
        named=frozenset(named),
    )


def _segment_id(finder: _Finder, dataset: Dataset, struct: pa.StructType) -> str | None:
    binding = dataset.segments
    assert binding is not None
    name, where = binding.segment_id, f"{binding.column}.{binding.segment_id}"
    index = struct.get_field_index(name)
    if index < 0:
        if "segment_id" in binding.model_fields_set:
            _no_field(finder, "segments.segment_id", name, struct)
        return None
    kind = struct.field(index).type
    if not has_text_form(kind):
        finder.wrong("segments.segment_id", where, kind, "text or whole numbers")
        return None
    return name


def _segment_category(
    finder: _Finder, dataset: Dataset, struct: pa.StructType
) -> Value | None:
    binding = dataset.segments
    assert binding is not None
    source = binding.category
    if source.column is None:
        return Value(None, source.constant)
    path = find_below(struct, source.column)
    if path is None:
        if "category" in binding.model_fields_set:
            _no_field(finder, "segments.category", source.column, struct)
        return None
    fits = is_text(path.type) or (source.map is not None and has_text_form(path.type))
    if path.in_list or not (fits or pa.types.is_null(storage_type(path.type))):
        where = f"{binding.column}.{source.column}"
        finder.wrong("segments.category", where, path.type, "text")
        return None
    return Value(path, None, source.map)


def _no_field(finder: _Finder, key: str, name: str, struct: pa.StructType) -> None:
    names = [field.name for field in struct]
    finder.problems.append(
        f"{key}: segments have no field {name!r}{did_you_mean(name, names)} "
        f"(fields: {_listed(names)})"
    )


def _payload(
    schema: pa.Schema, dataset: Dataset, bound: set[str]
) -> tuple[PayloadColumn, ...]:
    keep = set(dataset.segments.keep) if dataset.segments else set()
    columns = []
    for field in schema:
        if field.name in bound:
            continue
        known = dataset.fields.get(field.name)
        columns.append(
            PayloadColumn(
                name=field.name,
                category=known.category if known else None,
                is_required=bool(known and known.required) or not field.nullable,
                is_kept_with_segments=field.name in keep,
            )
        )
    return tuple(columns)

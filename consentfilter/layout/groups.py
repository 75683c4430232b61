"""Where people, segments and other lists of structs are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa

from consentfilter.dataset import Dataset, SubjectSource
from consentfilter.layout.finder import (
    Finder,
    is_id,
    listed_names,
    struct_of,
    switch_off,
)
from consentfilter.layout.model import SegmentLayout, Subjects, Value
from consentfilter.layout.nested import (
    Path,
    find_below,
    find_path,
    has_text_form,
    is_list,
    is_text,
    storage_type,
)
from consentfilter.yamlfile import did_you_mean


def find_subjects(
    finder: Finder,
    key: str,
    sources: Iterable[SubjectSource],
    find: Callable[[str], Path | None],
    is_stated: bool,
    columns: Iterable[str],
) -> tuple[Subjects, ...]:
    """Return the subject sources that are there; a stated one must be.

    Args:
        finder: notes problems.
        key: how the list of sources is called in the binding.
        sources: the sources in force.
        find: finds a path, from the top or inside a segment.
        is_stated: the binding names them itself.
        columns: the names that `find` can find, for messages.
    """
    found = []
    columns = list(columns)
    for at, source in enumerate(sources):
        where = f"{key}[{at}]" if is_stated else source.name
        path = find(source.name)
        if path is None:
            if is_stated:
                finder.problems.append(
                    f"{where}: there is no column {source.name!r} (columns: "
                    f"{listed_names(columns)}); wanted people's ids"
                    f"{did_you_mean(source.name, columns)}"
                )
            continue
        _check_subject(finder, where, source, path)
        found.append(Subjects(source, path))
    return tuple(found)


def _check_subject(
    finder: Finder, where: str, source: SubjectSource, path: Path
) -> None:
    kind = path.type
    while is_list(storage_type(kind)):
        kind = storage_type(kind).value_type
    stored = storage_type(kind)
    wanted = "ids (text or whole numbers), structs with an 'id', or lists of either"
    if not pa.types.is_struct(stored):
        if not is_id(kind):
            finder.wrong(where, source.name, path.type, wanted)
        return
    index = stored.get_field_index("id")
    if index < 0:
        listed = listed_names(field.name for field in stored)
        finder.problems.append(
            f"{where}: {source.name!r} holds structs without a field 'id' "
            f"(fields: {listed}); name the field, as 'path: {source.name}.FIELD'"
        )
        return
    if not is_id(stored.field(index).type):
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


def find_record_subjects(
    finder: Finder, dataset: Dataset, values: Mapping[str, Value], has_segments: bool
) -> tuple[Subjects, ...]:
    """Return the sources of the records' own subjects; somebody must be nameable."""
    is_stated = dataset.subjects is not None
    names = finder.schema.names
    found = find_subjects(
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
            f"dataset.yaml, as 'subjects: [COLUMN]' (columns: {listed_names(names)})"
        )
    return found


def find_list_column(
    finder: Finder, dataset: Dataset, key: str, needs: tuple[str, ...]
) -> str | None:
    """Return the column of mentions or of row fields, if there is one."""
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
    struct = struct_of(kind)
    is_fixed = pa.types.is_fixed_size_list(kind)
    if (
        is_fixed
        or struct is None
        or any(struct.get_field_index(need) < 0 for need in needs)
    ):
        finder.wrong(key, name, kind, wanted, switch_off(dataset, key))
        return None
    assert struct is not None
    return name if _fields_fit(finder, key, name, struct) else None


_TEXT_FIELDS = {"ns", "field", "name", "category"}
_WHOLE_FIELDS = {"start", "end"}


def _fields_fit(finder: Finder, key: str, name: str, struct: pa.StructType) -> bool:
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
        elif field.name == "id" and not is_id(field.type):
            finder.wrong(key, where, field.type, "text or whole numbers")
    return len(finder.problems) == before


def find_segments(finder: Finder, dataset: Dataset) -> SegmentLayout | None:
    """Return where segments are and what their struct fields mean, if there are any."""
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
    struct = struct_of(kind)
    if struct is None or pa.types.is_fixed_size_list(kind):
        hint = switch_off(dataset, "segments")
        finder.wrong("segments.column", column, kind, "a list of structs", hint)
        return None
    names = [field.name for field in struct]
    segment_id = _segment_id(finder, dataset, struct)
    category = _segment_category(finder, dataset, struct)
    subjects = find_subjects(
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


def _segment_id(finder: Finder, dataset: Dataset, struct: pa.StructType) -> str | None:
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
    finder: Finder, dataset: Dataset, struct: pa.StructType
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


def _no_field(finder: Finder, key: str, name: str, struct: pa.StructType) -> None:
    names = [field.name for field in struct]
    finder.problems.append(
        f"{key}: segments have no field {name!r} (fields: {listed_names(names)})"
        f"{did_you_mean(name, names)}"
    )

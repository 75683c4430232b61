"""Guessing what the columns of a dump are, from their names, types and a sample.

A guess is never silent: what could not be known is listed (`Guess.open`), and where
a wrong guess could let something through, the stricter reading is taken: every
column that may name a person is a subject.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.dataset import Dataset
from consentfilter.layout.finder import REQUIRED, SCALARS
from consentfilter.layout.instants import to_instants
from consentfilter.layout.nested import (
    has_text_form,
    is_list,
    is_text,
    is_uuid,
    is_whole,
    one_array,
    plain_text,
    storage_type,
)
from consentfilter.layout.resolve import lay_out
from consentfilter.starter import names
from consentfilter.taxonomy import BASE

_PLACE: Final = re.compile(r"\s*[A-Za-z]{2}(-[A-Za-z0-9]{1,3})?\s*")
_SOURCE: Final = re.compile(r"first_party|third_party:.+")
#: A kind has few values; a column with more is text.
_MOST_KINDS: Final = 40
#: Standard columns that are used where they exist, unless switched off.
_OPTIONAL: Final = frozenset(
    (*SCALARS, "segments", "mentions", "row_fields")
) - frozenset(REQUIRED)


@dataclasses.dataclass(frozen=True, slots=True)
class Guess:
    """What the columns of a dump may be.

    Attributes:
        binding: the keys of a `dataset.yaml`, as far as guessed.
        why: key to what the guess rests on, one short phrase.
        hints: payload column to the category it may deserve.
        open: what could not be guessed, one sentence each.
    """

    binding: dict[str, Any]
    why: dict[str, str]
    hints: dict[str, str]
    open: tuple[str, ...]


def guess(schema: pa.Schema, sample: pa.Table) -> Guess:
    """Guess the binding of a dump.

    Args:
        schema: the schema of its records.
        sample: some of its records, possibly none.
    """
    return _Guesser(schema, sample).run()


class _Guesser:
    """Takes one standard column after the other; a column is taken once."""

    def __init__(self, schema: pa.Schema, sample: pa.Table) -> None:
        self.schema, self.sample = schema, sample
        self.by_name = {names.plain(name): name for name in reversed(schema.names)}
        self.taken: set[str] = set()
        self.binding: dict[str, Any] = {}
        self.why: dict[str, str] = {}
        self.open: list[str] = []

    def run(self) -> Guess:
        self.record_id()
        self.collected_at()
        self.category()
        self.segments()
        self.subjects()
        for name, candidates in names.SCOPES.items():
            self.scope(name, candidates)
        self.jurisdiction()
        self.freed()
        return Guess(self.binding, self.why, self.hints(), tuple(self.open))

    # -- looking ---------------------------------------------------------------

    def kind(self, name: str) -> pa.DataType:
        kind: pa.DataType = self.schema.field(self.schema.get_field_index(name)).type
        return kind

    def find(
        self, candidates: Iterable[str], fits: Callable[[str], bool]
    ) -> str | None:
        for candidate in candidates:
            name: str | None = self.by_name.get(candidate)
            if name is not None and name not in self.taken and fits(name):
                return name
        return None

    def values(self, name: str) -> pa.Array:
        """Return the values of a scalar column of the sample as text, without nulls."""
        if name not in self.sample.column_names:
            return pa.array([], pa.string())
        return plain_text(one_array(self.sample[name])).drop_null()

    def take(self, key: str, name: str, why: str) -> None:
        self.taken.add(name)
        self.binding[key] = name
        self.why[key] = why

    # -- one standard column each ----------------------------------------------

    def record_id(self) -> None:
        named = self.find(names.RECORD_IDS, self.is_unique)
        if named is not None:
            self.take("record_id", named, "by its name; no value twice in the sample")
            return
        others = [
            name
            for name in self.schema.names
            if names.words(name)[-1:] in (("id",), ("uuid",), ("key",))
            and names.person_role(name) is None
            and self.is_unique(name)
        ]
        if others:
            self.take("record_id", others[0], "no value twice in the sample")
            return
        self.binding["record_id"] = "record_id"
        self.open.append(
            "record_id: no column tells records apart; name one, or add one to the dump"
        )

    def is_unique(self, name: str) -> bool:
        kind = storage_type(self.kind(name))
        if not has_text_form(kind) or pa.types.is_boolean(kind):
            return False
        values = self.values(name)
        return len(values) == self.sample.num_rows and len(pc.unique(values)) == len(
            values
        )

    def collected_at(self) -> None:
        found = self.find(names.TIMES, self.is_time)
        why = "by its name"
        if found is None:
            others = [
                name
                for name in self.schema.names
                if pa.types.is_timestamp(storage_type(self.kind(name)))
            ]
            found = others[0] if len(others) == 1 else None
            why = "the only column of times"
        if found is None:
            self.binding["collected_at"] = "collected_at"
            self.open.append(self.no_time())
            return
        self.take("collected_at", found, why)
        stored = storage_type(self.kind(found))
        if pa.types.is_timestamp(stored) and stored.tz is None:
            self.open.append(
                f"assume_timezone: the times in {found!r} have no zone; say which one "
                "they are in (only you can know), or the run is refused"
            )

    def is_time(self, name: str) -> bool:
        kind = self.kind(name)
        if pa.types.is_timestamp(storage_type(kind)):
            return True
        if not is_text(kind):
            return False
        values = self.values(name)
        valid = int(to_instants(values)[1].sum())
        return len(values) > 0 and valid >= 0.8 * len(values)

    def no_time(self) -> str:
        numbers = [
            self.by_name[name]
            for name in names.TIMES
            if name in self.by_name and is_whole(self.kind(self.by_name[name]))
        ]
        if numbers:
            return (
                f"collected_at: {numbers[0]!r} holds whole numbers, perhaps seconds or "
                "milliseconds since 1970; write it as a timestamp with a time zone"
            )
        return (
            "collected_at: no column of times with a zone; name one, or state one "
            "instant for all records, as {constant: '2024-05-01T00:00:00Z'}"
        )

    def category(self) -> None:
        kinds = self.find(names.KINDS, self.is_kind)
        if kinds is None:
            node = self.likely_category()
            self.binding["category"] = {"constant": node}
            self.why["category"] = "no column of categories"
            self.open.append(
                f"category: no column says what kind of data a record is; {node!r} is "
                "stated for all of them; put the right node of the category tree there"
            )
            return
        self.taken.add(kinds)
        distinct = sorted(pc.unique(self.values(kinds)).to_pylist())
        if all(value in BASE.categories for value in distinct):
            self.binding["category"] = kinds
            self.why["category"] = "its values are nodes of the category tree"
            return
        mapped = {v: names.category_of(v, BASE.categories) for v in distinct}
        known = {value: node for value, node in mapped.items() if node is not None}
        self.binding["category"] = {"column": kinds, "map": known}
        self.why["category"] = "by its name; check every line of the map"
        unknown = [repr(value) for value, node in mapped.items() if node is None]
        if unknown:
            self.open.append(
                f"category: values of {kinds!r} that no category was found for: "
                f"{', '.join(unknown)}; records with them are dropped until the map "
                "lists them"
            )
        self.open.append(
            f"category: values of {kinds!r} beyond the sample are not in the map yet"
        )

    def is_kind(self, name: str) -> bool:
        if not is_text(self.kind(name)):
            return False
        distinct = pc.unique(self.values(name))
        if not len(distinct):
            return names.plain(name) == "category"
        return len(distinct) <= _MOST_KINDS

    def likely_category(self) -> str:
        known = set(self.by_name)
        for word in ("transcript", "utterance", "audio", "video", "message", "post"):
            if any(word in names.words(name) for name in known):
                return names.CATEGORIES[word]
        return "content"

    def segments(self) -> None:
        for name in self.schema.names:
            kind = self.kind(name)
            if not is_list(kind) or pa.types.is_fixed_size_list(kind):
                continue
            struct = storage_type(kind.value_type)
            if not pa.types.is_struct(struct) or name in ("subjects", "mentions"):
                continue
            fields = {names.plain(field.name): field for field in struct}
            has_text = any(word in fields for word in names.TEXTS)
            people = _people_below(struct)
            if not has_text or not (people or name == "segments"):
                continue
            self.taken.add(name)
            self.binding["segments"] = _segment_binding(name, fields, people)
            self.why["segments"] = "a list of texts and who they are by"
            if not people:
                self.open.append(
                    f"segments: no field of {name!r} names who a segment is by"
                )
            return

    def subjects(self) -> None:
        found: list[dict[str, str]] = []
        emails: list[dict[str, str]] = []
        standard = {"subjects", "subject_id", "subject_ids"}
        for name in self.schema.names:
            if name in self.taken:
                continue
            for source in _sources(name, self.kind(name)):
                is_own = source.get("ns") == "email" and name not in standard
                (emails if is_own else found).append(source)
                if "column" in source:
                    self.taken.add(name)
        chosen = found or emails
        for source in emails if found else []:
            self.taken.discard(source.get("column", ""))
            self.open.append(
                f"subjects: {source.get('column') or source['path']!r} also names "
                "people, by address; if it names others than the ids do, add it"
            )
        if chosen:
            self.binding["subjects"] = chosen
            self.why["subjects"] = "by their names; everybody listed must permit"
        elif "segments" not in self.binding and "group_size" not in self.by_name:
            self.open.append(
                "subjects: no column names whose data a record is; without one every "
                "record is dropped (SUBJECT_UNKNOWN)"
            )

    def scope(self, key: str, candidates: tuple[str, ...]) -> None:
        def fits(name: str) -> bool:
            return is_text(self.kind(name)) or is_whole(self.kind(name))

        found = self.find(candidates, fits)
        if found is not None:
            self.take(key, found, "by its name")

    def jurisdiction(self) -> None:
        found = self.find(names.PLACES, lambda name: is_text(self.kind(name)))
        if found is None:
            return
        values = pc.unique(self.values(found)).to_pylist()
        odd = [value for value in values if not _PLACE.fullmatch(value)]
        if odd:
            self.open.append(
                f"jurisdiction: {found!r} holds {odd[0]!r}, wanted ISO codes such as "
                "DE or US-CA; bind it with a map if the policy has rules by place"
            )
            return
        self.take("jurisdiction", found, "by its name and values")

    def freed(self) -> None:
        """Switch standard columns off whose name means something else here."""
        if "source" in self.schema.names:
            values = (
                pc.unique(self.values("source")).to_pylist()
                if is_text(self.kind("source"))
                else ["?"]
            )
            if not all(_SOURCE.fullmatch(value) for value in values):
                self.binding["source"] = None
                self.why["source"] = (
                    "its values are not first_party or third_party:NAME"
                )
        for name in self.schema.names:
            key = "row_fields" if name == "fields" else name
            if (
                key in _OPTIONAL
                and key not in self.binding
                and self.is_unfit(key, name)
            ):
                self.binding[key] = None
                self.why[key] = f"{name!r} is not the standard column of that name"

    def is_unfit(self, key: str, name: str) -> bool:
        """Tell whether a column cannot be the standard column of its name."""
        alone = lay_out(pa.schema([self.schema.field(name)]), Dataset())
        said = {
            problem.partition(":")[0].partition(".")[0] for problem in alone.problems
        }
        return key in said

    def hints(self) -> dict[str, str]:
        return {
            name: names.SENSITIVE[word]
            for name in self.schema.names
            if name not in self.taken
            for word in names.words(name)
            if word in names.SENSITIVE
        }


def _is_id(kind: pa.DataType) -> bool:
    return is_text(kind) or is_whole(kind) or is_uuid(kind)


def _sources(name: str, kind: pa.DataType) -> list[dict[str, str]]:
    """Return the subject sources that a column suggests."""
    role = names.person_role(name)
    entry = storage_type(kind)
    while is_list(entry):
        entry = storage_type(entry.value_type)
    if pa.types.is_struct(entry):
        if name == "subjects" and entry.get_field_index("id") >= 0:
            return [{"column": name}]
        ids = [(name, role)] if role and entry.get_field_index("id") >= 0 else []
        if ids:
            return [_source("path", f"{name}.id", role or "author")]
        return [
            _source("path", f"{name}.{path}", role or below)
            for path, below in _people_below(entry)
        ]
    if role is None or not _is_id(entry):
        return []
    return [_source("column", name, role)]


def _source(key: str, name: str, role: str) -> dict[str, str]:
    found = {key: name}
    if names.is_email(name):
        found["ns"] = "email"
    if role != "author":
        found["role"] = role
    if "guest" in names.words(name):
        found["relation"] = "guest"
    return found


def _people_below(struct: pa.StructType) -> list[tuple[str, str]]:
    """Return paths of the fields of a struct that name people, with their roles."""
    found = []
    for field in struct:
        role = names.person_role(field.name)
        entry = storage_type(field.type)
        while is_list(entry):
            entry = storage_type(entry.value_type)
        if role is None:
            continue
        if pa.types.is_struct(entry) and entry.get_field_index("id") >= 0:
            found.append((f"{field.name}.id", role))
        elif _is_id(entry):
            found.append((field.name, role))
    ids = [item for item in found if not names.is_email(item[0])]
    return ids or found


def _segment_binding(
    name: str, fields: dict[str, pa.Field], people: list[tuple[str, str]]
) -> dict[str, Any]:
    binding: dict[str, Any] = {"column": name}
    identity = next((fields[n].name for n in names.SEGMENT_IDS if n in fields), None)
    if identity is not None and has_text_form(fields[names.plain(identity)].type):
        binding["segment_id"] = identity
    standard = {"subjects", "subject_id", "subject_ids"}
    if people and not {path for path, _ in people} <= standard:
        binding["subjects"] = [
            _source("path", path, "speaker" if role == "author" else role)
            for path, role in people
        ]
    return binding

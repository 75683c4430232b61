"""The dataset binding: which column of a dump is which standard column.

A dump in the standard layout needs none: `Dataset()` is that layout. Any other
layout is described by a `dataset.yaml`, read here into a frozen model. The model
says nothing about a table; `consentfilter.binding` brings both together.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import pydantic

from consentfilter import spellings
from consentfilter import taxonomy as trees
from consentfilter.consent.binding import EventsBinding
from consentfilter.digest import canonical_json, sha256
from consentfilter.errors import InputError
from consentfilter.yamlfile import describe, did_you_mean, read_yaml, validated

Role = Literal["author", "speaker", "depicted", "participant", "owner", "mentioned"]
#: What a redacted field becomes.
FieldRedaction = Literal["null", "mask", "pseudonymise"]
#: What becomes of a redacted segment.
SegmentRedaction = Literal["mask", "remove"]

MASK_TOKEN: Final = "[redacted]"
#: The namespace of an id that names none.
DEFAULT_NS: Final = "user_id"

_Name = Annotated[str, pydantic.StringConstraints(min_length=1)]


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)


def _tuples(value: Any) -> Any:
    """Let a YAML list stand where a tuple is wanted (strict mode refuses it)."""
    return tuple(value) if isinstance(value, list) else value


_Names = Annotated[tuple[_Name, ...], pydantic.BeforeValidator(_tuples)]


class ValueSource(_Frozen):
    """Where a standard column's value comes from: exactly one of three.

    Attributes:
        column: a column, or the dotted path of a struct field.
        constant: one value for every record.
        map: with `column`: its value, as text, to ours; a value that is not
            listed gives null, which is never let through as it is.
    """

    column: _Name | None = None
    constant: _Name | None = None
    map: dict[str, _Name] | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"column": value}
        value = spellings.source(value)
        if isinstance(value, Mapping) and isinstance(value.get("map"), Mapping):
            listed = {_key_text(key): name for key, name in value["map"].items()}
            return {**value, "map": listed}
        return value

    @pydantic.model_validator(mode="after")
    def _one_of(self) -> ValueSource:
        if (self.column is None) == (self.constant is None):
            raise ValueError("wanted a column name, or one of column and constant")
        if self.map is not None and self.column is None:
            raise ValueError("a map needs the column whose values it maps")
        return self


def _key_text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


class SubjectSource(_Frozen):
    """A column, or a path into nested ones, that names people.

    The values may be ids (text or integers), lists of ids, structs with `id` and
    optionally `ns`, `role` and `relation`, or lists of such structs.

    Attributes:
        column: a column name; or else
        path: a dotted path; it goes through structs and lists (`turns.speaker.id`).
        ns: namespace of the ids that state none.
        role: role of the subjects that state none.
        relation: relation to the account of the subjects that state none.
    """

    column: _Name | None = None
    path: _Name | None = None
    ns: _Name = DEFAULT_NS
    role: Role = "author"
    relation: _Name | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else spellings.subject(value)

    @pydantic.model_validator(mode="after")
    def _one_of(self) -> SubjectSource:
        if (self.column is None) == (self.path is None):
            raise ValueError("wanted one of column and path")
        return self

    @property
    def name(self) -> str:
        """The column or path."""
        return self.column or self.path or ""


_Subjects = Annotated[tuple[SubjectSource, ...], pydantic.BeforeValidator(_tuples)]

STANDARD_SUBJECTS: Final = (
    SubjectSource(column="subjects"),
    SubjectSource(column="subject_id"),
    SubjectSource(column="subject_ids"),
)


class SegmentBinding(_Frozen):
    """The column of segments, and what its struct fields are.

    Attributes:
        column: a list of structs.
        segment_id: struct field of the segment's id.
        category: where the segment's own category comes from; the record's where
            the field is absent or null.
        subjects: whom the segment is by; paths start inside the struct. None: the
            standard names `subjects`, `subject_id`, `subject_ids`, as far as there.
        keep: columns outside the segments that carry nothing of what was said.
        redaction: `mask` (payload becomes null) or `remove`; None: the dataset's.
    """

    column: _Name = "segments"
    segment_id: _Name = "segment_id"
    category: ValueSource = ValueSource(column="category")
    subjects: _Subjects | None = None
    keep: _Names = ()
    redaction: SegmentRedaction | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"column": value}
        return spellings.segments(value)


class FieldBinding(_Frozen):
    """What is known of one payload column.

    Attributes:
        category: its category; None: the record's.
        required: a record whose required column fails is dropped.
        redaction: what it becomes when it goes: `null`, `mask` or `pseudonymise`;
            `default` is the dataset's.
        mask: the token that `mask` puts in its place; None: the dataset's.
    """

    category: _Name | None = None
    required: bool = False
    redaction: Literal["default", "null", "mask", "pseudonymise"] = "default"
    mask: str | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_category(cls, value: Any) -> Any:
        return {"category": value} if isinstance(value, str) else _null_word(value)


def _null_word(value: Any) -> Any:
    """Read an unquoted `redaction: null`, which YAML takes for nothing, as a word."""
    if isinstance(value, Mapping) and value.get("redaction", "") is None:
        return {**value, "redaction": "null"}
    return value


class RedactionDefaults(_Frozen):
    """What becomes of redacted parts that say nothing of their own.

    Attributes:
        segments: `mask` or `remove`.
        fields: for the columns listed under `fields`; all others become null.
        mask: the token.
    """

    segments: SegmentRedaction = "mask"
    fields: FieldRedaction = "null"
    mask: str = MASK_TOKEN

    @pydantic.model_validator(mode="before")
    @classmethod
    def _null(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("fields", "") is None:
            return {**value, "fields": "null"}
        return value


class TaxonomyExtension(_Frozen):
    """Nodes added to the two trees; a node adds its parents."""

    purposes: _Names = ()
    categories: _Names = ()

    @pydantic.field_validator("purposes", "categories")
    @classmethod
    def _well_formed(cls, nodes: tuple[str, ...]) -> tuple[str, ...]:
        bad = [node for node in nodes if not trees.is_well_formed(node)]
        if bad:
            raise ValueError(
                f"{', '.join(map(repr, bad))}: wanted dotted names without *, spaces "
                "or empty parts, such as 'content.sticker'"
            )
        return nodes


def _source(column: str) -> Any:
    return pydantic.Field(default=ValueSource(column=column))


class Dataset(_Frozen):
    """A dataset binding; `Dataset()` is the standard layout.

    A binding that names a column wants it to be there; the standard columns that a
    binding does not name are used where they exist. `null` switches one off.

    Attributes:
        subjects: who is in the record; given ones replace the standard `subjects`,
            `subject_id` and `subject_ids`. Several add up.
        fields: payload column to what is known of it.
        row_fields: the column in which a record states categories of its columns.
        mentions: the column of spans that name somebody.
        segments: the column of parts with their own subjects.
        assume_timezone: IANA name for timestamp columns that have no zone.
        taxonomy: nodes this dataset adds.
        events: how the consent side is laid out (`consentfilter.consent.binding`).
    """

    record_id: ValueSource = _source("record_id")
    collected_at: ValueSource = _source("collected_at")
    category: ValueSource = _source("category")
    subjects: _Subjects | None = None
    account_id: ValueSource | None = _source("account_id")
    context_id: ValueSource | None = _source("context_id")
    asset_id: ValueSource | None = _source("asset_id")
    jurisdiction: ValueSource | None = _source("jurisdiction")
    source: ValueSource | None = _source("source")
    group_size: ValueSource | None = _source("group_size")
    derived_from: ValueSource | None = _source("derived_from")
    segments: SegmentBinding | None = SegmentBinding()
    fields: dict[_Name, FieldBinding] = pydantic.Field(default_factory=dict)
    row_fields: _Name | None = "fields"
    mentions: _Name | None = "mentions"
    assume_timezone: _Name | None = None
    redaction: RedactionDefaults = RedactionDefaults()
    taxonomy: TaxonomyExtension = TaxonomyExtension()
    events: EventsBinding = EventsBinding()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _spelt(cls, value: Any) -> Any:
        return spellings.dataset(value)

    @pydantic.field_validator("record_id")
    @classmethod
    def _not_constant(cls, value: ValueSource) -> ValueSource:
        if value.constant is not None:
            raise ValueError(
                "a constant cannot tell records apart; name the column of ids"
            )
        return value

    @pydantic.field_validator("collected_at")
    @classmethod
    def _instant(cls, value: ValueSource) -> ValueSource:
        if value.constant is not None:
            _instant_us(value.constant)
        if value.map is not None:
            raise ValueError("times cannot be mapped; name the column or a constant")
        return value

    @pydantic.field_validator("group_size")
    @classmethod
    def _size_of_each(cls, value: ValueSource | None) -> ValueSource | None:
        if value is not None and value.constant is not None:
            raise ValueError(
                "a constant would make every record an aggregate; "
                "name the column of sizes"
            )
        return value

    @pydantic.field_validator("subjects")
    @classmethod
    def _somebody(cls, value: Any) -> Any:
        if value == ():
            raise ValueError("an empty list; name at least one column of subjects")
        return value

    @pydantic.field_validator("assume_timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and value not in zoneinfo.available_timezones():
            near = did_you_mean(value, zoneinfo.available_timezones())
            raise ValueError(
                f"{value!r} is no time zone; wanted an IANA name such as 'UTC' or "
                f"'Europe/Berlin'{near}"
            )
        return value

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Dataset:
        """Return the binding that a mapping states.

        Raises:
            InputError: with every problem and its path.
        """
        try:
            return cls.model_validate(dict(data))
        except pydantic.ValidationError as problem:
            raise InputError(describe(problem, cls)) from None

    @functools.cached_property
    def subject_sources(self) -> tuple[SubjectSource, ...]:
        """The subject sources in force."""
        return STANDARD_SUBJECTS if self.subjects is None else self.subjects

    @functools.cached_property
    def subject_sources_of_segments(self) -> tuple[SubjectSource, ...]:
        """The subject sources in force inside a segment."""
        if self.segments is None or self.segments.subjects is None:
            return STANDARD_SUBJECTS
        return self.segments.subjects

    @functools.cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the effective binding as canonical JSON.

        A file that states defaults has the digest of one that leaves them out.
        """
        return sha256(canonical_json(self.model_dump(mode="json")))

    def redaction_of(self, name: str) -> tuple[FieldRedaction, str]:
        """Return what a payload column becomes when it goes, and the mask's token."""
        known = self.fields.get(name)
        if known is None:
            return "null", self.redaction.mask
        token = self.redaction.mask if known.mask is None else known.mask
        if known.redaction == "default":
            return self.redaction.fields, token
        return known.redaction, token

    def states(self, name: str) -> bool:
        """Tell whether the file itself named this key (not a default)."""
        return name in self.model_fields_set

    def effective_taxonomy(self, base: trees.Taxonomy) -> trees.Taxonomy:
        """Return the trees with this dataset's nodes."""
        return base.extended(self.taxonomy.purposes, self.taxonomy.categories)

    def constant_time_us(self) -> int | None:
        """Return the constant collection time in microseconds since 1970 UTC."""
        constant = self.collected_at.constant
        return None if constant is None else _instant_us(constant)


def _instant_us(text: str) -> int:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError(
            f"{text!r} is no instant; wanted RFC 3339 with an offset, such as "
            "'2024-05-01T00:00:00Z'"
        )
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (instant - epoch) // dt.timedelta(microseconds=1)


def load_dataset_binding(path: str | os.PathLike[str]) -> Dataset:
    """Read a `dataset.yaml`.

    Raises:
        InputError: with every problem as `file:line: path: found, wanted`.
    """
    file = read_yaml(path)
    said = file.data.keys() if isinstance(file.data, dict) else ()
    policy = sorted(_ONLY_IN_POLICIES.intersection(said))
    if policy and not _ONLY_IN_BINDINGS.intersection(said):
        raise InputError(
            f"{os.fspath(path)}: a policy (it says {', '.join(policy)}), wanted a "
            "dataset binding; a policy is given with --policy"
        )
    return validated(Dataset, file)


_ONLY_IN_BINDINGS: Final = Dataset.model_fields.keys() - {"taxonomy"}
#: Keys that no binding has, and every policy one of.
_ONLY_IN_POLICIES: Final = frozenset({"rules", "purposes", "all_of", "version"})

"""The binding of consent events: which column of an export is which event column.

The `events:` part of a `dataset.yaml`. An export in the standard layout needs none.
What an export cannot know (how consent was expressed, for which purpose) is stated
here as a constant; nothing is assumed. A two-column export of opt-ins::

    events:
      subject_id: user_id
      status: {column: opted_in, map: {true: given, false: refused}}
      occurred_at: {constant: "2026-01-31T00:00:00Z"}
      purpose: {constant: improve.train_ai}
      category: {constant: "*"}
      expression: {constant: explicit}
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final

import pydantic

from consentfilter import spellings
from consentfilter.consent import vocabulary
from consentfilter.taxonomy import BASE

_Name = Annotated[str, pydantic.StringConstraints(min_length=1)]


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)


def value_text(value: Any) -> Any:
    """Return a YAML scalar as the text that columns hold (`true`, `0`)."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


class EventSource(_Frozen):
    """Where an event column's value comes from: exactly one of column and constant.

    Attributes:
        column: a column of the export, or the dotted path of a struct field.
        constant: one value for every event, as text.
        map: with `column`: its value, as text, to ours. `""` stands for null and
            blank. A value that is not listed stays as it is, and is judged as it is.
    """

    column: _Name | None = None
    constant: str | None = None
    map: dict[str, str] | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"column": value}
        if not isinstance(value, Mapping):
            return value
        plain = dict(spellings.source(value))
        if isinstance(plain.get("map"), Mapping):
            plain["map"] = _text_map(plain["map"])
        if "constant" in plain:
            plain["constant"] = value_text(plain["constant"])
        return plain

    @pydantic.model_validator(mode="after")
    def _one_of(self) -> EventSource:
        if (self.column is None) == (self.constant is None):
            raise ValueError("wanted a column name, or one of column and constant")
        if self.map is not None and self.column is None:
            raise ValueError("a map needs the column whose values it maps")
        return self


def _text_map(listed: Mapping[Any, Any]) -> dict[Any, Any]:
    return {
        "" if key is None else value_text(key): value_text(value)
        for key, value in listed.items()
    }


def _standard(column: str) -> Any:
    return pydantic.Field(default=EventSource(column=column))


_WORDS: Final = {
    "expression": vocabulary.EXPRESSIONS,
    "actor_type": vocabulary.ACTOR_TYPES,
    "legal_basis": vocabulary.LEGAL_BASES,
    "actor_verified": ("true", "false"),
}
_TIMES: Final = ("occurred_at", "recorded_at", "valid_from", "valid_until")
_NODES: Final = {"purpose": BASE.purposes, "category": BASE.categories}


def _is_value(name: str, text: str) -> bool:
    """Tell whether a text can only be a value of a column, not a column's name."""
    if name in (*_TIMES, "data_from", "data_until"):
        try:
            return dt.datetime.fromisoformat(text).tzinfo is not None
        except ValueError:
            return False
    if name in _NODES:
        return text == vocabulary.EVERYTHING or text in _NODES[name]
    return text in _WORDS.get(name, ())


class EventsBinding(_Frozen):
    """How consent events are laid out; `EventsBinding()` is the standard layout.

    A column that the binding names must be there; standard columns that it does not
    name are used where they exist; `null` switches one off.

    Attributes:
        statuses: status values of the export to ours, such as
            `{Y: given, N: refused}`; `""` stands for null and blank.
        assume_timezone: IANA name of the zone of times that state none.
        day_precision: the times of the acts are days: a grant counts from the end
            of its day, a denial from the start.
    """

    event_id: EventSource | None = _standard("event_id")
    receipt_id: EventSource | None = _standard("receipt_id")
    source_id: EventSource | None = _standard("source_id")
    source_seq: EventSource | None = _standard("source_seq")
    channel: EventSource | None = _standard("channel")
    subject_ns: EventSource | None = _standard("subject_ns")
    subject_id: EventSource | None = _standard("subject_id")
    account_id: EventSource | None = _standard("account_id")
    context_id: EventSource | None = _standard("context_id")
    asset_id: EventSource | None = _standard("asset_id")
    status: EventSource = _standard("status")
    voids_event_id: EventSource | None = _standard("voids_event_id")
    purpose: EventSource | None = _standard("purpose")
    category: EventSource | None = _standard("category")
    expression: EventSource | None = _standard("expression")
    actor_type: EventSource | None = _standard("actor_type")
    actor_id: EventSource | None = _standard("actor_id")
    actor_verified: EventSource | None = _standard("actor_verified")
    occurred_at: EventSource | None = _standard("occurred_at")
    recorded_at: EventSource | None = _standard("recorded_at")
    valid_from: EventSource | None = _standard("valid_from")
    valid_until: EventSource | None = _standard("valid_until")
    data_from: EventSource | None = _standard("data_from")
    data_until: EventSource | None = _standard("data_until")
    terms_version: EventSource | None = _standard("terms_version")
    notice_id: EventSource | None = _standard("notice_id")
    language: EventSource | None = _standard("language")
    jurisdiction: EventSource | None = _standard("jurisdiction")
    controller: EventSource | None = _standard("controller")
    recipients: EventSource | None = _standard("recipients")
    legal_basis: EventSource | None = _standard("legal_basis")
    evidence_uri: EventSource | None = _standard("evidence_uri")
    evidence_sha256: EventSource | None = _standard("evidence_sha256")
    signal_format: EventSource | None = _standard("signal_format")
    signal_raw: EventSource | None = _standard("signal_raw")
    mapping_version: EventSource | None = _standard("mapping_version")
    statuses: dict[str, str] = pydantic.Field(default_factory=dict)
    assume_timezone: _Name | None = None
    day_precision: bool = False

    @pydantic.model_validator(mode="before")
    @classmethod
    def _spelt(cls, value: Any) -> Any:
        names = [name for name in cls.model_fields if name not in OPTIONS]
        return spellings.events(value, names, vocabulary.STATUSES)

    @pydantic.field_validator("statuses", mode="before")
    @classmethod
    def _status_words(cls, value: Any) -> Any:
        return _text_map(value) if isinstance(value, Mapping) else value

    @pydantic.field_validator("statuses")
    @classmethod
    def _known_statuses(cls, value: dict[str, str]) -> dict[str, str]:
        words = vocabulary.STATUSES
        wrong = sorted({ours for ours in value.values() if ours not in words})
        if wrong:
            raise ValueError(
                f"{', '.join(map(repr, wrong))}: not a status; wanted one of "
                + ", ".join(words)
            )
        return value

    @pydantic.field_validator("assume_timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and value not in zoneinfo.available_timezones():
            raise ValueError(
                f"{value!r} is no time zone; wanted an IANA name such as 'UTC' or "
                "'Europe/Berlin'"
            )
        return value

    def source(self, name: str) -> EventSource | None:
        """Return where a standard event column comes from; None: switched off."""
        found: EventSource | None = getattr(self, name)
        return found

    def for_columns(self, names: Collection[str]) -> EventsBinding:
        """Return the binding for a file with these columns.

        A plain name that is no column of the file, but can only be a value (a word
        of a closed list, `*`, an instant), is that value for every event.
        """
        found = {}
        for name in self.model_fields_set - OPTIONS:
            source = self.source(name)
            if source is None or source.column is None or source.map is not None:
                continue
            if source.column.split(".")[0] in names or source.column in names:
                continue
            if _is_value(name, source.column):
                found[name] = EventSource(constant=source.column)
        return self.model_copy(update=found) if found else self

    def states(self, name: str) -> bool:
        """Tell whether the binding itself named this column (not a default)."""
        return name in self.model_fields_set


#: The options of a binding that are no event columns.
OPTIONS: Final = frozenset({"statuses", "assume_timezone", "day_precision"})
#: Every standard event column, in the order of the schema.
EVENT_COLUMNS: Final = tuple(
    name for name in EventsBinding.model_fields if name not in OPTIONS
)
STANDARD: Final = EventsBinding()

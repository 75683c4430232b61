"""Small cases that a policy must decide as its author expects.

A file of cases is a test of a policy: what people said, a record or a few, and the
decision and reason that are wanted. Read here into tables; deciding is the
engine's, comparing is here again. One case::

    - name: a withdrawal counts at once
      as_of: 2026-03-01T00:00:00Z
      consents:
        - {subject_id: ann, status: given, purpose: improve.train_ai,
           category: content, expression: explicit, occurred_at: 2026-01-01T00:00:00Z}
        - {subject_id: ann, status: withdrawn, occurred_at: 2026-02-01T00:00:00Z}
      record: {category: content.chat, subject_id: ann,
               collected_at: 2026-01-15T00:00:00Z}
      expect: {decision: drop, reason: CONSENT_WITHDRAWN}
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import pyarrow as pa
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from consentfilter import reasons
from consentfilter.errors import InputError
from consentfilter.policy import case_tables
from consentfilter.policy.findings import of_validation
from consentfilter.yamlfile import did_you_mean, read_yaml


def _reason(name: str) -> str:
    if name not in reasons.CODE:
        near = did_you_mean(name, reasons.CODE)
        raise ValueError(f"{name!r} is not a reason{near or ' (docs/reasons.md)'}")
    return name


def _instant(text: str) -> str:
    try:
        is_aware = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        is_aware = False
    if not is_aware:
        raise ValueError(
            f"found {text!r}, wanted an instant with an offset such as"
            " 2026-01-01T00:00:00Z"
        )
    return text


def _listed_once(value: object) -> object:
    """Let one expectation stand for a list of one."""
    return [value] if isinstance(value, Mapping) else value


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Row = dict[str, Any]
Instant = Annotated[str, AfterValidator(_instant)]


class Expectation(_Frozen):
    """What one record must come to; what is not said is not compared.

    Attributes:
        decision: `keep`, `redact` or `drop`.
        reason: the reason code.
        rule: the id of the deciding rule.
        redacted: what must be taken from the record, in any order.
    """

    decision: Literal["keep", "redact", "drop"]
    reason: Annotated[str, AfterValidator(_reason)] | None = None
    rule: str | None = None
    redacted: list[str] | None = None


class Case(_Frozen):
    """One case: people's acts, records, and what is expected.

    Attributes:
        name: what the case shows.
        as_of: the instant of the decision; the file's where absent.
        consents: consent events, added to those of the file.
        subjects: rows of the side file of people, likewise.
        links: rows of the side file of linked identities, likewise.
        record: the record, or
        records: several of them.
        expect: one expectation for each record, or one for all.
    """

    name: Annotated[str, Field(min_length=1)]
    as_of: Instant | None = None
    consents: list[Row] = []
    subjects: list[Row] = []
    links: list[Row] = []
    record: Row | None = None
    records: Annotated[list[Row], Field(min_length=1)] | None = None
    expect: Annotated[list[Expectation], BeforeValidator(_listed_once)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.record is None) == (self.records is None):
            raise ValueError("wanted one of record and records")
        if len(self.expect) not in (1, len(self.rows)):
            raise ValueError(
                f"found {len(self.expect)} expectations for {len(self.rows)} records;"
                " wanted one for each, or one for all"
            )
        return self

    @property
    def rows(self) -> list[Row]:
        """The records."""
        return self.records or [self.record or {}]

    @property
    def expected(self) -> list[Expectation]:
        """One expectation per record."""
        return self.expect * len(self.rows) if len(self.expect) == 1 else self.expect


class CaseFile(_Frozen):
    """A file of cases, and what all of them share.

    Attributes:
        as_of: the instant of the cases that name none.
        consents, subjects, links: what every case starts with.
        cases: the cases.
    """

    as_of: Instant | None = None
    consents: list[Row] = []
    subjects: list[Row] = []
    links: list[Row] = []
    cases: Annotated[list[Case], Field(min_length=1)]


@dataclasses.dataclass(frozen=True, slots=True)
class Scene:
    """A case as tables, ready to be decided.

    Attributes:
        case: what is expected.
        as_of: the instant of the decision.
        records: standard columns, and payload.
        consents: consent events; no rows where nobody said anything.
        subjects: people, or None.
        links: linked identities, or None.
    """

    case: Case
    as_of: datetime
    records: pa.Table
    consents: pa.Table
    subjects: pa.Table | None
    links: pa.Table | None


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record."""

    decision: str
    reason: str
    rule: str | None
    redacted: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Mismatch:
    """A record that was decided otherwise than expected.

    Attributes:
        case: name of the case.
        record_id: the record.
        wanted, found: the parts that differ, in words.
    """

    case: str
    record_id: str
    wanted: str
    found: str


def read_cases(path: str | os.PathLike[str]) -> tuple[Scene, ...]:
    """Read a file of cases.

    Raises:
        InputError: the file cannot be used; every problem with its line.
    """
    file = read_yaml(path)
    try:
        found = CaseFile.model_validate({} if file.data is None else file.data)
    except ValidationError as wrong:
        located = [
            (file.line(loc), file.at(loc, text))
            for _, loc, text in of_validation(wrong, CaseFile)
        ]
        raise InputError([text for _, text in sorted(located)]) from None
    problems = [
        file.at(("cases", at, "as_of"), "missing; state it here or for the whole file")
        for at, case in enumerate(found.cases)
        if case.as_of is None and found.as_of is None
    ]
    names = [case.name for case in found.cases]
    problems += [
        file.at(("cases", at, "name"), f"{name!r} is the name of an earlier case")
        for at, name in enumerate(names)
        if name in names[:at]
    ]
    scenes: list[Scene] = []
    for at, case in enumerate(found.cases):
        try:
            scenes.append(_scene(case, found))
        except InputError as wrong:
            problems += [file.at(("cases", at), one) for one in wrong.problems]
    if problems:
        raise InputError(problems)
    return tuple(scenes)


def _scene(case: Case, file: CaseFile) -> Scene:
    return Scene(
        case,
        datetime.fromisoformat(case.as_of or file.as_of or "1970-01-01T00:00:00Z"),
        case_tables.records(case.rows),
        case_tables.events([*file.consents, *case.consents]),
        case_tables.subjects([*file.subjects, *case.subjects]),
        case_tables.links([*file.links, *case.links]),
    )


def compare(scene: Scene, outcomes: Sequence[Outcome]) -> tuple[Mismatch, ...]:
    """Return every record of a case that came out otherwise than expected.

    Args:
        scene: the case.
        outcomes: one per record, in their order.
    """
    ids = scene.records.column("record_id").to_pylist()
    mismatches = []
    for record_id, wanted, found in zip(
        ids, scene.case.expected, outcomes, strict=True
    ):
        pairs = list(_differing(wanted, found))
        if pairs:
            mismatches.append(
                Mismatch(
                    scene.case.name,
                    str(record_id),
                    ", ".join(f"{key} {value}" for key, value, _ in pairs),
                    ", ".join(f"{key} {value}" for key, _, value in pairs),
                )
            )
    return tuple(mismatches)


def _differing(wanted: Expectation, found: Outcome) -> Iterable[tuple[str, str, str]]:
    if wanted.decision != found.decision:
        # The reason explains the surprise, whether or not one was asked for.
        yield (
            "decision",
            wanted.decision + (f" ({wanted.reason})" if wanted.reason else ""),
            f"{found.decision} ({found.reason})",
        )
    elif wanted.reason is not None and wanted.reason != found.reason:
        yield "reason", wanted.reason, found.reason
    if wanted.rule is not None and wanted.rule != found.rule:
        yield "rule", wanted.rule, found.rule or "none"
    if wanted.redacted is not None and sorted(wanted.redacted) != sorted(
        found.redacted
    ):
        yield "redacted", _listed(wanted.redacted), _listed(found.redacted)


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(sorted(names))}]"


def outcomes_of(ledger: Mapping[str, Sequence[Any]]) -> tuple[Outcome, ...]:
    """Return the outcomes that a ledger states.

    Args:
        ledger: its columns decision, reason, rule and redacted, as lists.
    """
    return tuple(
        Outcome(decision, reason, rule, tuple(redacted or ()))
        for decision, reason, rule, redacted in zip(
            ledger["decision"],
            ledger["reason"],
            ledger["rule"],
            ledger["redacted"],
            strict=True,
        )
    )

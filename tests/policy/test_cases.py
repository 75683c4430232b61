"""Files of cases: what they may say, and how a case is compared."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from consentfilter.errors import InputError
from consentfilter.policy.cases import Outcome, Scene, compare, outcomes_of, read_cases

CASE = """\
as_of: 2026-01-01T00:00:00Z
cases:
  - name: one
    record: {category: content.chat, collected_at: 2025-01-01T00:00:00Z, subject_id: 7}
    expect: {decision: drop, reason: NO_CONSENT_RECORD}
"""


def scenes(tmp_path: Path, text: str) -> tuple[Scene, ...]:
    path = tmp_path / "cases.yaml"
    path.write_text(text)
    return read_cases(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        scenes(tmp_path, text)
    return [one.replace(f"{tmp_path}/", "") for one in caught.value.problems]


def test_a_case_becomes_tables(tmp_path: Path) -> None:
    (scene,) = scenes(tmp_path, CASE)
    assert scene.as_of == datetime(2026, 1, 1, tzinfo=UTC)
    assert scene.records.to_pylist() == [
        {
            "record_id": "record-1",
            "category": "content.chat",
            "collected_at": "2025-01-01T00:00:00Z",
            "subject_id": 7,
        }
    ]
    assert scene.consents.num_rows == 0
    assert {"source_id", "status", "recorded_at"} <= set(scene.consents.column_names)
    assert scene.subjects is None
    assert scene.links is None


def test_what_the_file_shares_comes_first(tmp_path: Path) -> None:
    text = """\
as_of: 2026-01-01T00:00:00Z
consents: [{subject_id: 1, status: given, occurred_at: 2025-01-01T00:00:00Z}]
subjects: [{subject_id: 1, birth_date: 2010-05-17}]
links: [{id_a: 1, ns_b: device, id_b: x}]
cases:
  - name: one
    as_of: 2026-06-01T00:00:00+02:00
    consents:
      - {subject_id: 2, status: refused, recorded_at: 2025-02-01T00:00:00Z,
         recipients: [lab], actor_verified: true, source_seq: 4}
    records: [{subjects: [1, {id: 2, role: speaker}]}, {record_id: b}]
    expect: [{decision: keep}, {decision: drop}]
"""
    (scene,) = scenes(tmp_path, text)
    assert scene.as_of == datetime.fromisoformat("2026-06-01T00:00:00+02:00")
    given, refused = scene.consents.to_pylist()
    assert (given["subject_id"], given["status"]) == ("1", "given")
    assert given["recorded_at"] == "2025-01-01T00:00:00Z"
    assert given["source_id"] == "default"
    assert refused["recorded_at"] == "2025-02-01T00:00:00Z"
    assert (refused["recipients"], refused["actor_verified"]) == (["lab"], True)
    assert scene.subjects is not None
    (person,) = scene.subjects.to_pylist()
    assert (person["birth_date"].year, person["lifecycle"]) == (2010, "active")
    assert scene.links is not None
    assert scene.links.to_pylist() == [
        {"ns_a": "user_id", "ns_b": "device", "id_a": "1", "id_b": "x"}
    ]
    assert scene.records.column("subjects").to_pylist()[0] == [
        {"id": "1", "role": None},
        {"id": "2", "role": "speaker"},
    ]
    assert scene.records.column("record_id").to_pylist() == ["record-1", "b"]


WRONG: dict[str, tuple[str, list[str]]] = {
    "unknown reason": (
        CASE.replace("NO_CONSENT_RECORD", "NO_CONSENT_RECRD"),
        [
            "cases.yaml:5: cases[0].expect[0].reason: 'NO_CONSENT_RECRD' is not a"
            " reason; did you mean 'NO_CONSENT_RECORD'?"
        ],
    ),
    "unknown decision": (
        CASE.replace("decision: drop", "decision: delete"),
        [
            "cases.yaml:5: cases[0].expect[0].decision: 'delete' is not one of keep,"
            " redact, drop"
        ],
    ),
    "no instant": (
        CASE.replace("as_of: 2026-01-01T00:00:00Z\n", ""),
        ["cases.yaml:2: cases[0].as_of: missing; state it here or for the whole file"],
    ),
    "an instant without offset": (
        CASE.replace("as_of: 2026-01-01T00:00:00Z", "as_of: 2026-01-01"),
        [
            "cases.yaml:1: as_of: found '2026-01-01', wanted an instant with an offset"
            " such as 2026-01-01T00:00:00Z"
        ],
    ),
    "an instant that is none": (
        CASE.replace("as_of: 2026-01-01T00:00:00Z", "as_of: tomorrow"),
        [
            "cases.yaml:1: as_of: found 'tomorrow', wanted an instant with an offset"
            " such as 2026-01-01T00:00:00Z"
        ],
    ),
    "no cases": (
        "as_of: 2026-01-01T00:00:00Z\ncases: []\n",
        ["cases.yaml:2: cases: found an empty list, wanted at least one entry"],
    ),
    "neither record nor records": (
        "as_of: 2026-01-01T00:00:00Z\ncases:\n"
        "  - {name: a, expect: {decision: keep}}\n",
        ["cases.yaml:3: cases[0]: wanted one of record and records"],
    ),
    "expectations that do not fit": (
        "as_of: 2026-01-01T00:00:00Z\ncases:\n"
        "  - {name: a, record: {}, expect: [{decision: keep}, {decision: keep}]}\n",
        [
            "cases.yaml:3: cases[0]: found 2 expectations for 1 records; wanted one for"
            " each, or one for all"
        ],
    ),
    "a name that is there already": (
        CASE + CASE.partition("cases:\n")[2],
        ["cases.yaml:6: cases[1].name: 'one' is the name of an earlier case"],
    ),
    "an event column that is none": (
        CASE + "    consents: [{subjct_id: a, status: 3}]\n",
        [
            "cases.yaml:3: cases[0]: consents[0].subjct_id: unknown column; did you"
            " mean 'subject_id'?",
            "cases.yaml:3: cases[0]: consents[0].status: found 3, wanted text (in"
            " quotes)",
        ],
    ),
    "an event value of another kind": (
        CASE + "    consents: [{actor_verified: x, source_seq: x, recipients: x}]\n",
        [
            "cases.yaml:3: cases[0]: consents[0].actor_verified: found 'x', wanted true"
            " or false",
            "cases.yaml:3: cases[0]: consents[0].source_seq: found 'x', wanted a whole"
            " number",
            "cases.yaml:3: cases[0]: consents[0].recipients: found 'x', wanted a list"
            " of texts",
        ],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_names_its_problems(tmp_path: Path, name: str) -> None:
    text, expected = WRONG[name]
    assert problems(tmp_path, text) == expected


def test_a_birth_date_that_is_none(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path, CASE + "    subjects: [{subject_id: 1, birth_date: May}]\n"
    )
    assert problem.startswith("cases.yaml:3: cases[0]: subjects: birth_date: ")
    assert problem.endswith("wanted a date such as 2010-05-17")


def test_record_values_of_different_kinds(tmp_path: Path) -> None:
    text = CASE.replace("record: {", "records: [{x: [1]}, {x: 1, ").replace(
        "subject_id: 7}", "subject_id: 7}]"
    )
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(
        "cases.yaml:3: cases[0]: records: x: values of different kinds ("
    )


@pytest.mark.parametrize(
    ("expect", "outcome", "wanted", "found"),
    [
        (
            "{decision: keep}",
            Outcome("drop", "OBJECTED", None, ()),
            "decision keep",
            "decision drop (OBJECTED)",
        ),
        (
            "{decision: keep, reason: OK_CONSENT}",
            Outcome("drop", "OBJECTED", None, ()),
            "decision keep (OK_CONSENT)",
            "decision drop (OBJECTED)",
        ),
        (
            "{decision: drop, reason: OPT_OUT_SIGNAL}",
            Outcome("drop", "OBJECTED", None, ()),
            "reason OPT_OUT_SIGNAL",
            "reason OBJECTED",
        ),
        (
            "{decision: drop, rule: a}",
            Outcome("drop", "OBJECTED", None, ()),
            "rule a",
            "rule none",
        ),
        (
            "{decision: redact, redacted: ['2', '1']}",
            Outcome("redact", "OBJECTED", None, ("3", "1")),
            "redacted [1, 2]",
            "redacted [1, 3]",
        ),
    ],
)
def test_a_difference_is_said(
    tmp_path: Path, expect: str, outcome: Outcome, wanted: str, found: str
) -> None:
    head = CASE.partition("expect:")[0]
    (scene,) = scenes(tmp_path, head + f"expect: {expect}\n")
    (one,) = compare(scene, [outcome])
    assert (one.case, one.record_id, one.wanted, one.found) == (
        "one",
        "record-1",
        wanted,
        found,
    )


def test_what_is_not_asked_is_not_compared(tmp_path: Path) -> None:
    head = CASE.partition("expect:")[0]
    (scene,) = scenes(tmp_path, head + "expect: {decision: redact}\n")
    assert compare(scene, [Outcome("redact", "OBJECTED", "a", ("1",))]) == ()


def test_outcomes_come_from_the_ledger() -> None:
    ledger = {
        "decision": ["drop", "redact"],
        "reason": ["OBJECTED", "OBJECTED"],
        "rule": [None, "a"],
        "redacted": [None, ["1"]],
    }
    assert outcomes_of(ledger) == (
        Outcome("drop", "OBJECTED", None, ()),
        Outcome("redact", "OBJECTED", "a", ("1",)),
    )

"""`consentfilter policy test`: cases decided by the engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consentfilter.cli.main import run

ZOOM = "examples/zoom-2023-08.yaml"
CASES = "examples/cases.yaml"

Capture = pytest.CaptureFixture[str]

ONE = """\
as_of: 2026-01-01T00:00:00Z
cases:
  - name: somebody agreed
    consents:
      - {subject_id: ann, status: given, purpose: improve.train_ai, category: content,
         expression: explicit, occurred_at: 2025-01-01T00:00:00Z}
    record: {category: content.chat, subject_id: ann,
             collected_at: 2025-02-01T00:00:00Z}
    expect: {decision: keep, reason: OK_CONSENT}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text('id: p\nversion: "1"\n')
    return path


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.yaml"
    path.write_text(ONE)
    return path


def test_the_example_cases_pass(capsys: Capture) -> None:
    assert run(["policy", "test", ZOOM, CASES]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "12 of 12 cases came out as expected.\n"


def test_required_sources_do_not_apply_to_cases(
    tmp_path: Path, cases: Path, capsys: Capture
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        'id: p\nversion: "1"\n'
        "snapshot: {max_staleness: PT1S, required_sources: [nowhere]}\n"
    )
    assert run(["policy", "test", str(policy), str(cases), "--quiet"]) == 0
    both = tmp_path / "both.yaml"
    both.write_text('id: b\nversion: "1"\nall_of: [policy.yaml, {id: c}]\n')
    assert run(["policy", "test", str(both), str(cases), "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_failing_case_shows_wanted_and_found(
    policy: Path, cases: Path, capsys: Capture
) -> None:
    cases.write_text(ONE.replace("explicit,", "default_on,"))
    assert run(["policy", "test", str(policy), str(cases)]) == 1
    captured = capsys.readouterr()
    assert captured.out == (
        "failed: somebody agreed\n"
        "  record-1: wanted decision keep (OK_CONSENT); found decision drop"
        " (EXPRESSION_INSUFFICIENT)\n"
    )
    assert captured.err == "0 of 1 cases came out as expected.\n"


def test_an_event_that_was_set_aside_is_named(
    policy: Path, cases: Path, capsys: Capture
) -> None:
    cases.write_text(ONE.replace("explicit,", "explict,"))
    assert run(["policy", "test", str(policy), str(cases)]) == 1
    assert capsys.readouterr().out == (
        "failed: somebody agreed\n"
        "  record-1: wanted decision keep (OK_CONSENT); found decision drop"
        " (NO_CONSENT_RECORD)\n"
        "  1 consent event was set aside: unknown_expression\n"
    )


def test_results_as_json(policy: Path, cases: Path, capsys: Capture) -> None:
    cases.write_text(ONE + ONE.partition("cases:\n")[2].replace("agreed", "else"))
    cases.write_text(cases.read_text() + "    as_of: 2024-01-01T00:00:00Z\n")
    assert run(["policy", "test", str(policy), str(cases), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["id"], found["passed"], found["failed"]) == ("p", 1, 1)
    assert found["cases"] == [
        {
            "name": "somebody agreed",
            "isPassed": True,
            "mismatches": [],
            "setAside": {},
        },
        {
            "name": "somebody else",
            "isPassed": False,
            "mismatches": [
                {
                    "recordId": "record-1",
                    "wanted": "decision keep (OK_CONSENT)",
                    "found": "decision drop (RECORD_INVALID)",
                }
            ],
            "setAside": {},
        },
    ]


def test_a_table_that_cannot_be_used_names_the_case(
    policy: Path, cases: Path, capsys: Capture
) -> None:
    cases.write_text(ONE.replace("status: given", "status: gave"))
    assert run(["policy", "test", str(policy), str(cases)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {cases}: case 'somebody agreed': ")
    assert "'gave'" in error


def test_a_wrong_file_of_cases_exits_with_2(
    policy: Path, cases: Path, capsys: Capture
) -> None:
    cases.write_text("cases: []\n")
    assert run(["policy", "test", str(policy), str(cases)]) == 2
    assert capsys.readouterr().err == (
        f"error: {cases}:1: cases: found an empty list, wanted at least one entry\n"
    )

"""`consentfilter policy diff --records --consent`: what a change does to real data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.cli.main import run

Capture = pytest.CaptureFixture[str]

OLD = 'id: p\nversion: "1"\nsnapshot: {required_sources: [nowhere]}\n'
NEW = OLD + "rules: [{id: default, categories: ['*'], expression: [explicit]}]\n"


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    """Five records of two parts: ann consented explicitly, ben by a clear act."""
    (tmp_path / "dump").mkdir()
    for part, people in enumerate((["ann", "ben"], ["ben", "kim", "ben"])):
        table = pa.table(
            {
                "record_id": [f"r{part}{at}" for at in range(len(people))],
                "category": ["content.chat"] * len(people),
                "collected_at": ["2025-02-01T00:00:00Z"] * len(people),
                "subject_id": people,
                "text": ["hello"] * len(people),
            }
        )
        pq.write_table(table, tmp_path / "dump" / f"part-{part}.parquet")
    events = pa.table(
        {
            "subject_id": ["ann", "ben"],
            "status": ["given", "given"],
            "purpose": ["improve.train_ai"] * 2,
            "category": ["content"] * 2,
            "expression": ["explicit", "expressed"],
            "occurred_at": ["2025-01-01T00:00:00Z"] * 2,
        }
    )
    pq.write_table(events, tmp_path / "events.parquet")
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    names = ("old.yaml", "new.yaml", "dump", "events.parquet")
    return {name: str(tmp_path / name) for name in names}


def command(paths: dict[str, str], *further: str) -> list[str]:
    return [
        *("policy", "diff", paths["old.yaml"], paths["new.yaml"]),
        *("--records", paths["dump"], "--consent", paths["events.parquet"]),
        *("--as-of", "2025-06-01T00:00:00Z", *further),
    ]


def test_changed_records_are_counted_with_samples(
    paths: dict[str, str], capsys: Capture
) -> None:
    assert run(command(paths)) == 0
    captured = capsys.readouterr()
    assert captured.out == (
        "rules.default.expression: no longer expressed\n"
        "3 of 5 records come out otherwise (60.00%).\n"
        "\n"
        "rows  old   new   old reason  new reason               for example\n"
        "   3  keep  drop  OK_CONSENT  EXPRESSION_INSUFFICIENT  r01, r10, r12\n"
    )
    assert captured.err == "Decided as of 2025-06-01T00:00:00Z.\n"


def test_nothing_changes_under_the_same_policy(
    paths: dict[str, str], capsys: Capture
) -> None:
    paths["new.yaml"] = paths["old.yaml"]
    assert run(command(paths, "--quiet")) == 0
    captured = capsys.readouterr()
    assert captured.out == (
        "The policies ask the same.\n0 of 5 records come out otherwise (0.00%).\n"
    )
    assert captured.err == ""


def test_the_counts_as_json(paths: dict[str, str], capsys: Capture) -> None:
    assert run(command(paths, "--json")) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    found: dict[str, Any] = json.loads(captured.out)
    assert (found["rows"], found["changedRows"]) == (5, 3)
    assert found["asOf"] == "2025-06-01T00:00:00Z"
    assert [one["rows"] for one in found["changes"]] == [3, 1, 1]
    assert found["changes"][0] == {
        "isChange": True,
        "oldDecision": "keep",
        "newDecision": "drop",
        "oldReason": "OK_CONSENT",
        "newReason": "EXPRESSION_INSUFFICIENT",
        "otherParts": False,
        "rows": 3,
        "samples": ["r01", "r10", "r12"],
    }


def test_both_policies_decide_at_the_same_instant(
    paths: dict[str, str], capsys: Capture
) -> None:
    assert run(command(paths, "--json", "--as-of", "2024-06-01T00:00:00Z")) == 0
    found = json.loads(capsys.readouterr().out)
    assert {(one["oldReason"], one["newReason"]) for one in found["changes"]} == {
        ("RECORD_INVALID", "RECORD_INVALID")
    }


def test_other_parts_of_a_redacted_record_are_a_change(
    tmp_path: Path, paths: dict[str, str], capsys: Capture
) -> None:
    segments = [
        {"segment_id": str(at), "subject_id": person, "text": "hello"}
        for at, person in enumerate(("ann", "ben", "kim"))
    ]
    table = pa.table(
        {
            "record_id": ["talk"],
            "category": ["content.transcript"],
            "collected_at": ["2025-02-01T00:00:00Z"],
            "segments": [segments],
        }
    )
    pq.write_table(table, tmp_path / "talk.parquet")
    paths["dump"] = str(tmp_path / "talk.parquet")
    for name in ("old.yaml", "new.yaml"):
        path = Path(paths[name])
        path.write_text(path.read_text() + "multi_subject: {mode: per_segment}\n")
    assert run(command(paths, "--quiet")) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "1 of 1 records come out otherwise (100.00%).",
        "",
        "rows  old     new                   old reason         new reason"
        "               for example",
        "   1  redact  redact (other parts)  NO_CONSENT_RECORD"
        "  EXPRESSION_INSUFFICIENT  talk",
    ]


def test_records_that_are_not_there(paths: dict[str, str], capsys: Capture) -> None:
    paths["dump"] += "-gone"
    assert run(command(paths)) == 2
    assert "dump-gone" in capsys.readouterr().err

"""Re-check on other layouts: hive partitions, removed segments, lapsing guardians."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.engine.filtering import filter_dataset
from consentfilter.engine.finish import Naming
from consentfilter.lineage import opened
from consentfilter.lineage.opened import OpenedRelease
from consentfilter.report import replay
from consentfilter.report.recheck import Recheck, recheck

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
KEY = bytes(32)


def event(number: int, who: str, status: str, day: int) -> dict[str, Any]:
    moment = START + dt.timedelta(days=day)
    return {
        "event_id": f"e{number}",
        "subject_id": who,
        "status": status,
        "purpose": "improve.train_ai",
        "category": "*",
        "expression": "explicit",
        "occurred_at": moment,
        "recorded_at": moment,
    }


def consent(path: Path, events: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(events), path)
    return path


def policy(path: Path, more: str = "") -> Path:
    path.write_text(f"id: p\nversion: '1'\n{more}", encoding="utf-8")
    return path


def release(
    where: Path, records: Path, events: Path, rules: Path, **options: Any
) -> OpenedRelease:
    filter_dataset(
        records,
        events,
        rules,
        out=where,
        as_of=START + dt.timedelta(days=100),
        release_key=KEY,
        naming=Naming("x"),
        **options,
    )
    return opened.open_release(where)


GIVEN = [event(1, "ann", "given", 0), event(2, "bob", "given", 0)]
GONE = [*GIVEN, event(3, "bob", "withdrawn", 120)]


def ids(found: Recheck) -> list[str]:
    names: list[str] = found.removals["record_id"].to_pylist()
    return names


def test_hive_partitions_are_bound_by_their_path(tmp_path: Path) -> None:
    for category, start in (("content.chat", 0), ("content.post", 10)):
        path = tmp_path / f"dump/category={category}/part.parquet"
        path.parent.mkdir(parents=True)
        people = ["ann", "bob", "ann", "bob", "cyd"]
        table = pa.table(
            {
                "record_id": [f"r{start + n}" for n in range(5)],
                "collected_at": pa.array(
                    [START + dt.timedelta(days=5)] * 5, pa.timestamp("us", "UTC")
                ),
                "subject_id": people,
                "text": [f"text {n}" for n in range(5)],
            }
        )
        pq.write_table(table, path, row_group_size=2)
    before = release(
        tmp_path / "release",
        tmp_path / "dump",
        consent(tmp_path / "before.parquet", GIVEN),
        policy(tmp_path / "policy.yaml"),
    )
    after = consent(tmp_path / "after.parquet", GONE)
    found = recheck(before, [after])
    assert found.people_changed == 1
    assert sorted(ids(found)) == ["r1", "r11", "r13", "r3"]
    assert found.by_reason == {"CONSENT_WITHDRAWN": 4}
    for row in found.removals.to_pylist():
        data = pq.read_table(before.root / row["data_path"], partitioning=None)
        assert data["record_id"][row["out_row"]].as_py() == row["record_id"]


def test_a_removed_segment_is_not_counted_as_still_redacted(tmp_path: Path) -> None:
    people = {"ann": ["ann", "cyd", "bob"], "bob": ["cyd", "ann", "ann"]}
    table = pa.table(
        {
            "record_id": ["r1", "r2"],
            "category": ["content.transcript"] * 2,
            "collected_at": pa.array([START] * 2, pa.timestamp("us", "UTC")),
            "segments": [
                [
                    {"text": f"words {n}", "subjects": [{"id": who}]}
                    for n, who in enumerate(named)
                ]
                for named in people.values()
            ],
        }
    )
    pq.write_table(table, tmp_path / "dump.parquet")
    binding = tmp_path / "dataset.yaml"
    binding.write_text("redaction: {segments: remove}\n", encoding="utf-8")
    rules = policy(
        tmp_path / "policy.yaml",
        "multi_subject: {mode: per_segment, min_retained: 0.3}\n"
        "on_fail: redact_fields\n",
    )
    before = release(
        tmp_path / "release",
        tmp_path / "dump.parquet",
        consent(tmp_path / "before.parquet", GIVEN),
        rules,
        dataset=binding,
    )
    kept = pq.read_table(before.root / "data/dump.parquet")
    assert [len(each) for each in kept["segments"].to_pylist()] == [2, 2]
    found = recheck(before, [consent(tmp_path / "after.parquet", GONE)])
    assert ids(found) == ["r1"]  # bob's words; #1 of r1 was cyd's, and is gone
    assert found.removals["redacted_now"].to_pylist() == [["#1"]]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (
            "minors: {ages: {default: 16}, unknown_age: adult, on_majority: lapse}\n",
            "permissions of guardians lapse with time under this policy",
        ),
        ("", None),
    ],
)
def test_lapsing_guardians_are_asked_of_every_row(
    tmp_path: Path, more: str, why: str | None
) -> None:
    table = pa.table(
        {
            "record_id": ["r1"],
            "category": ["content.chat"],
            "collected_at": pa.array([START], pa.timestamp("us", "UTC")),
            "subject_id": ["ann"],
        }
    )
    pq.write_table(table, tmp_path / "dump.parquet")
    events = consent(tmp_path / "events.parquet", GIVEN)
    rules = policy(tmp_path / "policy.yaml", more)
    before = release(tmp_path / "release", tmp_path / "dump.parquet", events, rules)
    assert recheck(before, [events]).why_all == why
    other = policy(
        tmp_path / "other.yaml", f"{more}taxonomy: {{purposes: [improve.x]}}\n"
    )
    assert recheck(before, [events], policy=other).why_all == (
        "the policy is another one than the release's"
    )


def test_replay_names_files_where_all_causes_are_the_same(tmp_path: Path) -> None:
    table = pa.table(
        {
            "record_id": ["r1", "r2"],
            "category": ["content.chat"] * 2,
            "collected_at": pa.array([START] * 2, pa.timestamp("us", "UTC")),
            "subject_id": ["ann", "bob"],
        }
    )
    pq.write_table(table, tmp_path / "dump.parquet")
    events = consent(tmp_path / "events.parquet", GIVEN)
    rules = policy(tmp_path / "policy.yaml")
    inputs = (tmp_path / "dump.parquet", events, rules)
    first = release(tmp_path / "one", *inputs)
    same = release(tmp_path / "two", *inputs)
    assert replay.first_difference(first, same) is None
    filter_dataset(
        *inputs,
        out=tmp_path / "three",
        as_of=START + dt.timedelta(days=100),
        release_key=bytes(range(32)),
        naming=Naming("x"),
    )
    other = opened.open_release(tmp_path / "three")
    # Everything in evidence/ hangs on the key; this is the first by name.
    assert "private/evidence/people.parquet has other bytes" in str(
        replay.first_difference(first, other)
    )
    filter_dataset(
        *inputs,
        out=tmp_path / "four",
        as_of=START + dt.timedelta(days=100),
        release_key=KEY,
        naming=Naming("x", "2"),
    )
    named = opened.open_release(tmp_path / "four")
    assert replay.first_difference(first, named) == (
        "release.version was '1', this time it is '2'"
    )

"""`consentfilter snapshot`: what it prints where, and how it exits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from consentfilter.cli.main import run
from consentfilter.consent.snapshot import read_snapshot
from tests.consent.conftest import GRANT, as_table

Capture = pytest.CaptureFixture[str]
CUT = "2025-01-01T00:00:00Z"


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    sound = [
        {**GRANT, "event_id": "e1"},
        {**GRANT, "event_id": "e2", "subject_id": "ben", "source_id": "web"},
        {**GRANT, "event_id": "e3", "status": "withdrawn", "purpose": None},
        {**GRANT, "event_id": "e3", "status": "withdrawn", "purpose": None},
    ]
    broken = [
        {**GRANT, "event_id": f"b{n}", "purpose": None, "source_id": "web"}
        for n in range(5)
    ]
    lost = {**GRANT, "event_id": "lost", "status": "refused", "subject_id": None}
    wide = {**GRANT, "event_id": "wide", "status": "refused", "category": "zzz"}
    pq.write_table(as_table(*sound, *broken, lost, wide), "events.parquet")
    pq.write_table(as_table(*sound), "sound.parquet")
    return tmp_path


def build(*more: str) -> int:
    return run(["snapshot", "build", *more, "--as-of", CUT])


def as_json(capsys: Capture) -> Any:
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_build_says_what_it_doubts_and_what_it_wrote(
    events: Path, capsys: Capture
) -> None:
    assert build("events.parquet", "--out", "s.parquet") == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    written = read_snapshot("s.parquet").meta.snapshot_id[:12]
    lines = captured.err.splitlines()
    assert lines == [
        *(
            f"doubt: events.parquet: row {row}: event 'b{row - 5}' of source 'web' "
            "names no purpose; set aside (no_purpose)"
            for row in (5, 6, 7)
        ),
        "doubt: events.parquet: row 10: event 'lost' of source 'crm' names neither a "
        "subject nor a scope, so it can be applied to nobody: find out whose it is; "
        "set aside (denial_names_nobody)",
        "doubt: events.parquet: row 11: event 'wide' of source 'crm' names a category "
        "that is not in the tree; kept for every category (unknown_category)",
        "doubt: … and 2 more set aside (no_purpose)",
        "11 events read from 1 file: 0 recorded after 2025-01-01T00:00:00Z, 1 "
        "duplicates, 0 voided, 6 other events not used.",
        "WARNING: 1 denials name neither a subject nor a scope and are applied to "
        "nobody; find out whose they are.",
        f"s.parquet: 4 statements about 2 subjects as of 2025-01-01T00:00:00Z, "
        f"snapshot {written}.",
    ]


def test_build_says_how_to_state_what_most_events_lack(
    events: Path, capsys: Capture
) -> None:
    lacking = {**GRANT, "purpose": None, "category": None}
    table = as_table(
        lacking, {**lacking, "event_id": "other"}, {**GRANT, "event_id": "e"}
    )
    pq.write_table(table, "bare.parquet")
    assert build("bare.parquet", "--out", "s.parquet") == 0
    (said,) = [
        line for line in capsys.readouterr().err.splitlines() if "Most events" in line
    ]
    assert said == (
        "Most events have no purpose, no category. What their export cannot know, say "
        "under `events:` of a dataset file (--dataset): purpose: {constant: "
        'improve.train_ai}; category: {constant: "*"}'
    )


@pytest.mark.parametrize("is_doubtful", [False, True])
def test_build_says_what_a_snapshot_without_statements_means(
    events: Path, capsys: Capture, is_doubtful: bool
) -> None:
    table = as_table({**GRANT, "purpose": None})
    pq.write_table(table if is_doubtful else table[:0], "none.parquet")
    assert build("none.parquet", "--out", "s.parquet") == 0
    (said,) = [
        line for line in capsys.readouterr().err.splitlines() if "WARNING" in line
    ]
    refused = "" if is_doubtful else ", and `filter` refuses such a snapshot"
    assert said == (
        f"WARNING: no statement is left: nothing that needs consent will pass{refused}."
    )


def test_build_is_silent_when_asked(events: Path, capsys: Capture) -> None:
    assert build("events.parquet", "--out", "s.parquet", "--quiet") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_build_as_json(events: Path, capsys: Capture) -> None:
    assert build("events.parquet", "--out", "s.parquet", "--json") == 0
    found = as_json(capsys)
    assert found["out"] == "s.parquet"
    assert found["statements"] == 4
    assert found["setAside"][0] == {
        "code": "no_purpose",
        "events": 5,
        "examples": ["b0", "b1", "b2"],
    }
    assert found["build"]["read"] == 11
    assert found["build"]["duplicates"] == 1
    assert len(found["build"]["problems"]) == 7
    assert found["build"]["problems"][0] == {
        "code": "no_purpose",
        "file": "events.parquet",
        "row": 5,
        "eventId": "b0",
        "sourceId": "web",
        "isSetAside": True,
    }


def test_build_of_nothing_warns(events: Path, capsys: Capture) -> None:
    assert (
        run(
            ["snapshot", "build", "events.parquet", "--out", "s.parquet"]
            + ["--as-of", "1999-01-01T00:00:00Z"]
        )
        == 0
    )
    assert "WARNING: no statement is left" in capsys.readouterr().err


def test_the_same_events_give_the_same_file(events: Path) -> None:
    assert build("events.parquet", "sound.parquet", "--out", "a.parquet") == 0
    assert build("events.parquet", "--out", "b.parquet") == 0
    assert Path("a.parquet").read_bytes() == Path("b.parquet").read_bytes()


def test_build_keys_ids_and_knows_added_nodes(events: Path, capsys: Capture) -> None:
    Path("id.key").write_bytes(b"0123456789abcdef")
    Path("dataset.yaml").write_text("taxonomy: {categories: [zzz]}\n")
    Path("policy.yaml").write_text(
        "id: p\nversion: '1'\ntaxonomy: {purposes: [more]}\n"
    )
    more = ["--id-key", "id.key", "--dataset", "dataset.yaml", "--policy"]
    assert build("events.parquet", "--out", "s.parquet", *more, "policy.yaml") == 0
    snapshot = read_snapshot("s.parquet")
    assert snapshot.meta.id_key_fingerprint is not None
    assert snapshot.meta.taxonomy_version.startswith("1+")
    assert "zzz" in snapshot.statements["category"].to_pylist()


def test_compact_snapshots_say_so(events: Path, capsys: Capture) -> None:
    assert build("sound.parquet", "--out", "s.parquet", "--compact", "--quiet") == 0
    assert run(["snapshot", "inspect", "s.parquet", "--json"]) == 0
    found = as_json(capsys)
    assert (found["history"], found["statements"]) == ("compact", 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "events.parquet"], "is also one of the inputs; choose another name"),
        (["--out", "sound.parquet"], "exists and is no snapshot; choose another name"),
        (["--out", "."], "is a directory; wanted the name of a file"),
        (["--out", "x/y/s.parquet"], "the snapshot cannot be written"),
        (["--out", "s.parquet", "--as-of", "yesterday"], "'yesterday' is no instant"),
        (["--out", "s.parquet", "--id-key", "none"], "the id key cannot be read"),
        (["--out", "s.parquet", "--dataset", "none.yaml"], "cannot be read"),
        ([], "Missing option '--out'"),
    ],
)
def test_wrong_usage_is_refused_in_one_sentence(
    events: Path, capsys: Capture, arguments: list[str], said: str
) -> None:
    status = run(["snapshot", "build", "events.parquet", *arguments])
    assert status == (3 if "x/y" in str(arguments) else 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_a_snapshot_may_be_built_again(events: Path) -> None:
    assert build("sound.parquet", "--out", "s.parquet") == 0
    assert build("events.parquet", "--out", "s.parquet") == 0
    assert read_snapshot("s.parquet").statements.num_rows == 4


def test_errors_as_json(events: Path, capsys: Capture) -> None:
    assert build("none.parquet", "--out", "s.parquet", "--json") == 2
    assert as_json(capsys)["error"] == {
        "type": "InputError",
        "code": None,
        "problems": ["none.parquet: no such file or directory; check the path"],
    }
    assert not os.path.exists("s.parquet")


def test_inspect_shows_sources_counts_and_doubts(events: Path, capsys: Capture) -> None:
    assert build("events.parquet", "--out", "s.parquet", "--quiet") == 0
    assert run(["snapshot", "inspect", "s.parquet"]) == 0
    captured = capsys.readouterr()
    identity = read_snapshot("s.parquet").meta.snapshot_id
    assert captured.err == ""
    assert (
        captured.out
        == f"""\
s.parquet
  snapshot     {identity}
  as of        2025-01-01T00:00:00Z
  statements   4
  subjects     2
  history      full
  subject ids  plain
  taxonomy     1
  derivation   1

source  last recorded         before as of  events
crm     2024-06-01T12:00:00Z    213 d 12 h       4
web     2024-06-01T12:00:00Z    213 d 12 h       6

status     expression  statements
given      explicit             2
refused    explicit             1
withdrawn  explicit             1

set aside            events  for example
no_purpose                5  b0, b1, b2
denial_names_nobody       1  lost

kept, as wide as they could mean  events  for example
unknown_category                       1  wide
"""
    )


def test_inspect_as_json(events: Path, capsys: Capture) -> None:
    assert build("sound.parquet", "--out", "s.parquet", "--quiet") == 0
    assert run(["snapshot", "inspect", "s.parquet", "--json"]) == 0
    found = as_json(capsys)
    assert found.pop("snapshotId") == read_snapshot("s.parquet").meta.snapshot_id
    assert found == {
        "file": "s.parquet",
        "asOf": CUT,
        "builtAt": CUT,
        "schemaVersion": "1",
        "derivationVersion": "1",
        "taxonomyVersion": "1",
        "history": "full",
        "idKeyFingerprint": None,
        "statements": 3,
        "subjects": 2,
        "sources": [
            {"sourceId": "crm", "watermark": "2024-06-01T12:00:00Z", "events": 2},
            {"sourceId": "web", "watermark": "2024-06-01T12:00:00Z", "events": 1},
        ],
        "byStatus": [
            {"status": "given", "expression": "explicit", "statements": 2},
            {"status": "withdrawn", "expression": "explicit", "statements": 1},
        ],
        "setAside": [],
        "keptWide": [],
    }


def test_inspect_refuses_what_is_no_snapshot(events: Path, capsys: Capture) -> None:
    assert run(["snapshot", "inspect", "sound.parquet"]) == 2
    assert "no consent snapshot" in capsys.readouterr().err
    assert run(["snapshot", "inspect", "none"]) == 2


def test_diff_lists_changes_by_status(events: Path, capsys: Capture) -> None:
    assert build("sound.parquet", "--out", "old.parquet", "--quiet") == 0
    assert build("events.parquet", "--out", "new.parquet", "--quiet") == 0
    assert run(["snapshot", "diff", "old.parquet", "new.parquet"]) == 0
    old, new = (read_snapshot(f"{one}.parquet").meta for one in ("old", "new"))
    assert (
        capsys.readouterr().out
        == f"""\
old: {old.snapshot_id[:12]} as of 2025-01-01T00:00:00Z, 3 statements
new: {new.snapshot_id[:12]} as of 2025-01-01T00:00:00Z, 4 statements
change  status   statements  subjects  for example
added   refused           1         1  wide
1 subjects are concerned.
"""
    )
    assert run(["snapshot", "diff", "old.parquet", "old.parquet"]) == 0
    assert "Both hold the same statements." in capsys.readouterr().out


def test_diff_as_json(events: Path, capsys: Capture) -> None:
    assert build("sound.parquet", "--out", "old.parquet", "--quiet") == 0
    assert build("events.parquet", "--out", "new.parquet", "--quiet") == 0
    assert run(["snapshot", "diff", "new.parquet", "old.parquet", "--json"]) == 0
    found = as_json(capsys)
    assert found["isSame"] is False
    assert found["removed"] == {
        "byStatus": [{"status": "refused", "statements": 1, "subjects": 1}],
        "examples": ["wide"],
    }
    assert found["added"] == {"byStatus": [], "examples": []}


@pytest.mark.parametrize("command", ["build", "inspect", "diff"])
def test_every_command_shows_an_example(command: str, capsys: Capture) -> None:
    assert run(["snapshot", command, "--help"]) == 0
    assert f"Example:\n    consentfilter snapshot {command}" in capsys.readouterr().out

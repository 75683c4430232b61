"""Bad input: one message a problem, all problems together, and nothing written."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.cli.main import run
from tests import made

NAIVE = dt.datetime(2024, 1, 1)


class Dump:
    """A directory with records, consent and a policy, some of them bad."""

    def __init__(self, root: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys
        self.consent = made.write_events(root)
        self.policy = made.write_policy(root)
        self.records = str(root / "dump.parquet")
        pq.write_table(made.records(10), self.records)

    def change(self, **columns: Any) -> None:
        """Write the records again with other columns; None drops one."""
        self._write(made.records(10), self.records, columns)

    def change_events(self, **columns: Any) -> None:
        """Write the events again with other columns; None drops one."""
        self._write(made.events(), self.consent, columns)

    def _write(self, table: pa.Table, path: str, columns: dict[str, Any]) -> None:
        for name, values in columns.items():
            at = table.schema.get_field_index(name)
            if values is None:
                table = table.remove_column(at)
            else:
                repeated = pa.array([values] * len(table))
                table = table.set_column(at, name, repeated)
        pq.write_table(table, path)

    def refused(self, status: int = 2, *more: str) -> list[str]:
        """Run the filter; return its messages, and check that nothing was left."""
        before = sorted(self.root.rglob("*"))
        given = ["filter", self.records, "--consent", self.consent]
        given += ["--policy", self.policy, "--out", str(self.root / "release")]
        given += ["--unsigned", "--as-of", made.AS_OF.isoformat(), *more]
        assert run(given) == status
        both = self._capsys.readouterr()
        assert both.out == ""
        assert "Traceback" not in both.err
        assert sorted(self.root.rglob("*")) == before
        lines = both.err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        return [
            error.removeprefix("error: ").replace(f"{self.root}/", "")
            for error in errors
        ]


@pytest.fixture
def dump(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Dump:
    return Dump(tmp_path, capsys)


def test_not_parquet(dump: Dump) -> None:
    dump.records = dump.policy
    assert dump.refused() == [
        "policy.yaml: not a Parquet file (it begins with b'{\"id', wanted b'PAR1'); "
        "convert it to Parquet first."
    ]


def test_truncated_parquet(dump: Dump) -> None:
    path = pathlib.Path(dump.records)
    path.write_bytes(path.read_bytes()[:1000])
    (problem,) = dump.refused()
    assert problem.startswith("dump.parquet: the Parquet file is truncated (")


def test_zero_rows(dump: Dump) -> None:
    pq.write_table(made.records(0), dump.records)
    assert dump.refused() == [
        "dump.parquet: the part holds no rows at all; there is nothing to filter."
    ]


def test_zero_files(dump: Dump, tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").mkdir()
    dump.records = str(tmp_path / "empty")
    assert dump.refused() == [
        "empty: no *.parquet file below this directory (found nothing); files and "
        "directories named _… or .… are not read."
    ]


def test_missing_columns_come_together(dump: Dump) -> None:
    dump.change(category=None, collected_at=None)
    first, second = dump.refused()
    assert first.startswith(
        "dump.parquet: collected_at: there is no column 'collected_at'"
    )
    assert second.startswith("dump.parquet: category: there is no column 'category'")
    assert "(columns: record_id, subject_id, text)" in first


def test_wrongly_typed_columns_come_together(dump: Dump) -> None:
    dump.change(category=1.5, record_id=1.5)
    assert dump.refused() == [
        "dump.parquet: record_id: column 'record_id' is double; wanted the records' "
        "ids (text, whole numbers or fixed binary)",
        "dump.parquet: category: column 'category' is double; wanted the records' "
        "categories (text)",
    ]


def test_one_problem_of_many_parts_is_said_once(
    dump: Dump, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "dump").mkdir()
    table = made.records(10).drop_columns(["category"])
    for name in "abc":
        pq.write_table(table, tmp_path / f"dump/{name}.parquet")
    dump.records = str(tmp_path / "dump")
    (problem,) = dump.refused()
    assert problem.startswith("dump/a.parquet (and 2 more): category: there is no")


def test_naive_timestamps(dump: Dump) -> None:
    dump.change(collected_at=NAIVE)
    assert dump.refused() == [
        "dump.parquet: collected_at: column 'collected_at' is timestamp[us], a time "
        "without a zone; state the zone it is in, as 'assume_timezone: UTC' in "
        "dataset.yaml"
    ]


def test_duplicate_record_ids(dump: Dump) -> None:
    dump.change(record_id="same")
    assert dump.refused() == [
        "record_id 'same' occurs more than once: dump.parquet row 0, dump.parquet row "
        "1, dump.parquet row 2, …; ids must be unique within a run: make them so, or "
        "say 'on_duplicate: drop' in the policy, which drops all of them"
    ]


def test_unknown_statuses(dump: Dump) -> None:
    dump.change_events(status="maybe")
    (problem,) = dump.refused()
    assert "unknown status values: 'maybe' (10, first at consent.parquet: row 1)" in (
        problem
    )
    assert "statuses: {maybe: refused}" in problem


def test_events_without_a_zone(dump: Dump) -> None:
    dump.change_events(occurred_at=NAIVE, recorded_at=NAIVE)
    first, second = dump.refused()
    assert first.startswith(
        "consent.parquet: column 'occurred_at' is of type timestamp[us] without a time "
        "zone"
    )
    assert second.startswith("consent.parquet: column 'recorded_at'")


def test_a_policy_with_a_typo(dump: Dump) -> None:
    pathlib.Path(dump.policy).write_text(
        'id: x\nversion: "1"\nrules:\n  - categories: [content]\n    expresion: []\n'
    )
    (problem,) = dump.refused(1)
    assert problem.startswith("policy.yaml:5: rules[0].expresion: unknown key")
    assert problem.endswith("did you mean 'expression'?")


def test_an_unknown_purpose(dump: Dump, tmp_path: pathlib.Path) -> None:
    made.write_policy(tmp_path, purposes=["improve.trian_ai"])
    (problem,) = dump.refused(1)
    assert problem.startswith("RUN_PURPOSE_UNKNOWN: ")
    assert problem.endswith("did you mean 'improve.train_ai'?")


def test_a_missing_source(dump: Dump, tmp_path: pathlib.Path) -> None:
    made.write_policy(tmp_path, snapshot={"required_sources": ["app", "web"]})
    (problem,) = dump.refused()
    assert problem.startswith(
        "RUN_SOURCE_MISSING: the policy requires consent source 'web', found 'app'"
    )


def test_a_stale_snapshot(dump: Dump, tmp_path: pathlib.Path) -> None:
    made.write_policy(tmp_path, snapshot={"max_staleness": "PT24H"})
    (problem,) = dump.refused()
    assert problem.startswith("RUN_SNAPSHOT_STALE: the newest event of all sources")


def test_without_as_of_a_snapshot_is_as_old_as_it_is_today(
    dump: Dump, tmp_path: pathlib.Path
) -> None:
    snapshot = str(tmp_path / "snapshot.parquet")
    as_of = "2024-09-01T01:00:00Z"
    build = ["snapshot", "build", dump.consent, "--out", snapshot, "--as-of", as_of]
    assert run([*build, "--quiet"]) == 0
    dump.consent = snapshot
    made.write_policy(tmp_path, snapshot={"max_staleness": "P7D"})
    given = ["filter", dump.records, "--consent", snapshot, "--policy", dump.policy]
    assert run([*given, "--dry-run"]) == 2
    assert run([*given, "--dry-run", "--as-of", as_of]) == 0


def test_an_empty_consent_file(dump: Dump) -> None:
    pq.write_table(made.events()[:0], dump.consent)
    assert dump.refused() == [
        "RUN_SNAPSHOT_INVALID: the consent data holds no statement that is known as of "
        "2025-01-01T00:00:00Z (0 events were set aside); give the events of everybody "
        "who was asked, or another --as-of"
    ]


def test_consent_given_as_records(dump: Dump) -> None:
    dump.records = dump.consent
    assert dump.refused() == [
        "consent.parquet: this is consent events (it has the columns status and "
        "purpose), wanted records to filter; give it with --consent and name the "
        "records first."
    ]


def test_a_snapshot_given_as_records(dump: Dump, tmp_path: pathlib.Path) -> None:
    snapshot = str(tmp_path / "snapshot.parquet")
    assert run(["snapshot", "build", dump.consent, "--out", snapshot, "--quiet"]) == 0
    dump.records = snapshot
    assert dump.refused() == [
        "snapshot.parquet: this is a consent snapshot, wanted records to filter; give "
        "it with --consent and name the records first."
    ]


def test_records_given_as_consent(dump: Dump) -> None:
    dump.consent = dump.records
    (problem,) = dump.refused()
    assert problem.startswith(
        "dump.parquet: this looks like a file of records, not of consent"
    )


def test_an_output_that_exists(dump: Dump, tmp_path: pathlib.Path) -> None:
    (tmp_path / "release").mkdir()
    (problem,) = dump.refused()
    assert "a directory of that name exists; a release is never overwritten" in problem


def test_an_output_inside_the_records(dump: Dump, tmp_path: pathlib.Path) -> None:
    dump.records = str(tmp_path)
    (problem,) = dump.refused()
    assert "lies inside the records" in problem


def test_an_output_without_a_parent(dump: Dump, tmp_path: pathlib.Path) -> None:
    (problem,) = dump.refused(2, "--out", str(tmp_path / "no/release"))
    assert problem == "no/release: there is no directory no; make it first (mkdir -p)."


def test_problems_of_all_inputs_come_together(dump: Dump) -> None:
    dump.records, dump.consent, dump.policy = "/no.parquet", "/no.events", "/no.yaml"
    assert [problem.split(":")[0] for problem in dump.refused()] == [
        "/no.yaml",
        "/no.events",
        "/no.parquet",
    ]


def test_grants_of_one_id_that_differ_are_set_aside_and_said(
    dump: Dump, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ["same", "same", *(f"e{n}" for n in range(2, 10))]
    events = made.events().set_column(0, "event_id", pa.array(ids))
    pq.write_table(events, dump.consent)
    given = ["filter", dump.records, "--consent", dump.consent, "--dry-run"]
    assert run([*given, "--policy", dump.policy]) == 0
    shown = capsys.readouterr().err
    assert "note: 2 consent events were set aside: event_id_conflict 2" in shown
    bare = made.events().drop_columns(["purpose", "category"])
    pq.write_table(bare, dump.consent)
    assert run([*given, "--policy", dump.policy]) == 0
    shown_then = capsys.readouterr().err
    assert "note: consent events were set aside (one may count" in shown_then
    assert "dropped  3" in shown

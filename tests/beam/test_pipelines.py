"""Each pipeline that is shipped, run as its docstring says."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from apache_beam.yaml.yaml_provider import parse_providers
from apache_beam.yaml.yaml_transform import YamlTransform

from consentfilter.beam import YAML_PROVIDER
from consentfilter.consent.snapshot import read_snapshot
from consentfilter.engine.filtering import filter_dataset
from pipelines import build_snapshot, filter_dump, filter_stream, recheck_releases
from tests import made

pytestmark = pytest.mark.beam
AS_OF = made.AS_OF.isoformat()


@pytest.fixture
def policy(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(json.dumps(made.POLICY))
    return str(path)


@pytest.fixture
def records(tmp_path: pathlib.Path) -> str:
    (tmp_path / "records").mkdir()
    for at in range(3):
        table = made.records(10, start=at * 10)
        pq.write_table(table, tmp_path / "records" / f"part-{at}.parquet")
    return str(tmp_path / "records")


def test_filter_dump_makes_a_release(
    tmp_path: pathlib.Path, policy: str, records: str
) -> None:
    consent = made.write_events(tmp_path)
    out = tmp_path / "release"
    filter_dump.main(
        ["--records", records, "--consent", consent, "--policy", policy]
        + ["--out", str(out), "--as-of", AS_OF, "--direct_runner_bundle_repeat=1"]
    )
    ids = pq.read_table(out / "data")["record_id"].to_pylist()
    assert ids == made.admitted_ids(30)
    assert (out / "manifest.intoto.json").is_file()
    assert not list(tmp_path.glob(".*"))


def test_build_snapshot_writes_it_and_then_points_to_it(tmp_path: pathlib.Path) -> None:
    events = made.write_events(tmp_path)
    out, pointer = tmp_path / "snapshot.parquet", tmp_path / "current.json"
    build_snapshot.main(
        ["--events", events, "--out", str(out), "--as-of", AS_OF]
        + ["--pointer", str(pointer)]
    )
    assert read_snapshot(out).meta.as_of == made.AS_OF
    assert json.loads(pointer.read_text())["snapshot"] == str(out)


def test_recheck_lists_the_rows_of_who_withdrew(
    tmp_path: pathlib.Path,
    policy: str,
    records: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    release = tmp_path / "release"
    filter_dataset([records], made.events(), policy, out=release, as_of=made.AS_OF)
    later = made.AS_OF.replace(year=2026)
    withdrawn = made.events().slice(6, 2).slice(1)  # u6's withdrawal, as a model
    row: dict[str, Any] = withdrawn.to_pylist()[0]
    row |= {"event_id": "late", "subject_id": "u0"}
    row |= {"status": "withdrawn", "occurred_at": later, "recorded_at": later}
    events = pa.concat_tables(
        [made.events(), pa.Table.from_pylist([row], made.events().schema)]
    )
    pq.write_table(events, tmp_path / "newer.parquet")
    recheck_releases.main(
        ["--releases", str(release), "--consent", str(tmp_path / "newer.parquet")]
        + ["--out", str(tmp_path / "removals")]
    )
    found = json.loads(capsys.readouterr().out)
    assert (found["rowsToRemove"], found["byReason"]) == (3, {"CONSENT_WITHDRAWN": 3})
    removals = pq.read_table(tmp_path / "removals" / "release.parquet")
    assert sorted(removals["record_id"].to_pylist()) == ["r0", "r10", "r20"]


@pytest.mark.parametrize("has_snapshot", [True, False])
def test_a_stream_is_decided_by_the_snapshot_in_force(
    has_snapshot: bool, tmp_path: pathlib.Path, policy: str
) -> None:
    """In this process; a snapshot that is replaced meanwhile: tests/flink."""
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    pointer = tmp_path / "current.json"
    rows = made.records(10).to_pylist()
    for row in rows:
        row["collected_at"] = row["collected_at"].isoformat()
    (inbox / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    snapshot_id = None
    if has_snapshot:
        snapshot = str(tmp_path / "snapshot.parquet")
        build_snapshot.main(
            ["--events", made.write_events(tmp_path), "--as-of", AS_OF]
            + ["--out", snapshot, "--pointer", str(pointer)]
        )
        snapshot_id = read_snapshot(snapshot).meta.snapshot_id
    filter_stream.main(
        ["--inbox", str(inbox), "--pointer", str(pointer), "--policy", policy]
        + ["--out", str(out), "--every", "1", "--for-seconds", "2"]
    )
    ledger = _lines(out / "ledger")
    assert {row["snapshot_id"] for row in ledger} == {snapshot_id}
    assert len(ledger) == 10
    kept = sorted(row["record_id"] for row in _lines(out / "kept"))
    assert kept == (made.admitted_ids() if has_snapshot else [])


def _lines(directory: pathlib.Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(directory.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


YAML = """
type: composite
input: {{rows: input}}
transforms:
  - type: ConsentFilter
    input: rows
    config:
      policy: {policy}
      consent: {consent}
      as_of: "{as_of}"
      error_handling: {{output: errors}}
output:
  kept: ConsentFilter.kept
  dropped: ConsentFilter.dropped
  ledger: ConsentFilter.ledger
  errors: ConsentFilter.errors
"""


def test_the_yaml_step_gives_kept_dropped_ledger_and_errors(
    tmp_path: pathlib.Path, policy: str
) -> None:
    steps = YAML.format(policy=policy, consent=made.write_events(tmp_path), as_of=AS_OF)
    rows = [
        beam.Row(**row | {"collected_at": made.COLLECTED.isoformat()})
        for row in made.records(10).to_pylist()
    ]
    providers = yaml.safe_load(pathlib.Path(YAML_PROVIDER).read_text())
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = (
            pipeline
            | beam.Create(rows)
            | YamlTransform(steps, providers=parse_providers(".", providers))
        )
        texts = {
            "kept": lambda row: row.record_id,
            "dropped": lambda row: f"{row.subject_id} {row.consentfilter_reason}",
            "ledger": lambda row: f"{row.record_id} {row.decision}",
            "errors": lambda row: row.msg,
        }
        for name, text in texts.items():
            path = str(tmp_path / name)
            _ = found[name] | name >> beam.Map(_note, text, path)
    assert _noted(tmp_path / "kept") == [f"r{n}" for n in range(6)]
    reasons = dict(line.split() for line in _noted(tmp_path / "dropped"))
    assert reasons == {k: v for k, v in made.REASONS.items() if v != "OK_CONSENT"}
    assert len(_noted(tmp_path / "ledger")) == 10
    assert _noted(tmp_path / "errors") == []


def _note(row: Any, text: Any, path: str) -> None:
    with open(path, "a") as notes:
        notes.write(text(row) + "\n")


def _noted(path: pathlib.Path) -> list[str]:
    return sorted(path.read_text().splitlines()) if path.exists() else []


def test_every_pipeline_says_how_it_is_called() -> None:
    for name in ("filter_dump", "build_snapshot", "recheck_releases", "filter_stream"):
        told = subprocess.run(
            [sys.executable, "-m", f"pipelines.{name}", "--help"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert f"python -m pipelines.{name}" in told.stdout

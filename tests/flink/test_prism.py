"""On Prism, Beam's own portable runner, which streams: built from its Go module."""

from __future__ import annotations

import json
import os
import pathlib
import threading
import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from consentfilter.consent.snapshot import read_snapshot
from pipelines import build_snapshot, filter_stream
from tests import made
from tests.beam.cases import cases
from tests.beam.contract import Run, run_batches, run_rows, wanted

PRISM = [
    "--runner=PrismRunner",
    f"--prism_location={os.environ.get('CONSENTFILTER_PRISM')}",
    "--environment_type=LOOPBACK",
]
#: Cases in one pipeline.
TOGETHER = 10
AS_OF = made.AS_OF.isoformat()


@pytest.mark.parametrize("run", [run_batches, run_rows])
@pytest.mark.parametrize("first", range(0, len(cases()), TOGETHER))
def test_records_are_decided_as_by_the_local_engine(
    first: int, run: Run, tmp_path: pathlib.Path
) -> None:
    some = cases()[first : first + TOGETHER]
    found = run(some, PipelineOptions(PRISM), tmp_path)
    for case, got in zip(some, found, strict=True):
        assert got.ledger == case.ledger
        assert got.kept == wanted(case)


def test_a_snapshot_that_is_replaced_takes_effect_while_the_stream_runs(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "policy.yaml").write_text(json.dumps(made.POLICY))
    policy = str(tmp_path / "policy.yaml")
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    pointer = tmp_path / "current.json"
    feeding = threading.Thread(target=_feed, args=(tmp_path, inbox, pointer))
    feeding.start()
    filter_stream.main(
        ["--inbox", str(inbox), "--pointer", str(pointer), "--policy", policy]
        + ["--out", str(out), "--every", "1", "--for-seconds", "12"]
        + [*PRISM, "--streaming"]
    )
    feeding.join()
    ledger = {row["record_id"]: row for row in _lines(out / "ledger")}
    first, second = (
        read_snapshot(tmp_path / f"{at}.parquet").meta.snapshot_id for at in (1, 2)
    )
    told = {name: (row["reason"], row["snapshot_id"]) for name, row in ledger.items()}
    assert told == {
        "before": ("NO_CONSENT_RECORD", None),
        "with consent": ("OK_CONSENT", first),
        "after withdrawal": ("CONSENT_WITHDRAWN", second),
    }
    assert [row["record_id"] for row in _lines(out / "kept")] == ["with consent"]


def _feed(tmp_path: pathlib.Path, inbox: pathlib.Path, pointer: pathlib.Path) -> None:
    """Send a record before, under and after a consent."""

    def send(name: str) -> None:
        row = made.records(1).to_pylist()[0] | {"record_id": name}
        row["collected_at"] = row["collected_at"].isoformat()
        (inbox / "new").write_text(json.dumps(row) + "\n")
        os.rename(inbox / "new", inbox / f"{name}.jsonl")

    def publish(at: int, events: pa.Table) -> None:
        pq.write_table(events, tmp_path / f"events-{at}.parquet")
        build_snapshot.main(
            ["--events", str(tmp_path / f"events-{at}.parquet"), "--as-of", AS_OF]
            + ["--out", str(tmp_path / f"{at}.parquet"), "--pointer", str(pointer)]
        )

    withdrawal = made.events().filter(pc.equal(made.events()["status"], "withdrawn"))
    at = withdrawal.schema.get_field_index("subject_id")
    by_u0 = withdrawal.set_column(at, "subject_id", pa.array(["u0"]))
    at = by_u0.schema.get_field_index("event_id")
    by_u0 = by_u0.set_column(at, "event_id", pa.array(["late"]))
    send("before")
    time.sleep(2.5)
    publish(1, made.events())
    time.sleep(1.2)
    send("with consent")
    time.sleep(1.5)
    publish(2, pa.concat_tables([made.events(), by_u0]))
    time.sleep(1.2)
    send("after withdrawal")


def _lines(directory: pathlib.Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(directory.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]

"""On Spark, in executors of their own: the same decisions, the same release."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from consentfilter import spark as consent_spark
from consentfilter.engine.filtering import filter_dataset
from consentfilter.errors import InputError
from consentfilter.policy import Policy
from tests import made
from tests.beam.cases import KEY, Case, cases, decided, told
from tests.beam.releases import make_dump, tree

pytestmark = [
    pytest.mark.spark,
    pytest.mark.xdist_group("spark"),
    # Arrow goes straight through; pandas is only looked for.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
]

CASES = cases()
SAME = {"as_of": made.AS_OF, "release_key": bytes(32)}


@pytest.mark.parametrize("at", range(len(CASES)))
def test_records_are_decided_as_by_the_local_engine(
    at: int, spark: SparkSession, tmp_path: pathlib.Path
) -> None:
    case = _with_nullable_columns(CASES[at])
    options = {"dataset": case.dataset, "release_key": KEY}
    pq.write_table(case.records, tmp_path / "records.parquet")
    records = spark.read.parquet(str(tmp_path / "records.parquet")).repartition(3)
    ledger = consent_spark.ledger(records, case.policy, case.consent, **options)
    assert told(ledger.toArrow()) == case.ledger
    kept = consent_spark.keep(records, case.policy, case.consent, **options)
    assert kept.schema == records.schema
    wanted = {row["record_id"]: row for row in case.admitted.to_pylist()}
    found = {row["record_id"]: row for row in kept.toArrow().to_pylist()}
    assert found == wanted


def _with_nullable_columns(case: Case) -> Case:
    """Return a case as Spark reads it: a column that is never null may be null."""
    schema = pa.schema([field.with_nullable(True) for field in case.records.schema])
    return decided(case.records.cast(schema), case.consent, case.policy, case.dataset)


def test_kept_and_dropped_together_are_the_input(
    spark: SparkSession, tmp_path: pathlib.Path
) -> None:
    pq.write_table(made.records(100), tmp_path / "records.parquet")
    records = spark.read.parquet(str(tmp_path / "records.parquet"))
    policy = Policy.from_dict(made.POLICY)
    options = {"as_of": made.AS_OF}
    kept = consent_spark.keep(records, policy, made.events(), **options)
    dropped = consent_spark.drop_with_reason(records, policy, made.events(), **options)
    reasons = {r["subject_id"]: r["consentfilter_reason"] for r in dropped.collect()}
    assert reasons == {k: v for k, v in made.REASONS.items() if v != "OK_CONSENT"}
    back = kept.unionAll(dropped.drop("consentfilter_reason"))
    assert back.exceptAll(records).count() == records.exceptAll(back).count() == 0
    with pytest.raises(InputError, match="'consentfilter_reason' already"):
        consent_spark.drop_with_reason(dropped, policy, made.events(), **options)


def test_the_release_is_byte_for_byte_the_local_one(
    spark: SparkSession, tmp_path: pathlib.Path
) -> None:
    dump = make_dump(tmp_path)
    out = tmp_path / "out" / "release"
    out.parent.mkdir()
    consent_spark.filter_parquet(
        spark, dump.records, dump.consent, dump.files.policy, out=out, **dump.options
    )
    assert tree(out) == tree(dump.release)
    assert [path.name for path in out.parent.iterdir()] == ["release"]


def test_a_killed_executor_leaves_no_trace_in_the_release(
    spark: SparkSession, tmp_path: pathlib.Path
) -> None:
    records = tmp_path / "records"
    records.mkdir()
    for at in range(60):
        table = made.records(2_000, start=at * 2_000)
        pq.write_table(table, records / f"part-{at:03d}.parquet")
    policy = Policy.from_dict(made.POLICY)
    filter_dataset([records], made.events(), policy, out=tmp_path / "local", **SAME)
    out = tmp_path / "out" / "local"
    out.parent.mkdir()
    killer = threading.Thread(target=_kill_in_mid_run, args=(out.parent,))
    killer.start()
    consent_spark.filter_parquet(
        spark, [records], made.events(), policy, out=out, **SAME
    )
    killer.join()
    assert (tmp_path / "killed").read_text() == "in mid-run"
    assert tree(out) == tree(tmp_path / "local")
    assert [path.name for path in out.parent.iterdir()] == ["local"]


def _kill_in_mid_run(directory: pathlib.Path) -> None:
    """Kill one executor of ours once some parts were attempted."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        attempts = len(list(directory.glob(".*/attempts/*")))
        if attempts >= 5:
            os.kill(_executors()[0], signal.SIGKILL)
            said = "in mid-run" if attempts < 50 else f"too late: {attempts}"
            (directory.parent / "killed").write_text(said)
            return
        time.sleep(0.01)


def _executors() -> list[int]:
    """Return the executor processes below this process."""
    parents: dict[int, int] = {}
    executors = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text().rpartition(")")[2].split()
            line = (path / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(path.name)] = int(stat[1])
        if b"CoarseGrainedExecutorBackend" in line:
            executors.append(int(path.name))

    def is_ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and is_ours(parents[pid]))

    return sorted(pid for pid in executors if is_ours(pid))

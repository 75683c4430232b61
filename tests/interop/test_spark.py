"""Files that Spark writes: several parts, `_SUCCESS`, INT96 times, its own metadata."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest

from consentfilter.engine.filtering import filter_dataset
from consentfilter.policy import Policy
from tests import made

pytestmark = [pytest.mark.spark, pytest.mark.slow]
FAR_FUTURE = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Start a small local Spark."""
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .appName("interop")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "512m")
        .getOrCreate()
    )
    yield session
    session.stop()


def _write(spark: Any, path: pathlib.Path, kind: str) -> None:
    rows = [
        (f"r{n}", f"u{n % 10}", "content.chat", made.COLLECTED, f"text {n}", FAR_FUTURE)
        for n in range(60)
    ]
    names = ["record_id", "subject_id", "category", "collected_at", "text", "until"]
    spark.conf.set("spark.sql.parquet.outputTimestampType", kind)
    spark.createDataFrame(rows, names).repartition(3).write.parquet(str(path))


def _filter(records: pathlib.Path, out: pathlib.Path, dataset: Any = None) -> Any:
    return filter_dataset(
        records,
        made.events(),
        Policy.from_dict(made.POLICY),
        out=out,
        as_of=made.AS_OF,
        dataset=dataset,
    )


@pytest.mark.parametrize("kind", ["INT96", "TIMESTAMP_MICROS"])
def test_spark_reads_back_what_it_wrote(
    spark: Any, tmp_path: pathlib.Path, kind: str
) -> None:
    from consentfilter.dataset import Dataset

    _write(spark, tmp_path / "dump", kind)
    assert (tmp_path / "dump/_SUCCESS").exists()
    # INT96 has no zone: the binding says which one it is.
    binding = Dataset.from_dict({"assume_timezone": "UTC"})
    done = _filter(tmp_path / "dump", tmp_path / "release", binding)
    assert (done.parts, done.rows, done.admitted_rows) == (3, 60, 36)
    for part in (tmp_path / "dump").glob("*.parquet"):
        out = tmp_path / "release/data" / part.name
        was, now = pq.ParquetFile(part), pq.ParquetFile(out)
        # The first two lines hold an address and the name of the root.
        assert str(now.schema).splitlines()[2:] == str(was.schema).splitlines()[2:]
        assert now.metadata.metadata == was.metadata.metadata
        assert b"org.apache.spark.sql.parquet.row.metadata" in now.metadata.metadata
        assert (
            now.metadata.row_group(0).column(0).compression
            == was.metadata.row_group(0).column(0).compression
        )
    before = spark.read.parquet(str(tmp_path / "dump"))
    after = spark.read.parquet(str(tmp_path / "release/data"))
    assert after.schema == before.schema
    kept = set(made.admitted_ids(60))
    wanted = sorted(row for row in before.collect() if row["record_id"] in kept)
    assert sorted(after.collect()) == wanted
    assert {row["until"].year for row in wanted} == {9999}

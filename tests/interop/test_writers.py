"""Parquet that others write goes through, and comes out as it was."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from consentfilter.engine.filtering import filter_dataset
from consentfilter.policy import Policy
from tests import made
from tests.interop import files

WRITERS: dict[str, Callable[[pathlib.Path], None]] = {
    "pyarrow": files.by_pyarrow,
    "pyarrow without statistics": lambda path: files.by_pyarrow(
        path, write_statistics=False
    ),
    "pyarrow without arrow schema": lambda path: files.by_pyarrow(
        path, store_schema=False, compression="gzip"
    ),
    "pyarrow with page index and v2 pages": lambda path: files.by_pyarrow(
        path, write_page_index=True, data_page_version="2.0", compression="zstd"
    ),
    "polars": files.by_polars,
    "polars without statistics": lambda path: files.by_polars(
        path, statistics=False, compression="lz4"
    ),
    "duckdb": files.by_duckdb,
    "duckdb with zstd": lambda path: files.by_duckdb(path, ", compression zstd"),
    "duckdb version 2": lambda path: files.by_duckdb(path, ", parquet_version v2"),
    "pandas": files.by_pandas,
}


def _filter(records: pathlib.Path, out: pathlib.Path, **more: Any) -> None:
    filter_dataset(
        records,
        made.events(),
        Policy.from_dict(made.POLICY),
        out=out,
        as_of=made.AS_OF,
        **more,
    )


def _assert_as_it_was(before: pathlib.Path, after: pathlib.Path) -> None:
    """Compare schema, metadata, layout and rows of a part and its output."""
    source, result = pq.ParquetFile(before), pq.ParquetFile(after)
    assert result.schema_arrow.equals(source.schema_arrow, check_metadata=True)
    was, now = source.metadata, result.metadata
    kept = {k: v for k, v in (was.metadata or {}).items() if k != b"ARROW:schema"}
    assert kept == {
        k: v for k, v in (now.metadata or {}).items() if k != b"ARROW:schema"
    }
    assert (b"ARROW:schema" in (now.metadata or {})) == (
        b"ARROW:schema" in (was.metadata or {})
    )
    assert now.num_row_groups == was.num_row_groups
    for at in range(len(source.schema)):
        column, other = source.schema.column(at), result.schema.column(at)
        assert (column.path, column.physical_type, column.max_definition_level) == (
            other.path,
            other.physical_type,
            other.max_definition_level,
        )
    groups = [(was.row_group(n), now.row_group(n)) for n in range(was.num_row_groups)]
    for group, other_group in groups:
        if not (group.num_rows and other_group.num_rows):
            continue
        for at in range(group.num_columns):
            chunk, other_chunk = group.column(at), other_group.column(at)
            assert chunk.compression == other_chunk.compression
            assert chunk.is_stats_set == other_chunk.is_stats_set
    # Row by row: Arrow itself cannot filter every type that it can read.
    wanted = [row for row in source.read().to_pylist() if row["record_id"] in KEPT]
    found = result.read()
    assert found.schema == source.schema_arrow
    assert found.to_pylist() == wanted


KEPT = frozenset(made.admitted_ids(files.ROWS))


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_comes_out_as_it_was(
    tmp_path: pathlib.Path, write: Callable[[pathlib.Path], None]
) -> None:
    write(tmp_path / "dump.parquet")
    _filter(tmp_path / "dump.parquet", tmp_path / "release")
    _assert_as_it_was(tmp_path / "dump.parquet", tmp_path / "release/data/dump.parquet")


def test_hugging_face_datasets_load_the_release(tmp_path: pathlib.Path) -> None:
    import datasets

    (tmp_path / "dump").mkdir()
    files.by_datasets(tmp_path / "dump")
    _filter(tmp_path / "dump", tmp_path / "release")
    name = "train-00000-of-00001.parquet"
    _assert_as_it_was(tmp_path / "dump" / name, tmp_path / "release/data" / name)
    loaded = datasets.Dataset.from_parquet(
        str(tmp_path / "release/data" / name), cache_dir=str(tmp_path / "cache")
    )
    assert loaded.features["label"].names == ["no", "yes"]
    assert loaded["record_id"][:2] == ["r0", "r1"]


def test_pandas_gets_its_index_back(tmp_path: pathlib.Path) -> None:
    import pandas as pd

    files.by_pandas(tmp_path / "dump.parquet")
    _filter(tmp_path / "dump.parquet", tmp_path / "release")
    frame = pd.read_parquet(tmp_path / "release/data/dump.parquet")
    assert frame.index.name == "key"
    assert list(frame.index[:2]) == ["row-0", "row-1"]
    assert str(frame["word"].dtype) == "category"
    assert str(frame["maybe"].dtype) == "Int64"


def test_polars_and_duckdb_read_data_and_ledger(tmp_path: pathlib.Path) -> None:
    import duckdb
    import polars as pl

    files.by_pyarrow(tmp_path / "dump.parquet")
    _filter(tmp_path / "dump.parquet", tmp_path / "release")
    ledger = tmp_path / "release/private/ledger/dump.parquet"
    frame = pl.read_parquet(ledger)
    assert frame["decision"].cast(pl.String).to_list().count("keep") == len(KEPT)
    with duckdb.connect() as db:
        counted = db.execute(
            f"select decision, count(*) from '{ledger}' group by 1 order by 1"
        ).fetchall()
    assert counted == [("drop", files.ROWS - len(KEPT)), ("keep", len(KEPT))]


def test_hive_partitions_stay_in_the_paths(tmp_path: pathlib.Path) -> None:
    import polars as pl

    frame = pl.DataFrame(files.columns()).with_columns(
        (pl.col("count") % 3).alias("shard"), pl.lit("a b").alias("site")
    )
    frame.write_parquet(tmp_path / "dump", partition_by=["shard", "site"], mkdir=True)
    _filter(tmp_path / "dump", tmp_path / "release")
    parts = sorted(
        str(path.relative_to(tmp_path / "dump"))
        for path in (tmp_path / "dump").rglob("*.parquet")
    )
    assert len(parts) == 3
    for part in parts:
        _assert_as_it_was(tmp_path / "dump" / part, tmp_path / "release/data" / part)
    data = pl.read_parquet(tmp_path / "release/data", hive_partitioning=True)
    assert set(data["shard"]) == {0, 1, 2}
    assert set(data["site"]) == {"a b"}


def test_duckdb_partitions_too(tmp_path: pathlib.Path) -> None:
    import duckdb

    table = made.records(30)
    with duckdb.connect() as db:
        db.register("t", table)
        db.execute(
            "copy (select *, (row_number() over ()) % 2 as half from t) to "
            f"'{tmp_path}/dump' (format parquet, partition_by (half))"
        )
    _filter(tmp_path / "dump", tmp_path / "release")
    for part in (tmp_path / "dump").rglob("*.parquet"):
        name = part.relative_to(tmp_path / "dump")
        _assert_as_it_was(part, tmp_path / "release/data" / name)

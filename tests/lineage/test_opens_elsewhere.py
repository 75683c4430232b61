"""A release's data is plain Parquet to everybody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lineage import made_release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [
        made_release.part("a.parquet", 60),
        made_release.part("b.parquet", 20, first=100),
    ]
    return made_release.release(tmp_path_factory.mktemp("plain") / "one", parts)


def admitted() -> int:
    parts = [
        made_release.part("a.parquet", 60),
        made_release.part("b.parquet", 20, first=100),
    ]
    return sum(
        row["out_row"] is not None for one in parts for row in one.ledger.to_pylist()
    )


def test_duckdb_reads_it(release: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        query = f"select count(*), min(text) from '{release}/data/**/*.parquet'"
        count, text = connection.execute(query).fetchone()
        assert (count, text[:8]) == (admitted(), "text of ")
        ledger = f"'{release}/private/ledger/*.parquet'"
        kept = connection.execute(
            f"select count(*) from {ledger} where decision != 'drop'"
        ).fetchone()
        assert kept == (admitted(),)
        evidence = f"'{release}/private/evidence/records.parquet'"
        found = connection.execute(f"select count(distinct path) from {evidence}")
        assert found.fetchone() == (admitted(),)


def test_hugging_face_datasets_load_it(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(
        "parquet",
        data_files=f"{release}/data/**/*.parquet",
        split="train",
        cache_dir=str(tmp_path),
    )
    assert loaded.num_rows == admitted()
    assert set(loaded.column_names) == {"record_id", "text"}

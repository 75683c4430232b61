"""INT96 times are read by one rule, whoever reads them."""

from __future__ import annotations

import datetime as dt
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter import int96
from consentfilter.engine.filtering import filter_dataset
from consentfilter.errors import InputError
from consentfilter.policy import Policy
from tests import made

FAR = dt.datetime(9999, 12, 31)


def _write(path: pathlib.Path, times: pa.Array, *, store_schema: bool) -> None:
    table = made.records(len(times), until=times)
    table = table.set_column(
        3, "collected_at", table["collected_at"].cast(pa.string())
    ).append_column("nested", pa.array([{"n": 1}] * len(times)))
    pq.write_table(
        table, path, use_deprecated_int96_timestamps=True, store_schema=store_schema
    )


def test_years_beyond_2262_are_read_in_microseconds(tmp_path: pathlib.Path) -> None:
    _write(
        tmp_path / "p.parquet",
        pa.array([FAR] * 2, pa.timestamp("us")),
        store_schema=False,
    )
    table = int96.open_file(tmp_path / "p.parquet").read()
    assert table["until"].to_pylist() == [FAR, FAR]
    assert pq.read_table(tmp_path / "p.parquet")["until"].cast(
        pa.int64()
    ).to_pylist() != [FAR, FAR]


def test_files_by_arrow_keep_their_nanoseconds(tmp_path: pathlib.Path) -> None:
    _write(
        tmp_path / "p.parquet",
        pa.array([1, 1001], pa.timestamp("ns")),
        store_schema=True,
    )
    table = int96.open_file(tmp_path / "p.parquet").read()
    assert table["until"].type == pa.timestamp("ns")
    assert table["until"].cast(pa.int64()).to_pylist() == [1, 1001]


def test_digits_that_would_be_lost_are_noticed() -> None:
    fine = pa.array([1_000, None, 2_000], pa.timestamp("ns"))
    coarse = pa.array([1, None, 2], pa.timestamp("us"))
    assert not int96.has_lost_digits(fine, coarse)
    assert int96.has_lost_digits(pa.array([1_001], pa.timestamp("ns")), coarse[:1])
    wrapped = pa.array([-12345], pa.timestamp("ns"))
    assert not int96.has_lost_digits(wrapped, coarse[:1])


def _filter(path: pathlib.Path, out: pathlib.Path) -> None:
    filter_dataset(
        path, made.events(), Policy.from_dict(made.POLICY), out=out, as_of=made.AS_OF
    )


def test_far_times_come_out_as_they_were(tmp_path: pathlib.Path) -> None:
    times = pa.array([FAR] * 10, pa.timestamp("us"))
    _write(tmp_path / "p.parquet", times, store_schema=False)
    _filter(tmp_path / "p.parquet", tmp_path / "release")
    opened = int96.open_file(tmp_path / "release/data/p.parquet")
    assert int96.int96_columns(opened) == ["until"]
    assert opened.read()["until"].to_pylist() == [FAR] * 6


def test_times_that_cannot_be_carried_are_refused(tmp_path: pathlib.Path) -> None:
    times = pa.array([1_001] * 10, pa.timestamp("ns"))
    _write(tmp_path / "p.parquet", times, store_schema=False)
    with pytest.raises(InputError) as caught:
        _filter(tmp_path / "p.parquet", tmp_path / "release")
    assert str(caught.value) == (
        f"{tmp_path}/p.parquet: column 'until' holds INT96 times with digits below a "
        "microsecond, which would be lost; write the dump again with INT64 nanoseconds"
    )

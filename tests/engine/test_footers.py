"""Footers: what opens, and what a file that does not open is told to be."""

from __future__ import annotations

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.engine.footers import limited, read_footers
from consentfilter.engine.storage import list_parts
from consentfilter.errors import InputError


def _write(path: pathlib.Path, rows: int = 3, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"a": range(rows)}), path, **options)


def test_a_footer_counts_rows_and_row_groups(tmp_path: pathlib.Path) -> None:
    _write(tmp_path / "p.parquet", 10, row_group_size=4)
    (footer,) = read_footers(list_parts([str(tmp_path)]))
    assert (footer.rows, footer.row_groups) == (10, (4, 4, 2))
    assert len(footer.row_group_bytes) == 3


def test_equal_schemas_are_one_object(tmp_path: pathlib.Path) -> None:
    _write(tmp_path / "a.parquet")
    _write(tmp_path / "b.parquet")
    first, second = read_footers(list_parts([str(tmp_path)]))
    assert first.schema is second.schema


def test_every_file_that_is_no_parquet_says_what_it_is(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "text.parquet").write_text("record_id,category\n1,content.chat\n")
    (tmp_path / "locked.parquet").write_bytes(b"PARE" + b"x" * 20 + b"PARE")
    _write(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    broken = whole[:-40] + b"\xff" * 32 + whole[-8:]
    (tmp_path / "footer.parquet").write_bytes(broken)
    with pytest.raises(InputError) as caught:
        read_footers(list_parts([str(tmp_path)]))
    problems = dict(
        problem.removeprefix(f"{tmp_path}/").split(": ", 1)
        for problem in caught.value.problems
    )
    assert problems.pop("footer.parquet").startswith(
        "the Parquet footer cannot be read ("
    )
    assert problems == {
        "empty.parquet": "the file is empty (0 bytes); wanted a Parquet file. A writer "
        "that was interrupted leaves such a file: write it again.",
        "text.parquet": "not a Parquet file (it begins with b'reco', wanted b'PAR1'); "
        "convert it to Parquet first.",
        "locked.parquet": "the Parquet footer is encrypted; wanted a plain one: "
        "decrypt the file first.",
        "cut.parquet": "the Parquet file is truncated (it ends with "
        f"{whole[:-20][-4:]!r} instead of the footer's b'PAR1', after "
        f"{len(whole) - 20} bytes); copy or write it again.",
    }


def test_two_columns_of_one_name_are_refused(tmp_path: pathlib.Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(InputError, match="more than one column is called 'a'"):
        read_footers(list_parts([str(tmp_path)]))


def test_a_limit_takes_the_first_parts_and_cuts_the_last(
    tmp_path: pathlib.Path,
) -> None:
    for name in "abc":
        _write(tmp_path / f"{name}.parquet", 4)
    footers = read_footers(list_parts([str(tmp_path)]))
    assert [footer.wanted_rows for footer in limited(footers, 6)] == [4, 2]
    assert [footer.wanted_rows for footer in limited(footers, 8)] == [4, 4]
    assert [footer.wanted_rows for footer in limited(footers, 99)] == [4, 4, 4]

"""Units, pieces and where row groups end: the output depends on the file alone."""

from __future__ import annotations

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.engine import reader
from consentfilter.engine.filtering import filter_dataset
from consentfilter.engine.footers import Footer, limited, read_footers
from consentfilter.engine.reader import units
from consentfilter.engine.storage import list_parts
from consentfilter.policy import Policy
from tests import made


def _footer(rows: list[int], sizes: list[int] | None = None) -> Footer:
    return Footer(
        None,  # type: ignore[arg-type]
        pa.schema([]),
        sum(rows),
        tuple(rows),
        tuple(sizes or [n * 10 for n in rows]),
    )


def test_small_row_groups_are_read_together() -> None:
    half = reader.PIECE_ROWS // 2
    (one, other) = units(_footer([half, 0, half, 1]))
    assert (one.groups, one.group_rows, one.first_row) == (
        (0, 1, 2),
        (half, 0, half),
        0,
    )
    assert one.ends == (half, half, 2 * half)
    assert (other.groups, other.first_row, other.ends) == ((3,), 2 * half, (1,))


def test_a_large_row_group_is_read_in_pieces_and_stays_one() -> None:
    rows = reader.PIECE_ROWS * 3
    (unit,) = units(_footer([rows]))
    assert (unit.piece_rows, unit.cut_rows, unit.ends) == (
        reader.PIECE_ROWS,
        0,
        (rows,),
    )


def test_wide_rows_make_small_pieces() -> None:
    (unit,) = units(_footer([1000], [1000 << 20]))
    assert unit.piece_rows == 64


def test_a_huge_row_group_is_cut_at_whole_pieces() -> None:
    (unit,) = units(_footer([4_000_000], [4 << 30]))
    assert unit.cut_rows % unit.piece_rows == 0
    assert unit.ends[-1] == 4_000_000
    assert len(unit.ends) >= 16


def test_a_limit_cuts_the_last_unit() -> None:
    (footer,) = limited([_footer([5, 5, 5])], 7)
    (unit,) = units(footer)
    assert (unit.groups, unit.group_rows, unit.ends) == ((0, 1), (5, 2), (5, 7))


@given(
    st.lists(st.integers(0, 50), max_size=12), st.integers(1, 40), st.integers(1, 400)
)
def test_units_cover_every_row_once(
    rows: list[int], piece_rows: int, piece_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "PIECE_ROWS", piece_rows)
        patch.setattr(reader, "PIECE_BYTES", piece_bytes)
        found = units(_footer(rows))
    assert [group for unit in found for group in unit.groups] == list(range(len(rows)))
    assert [n for unit in found for n in unit.group_rows] == rows
    first = 0
    for unit in found:
        assert unit.first_row == first
        first += unit.rows
        assert unit.rows <= piece_rows or len(unit.groups) == 1


@pytest.mark.parametrize("piece_rows", [1, 3, 7, 10, 1000])
@pytest.mark.parametrize("workers", [1, 3])
def test_pieces_of_any_size_give_the_same_rows_and_row_groups(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    piece_rows: int,
    workers: int,
) -> None:
    monkeypatch.setattr(reader, "PIECE_ROWS", piece_rows)
    table = made.records(60)
    word = pa.array([f"w{n % 4}" for n in range(60)]).dictionary_encode()
    table = table.append_column("word", word)
    with pq.ParquetWriter(tmp_path / "dump.parquet", table.schema) as writer:
        for start, end in ((0, 0), (0, 20), (20, 20), (20, 25), (26, 30), (30, 60)):
            writer.write_table(table[start:end])
    filter_dataset(
        tmp_path / "dump.parquet",
        made.events(),
        Policy.from_dict(made.POLICY),
        out=tmp_path / "release",
        as_of=made.AS_OF,
        workers=workers,
    )
    data = pq.ParquetFile(tmp_path / "release/data/dump.parquet")
    rows = [data.metadata.row_group(n).num_rows for n in range(data.num_row_groups)]
    assert rows == [0, 12, 0, 5, 0, 18]
    found = data.read()
    wanted = [
        row
        for row in pq.read_table(tmp_path / "dump.parquet").to_pylist()
        if row["record_id"] in made.admitted_ids(60)
    ]
    assert found.to_pylist() == wanted
    assert found.schema.field("word").type == word.type
    ledger = pq.read_table(tmp_path / "release/private/ledger/dump.parquet")
    assert ledger["row"].to_pylist() == list(range(59))
    out_rows = [n for n in ledger["out_row"].to_pylist() if n is not None]
    assert out_rows == list(range(35))


def test_payload_is_not_opened_where_nothing_is_kept(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PIECE_ROWS", 4)
    dropped = made.records(10)[6:]
    table = pa.concat_tables([dropped, dropped, made.records(10)[:6]])
    ids = pa.array([f"x{n}" for n in range(len(table))])
    table = table.set_column(0, "record_id", ids)
    pq.write_table(table, tmp_path / "dump.parquet", row_group_size=4)
    read: list[tuple[tuple[int, ...], tuple[str, ...]]] = []
    original = reader.read_columns

    def noting(opened: object, unit: reader.Unit, columns: list[str]) -> pa.Table:
        read.append((unit.groups, tuple(columns)))
        return original(opened, unit, columns)

    monkeypatch.setattr(reader, "read_columns", noting)
    filter_dataset(
        tmp_path / "dump.parquet",
        made.events(),
        Policy.from_dict(made.POLICY),
        out=tmp_path / "release",
        as_of=made.AS_OF,
        workers=1,
    )
    payload = [groups for groups, columns in read if "text" in columns]
    assert payload == [(2,), (3,)]
    assert read_footers(list_parts([str(tmp_path / "dump.parquet")]))[0].rows == 14

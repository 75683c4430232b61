"""Snapshots on disk: same bytes, nothing half-written, nothing broken let in."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from consentfilter.consent import canonical, store
from consentfilter.consent.model import ConsentSnapshot
from consentfilter.consent.schema import SNAPSHOT
from consentfilter.consent.snapshot import (
    build_snapshot,
    read_snapshot,
    write_snapshot,
)
from consentfilter.errors import InputError, RunRefused, StorageError
from tests.consent.conftest import AS_OF, GRANT, MADE, as_table


def events() -> list[dict[str, Any]]:
    return [
        {**GRANT, "event_id": "a1"},
        {**GRANT, "event_id": "a2", "status": "withdrawn", "purpose": None},
        {**GRANT, "event_id": "b1", "subject_id": "ben", "recipients": ["lab", "x"]},
        {**GRANT, "event_id": "c1", "subject_id": None, "account_id": "acme"},
        {**GRANT, "event_id": "z1", "purpose": None},
    ]


@pytest.fixture
def snapshot() -> ConsentSnapshot:
    return build_snapshot(as_table(*events()), as_of=AS_OF)


@pytest.fixture(params=["in one piece", "row by row"])
def path(
    tmp_path: Path,
    snapshot: ConsentSnapshot,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A snapshot's file, and how much of one is checked at a time."""
    if request.param == "row by row":
        monkeypatch.setattr(store, "_CHECKED_ROWS", 1)
    target = tmp_path / "snapshot.parquet"
    write_snapshot(snapshot, target)
    return target


def test_what_is_written_is_read(path: Path, snapshot: ConsentSnapshot) -> None:
    read = read_snapshot(path)
    assert read.meta == snapshot.meta
    assert read.notes is None
    assert read.statements.to_pylist() == snapshot.statements.to_pylist()


def test_only_the_columns_asked_for_are_kept(
    path: Path, snapshot: ConsentSnapshot
) -> None:
    read = read_snapshot(path, ["status", "recipients", "subject_key"])
    kept = ["statement_id", "subject_key", "status", "recipients"]
    assert read.statements.column_names == kept
    assert read.statements.to_pylist() == snapshot.statements.select(kept).to_pylist()


def test_columns_that_are_not_kept_are_checked_as_well(path: Path) -> None:
    rewritten(path, replaced("order_in_group", [0, 0, 0, 0]))
    with pytest.raises(RunRefused, match="order_in_group is not unique in a group"):
        read_snapshot(path, ["status"])
    rewritten(path, replaced("jurisdiction", ["DE", "DE", "DE", "FR"]), renews_id=False)
    with pytest.raises(RunRefused, match="its rows have id"):
        read_snapshot(path, ["status"])


def test_an_empty_snapshot_is_a_snapshot(tmp_path: Path) -> None:
    empty = build_snapshot(as_table({**GRANT, "purpose": None}), as_of=AS_OF)
    write_snapshot(empty, tmp_path / "s.parquet")
    read = read_snapshot(tmp_path / "s.parquet")
    assert read.meta == empty.meta
    assert read.statements.num_rows == 0


def test_the_file_metadata_names_what_the_model_asks_for(path: Path) -> None:
    metadata = pq.read_metadata(path).metadata
    assert set(metadata) - {b"ARROW:schema"} == {
        b"schema_version",
        b"snapshot_id",
        b"as_of",
        b"built_at",
        b"derivation_version",
        b"taxonomy_version",
        b"history",
        b"sources",
        b"quarantine",
        b"widened",
        b"examples",
    }
    assert metadata[b"as_of"] == b"2025-01-01T00:00:00Z"
    assert metadata[b"sources"] == (
        b'[{"rows":5,"source_id":"crm","watermark":"2024-06-01T12:00:00Z"}]'
    )


def test_rows_about_everyone_come_last_in_row_groups_of_their_own(path: Path) -> None:
    file = pq.ParquetFile(path)
    groups = [
        file.read_row_group(at, columns=["subject_key"])["subject_key"]
        for at in range(file.num_row_groups)
    ]
    assert [(len(keys), keys.null_count) for keys in groups] == [(3, 0), (1, 1)]


def test_another_reader_sees_plain_text(path: Path) -> None:
    found = duckdb.sql(
        f"select subject_key, status, recipients from '{path}' order by statement_id"
    ).fetchall()
    assert found[0] == ("user_id\x1fann", "given", None)
    assert found[2] == ("user_id\x1fben", "given", ["lab", "x"])


def test_a_failed_write_leaves_what_was_there(
    path: Path, snapshot: ConsentSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StorageError, match="No space left on device"):
        write_snapshot(snapshot, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_directory_is_named(
    tmp_path: Path, snapshot: ConsentSnapshot
) -> None:
    with pytest.raises(StorageError, match="the snapshot cannot be written"):
        write_snapshot(snapshot, tmp_path / "absent" / "s.parquet")


# --- broken snapshots -------------------------------------------------------


def rewritten(
    path: Path,
    change: Callable[[pa.Table], pa.Table] = lambda table: table,
    *,
    renews_id: bool = True,
    **metadata: str | None,
) -> Path:
    """Write a changed snapshot, by default with an id that fits its rows."""
    table = pq.read_table(path)
    kept = {
        key.decode(): value.decode() for key, value in table.schema.metadata.items()
    }
    changed = change(table.replace_schema_metadata(None))
    if renews_id and set(SNAPSHOT.names) <= set(changed.column_names):
        rows = changed.select(SNAPSHOT.names)
        kept["snapshot_id"] = canonical.snapshot_id(rows)
    kept |= {key: value for key, value in metadata.items() if value is not None}
    for key in [key for key, value in metadata.items() if value is None]:
        del kept[key]
    pq.write_table(changed.replace_schema_metadata(kept), path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RunRefused) as caught:
        read_snapshot(path)
    assert caught.value.code == "RUN_SNAPSHOT_INVALID"
    assert "build it again with `consentfilter snapshot build`" in str(caught.value)
    return str(caught.value)


def replaced(name: str, values: list[Any]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.column_names.index(name)
        kind = table.schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = pa.string()
        return table.set_column(at, name, pa.array(values, kind))

    return change


def test_rewriting_without_a_change_is_harmless(path: Path) -> None:
    before = read_snapshot(path).meta
    assert read_snapshot(rewritten(path)).meta == before


def test_other_rows_than_the_id_says_are_refused(path: Path) -> None:
    rewritten(path, lambda table: table.slice(1), renews_id=False)
    assert "its rows have id" in refusal(path)


def test_rows_are_read_in_pieces_of_some_row_groups(
    path: Path, snapshot: ConsentSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pq.read_table(path)
    pq.write_table(whole, path, row_group_size=1)
    for rows in (1, 3, 1000):
        monkeypatch.setattr(store, "ROW_GROUP_ROWS", rows)
        read = read_snapshot(path).statements
        assert read.to_pylist() == snapshot.statements.to_pylist()


@pytest.mark.parametrize("times", [0, 2])
def test_a_file_of_other_rows_than_it_states_is_refused(
    times: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store._sliced
    monkeypatch.setattr(store, "_sliced", lambda table: [*real(table)] * times)
    assert "it does not have the 4 rows it states" in refusal(path)


def test_a_duplicate_statement_id_is_refused(path: Path) -> None:
    rewritten(path, replaced("statement_id", ["a1", "a1", "b1", "c1"]))
    assert "statement_id is not unique: 'a1'" in refusal(path)


def test_a_duplicate_order_in_a_group_is_refused(path: Path) -> None:
    rewritten(path, replaced("order_in_group", [0, 0, 0, 0]))
    assert "order_in_group is not unique in a group" in refusal(path)


def test_rows_out_of_order_are_refused(path: Path) -> None:
    rewritten(path, lambda table: table.take([2, 0, 1, 3]))
    assert "rows are not sorted by subject_key" in refusal(path)


def test_rows_about_everyone_may_not_come_first(path: Path) -> None:
    rewritten(path, lambda table: table.take([3, 0, 1, 2]))
    assert "rows are not sorted by subject_key" in refusal(path)


def test_values_outside_the_closed_lists_are_refused(path: Path) -> None:
    rewritten(path, replaced("status", ["given", "voided!", "given", "given"]))
    assert "column 'status' holds 'voided!'" in refusal(path)


def test_nulls_in_required_columns_are_refused(path: Path) -> None:
    rewritten(path, replaced("purpose", ["*", None, "*", "*"]))
    assert "column 'purpose' has 1 nulls" in refusal(path)


def test_missing_columns_are_refused(path: Path) -> None:
    rewritten(path, lambda table: table.drop_columns(["valid_until", "status"]))
    assert "columns are missing: status, valid_until" in refusal(path)


def test_other_types_are_refused(path: Path) -> None:
    def naive(table: pa.Table) -> pa.Table:
        at = table.column_names.index("effective_at")
        values = table["effective_at"].cast(pa.timestamp("us"))
        return table.set_column(at, "effective_at", values)

    rewritten(path, naive)
    assert "column 'effective_at' is of type timestamp[us], wanted" in refusal(path)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"schema_version": "9"}, "it has schema version '9', this program reads '1'"),
        ({"history": "some"}, "its file metadata cannot be read"),
        ({"as_of": "2025-01-01T00:00:00"}, "its file metadata cannot be read"),
        ({"sources": "[{}]"}, "its file metadata cannot be read"),
        ({"quarantine": None}, "its file metadata cannot be read"),
        ({"quarantine": '{"no_time": "x"}'}, "its file metadata cannot be read"),
        ({"examples": "[]"}, "its file metadata cannot be read"),
        ({"widened": "[" * 100_000}, "its file metadata cannot be read"),
        ({"as_of": "0001-01-01T00:00:00+23:59"}, "its file metadata cannot be read"),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(
    path: Path, metadata: dict[str, str | None], said: str
) -> None:
    rewritten(path, **metadata)
    assert said in refusal(path)


def test_metadata_that_is_no_text_is_refused(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"watermark", b"water\xff\xferk"))
    assert "its file metadata cannot be read" in refusal(path)


def test_a_file_that_is_cut_off_is_no_parquet(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_snapshot(path)


def test_a_file_with_damaged_pages_is_refused(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4:120] = bytes(116)
    path.write_bytes(raw)
    assert "build it again" in refusal(path)


def test_events_are_no_snapshot(tmp_path: Path) -> None:
    pq.write_table(as_table(GRANT), tmp_path / "events.parquet")
    with pytest.raises(InputError, match="no consent snapshot"):
        read_snapshot(tmp_path / "events.parquet")


# --- the canonical form -----------------------------------------------------


def test_the_id_does_not_depend_on_chunks_or_types(snapshot: ConsentSnapshot) -> None:
    rows = snapshot.statements
    plain = pa.table(
        [
            column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for column in rows.columns
        ],
        names=rows.column_names,
    )
    chunked = pa.concat_tables([plain.slice(0, 1), plain.slice(1)])
    assert canonical.snapshot_id(chunked) == snapshot.meta.snapshot_id


@pytest.mark.parametrize("name", SNAPSHOT.names)
def test_every_column_counts(name: str, snapshot: ConsentSnapshot) -> None:
    rows = snapshot.statements
    column = rows.column(name)
    at = rows.column_names.index(name)
    if pa.types.is_boolean(column.type):
        other = pc.invert(column)
    elif pa.types.is_timestamp(column.type):
        other = pa.chunked_array([pa.array([MADE] * len(column), column.type)])
        if other.equals(column):
            later = MADE + dt.timedelta(microseconds=1)
            other = pa.chunked_array([pa.array([later] * len(column), column.type)])
    elif pa.types.is_integer(column.type):
        other = pc.add(column, 1).cast(column.type)
    elif pa.types.is_list(column.type):
        other = pa.chunked_array([pa.array([["q"]] * len(column), column.type)])
    else:
        other = pa.chunked_array([pa.array(["q"] * len(column))])
    changed = rows.set_column(at, name, other)
    assert canonical.snapshot_id(changed) != snapshot.meta.snapshot_id


def test_null_and_empty_text_have_different_ids() -> None:
    ids = {
        canonical.rows_digest(pa.table({"a": pa.array(values, pa.string())}), "x", few)
        for values in (["", "a"], [None, "a"], ["a", ""], ["", None], ["a"], [])
        for few in ((), ("a",))
    }
    assert len(ids) == 11  # without rows, both forms are the header alone


def test_the_id_of_a_known_table_never_changes() -> None:
    table = pa.table(
        {
            "id": ["a", "bc", None],
            "word": ["x", "y", "x"],
            "list": pa.array([["l", "mm"], None, []], pa.list_(pa.string())),
            "yes": [True, None, False],
            "at": pa.array([1, None, -1], pa.timestamp("us", "UTC")),
            "n": pa.array([1, 2, None], pa.int32()),
        }
    )
    digest = canonical.rows_digest(table, "test", ("word", "list"))
    assert digest == by_hand(table)


def by_hand(table: pa.Table) -> str:
    """The canonical form of the table above, spelled out."""
    import hashlib
    import struct

    def u32(*values: int) -> bytes:
        return struct.pack(f"<{len(values)}I", *values)

    raw = b"consentfilter test rows 1\n" + struct.pack("<Q", 3)
    raw += b"\x02\x01\x01\x00" + u32(1, 2) + b"abc"
    raw += b"\x01" + u32(2) + u32(1, 1) + b"xy" + struct.pack("<3H", 0, 1, 0)
    raw += b"\x02\x01\x00\x01" + u32(2) + u32(0, 9) + b"1:l,2:mm,"
    raw += struct.pack("<2H", 1, 0)
    raw += b"\x02\x01\x00\x01" + b"\x01\x00"
    raw += b"\x02\x01\x00\x01" + struct.pack("<2q", 1, -1)
    raw += b"\x02\x01\x01\x00" + struct.pack("<2i", 1, 2)
    return hashlib.sha256(raw).hexdigest()


def test_blocks_are_hashed_one_after_the_other() -> None:
    size = canonical.BLOCK_ROWS + 1
    table = pa.table({"id": pa.array(range(size)).cast(pa.string())})
    whole = canonical.rows_digest(table, "x")
    assert whole != canonical.rows_digest(table.slice(0, size - 1), "x")
    pieces = pa.concat_tables([table.slice(0, 7), table.slice(7)])
    assert canonical.rows_digest(pieces, "x") == whole


def test_a_block_without_values_differs_from_one_with_them() -> None:
    size = canonical.BLOCK_ROWS
    front = pa.chunked_array([pa.array(["x"] * size), pa.nulls(size, pa.string())])
    back = pa.chunked_array([pa.nulls(size, pa.string()), pa.array(["x"] * size)])
    ids = {
        canonical.rows_digest(pa.table({"a": column}), "x", few)
        for column in (front, back)
        for few in ((), ("a",))
    }
    assert len(ids) == 4


@pytest.mark.parametrize("cut", [1, 2, 7, 8, 9, 30])
def test_the_id_does_not_depend_on_the_pieces_that_are_hashed(
    cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canonical, "BLOCK_ROWS", 8)
    monkeypatch.setattr(canonical, "_PREPARED_ROWS", 16)
    names = pa.array([f"n{at % 10}" if at % 3 else None for at in range(30)])
    table = pa.table({"id": names, "few": names, "few_too": ["one"] * 30})
    few = ("few", "few_too")
    digest = canonical.RowsDigest("x", 30, few)
    for start in range(0, 30, cut):
        digest.update(table.slice(start, cut))
    assert digest.hexdigest() == canonical.rows_digest(table, "x", few)
    other = canonical.rows_digest(table.take([1, 0, *range(2, 30)]), "x", few)
    assert digest.hexdigest() != other


def test_instants_are_written_with_z() -> None:
    assert store.instant_text(MADE) == "2024-06-01T12:00:00Z"

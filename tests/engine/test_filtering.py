"""`filter_dataset`: what goes in, what comes out, and that it adds up."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.engine import batch, reader
from consentfilter.engine.filtering import Summary, filter_dataset
from consentfilter.engine.finish import Naming
from consentfilter.errors import InputError
from consentfilter.lineage.verifier import VIEW_NAMES
from consentfilter.policy import Policy
from consentfilter.reasons import Decision
from tests import made

KEY = bytes(range(32))


def _filter(
    records: object,
    out: pathlib.Path | None,
    policy: dict[str, Any] | None = None,
    **more: Any,
) -> Summary:
    places = records if isinstance(records, list) else [records]
    return filter_dataset(
        [str(place) for place in places],
        made.events(),
        Policy.from_dict({**made.POLICY, **(policy or {})}),
        out=out,
        **{"as_of": made.AS_OF, "release_key": KEY, **more},
    )


def _write(path: pathlib.Path, table: pa.Table, **options: Any) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def _ledger(release: pathlib.Path, part: str) -> dict[str, str]:
    table = pq.read_table(release / "private/ledger" / part)
    return dict(
        zip(table["record_id"].to_pylist(), table["reason"].to_pylist(), strict=True)
    )


def _tree(root: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_a_dump_becomes_a_release(tmp_path: pathlib.Path) -> None:
    table = made.records(20)
    part = _write(tmp_path / "dump.parquet", table, row_group_size=7)
    done = _filter(part, tmp_path / "release")
    data = pq.read_table(tmp_path / "release/data/dump.parquet")
    assert data["record_id"].to_pylist() == made.admitted_ids(20)
    assert data.schema.equals(table.schema, check_metadata=True)
    opened = pq.ParquetFile(tmp_path / "release/data/dump.parquet")
    groups = [opened.metadata.row_group(n).num_rows for n in range(3)]
    assert groups == [6, 4, 2]
    assert (done.rows, done.admitted_rows, done.parts) == (20, 12, 1)


def test_the_ledger_has_a_reason_for_every_row(tmp_path: pathlib.Path) -> None:
    part = _write(tmp_path / "dump.parquet", made.records(20), row_group_size=7)
    _filter(part, tmp_path / "release")
    ledger = pq.read_table(tmp_path / "release/private/ledger/dump.parquet")
    assert _ledger(tmp_path / "release", "dump.parquet") == {
        f"r{n}": made.REASONS[f"u{n % 10}"] for n in range(20)
    }
    assert ledger["row"].to_pylist() == list(range(20))
    assert set(ledger["part"].to_pylist()) == {"dump.parquet"}
    admitted = ledger.filter(ledger["out_row"].is_valid())
    assert admitted["out_row"].to_pylist() == list(range(12))
    assert admitted["record_id"].to_pylist() == made.admitted_ids(20)
    dropped = ledger.filter(ledger["out_row"].is_null())
    assert dropped["content_sha256"].null_count == 8
    assert admitted["content_sha256"].null_count == 0
    assert set(admitted["decision"].to_pylist()) == {"keep"}
    assert set(dropped["decision"].to_pylist()) == {"drop"}


def test_a_row_names_its_statement(tmp_path: pathlib.Path) -> None:
    part = _write(tmp_path / "dump.parquet", made.records(10))
    _filter(part, tmp_path / "release")
    ledger = pq.read_table(tmp_path / "release/private/ledger/dump.parquet")
    assert ledger["grant_id"].to_pylist()[:6] == [f"e{n}" for n in range(6)]
    assert ledger["denial_id"].to_pylist()[6:8] == ["e7", "e8"]


def test_counts_in_the_manifest_are_those_of_the_files(tmp_path: pathlib.Path) -> None:
    part = _write(tmp_path / "dump.parquet", made.records(20))
    _filter(part, tmp_path / "release", naming=Naming("chats", "7", "0" * 64))
    envelope = json.loads((tmp_path / "release/manifest.intoto.json").read_bytes())
    import base64

    predicate = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    assert envelope["signatures"] == []
    assert predicate["release"] == {
        "dataset": "chats",
        "version": "7",
        "previous": "0" * 64,
    }
    assert predicate["counts"]["read"] == "20"
    assert predicate["counts"]["kept"] == "12"
    assert predicate["counts"]["byReason"]["CONSENT_WITHDRAWN"] == "2"
    assert predicate["inputs"]["records"]["rows"] == "20"
    assert predicate["consent"]["asOf"] == "2025-01-01T00:00:00Z"


def test_the_same_run_gives_the_same_bytes_with_any_number_of_workers(
    tmp_path: pathlib.Path,
) -> None:
    for at in range(5):
        table = made.records(50, start=50 * at)
        _write(tmp_path / f"dump/x={at % 2}/{at}.parquet", table, row_group_size=9)
    trees = []
    for workers, memory in ((1, 1 << 30), (2, 1), (7, 1 << 30)):
        out = tmp_path / f"release-{workers}"
        _filter(
            tmp_path / "dump",
            out,
            workers=workers,
            memory_bytes=memory,
            naming=Naming("same"),
        )
        trees.append(_tree(out))
    for tree in trees:  # what names the run itself
        for name in ("manifest.intoto.json", *VIEW_NAMES):
            assert tree.pop(name)
    assert trees[0] == trees[1] == trees[2]


def test_parts_without_rows_and_parts_without_admitted_rows_are_kept_as_files(
    tmp_path: pathlib.Path,
) -> None:
    table = made.records(10)
    _write(tmp_path / "dump/empty.parquet", table[:0])
    _write(tmp_path / "dump/dropped.parquet", table[6:])
    _write(tmp_path / "dump/kept.parquet", table[:6])
    _filter(tmp_path / "dump", tmp_path / "release")
    rows = {
        name: pq.read_table(tmp_path / f"release/data/{name}.parquet").num_rows
        for name in ("empty", "dropped", "kept")
    }
    assert rows == {"empty": 0, "dropped": 0, "kept": 6}


def test_a_dry_run_writes_nothing(tmp_path: pathlib.Path) -> None:
    part = _write(tmp_path / "in/dump.parquet", made.records(20))
    done = _filter(part, None, dry_run=True)
    assert done.tally.rows(Decision.KEEP) == 12
    assert done.release is None
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_dry_run_with_a_place_writes_the_ledger_alone(tmp_path: pathlib.Path) -> None:
    part = _write(tmp_path / "in/dump.parquet", made.records(20))
    done = _filter(part, tmp_path / "look", dry_run=True)
    assert list(_tree(tmp_path / "look")) == ["private/ledger/dump.parquet"]
    assert _ledger(tmp_path / "look", "dump.parquet")["r6"] == "CONSENT_WITHDRAWN"
    assert done.ledger == str(tmp_path / "look")


def test_a_limit_reads_the_first_rows_only(tmp_path: pathlib.Path) -> None:
    for name, start in (("a", 0), ("b", 20)):
        table = made.records(20, start=start)
        _write(tmp_path / f"dump/{name}.parquet", table, row_group_size=6)
    done = _filter(tmp_path / "dump", tmp_path / "release", limit=27)
    assert done.rows == 27
    ledger = pq.read_table(tmp_path / "release/private/ledger/b.parquet")
    assert ledger["record_id"].to_pylist() == [f"r{n}" for n in range(20, 27)]


def test_duplicate_ids_name_the_id_and_where_it_stands(tmp_path: pathlib.Path) -> None:
    _write(tmp_path / "dump/a.parquet", made.records(10))
    _write(tmp_path / "dump/b.parquet", made.records(10, start=9))
    with pytest.raises(InputError) as caught:
        _filter(tmp_path / "dump", tmp_path / "release")
    assert str(caught.value) == (
        "record_id 'r9' occurs more than once: a.parquet row 9, b.parquet row 0; ids "
        "must be unique within a run: make them so, or say 'on_duplicate: drop' in the "
        "policy, which drops all of them"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


def test_duplicate_ids_are_all_dropped_if_the_policy_says_so(
    tmp_path: pathlib.Path,
) -> None:
    _write(tmp_path / "dump/a.parquet", made.records(10))
    _write(tmp_path / "dump/b.parquet", made.records(10, start=5))
    _filter(tmp_path / "dump", tmp_path / "release", {"on_duplicate": "drop"})
    a = _ledger(tmp_path / "release", "a.parquet")
    b = _ledger(tmp_path / "release", "b.parquet")
    assert {a[f"r{n}"] for n in range(5)} == {"OK_CONSENT"}
    assert {a[f"r{n}"] for n in range(5, 10)} == {"RECORD_INVALID"}
    assert {b[f"r{n}"] for n in range(5, 10)} == {"RECORD_INVALID"}
    assert b["r10"] == "OK_CONSENT"


def test_a_null_id_is_dropped_and_no_duplicate(tmp_path: pathlib.Path) -> None:
    table = made.records(4).set_column(
        0, "record_id", pa.array(["r0", None, " ", "r3"])
    )
    part = _write(tmp_path / "dump.parquet", table)
    done = _filter(part, tmp_path / "release")
    assert done.tally.by_reason == {
        (Decision.KEEP, "OK_CONSENT"): 2,
        (Decision.DROP, "RECORD_INVALID"): 2,
    }


def test_a_standard_column_may_stand_in_the_path_only(tmp_path: pathlib.Path) -> None:
    table = made.records(10).drop_columns(["category"])
    _write(tmp_path / "dump/category=content.chat/p.parquet", table)
    _write(
        tmp_path / "dump/category=no.such/p.parquet",
        made.records(10, start=10).drop_columns(["category"]),
    )
    _filter(tmp_path / "dump", tmp_path / "release")
    kept = tmp_path / "release/data/category=content.chat/p.parquet"
    with pq.ParquetFile(kept) as opened:
        assert opened.metadata.num_rows == 6
        assert "category" not in opened.schema_arrow.names
    reasons = _ledger(tmp_path / "release", "category=no.such/p.parquet")
    assert set(reasons.values()) == {"CATEGORY_UNKNOWN"}


def test_large_row_groups_are_cut_and_the_ledger_stays_whole(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consentfilter.engine import reader

    monkeypatch.setattr(reader, "LARGE_GROUP_BYTES", 1000)
    monkeypatch.setattr(reader, "CUT_BYTES", 1500)
    monkeypatch.setattr(reader, "PIECE_BYTES", 500)
    part = _write(tmp_path / "dump.parquet", made.records(200))
    _filter(part, tmp_path / "release")
    opened = pq.ParquetFile(tmp_path / "release/data/dump.parquet")
    assert opened.num_row_groups > 3
    assert opened.read()["record_id"].to_pylist() == made.admitted_ids(200)
    ledger = pq.read_table(tmp_path / "release/private/ledger/dump.parquet")
    assert ledger["row"].to_pylist() == list(range(200))
    _filter(part, tmp_path / "limited", limit=133)
    ledger = pq.read_table(tmp_path / "limited/private/ledger/dump.parquet")
    assert ledger["row"].to_pylist() == list(range(133))


def test_physical_types_of_bound_columns_may_differ_between_parts(
    tmp_path: pathlib.Path,
) -> None:
    ids = pa.array(range(100, 110))
    _write(tmp_path / "dump/a.parquet", made.records(10))
    _write(
        tmp_path / "dump/b.parquet", made.records(10).set_column(0, "record_id", ids)
    )
    done = _filter(tmp_path / "dump", tmp_path / "release")
    assert done.admitted_rows == 12
    data = pq.read_table(tmp_path / "release/data/b.parquet")
    assert data["record_id"].to_pylist() == list(range(100, 106))


def test_a_broken_page_names_part_and_row_group(tmp_path: pathlib.Path) -> None:
    part = _write(
        tmp_path / "dump.parquet",
        made.records(1000),
        row_group_size=500,
        compression="zstd",
    )
    metadata = pq.read_metadata(part)
    chunk = metadata.row_group(1).column(0)
    content = bytearray(part.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * (
        chunk.total_compressed_size
    )
    part.write_bytes(content)
    with pytest.raises(InputError) as caught:
        _filter(part, tmp_path / "release")
    assert str(caught.value).startswith(
        f"{part}: row group 0–1 (rows 0 to 999) cannot be read: "
    )
    assert [path.name for path in tmp_path.iterdir()] == ["dump.parquet"]


def test_one_part_of_large_row_groups_is_the_same_with_workers_to_spare(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PIECE_ROWS", 16)
    part = _write(tmp_path / "dump.parquet", made.records(500), row_group_size=100)
    trees: list[dict[str, bytes]] = []
    for workers, memory in ((1, 1 << 30), (3, 1), (3, 1 << 30)):
        out = tmp_path / f"release-{len(trees)}"
        _filter(part, out, workers=workers, memory_bytes=memory, naming=Naming("same"))
        tree = _tree(out)
        for name in ("manifest.intoto.json", *VIEW_NAMES):  # they name the run
            assert tree.pop(name)
        trees.append(tree)
    assert trees[0] == trees[1] == trees[2]


def test_a_piece_that_fails_beside_the_one_being_written_leaves_no_release(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PIECE_ROWS", 16)
    part = _write(tmp_path / "dump.parquet", made.records(100))
    decide, calls = batch.decide_batch, iter(range(100))

    def fail_at_last(*given: Any) -> Any:
        if next(calls) == 4:
            raise InputError("the fifth piece is odd")
        return decide(*given)

    monkeypatch.setattr(reader, "decide_batch", fail_at_last)
    with pytest.raises(InputError, match="the fifth piece is odd"):
        _filter(part, tmp_path / "release", workers=2)
    assert [path.name for path in tmp_path.iterdir()] == ["dump.parquet"]

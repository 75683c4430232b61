"""Commitments: against the reference, whatever the batches, parts and workers."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.errors import EvidenceError, InputError, StorageError
from consentfilter.lineage import columns, evidence, evidence_files, pages
from consentfilter.lineage import people as people_module
from consentfilter.lineage.runs import Bucket
from tests.lineage import made_release, reference_tree
from tests.lineage.made_release import KEY


def three_parts(count: int = 120) -> list[made_release.Part]:
    return [
        made_release.part("a.parquet", count),
        made_release.part("day=1/b.parquet", count, first=1000),
        made_release.part("day=2/b.parquet", 3, first=2000),
    ]


def files(where: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (where / "evidence").iterdir()}


@pytest.mark.parametrize("count", [0, 1, 64, 120, 700])
def test_both_roots_are_those_of_the_reference(tmp_path: Path, count: int) -> None:
    parts = three_parts(count)
    (tmp_path / "scratch").mkdir()
    made = made_release.write(parts, tmp_path)
    records, subjects = made_release.reference_entries(parts)
    assert made.records.root == reference_tree.root(records)
    assert made.records.entries == len(records)
    assert made.records.page_bits == reference_tree.depth(len(records))
    assert made.subjects.root == reference_tree.root(subjects)
    assert made.subjects.entries == len(subjects)


def test_bytes_do_not_depend_on_batches_parts_workers_or_buckets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = three_parts()
    once = made_release.write(parts, tmp_path / "once")
    again = made_release.write(
        parts[::-1], tmp_path / "again", batch_rows=17, workers=3
    )
    assert again == once
    assert files(tmp_path / "again") == files(tmp_path / "once")
    monkeypatch.setattr(evidence_files, "_BUCKET_PAGE_BITS", 0)
    monkeypatch.setattr(evidence_files, "_BUCKET_ROWS", 7)
    small = made_release.write(parts, tmp_path / "small", batch_rows=50, workers=2)
    assert small == once
    assert (tmp_path / "small/evidence/records.tree").read_bytes() == files(
        tmp_path / "once"
    )["records.tree"]
    for name in ("records.parquet", "subjects.parquet", "people.parquet"):
        assert pq.read_table(tmp_path / "small/evidence" / name).equals(
            pq.read_table(tmp_path / "once/evidence" / name)
        )


def test_evidence_files_are_sorted_and_point_into_the_ledger(tmp_path: Path) -> None:
    parts = three_parts()
    made_release.write(parts, tmp_path)
    table = pq.read_table(tmp_path / "evidence/records.parquet")
    paths = table["path"].to_pylist()
    assert paths == sorted(paths)
    ledgers = {one.name: one.ledger.to_pylist() for one in parts}
    for row in table.to_pylist():
        record = ledgers[row["part"]][row["row"]]["record_id"]
        assert reference_tree.token(KEY, b"record/v1", record)[:16] == row["path"]
    subjects = pq.read_table(tmp_path / "evidence/subjects.parquet")
    assert subjects["path"].to_pylist() == sorted(subjects["path"].to_pylist())


def test_the_people_file_lists_what_each_person_is_in(tmp_path: Path) -> None:
    parts = three_parts()
    made_release.write(parts, tmp_path, batch_rows=13)
    listed = pq.read_table(tmp_path / "evidence/people.parquet").to_pylist()
    order = [(row["subject_head"], row["part"], row["row"]) for row in listed]
    assert order == sorted(set(order))
    expected = {
        (person["subject_key"], one.name, person["row"])
        for one in parts
        for person in one.people.to_pylist()
        if person["is_in"] and person["subject_key"] is not None
    }
    keys = sorted({key for key, _, _ in expected})
    heads = {
        key: int.from_bytes(reference_tree.token(KEY, b"subject/v1", key)[:8], "big")
        for key in keys
    }
    assert set(order) == {(heads[key], part, row) for key, part, row in expected}


def test_the_order_is_found_without_packing_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = three_parts()
    expected = made_release.write(parts, tmp_path / "a")
    monkeypatch.setattr(pages, "packed_order", lambda *_, **__: None)
    assert made_release.write(parts, tmp_path / "b") == expected
    assert files(tmp_path / "a") == files(tmp_path / "b")


def bucket_of(paths: list[bytes], keys: list[str]) -> Bucket:
    rows = np.zeros(len(paths), people_module.OCCURRENCE)
    columns.put(rows, "path", np.array([list(path) for path in paths], np.uint8))
    columns.put(rows, "record_path", np.eye(len(paths), 16, dtype=np.uint8))
    rows["row"] = np.arange(len(paths))[::-1]
    rows["is_in"] = True
    file = np.zeros(len(paths), np.int32)
    return Bucket(rows, file, pa.array(keys, pa.large_string()))


def test_two_people_whose_paths_begin_alike_stay_two() -> None:
    """Their order is that of whole paths, and of rows within a person."""
    paths = [bytes(8) + bytes([last]) * 8 for last in (3, 1, 2, 1)]
    bucket = bucket_of(paths, ["c", "a", "b", "a"])
    subjects, listing = people_module.folded(bucket, KEY, pa.array(["p"]))
    assert subjects["subject_key"].to_pylist() == ["a", "b", "c"]
    assert subjects["rows_admitted"].to_pylist() == [2, 1, 1]
    assert listing["row"].to_pylist() == [0, 2, 1, 3]
    of_a = sorted(bytes(np.eye(4, 16, dtype=np.uint8)[at]) for at in (1, 3))
    assert (
        subjects["paths_sha256"].to_pylist()[0]
        == hashlib.sha256(b"".join(of_a)).digest()
    )


def test_two_people_with_one_path_are_refused() -> None:
    bucket = bucket_of([bytes(16), bytes(16)], ["a", "b"])
    with pytest.raises(EvidenceError, match="two people have entries with one path"):
        people_module.folded(bucket, KEY, pa.array(["p"]))


def test_two_admitted_records_with_one_id_are_refused_by_place(tmp_path: Path) -> None:
    parts = [
        made_release.part("a.parquet", 30),
        made_release.part("b.parquet", 30, seed=2),
    ]
    with pytest.raises(EvidenceError, match=r"row \d+ of a.parquet and row \d+ of b"):
        made_release.write(parts, tmp_path)


def test_a_person_cannot_be_in_a_record_that_was_dropped(tmp_path: Path) -> None:
    one = made_release.part("a.parquet", 30)
    everyone = pa.table(
        {
            "row": pa.array(range(30), pa.int32()),
            "subject_key": ["x"] * 30,
            "is_in": [True] * 30,
        }
    )
    with (
        pytest.raises(InputError, match="although the record was dropped"),
        evidence.PartEvidence(tmp_path / "a", key=KEY, part="a.parquet") as collected,
    ):
        collected.add(one.ledger, everyone)
    assert list(tmp_path.iterdir()) == []


def test_an_admitted_record_without_digest_is_refused(tmp_path: Path) -> None:
    one = made_release.part("a.parquet", 30)
    at = one.ledger.schema.get_field_index("content_sha256")
    empty = one.ledger.set_column(at, "content_sha256", pa.nulls(30, pa.binary(32)))
    with (
        pytest.raises(InputError, match="admitted records have no content_sha256"),
        evidence.PartEvidence(tmp_path / "a", key=KEY, part="a.parquet") as collected,
    ):
        collected.add(empty, one.people)


def test_a_part_done_again_replaces_the_first_attempt(tmp_path: Path) -> None:
    one = made_release.part("a.parquet", 30)
    expected = made_release.write([one], tmp_path / "x")
    (tmp_path / "y").mkdir()
    made_release.collect([made_release.part("a.parquet", 9)], tmp_path / "y/scratch")
    assert made_release.write([one], tmp_path / "y") == expected


def test_a_missing_scratch_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="gone.records: a scratch file"):
        evidence.write_evidence(
            [tmp_path / "gone"], tmp_path / "e", key=KEY, scratch=tmp_path
        )


@pytest.mark.parametrize("size", range(9))
def test_tree_hashes_of_published_vectors(size: int) -> None:
    """Data and roots of the reference implementations of RFC 6962."""
    leaves = [
        bytes.fromhex(text)
        for text in (
            "", "00", "10", "2021", "3031", "40414243",
            "5051525354555657", "606162636465666768696a6b6c6d6e6f",
        )
    ]  # fmt: skip
    roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    assert reference_tree.merkle(leaves[:size]).hex() == roots[size]
    if size in (1, 2, 4, 8):
        from consentfilter.lineage import columns, lookup, verifier

        hashed = [verifier.leaf_hash(leaf) for leaf in leaves[:size]]
        matrix = columns.np.frombuffer(b"".join(hashed), "u1").reshape(size, 32)
        tree = pages.Tree(matrix)
        assert tree.root.hex() == roots[size]
        for index in range(size):
            proof = tree.siblings(index)
            assert proof == reference_tree.inclusion(index, leaves[:size])
            assert verifier.fold(hashed[index], index, proof).hex() == roots[size]
            stored = tree.to_bytes()
            depth = size.bit_length() - 1
            assert [
                stored[at : at + 32] for at in lookup.siblings_at(index, depth)
            ] == proof


def test_page_bits_grow_with_the_number_of_entries() -> None:
    for count in [*range(300), 4096, 4097, 10_000_000]:
        assert pages.page_bits(count) == reference_tree.depth(count)


def test_paths_that_agree_in_their_first_half_are_sorted_by_the_second() -> None:
    draw = random.Random(1)
    paths = [bytes([draw.randrange(2)]) * 8 + draw.randbytes(8) for _ in range(200)]
    matrix = np.frombuffer(b"".join(paths), "u1").reshape(-1, 16)
    order = pages.sort_order(matrix)
    assert [paths[at] for at in order] == sorted(paths)
    assert pages.first_duplicate(matrix[order]) is None
    digests = people_module._paths_sha256(
        matrix.view("V16").reshape(-1), np.zeros(200, np.int64), np.array([200])
    )
    assert digests[0].tobytes() == hashlib.sha256(b"".join(sorted(paths))).digest()

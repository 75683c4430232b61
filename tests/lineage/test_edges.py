"""Rare ways: odd files, odd arguments, and what is said about them."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter import digest
from consentfilter.errors import EvidenceError, StorageError
from consentfilter.lineage import (
    audit,
    columns,
    compared,
    evidence,
    lookup,
    opened,
    pages,
    people_rows,
    rows,
    runs,
    schema,
    verifier,
)
from tests.lineage import made_release
from tests.lineage.test_audit import resign


@pytest.fixture
def release(tmp_path: Path) -> opened.OpenedRelease:
    parts = [made_release.part("a.parquet", 60)]
    where = made_release.release(
        tmp_path / "one", parts, signed_by=made_release.signer()
    )
    return opened.open_release(where)


def test_hmac_of_any_key_and_any_kind_of_text() -> None:
    texts = ["", "a", "é" * 40]
    for key in (b"k", bytes(64), bytes(range(100))):
        for kind in (pa.string(), pa.large_string(), pa.string_view()):
            values = pa.array(texts, kind)
            found = columns.hmac_sha256_array(key, b"p\0", values)
            raw = pa.array([text.encode() for text in texts], pa.large_binary())
            assert np.array_equal(found, columns.hmac_sha256_array(key, b"p\0", raw))
            assert [bytes(row) for row in found] == [
                hmac.new(key, b"p\0" + text.encode(), hashlib.sha256).digest()
                for text in texts
            ]
    assert columns.hmac_sha256_array(b"k", b"", pa.array([], pa.string())).shape == (
        0,
        32,
    )


def test_extension_and_run_end_encoded_types_are_their_values() -> None:
    ids = pa.array([b"0" * 16, b"1" * 16], pa.uuid())
    plain = pa.array([b"0" * 16, b"1" * 16], pa.binary(16))
    one, other = pa.table({"a": ids}), pa.table({"a": plain})
    assert rows.row_digests(one).equals(rows.row_digests(other))
    assert rows.schema_fingerprint(one.schema) == rows.schema_fingerprint(other.schema)
    runs_type = pa.run_end_encoded(pa.int32(), pa.string())
    assert rows.schema_fingerprint(
        pa.schema([("a", runs_type)])
    ) == rows.schema_fingerprint(pa.schema([("a", pa.string())]))


def test_a_tree_wants_a_power_of_two() -> None:
    for count in (0, 3, 6):
        with pytest.raises(ValueError, match=f"{count} leaves: wanted a power of two"):
            pages.Tree(np.zeros((count, 32), np.uint8))


def test_evidence_takes_tables_of_any_chunks(tmp_path: Path) -> None:
    one = made_release.part("a.parquet", 40)
    chunked = pa.concat_tables([one.ledger.slice(0, 11), one.ledger.slice(11)])
    empty = one.ledger.slice(0, 0)
    bases = []
    for number, ledger in enumerate([one.ledger, chunked]):
        bases.append(tmp_path / str(number))
        with evidence.PartEvidence(
            bases[-1], key=made_release.KEY, part="a.parquet"
        ) as made:
            made.add(empty, evidence.PEOPLE_SCHEMA.empty_table())
            made.add(ledger, one.people)
    assert (
        Path(f"{bases[0]}.records").read_bytes()
        == Path(f"{bases[1]}.records").read_bytes()
    )


def test_scratch_files_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="scratch files cannot be written"):
        runs.RunWriter(tmp_path / "file/x")


def test_looking_up_in_damaged_files_is_an_evidence_error(
    release: opened.OpenedRelease,
) -> None:
    with pytest.raises(EvidenceError, match="has 60 rows, so no row 60"):
        lookup.ledger_row(release, "a.parquet", 60)
    places = pa.table({"part": ["a.parquet"], "row": [60]})
    with pytest.raises(EvidenceError, match="has no row 60"):
        people_rows.ledger_rows(release, places)
    with pytest.raises(EvidenceError, match="may lead out of the release"):
        lookup.ledger_row(release, "../a.parquet", 0)
    release.ledger("a.parquet").write_bytes(b"PAR1")
    with pytest.raises(EvidenceError, match="cannot be read"):
        lookup.ledger_row(release, "a.parquet", 0)
    (release.evidence / "records.tree").unlink()
    with pytest.raises(EvidenceError, match="records.tree: cannot be read"):
        lookup._siblings(release, "records", 0, 1)


def test_row_groups_without_statistics_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    numbers = pa.table({"n": pa.array(range(100), pa.uint64())})
    for statistics in (True, False):
        pq.write_table(numbers, path, row_group_size=10, write_statistics=statistics)
        found = lookup.read_between(path, "n", 15, 31)
        assert found["n"].to_pylist() == list(range(15, 32))
    assert lookup.read_between(path, "n", 500, 600).num_rows == 0
    pq.write_table(numbers, path)
    assert lookup.read_between(path, "n", 500, 600).schema.names == ["n"]


def test_evidence_rows_without_a_value_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": [1, 2, 3], "what": ["a", None, "c"]}), path)
    with pytest.raises(EvidenceError, match="has rows without a value"):
        lookup.read_between(path, "n", 1, 2)


def test_ledger_rows_are_found_across_row_groups(tmp_path: Path) -> None:
    parts = [made_release.part("a.parquet", 60)]
    release = opened.open_release(made_release.release(tmp_path / "one", parts))
    path = release.ledger("a.parquet")
    pq.write_table(pq.read_table(path), path, row_group_size=7)
    places = pa.table({"part": ["a.parquet"] * 3, "row": [50, 3, 52]})
    found = people_rows.ledger_rows(release, places)
    assert found["row"].to_pylist() == [3, 50, 52]
    assert lookup.ledger_row(release, "a.parquet", 52)["row"] == 52


def test_a_person_in_no_record_is_known_but_has_none(tmp_path: Path) -> None:
    one = made_release.part("a.parquet", 30)
    people = pa.table(
        {
            "row": pa.array([0], pa.int32()),
            "subject_key": ["user_id\x1fout"],
            "is_in": [False],
        }
    )
    where = made_release.release(tmp_path / "one", [one._replace(people=people)])
    found = people_rows.person_in_release(opened.open_release(where), "user_id\x1fout")
    assert (found.is_known, found.rows_admitted, found.rows_dropped) == (True, 0, 1)
    assert found.records.num_rows == 0


def test_releases_without_parts_can_be_compared_and_audited(tmp_path: Path) -> None:
    empty = made_release.release(tmp_path / "empty", [])
    full = made_release.release(tmp_path / "full", [made_release.part("a.parquet", 30)])
    found = compared.compare(opened.open_release(empty), opened.open_release(full))
    assert found.rows("left") == found.rows("same") == 0
    assert found.rows("entered") > 0
    release = opened.open_release(empty)
    assert audit.audit(release).evidence == "consistent"
    assert lookup.ledger_of_record(release, "x") == []


def test_a_file_that_claims_rows_but_is_no_parquet_is_refused(
    release: opened.OpenedRelease,
) -> None:
    path = release.root / "private/policy.json"
    path.write_text("{}")
    resign(release.root)
    index_path = release.root / "private/private-index.json"
    index = json.loads(index_path.read_bytes())
    for line in index:
        if line["path"] == "policy.json":
            line["rows"] = 3
    index_path.write_bytes(digest.canonical_json(index))

    def name_it(predicate: dict[str, Any]) -> None:
        data = index_path.read_bytes()
        predicate["evidence"]["sha256"] = digest.sha256(data)

    old = verifier.read_manifest((release.root / verifier.MANIFEST_NAME).read_bytes())
    statement = json.loads(old.payload)
    name_it(statement["predicate"])
    from consentfilter.lineage import sign

    made = sign.envelope(statement, None)
    (release.root / verifier.MANIFEST_NAME).write_bytes(made)
    with pytest.raises(EvidenceError, match="policy.json: not a Parquet file"):
        audit.audit(opened.open_release(release.root))


def test_the_schema_is_written_as_it_is_returned(tmp_path: Path) -> None:
    schema.write(tmp_path / "schema.json")
    assert json.loads((tmp_path / "schema.json").read_bytes()) == (
        schema.predicate_schema()
    )

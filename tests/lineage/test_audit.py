"""The whole audit of a release, and lies that only the evidence can give away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter import digest
from consentfilter.errors import EvidenceError, InputError
from consentfilter.lineage import audit, manifest, opened, sign, verifier
from consentfilter.lineage.manifest import IndexedFile
from tests.lineage import made_release

PARTS = [
    made_release.part("a.parquet", 300),
    made_release.part("day=1/b.parquet", 120, first=1000),
    made_release.part("empty.parquet", 0),
]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("release")
    (where / "key.pub.pem").write_bytes(made_release.public_pem())
    return made_release.release(where / "one", PARTS, signed_by=made_release.signer())


@pytest.fixture
def release(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "one")
    return tmp_path / "one"


def test_an_untouched_release_is_valid_and_consistent(original: Path) -> None:
    key = original.parent / "key.pub.pem"
    told: list[str] = []
    found = audit.audit(opened.open_release(original, public_key=key), tell=told.append)
    assert found.signature == "valid"
    assert found.evidence == "consistent"
    assert list(found.checked) == told
    assert "valid" in told[0]


def test_a_published_copy_is_valid_without_evidence(release: Path) -> None:
    shutil.rmtree(release / "private")
    found = audit.audit(opened.open_release(release))
    assert (found.signature, found.evidence) == ("unchecked", "absent")


def test_small_batches_find_the_same(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_BATCH_ROWS", 7)
    assert audit.audit(opened.open_release(original)).evidence == "consistent"


def test_views_must_name_the_manifest(release: Path) -> None:
    found = opened.open_release(release)
    (release / "report.html").write_text(f"<p>{found.manifest.sha256}")
    assert any("report.html: made for" in each for each in audit.audit(found).checked)
    (release / "croissant.json").write_text("{}")
    with pytest.raises(
        EvidenceError, match=r"croissant.json: does not name this manif"
    ):
        audit.audit(found)
    (release / "croissant.json").unlink()
    (release / "croissant.json").symlink_to(release / "report.html")
    with pytest.raises(EvidenceError, match=r"croissant.json: a link"):
        audit.audit(found)


# --- a dishonest maker: indexes and signature are right, the evidence lies -----------


def resign(
    where: Path, change: Callable[[dict[str, Any]], None] = lambda _: None
) -> None:
    """Index whatever lies there now and sign it."""
    public, private = (_index(where / "data", where), _index(where / "private", None))
    (where / "release-index.json").write_bytes(public)
    (where / "private/private-index.json").write_bytes(private)
    old = verifier.read_manifest((where / "manifest.intoto.json").read_bytes())
    statement = json.loads(old.payload)
    statement["subject"][0]["digest"]["sha256"] = digest.sha256(public)
    statement["predicate"]["evidence"]["sha256"] = digest.sha256(private)
    change(statement["predicate"])
    made = sign.envelope(statement, made_release.signer())
    (where / "manifest.intoto.json").write_bytes(made)


def _index(below: Path, root: Path | None) -> bytes:
    files = []
    for path in sorted(below.rglob("*")):
        name = path.relative_to(root or below).as_posix()
        if path.is_file() and name not in ("private-index.json", "release.key"):
            sha256, size = digest.sha256_file(path)
            is_table = name.endswith(".parquet")
            rows = pq.read_metadata(path).num_rows if is_table else None
            files.append(IndexedFile(name, sha256, size, rows))
    return manifest.index_json(files)


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    table = pq.read_table(path)
    lines = table.to_pylist()
    change(lines)
    pq.write_table(pa.Table.from_pylist(lines, table.schema), path)


def first(lines: list[dict[str, Any]], decision: str) -> dict[str, Any]:
    return next(line for line in lines if line["decision"] == decision)


def test_resigning_the_truth_passes(release: Path) -> None:
    resign(release)
    assert audit.audit(opened.open_release(release)).evidence == "consistent"


def swap_reason(lines: list[dict[str, Any]]) -> None:
    first(lines, "keep")["reason"] = "OK_EXEMPT"


def swap_two_reasons(lines: list[dict[str, Any]]) -> None:
    kept, redacted = first(lines, "keep"), first(lines, "redact")
    kept["reason"], redacted["reason"] = redacted["reason"], kept["reason"]


def swap_ids(lines: list[dict[str, Any]]) -> None:
    kept, dropped = first(lines, "keep"), first(lines, "drop")
    kept["record_id"], dropped["record_id"] = dropped["record_id"], kept["record_id"]


def change_digest(lines: list[dict[str, Any]]) -> None:
    first(lines, "keep")["content_sha256"] = bytes(32)


def drop_a_row(lines: list[dict[str, Any]]) -> None:
    lines.remove(first(lines, "drop"))


def drop_the_last(lines: list[dict[str, Any]]) -> None:
    while lines.pop()["decision"] != "drop":
        pass


def admit_a_dropped(lines: list[dict[str, Any]]) -> None:
    first(lines, "drop")["decision"] = "keep"


def drop_an_admitted(lines: list[dict[str, Any]]) -> None:
    first(lines, "keep")["decision"] = "drop"


def digest_for_dropped(lines: list[dict[str, Any]]) -> None:
    first(lines, "drop")["content_sha256"] = bytes(32)


def move_out_row(lines: list[dict[str, Any]]) -> None:
    first(lines, "keep")["out_row"] += 1000


def other_part(lines: list[dict[str, Any]]) -> None:
    lines[3]["part"] = "day=1/b.parquet"


def unknown_decision(lines: list[dict[str, Any]]) -> None:
    first(lines, "keep")["decision"] = "maybe"


LEDGER_LIES = [
    (swap_reason, "rows OK_CONSENT, the manifest says"),
    (swap_two_reasons, "not the signed root of records"),
    (swap_ids, "not the signed root of records"),
    (change_digest, r"the digest of out_row \d+ is not that of the row"),
    (drop_a_row, "its rows are not numbered from 0 on"),
    (drop_the_last, "rows drop, the manifest says|admitted rows, data/"),
    (admit_a_dropped, "contradict each other"),
    (drop_an_admitted, "contradict each other"),
    (digest_for_dropped, "contradict each other"),
    (move_out_row, "contradict each other"),
    (other_part, "has rows of another part"),
    (unknown_decision, "contradict each other"),
]


@pytest.mark.parametrize(("lie", "message"), LEDGER_LIES)
def test_a_ledger_that_lies_is_refused_though_signed(
    release: Path, lie: Callable[[list[dict[str, Any]]], None], message: str
) -> None:
    rewrite(release / "private/ledger/a.parquet", lie)
    resign(release)
    with pytest.raises(EvidenceError, match=message):
        audit.audit(opened.open_release(release))


def test_data_that_the_ledger_does_not_know_is_refused_though_signed(
    release: Path,
) -> None:
    path = release / "data/a.parquet"
    kept = pq.read_table(path)

    def refused(table: pa.Table, message: str) -> None:
        pq.write_table(table, path)
        resign(release)
        with pytest.raises(EvidenceError, match=message):
            audit.audit(opened.open_release(release))

    other = kept.to_pylist()
    other[5]["text"] = "something else"
    refused(pa.Table.from_pylist(other, kept.schema), "digest of out_row 5 is not")
    refused(kept.slice(1), "rows in data/, wanted")
    swapped = kept.take([1, 0, *range(2, kept.num_rows)])
    refused(swapped, "digest of out_row 0 is not")
    vectors = pa.array([None] * kept.num_rows, pa.list_(pa.int8(), 2))
    unreadable = kept.append_column("v", vectors)  # Arrow writes what it cannot read
    refused(unreadable, "a.parquet: .*its rows cannot be read")
    shutil.move(path, release / "data/c.parquet")
    pq.write_table(kept, release / "data/c.parquet")
    resign(release)
    with pytest.raises(EvidenceError, match=r"a.parquet, c.parquet: has a ledger or"):
        audit.audit(opened.open_release(release))


def test_a_row_that_moved_to_another_part_is_refused_though_signed(
    release: Path,
) -> None:
    paths = release / "data/a.parquet", release / "data/day=1/b.parquet"
    first, second = (pq.read_table(path, partitioning=None) for path in paths)
    pq.write_table(first.slice(0, first.num_rows - 1), paths[0])
    moved = pa.concat_tables([second, first.slice(first.num_rows - 1)])
    pq.write_table(moved, paths[1])
    resign(release)
    with pytest.raises(EvidenceError, match="speaks of more rows than the data file"):
        audit.audit(opened.open_release(release))
    pq.write_table(pa.concat_tables([first, second.slice(0, 1)]), paths[0])
    pq.write_table(second.slice(1), paths[1])
    resign(release)
    with pytest.raises(EvidenceError, match=r"explains \d+ admitted rows, data/a"):
        audit.audit(opened.open_release(release))


def change_value(lines: list[dict[str, Any]]) -> None:
    lines[0]["value"] = bytes(32)


def reverse(lines: list[dict[str, Any]]) -> None:
    lines.reverse()


def forget_one(lines: list[dict[str, Any]]) -> None:
    lines.pop()


def one_more_row(lines: list[dict[str, Any]]) -> None:
    lines[0]["rows_admitted"] += 1


def other_person(lines: list[dict[str, Any]]) -> None:
    lines[0]["subject_key"] = "user_id\x1fsomebody"


@pytest.mark.parametrize(
    ("name", "lie", "message"),
    [
        ("records", change_value, "lead to the root"),
        ("records", reverse, "not sorted by path"),
        ("records", forget_one, "lead to the root"),
        ("subjects", change_value, "an entry is not that of its fields"),
        ("subjects", forget_one, "lead to the root"),
        ("subjects", one_more_row, "an entry is not that of its fields"),
        ("subjects", other_person, "an entry is not that of its fields"),
    ],
)
def test_evidence_that_lies_is_refused_though_signed(
    release: Path, name: str, lie: Callable[[list[dict[str, Any]]], None], message: str
) -> None:
    rewrite(release / f"private/evidence/{name}.parquet", lie)
    resign(release)
    with pytest.raises(EvidenceError, match=message):
        audit.audit(opened.open_release(release))


def test_a_people_file_that_lies_is_refused_though_signed(release: Path) -> None:
    path = release / "private/evidence/people.parquet"
    rewrite(path, forget_one)
    resign(release)
    with pytest.raises(EvidenceError, match=r"people.parquet: does not list"):
        audit.audit(opened.open_release(release))


def test_trees_and_roots_that_lie_are_refused_though_signed(release: Path) -> None:
    path = release / "private/evidence/records.tree"
    tree = bytearray(path.read_bytes())
    tree[40] ^= 1
    path.write_bytes(bytes(tree))
    resign(release)
    with pytest.raises(EvidenceError, match=r"records.tree: not the tree"):
        audit.audit(opened.open_release(release))
    tree[40] ^= 1
    path.write_bytes(bytes(tree))

    def other_root(predicate: dict[str, Any]) -> None:
        predicate["commitments"]["subjects"]["root"] = "0" * 64

    resign(release, other_root)
    with pytest.raises(EvidenceError, match=r"subjects.parquet: its \d+ entries lead"):
        audit.audit(opened.open_release(release))


def test_an_index_that_lies_about_rows_is_refused_though_signed(release: Path) -> None:
    index = json.loads((release / "release-index.json").read_bytes())
    index[0]["rows"] += 1
    index[1]["rows"] -= 1
    (release / "release-index.json").write_bytes(digest.canonical_json(index))
    old = verifier.read_manifest((release / "manifest.intoto.json").read_bytes())
    statement = json.loads(old.payload)
    statement["subject"][0]["digest"]["sha256"] = digest.sha256(
        digest.canonical_json(index)
    )
    made = sign.envelope(statement, None)
    (release / "manifest.intoto.json").write_bytes(made)
    with pytest.raises(EvidenceError, match="its footer says") as told:
        audit.audit(opened.open_release(release))
    assert len(told.value.problems) == 2
    (release / "data/a.parquet").write_bytes(b"no")
    resign_as_bytes = json.loads((release / "release-index.json").read_bytes())
    assert resign_as_bytes[0]["path"] == "data/a.parquet"


def test_what_is_no_release_is_said(tmp_path: Path, release: Path) -> None:
    with pytest.raises(InputError, match="found no directory"):
        opened.open_release(tmp_path / "none")
    with pytest.raises(InputError, match="so this is no release"):
        opened.open_release(tmp_path)
    with pytest.raises(InputError, match="the public key cannot be read"):
        opened.open_release(release, public_key=tmp_path / "none.pem")
    moved = tmp_path / "manifest"
    (release / "manifest.intoto.json").rename(moved)
    (release / "manifest.intoto.json").symlink_to(moved)
    with pytest.raises(EvidenceError, match="the manifest is a link"):
        opened.open_release(release)

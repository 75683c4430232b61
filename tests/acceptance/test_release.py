"""A release as lineage.md describes it: every name of the layout and manifest."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import shutil
import stat
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance import kit

LEDGER = {
    "record_id": pa.types.is_string,
    "decision": pa.types.is_string,
    "reason": pa.types.is_string,
    "redacted": pa.types.is_list,
    "rule": pa.types.is_string,
    "subject_key": pa.types.is_string,
    "grant_id": pa.types.is_string,
    "denial_id": pa.types.is_string,
    "part": pa.types.is_string,
    "row": pa.types.is_integer,
    "out_row": pa.types.is_integer,
    "content_sha256": lambda kind: kind == pa.binary(32),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> kit.World:
    """Make a key pair and a signed release of two parts."""
    made = kit.world(tmp_path_factory.mktemp("place"))
    kit.write(made.dump / "sub/part-1.parquet", kit.records(["r5"], ["ann"]))
    assert kit.cli("keygen", "--out", made.root / "key").status == 0
    said = made.filter(
        "--sign-key",
        made.root / "key.pem",
        "--as-of",
        kit.AS_OF,
        *("--name", "chats", "--release-version", "7"),
        usual=False,
    )
    assert said.status == 0, said
    return made


@pytest.fixture
def release(place: kit.World) -> pathlib.Path:
    """Return the signed release; nobody may change it."""
    return place.root / "release"


@pytest.fixture
def copy(release: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a copy of the release to be tampered with."""
    return pathlib.Path(shutil.copytree(release, tmp_path / "copy"))


def test_the_layout(release: pathlib.Path) -> None:
    files = {
        str(path.relative_to(release)) for path in release.rglob("*") if path.is_file()
    }
    assert files >= {
        "data/part-0.parquet",
        "data/sub/part-1.parquet",
        "release-index.json",
        "manifest.intoto.json",
        "openlineage.json",
        "croissant.json",
        "report.html",
        "private/ledger/part-0.parquet",
        "private/ledger/sub/part-1.parquet",
        "private/evidence/records.parquet",
        "private/evidence/subjects.parquet",
        "private/private-index.json",
        "private/release.key",
    }


def test_private_is_private(release: pathlib.Path) -> None:
    assert stat.S_IMODE((release / "private").stat().st_mode) == 0o700
    key = release / "private/release.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32


def test_the_private_key_is_the_owners(place: kit.World) -> None:
    assert stat.S_IMODE((place.root / "key.pem").stat().st_mode) == 0o600
    assert (place.root / "key.pem").read_text().startswith("-----BEGIN PRIVATE KEY")
    assert (place.root / "key.pub.pem").read_text().startswith("-----BEGIN PUBLIC KEY")


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_both_algorithms_sign(
    place: kit.World, tmp_path: pathlib.Path, algorithm: str
) -> None:
    key = tmp_path / "k"
    assert kit.cli("keygen", "--out", key, "--algorithm", algorithm).status == 0
    out = tmp_path / "release"
    said = place._replace(root=tmp_path).filter(
        "--sign-key", f"{key}.pem", "--as-of", kit.AS_OF, usual=False
    )
    assert said.status == 0, said
    said = kit.cli("verify", out, "--public-key", f"{key}.pub.pem")
    assert said.status == 0, said


def test_the_index(release: pathlib.Path) -> None:
    raw = (release / "release-index.json").read_bytes()
    index = json.loads(raw)
    assert [entry["path"] for entry in index] == sorted(e["path"] for e in index)
    assert {e["path"] for e in index} >= {
        "data/part-0.parquet",
        "data/sub/part-1.parquet",
    }
    for entry in index:
        assert set(entry) == {"path", "rows", "sha256", "size"}
        data = (release / entry["path"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert int(entry["size"]) == len(data)
    rows = {entry["path"]: entry["rows"] for entry in index}
    assert int(rows["data/part-0.parquet"]) == 2
    import rfc8785

    assert rfc8785.dumps(index) == raw


def test_the_private_index(release: pathlib.Path) -> None:
    raw = (release / "private/private-index.json").read_bytes()
    index = json.loads(raw)
    paths = [entry["path"] for entry in index]
    assert paths == sorted(paths)
    private = release / "private"
    there = {str(f.relative_to(private)) for f in private.rglob("*") if f.is_file()}
    assert set(paths) == there - {"private-index.json", "release.key"}
    assert all(set(entry) == {"path", "rows", "sha256", "size"} for entry in index)
    evidence = kit.statement(release)["predicate"]["evidence"]
    assert evidence == {"sha256": hashlib.sha256(raw).hexdigest()}


def test_the_ledger(release: pathlib.Path) -> None:
    table = pq.read_table(release / "private/ledger/part-0.parquet")
    assert table.column_names[: len(LEDGER)] == list(LEDGER)
    for name, fits in LEDGER.items():
        kind = table.schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        assert fits(kind), (name, kind)
    rows = table.to_pylist()
    assert [row["row"] for row in rows] == [0, 1, 2, 3]
    assert [row["out_row"] for row in rows] == [0, None, None, 1]
    assert [row["decision"] for row in rows] == ["keep", "drop", "drop", "keep"]
    assert [row["reason"] for row in rows] == [
        "OK_CONSENT",
        "CONSENT_WITHDRAWN",
        "NO_CONSENT_RECORD",
        "OK_CONSENT",
    ]
    assert {row["part"] for row in rows} == {"part-0.parquet"}
    assert rows[0]["subject_key"] == "user_id\x1fann"
    assert (rows[0]["grant_id"], rows[0]["denial_id"]) == ("g-ann", None)
    assert rows[1]["denial_id"] == "d-bob-withdrawn"
    assert rows[0]["rule"] == "default"
    assert rows[1]["content_sha256"] is None
    assert len(rows[0]["content_sha256"]) == 32


def test_the_digest_of_a_row(release: pathlib.Path) -> None:
    def text(value: str) -> bytes:
        raw = value.encode()
        return b"%d:%s," % (len(raw), raw)

    micros = str(int(kit.COLLECTED.timestamp()) * 1_000_000)
    encoded = b"".join(map(text, ["r1", "ann", "content.chat", micros, "text 0"]))
    found = kit.ledger(release)["r1"]["content_sha256"]
    assert found == hashlib.sha256(encoded).digest()


def test_the_envelope(release: pathlib.Path) -> None:
    envelope = kit.envelope(release)
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    (signature,) = envelope["signatures"]
    assert len(base64.b64decode(signature["sig"])) == 64


def test_the_signature_is_dsse(place: kit.World, release: pathlib.Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    envelope = kit.envelope(release)
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    public: Any = load_pem_public_key((place.root / "key.pub.pem").read_bytes())
    public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), pae)


def test_the_statement(release: pathlib.Path) -> None:
    import rfc8785

    payload = base64.b64decode(kit.envelope(release)["payload"])
    statement = json.loads(payload)
    assert rfc8785.dumps(statement) == payload
    assert len(payload) < 64 * 1024
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"].endswith("/training-set/v1")
    index = (release / "release-index.json").read_bytes()
    digest = {"sha256": hashlib.sha256(index).hexdigest()}
    assert statement["subject"] == [{"name": "release-index.json", "digest": digest}]


def test_the_predicate(release: pathlib.Path) -> None:
    predicate = kit.statement(release)["predicate"]
    assert set(predicate) == {
        "release",
        "run",
        "inputs",
        "consent",
        "policy",
        "dataset",
        "taxonomy",
        "counts",
        "commitments",
        "evidence",
        "lint",
        "nonClaims",
    }
    assert predicate["release"] == {
        "dataset": "chats",
        "version": "7",
        "previous": None,
    }
    assert set(predicate["run"]) == {
        "id",
        "startedAt",
        "finishedAt",
        "engine",
        "toolVersion",
    }
    assert predicate["run"]["engine"] == "local"
    assert set(predicate["inputs"]) >= {"records"}
    assert predicate["inputs"]["records"]["parts"] == "2"
    assert predicate["inputs"]["records"]["rows"] == "5"
    assert set(predicate["consent"]) >= {"snapshotId", "asOf", "historyMode", "sources"}
    assert predicate["consent"]["asOf"].startswith("2025-01-01T00:00:00")
    assert predicate["consent"]["historyMode"] == "full"
    policy = predicate["policy"]
    assert (policy["id"], policy["version"]) == ("p", "1")
    assert policy["purposes"] == ["improve.train_ai"]
    assert policy["recipient"] is None
    assert len(policy["sha256"]) == 64
    assert "sha256" in predicate["dataset"]
    assert predicate["taxonomy"]["version"]
    counts = predicate["counts"]
    assert {k: counts[k] for k in ("read", "kept", "redacted", "dropped")} == {
        "read": "5",
        "kept": "3",
        "redacted": "0",
        "dropped": "2",
    }
    assert set(counts) == {
        *("read", "kept", "redacted", "dropped", "byReason", "byCategory")
    }
    commitments = predicate["commitments"]
    key = (release / "private/release.key").read_bytes()
    expected = hashlib.sha256(b"consentfilter/key/v1\x00" + key).hexdigest()
    assert commitments["scheme"] == "prefix-pages-sha256/v1"
    assert commitments["keyCommitment"] == expected
    for name, entries in (("records", "3"), ("subjects", "3")):
        assert set(commitments[name]) == {"root", "entries", "pageBits"}
        assert str(commitments[name]["entries"]) == entries
    assert isinstance(predicate["lint"], list)
    assert predicate["nonClaims"]


def test_the_record_root_can_be_made_again_by_hand(release: pathlib.Path) -> None:
    import hmac

    key = (release / "private/release.key").read_bytes()

    def net(*fields: str) -> bytes:
        raw = (field.encode() for field in fields)
        return b"".join(b"%d:%s," % (len(each), each) for each in raw)

    entries = []
    for row in kit.ledger(release).values():
        if row["out_row"] is None:
            continue
        name = b"record/v1\x00" + row["record_id"].encode()
        token = hmac.new(key, name, hashlib.sha256).digest()
        body = net(
            row["record_id"],
            row["decision"],
            row["reason"],
            row["content_sha256"].hex(),
            f"data/{row['part']}",
            str(row["out_row"]),
        )
        entries.append(token[:16] + hashlib.sha256(token[16:] + body).digest())
    page = b"".join(sorted(entries))
    root = hashlib.sha256(b"\x00" + page).hexdigest()
    assert kit.statement(release)["predicate"]["commitments"]["records"]["root"] == root


def test_views_name_the_manifest(release: pathlib.Path) -> None:
    manifest = (release / "manifest.intoto.json").read_bytes()
    digest = hashlib.sha256(manifest).hexdigest()
    for name in ("openlineage.json", "croissant.json", "report.html"):
        assert digest in (release / name).read_text(), name


def test_verify_signed(place: kit.World, release: pathlib.Path) -> None:
    said = kit.cli("verify", release, "--public-key", place.root / "key.pub.pem")
    assert said.status == 0
    assert "signature" in said.text.lower()
    assert "evidence" in said.text.lower()
    as_json = kit.cli(
        "verify", release, "--public-key", place.root / "key.pub.pem", "--json"
    )
    assert as_json.status == 0
    assert as_json.err == ""
    assert as_json.json


def test_verify_with_another_key(release: pathlib.Path, tmp_path: pathlib.Path) -> None:
    kit.cli("keygen", "--out", tmp_path / "other")
    said = kit.cli("verify", release, "--public-key", tmp_path / "other.pub.pem")
    assert said.status == 1


def test_verify_without_private(place: kit.World, copy: pathlib.Path) -> None:
    shutil.rmtree(copy / "private")
    said = kit.cli("verify", copy, "--public-key", place.root / "key.pub.pem")
    assert said.status == 0, said
    assert "not at hand" in said.text


def _flip(path: pathlib.Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    "name",
    [
        "data/part-0.parquet",
        "release-index.json",
        "private/ledger/part-0.parquet",
        "private/evidence/records.parquet",
        "private/evidence/subjects.parquet",
        "private/private-index.json",
        "private/release.key",
        "manifest.intoto.json",
    ],
)
def test_verify_tampered(place: kit.World, copy: pathlib.Path, name: str) -> None:
    _flip(copy / name)
    said = kit.cli("verify", copy, "--public-key", place.root / "key.pub.pem")
    assert said.status == 1, said
    assert "Traceback" not in said.text


@pytest.mark.parametrize("name", ["data/part-0.parquet", "private/release.key"])
def test_verify_missing_file(place: kit.World, copy: pathlib.Path, name: str) -> None:
    os.remove(copy / name)
    said = kit.cli("verify", copy, "--public-key", place.root / "key.pub.pem")
    assert said.status == 1, said
    assert pathlib.Path(name).name in said.text


def test_verify_foreign_file(place: kit.World, copy: pathlib.Path) -> None:
    shutil.copy(copy / "data/part-0.parquet", copy / "data/extra.parquet")
    said = kit.cli("verify", copy, "--public-key", place.root / "key.pub.pem")
    assert said.status == 1
    assert "extra.parquet" in said.text


def test_no_manifest_no_release(copy: pathlib.Path) -> None:
    os.remove(copy / "manifest.intoto.json")
    assert kit.cli("verify", copy).status in (1, 2)


def test_unsigned_is_its_own_outcome(place: kit.World, tmp_path: pathlib.Path) -> None:
    elsewhere = place._replace(root=tmp_path)
    said = elsewhere.filter()
    assert said.status == 0
    assert "not signed" in said.text.lower()
    assert kit.envelope(tmp_path / "release")["signatures"] == []
    said = kit.cli("verify", tmp_path / "release")
    assert "not signed" in said.text.lower()
    assert said.status == 0
    public = place.root / "key.pub.pem"
    said = kit.cli("verify", tmp_path / "release", "--public-key", public)
    assert said.status == 1


def test_replay(place: kit.World, release: pathlib.Path) -> None:
    given = ("--records", place.dump, "--consent", place.consent)
    said = kit.cli("verify", release, "--replay", *given, "--policy", place.policy)
    assert said.status == 0, said
    assert "reproduced" in said.text


def test_replay_of_other_consent(
    place: kit.World, release: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    other = kit.write(tmp_path / "other.parquet", kit.events(kit.grant("bob")))
    given = ("--records", place.dump, "--consent", other)
    said = kit.cli("verify", release, "--replay", *given, "--policy", place.policy)
    assert said.status == 1, said


def test_the_same_key_makes_the_same_bytes(
    place: kit.World, tmp_path: pathlib.Path
) -> None:
    key = tmp_path / "release.key"
    key.write_bytes(bytes(range(32)))
    seen = []
    for workers in ("1", "2", "2"):
        elsewhere = place._replace(root=tmp_path / f"try{len(seen)}")
        elsewhere.root.mkdir()
        out = elsewhere.release(
            *("--release-key", key, "--workers", workers, "--name", "n")
        )
        files = {
            str(path.relative_to(out)): path.read_bytes()
            for path in out.rglob("*.*")
            if path.suffix in {".parquet", ".key"} or path.name.endswith("index.json")
        }
        predicate = kit.statement(out)["predicate"]
        predicate.pop("run")
        seen.append((files, predicate))
    assert seen[0] == seen[1] == seen[2]


def test_previous_is_the_digest_of_the_manifest_before(
    place: kit.World, release: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = place._replace(root=tmp_path).release("--previous", release)
    manifest = (release / "manifest.intoto.json").read_bytes()
    digest = hashlib.sha256(manifest).hexdigest()
    assert kit.statement(out)["predicate"]["release"]["previous"] == digest


def test_views_hold_against_other_tools(release: pathlib.Path) -> None:
    import duckdb

    query = f"select count(*) from '{release}/data/**/*.parquet'"
    assert duckdb.sql(query).fetchall() == [(3,)]
    event = json.loads((release / "openlineage.json").read_text())
    assert event["eventType"] == "COMPLETE"
    croissant = json.loads((release / "croissant.json").read_text())
    assert croissant["conformsTo"].startswith("http://mlcommons.org/croissant/1.")


READERS = {
    "explain": lambda copy: ("explain", copy, "r1"),
    "trace": lambda copy: ("trace", "--subject", "ann", copy),
    "prove a record": lambda copy: ("prove", copy, "--record", "r1"),
    "prove a person": lambda copy: ("prove", copy, "--subject", "ann"),
    "diff": lambda copy: ("diff", copy, copy),
    "recheck": lambda copy: (
        *("recheck", copy, "--consent", copy.parent / "newer.parquet"),
    ),
}


@pytest.mark.parametrize("command", list(READERS))
@pytest.mark.parametrize("damage", ["empty", "other bytes", "another schema"])
def test_damaged_evidence_is_a_message(
    copy: pathlib.Path, command: str, damage: str
) -> None:
    later = kit.denial("ann", event_id="d-later", occurred_at=kit.LATE)
    kit.write(
        copy.parent / "newer.parquet",
        kit.events(kit.grant("ann"), kit.grant("bob"), kit.denial("bob"), later),
    )
    for path in (copy / "private").rglob("*.parquet"):
        path.chmod(0o600)
        if damage == "another schema":
            pq.write_table(pa.table({"x": [1]}), path)
        else:
            path.write_bytes(b"" if damage == "empty" else b"PAR1" * 50)
    said = kit.cli(*READERS[command](copy))
    assert said.status == 1, said
    assert "private" in said.err
    assert "Traceback" not in said.text

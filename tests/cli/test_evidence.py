"""The commands about evidence: what they say, print and exit with."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from consentfilter.cli.main import run
from consentfilter.lineage import verifier
from tests.lineage import made_release
from tests.report.conftest import World, world

__all__ = ["world"]


class Told:
    """What one command line gave."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def cf(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object) -> Told:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Told(status, captured.out, captured.err)

    return call


@pytest.fixture(scope="module")
def admitted(world: World) -> dict[str, Any]:
    """Some record that was kept on a consent."""
    import polars as pl

    files = sorted((world.before / "private/ledger").rglob("*.parquet"))
    ledger = pl.concat([pl.read_parquet(file) for file in files])
    kept = ledger.filter(
        (pl.col("decision") == "keep") & (pl.col("reason") == "OK_CONSENT")
    )
    return kept.row(0, named=True)


@pytest.fixture(scope="module")
def dropped(world: World) -> dict[str, Any]:
    """Some record that was dropped because of a denial."""
    import polars as pl

    files = sorted((world.before / "private/ledger").rglob("*.parquet"))
    ledger = pl.concat([pl.read_parquet(file) for file in files])
    gone = ledger.filter(
        (pl.col("decision") == "drop") & pl.col("denial_id").is_not_null()
    )
    return gone.row(0, named=True)


def person(row: dict[str, Any]) -> list[str]:
    namespace, identity = row["subject_key"].split("\x1f")
    return ["--subject", identity, "--namespace", namespace]


# --- keygen ---------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_keygen_writes_a_pair_once(cf: Any, tmp_path: Path, algorithm: str) -> None:
    prefix = tmp_path / "key"
    told = cf("keygen", "--out", prefix, "--algorithm", algorithm, "--json")
    assert told.status == 0
    assert told.json["private"] == f"{prefix}.pem"
    assert told.json["algorithm"] == algorithm
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    again = cf("keygen", "--out", prefix)
    assert again.status == 2
    assert "there is a key already" in again.err
    assert cf("keygen", "--out", tmp_path / "b", "--quiet").err == ""


# --- verify ---------------------------------------------------------------------------


def test_verify_tells_its_outcomes_apart(cf: Any, world: World, tmp_path: Path) -> None:
    told = cf("verify", world.before, "--public-key", world.keys.public)
    assert told.status == 0
    assert told.out == "signature valid\nevidence consistent\n"
    assert "the digest of every admitted row" in told.err
    told = cf("verify", world.before, "--json")
    assert told.json["signature"] == "unchecked"
    assert told.json["evidence"] == "consistent"
    assert told.json["reproduced"] is None
    assert told.err == ""
    assert "NOT SIGNED" in cf("verify", world.after).out
    told = cf("verify", world.after, "--public-key", world.keys.public)
    assert told.status == 1
    assert "not signed, though a public key was given" in told.err
    published = tmp_path / "published"
    shutil.copytree(world.before, published, ignore=shutil.ignore_patterns("private"))
    told = cf("verify", published, "--public-key", world.keys.public)
    assert told.status == 0
    assert told.out.endswith("evidence not at hand: this copy has no private/\n")
    assert cf("verify", published, "--quiet").out == ""


def test_verify_names_every_changed_file(cf: Any, world: World, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(world.before, copied)
    changed = sorted((copied / "data/chat").glob("*.parquet"))[:2]
    for path in changed:
        path.write_bytes(path.read_bytes() + b"\0")
    told = cf("verify", copied)
    assert told.status == 1
    for path in changed:
        assert f"{path.relative_to(copied)}: changed" in told.err
    told = cf("verify", copied, "--json")
    assert told.status == 1
    assert len(told.json["error"]["problems"]) == 2
    told = cf("verify", copied, "--public-key", tmp_path / "none.pem")
    assert told.status == 2
    assert cf("verify", tmp_path).status == 2


def test_verify_replays(cf: Any, world: World) -> None:
    files = world.files
    inputs = ["--records", files.records, "--consent", files.consent]
    side = ["--subjects", files.subjects, "--links", files.links]
    inputs += ["--policy", world.policy, "--dataset", files.dataset]
    told = cf("verify", world.before, "--replay", *inputs, *side, "--json")
    assert told.status == 0, told.err
    assert told.json["reproduced"] is True
    told = cf("verify", world.before, "--replay", *inputs)
    assert told.status == 1
    assert "not reproduced: consent.linksSha256" in told.err
    told = cf("verify", world.before, "--replay")
    assert told.status == 2
    assert "--replay also needs --records, --consent, --policy" in told.err
    told = cf("verify", world.before, "--records", files.records)
    assert told.status == 2
    assert "--records: only with --replay" in told.err


# --- explain --------------------------------------------------------------------------


def test_explain_shows_rule_statement_and_both_clocks(
    cf: Any, world: World, admitted: dict[str, Any], dropped: dict[str, Any]
) -> None:
    told = cf("explain", world.before, admitted["record_id"])
    assert told.status == 0
    assert "KEPT, OK_CONSENT: the person consented" in told.out
    assert admitted["grant_id"] in told.out
    assert "see it: --consent PATH" in told.out
    consent = ["--consent", world.files.consent]
    told = cf("explain", world.before, admitted["record_id"], *consent)
    assert "made at" in told.out
    assert "+00:00" not in told.out
    assert "recorded at" in told.out
    told = cf("explain", world.before, dropped["record_id"], *consent, "--json")
    (record,) = told.json["records"]
    assert record["decision"] == "drop"
    assert record["denialId"] == dropped["denial_id"]
    assert record["denial"]["status"] in ("withdrawn", "refused", "objected", "revoked",
                                          "opted_out")  # fmt: skip
    assert record["data"] is None
    assert record["asOf"] == "2024-02-01T00:00:00Z"


def test_explain_says_when_a_record_was_never_read(cf: Any, world: World) -> None:
    told = cf("explain", world.before, "no such record")
    assert told.status == 1
    assert "no such record was read for demo 1" in told.err
    assert cf("explain", world.before, "x", "--json").json["records"] == []


# --- prove and check ------------------------------------------------------------------


def test_proofs_of_records_and_people_check(
    cf: Any,
    world: World,
    tmp_path: Path,
    admitted: dict[str, Any],
    dropped: dict[str, Any],
) -> None:
    manifest = ["--manifest", world.before / "manifest.intoto.json"]
    manifest += ["--public-key", world.keys.public]
    key = ["--release-key", world.before / "private/release.key"]
    cases: list[tuple[str, list[str]]] = [
        ("in", ["--record", admitted["record_id"]]),
        ("out", ["--record", dropped["record_id"], "--open"]),
        ("in", person(admitted)),
        ("out", ["--subject", "nobody I know", "--open"]),
    ]
    for number, (kind, what) in enumerate(cases):
        proof = tmp_path / f"{number}.json"
        told = cf("prove", world.before, *what, "--out", proof, "--json")
        assert told.status == 0, told.err
        assert told.json["kind"] == kind
        told = cf("check", proof, *manifest, "--json")
        assert told.status == 0, told.err
        assert (told.json["kind"], told.json["idChecked"]) == (kind, False)
        assert told.json["signature"] == "valid"
        told = cf("check", proof, *manifest, *key)
        assert told.out.startswith("IN: the" if kind == "in" else "OUT: no")
        assert "with the release key: that is the path of" in told.out
        assert "signature is valid" in told.out
    again = cf("prove", world.before, *cases[0][1], "--out", tmp_path / "0.json")
    assert again.status == 2
    assert "is not overwritten" in again.err
    printed = cf("prove", world.before, *cases[0][1])
    assert json.loads(printed.out)["kind"] == "in"
    assert "the record is IN demo 1" in printed.err


def test_a_wrong_proof_exits_1_and_says_why(
    cf: Any, world: World, tmp_path: Path, admitted: dict[str, Any]
) -> None:
    proof = tmp_path / "proof.json"
    cf("prove", world.before, "--record", admitted["record_id"], "--out", proof)
    other = ["--manifest", world.after / "manifest.intoto.json"]
    told = cf("check", proof, *other)
    assert told.status == 1
    assert "proof invalid: proof: " in told.err
    told = cf("check", tmp_path / "none.json", *other)
    assert told.status == 2
    unsigned = cf("check", proof, *other, "--json")
    assert unsigned.json["error"]["type"] == "EvidenceError"
    told = cf("prove", world.before)
    assert told.status == 2
    assert "say either --record ID or --subject ID" in told.err
    told = cf("prove", world.before, "--subject", "unknown")
    assert told.status == 2
    assert "names nobody" in told.err


def test_out_proofs_say_what_was_not_checked(
    cf: Any, world: World, tmp_path: Path
) -> None:
    manifest = ["--manifest", world.after / "manifest.intoto.json"]
    for extra, about in (([], "that of an id"), (["--open"], "that of 'x-1'")):
        proof = tmp_path / f"{len(extra)}.json"
        cf("prove", world.after, "--record", "x-1", *extra, "--out", proof)
        told = cf("check", proof, *manifest)
        assert told.status == 0
        assert f"{about} was not checked" in told.out
        assert "NOT SIGNED" in told.out


# --- trace and diff -------------------------------------------------------------------


def test_trace_finds_a_person_in_both_releases(
    cf: Any, world: World, admitted: dict[str, Any]
) -> None:
    told = cf("trace", *person(admitted), world.before, world.after, "--json")
    assert told.status == 0
    before, after = told.json["releases"]
    assert before["rowsAdmitted"] == len(before["records"]) > 0
    assert admitted["record_id"] in {row["recordId"] for row in before["records"]}
    assert after["isKnown"] is True
    told = cf("trace", *person(admitted), world.before)
    assert f"demo 1: in {before['rowsAdmitted']} records" in told.out
    told = cf("trace", "--subject", "nobody I know", world.before)
    assert "never named in what was read" in told.out


def test_trace_notices_a_list_that_lies(
    cf: Any, world: World, tmp_path: Path, admitted: dict[str, Any]
) -> None:
    import pyarrow.parquet as pq

    copied = tmp_path / "copy"
    shutil.copytree(world.before, copied)
    path = copied / "private/evidence/people.parquet"
    table = pq.read_table(path)
    at = table["row"].to_pylist()
    rows = [row if n % 2 else 0 for n, row in enumerate(at)]
    import pyarrow as pa

    lying = table.set_column(2, table.schema.field("row"), pa.array(rows))
    pq.write_table(lying, path)
    told = cf("trace", *person(admitted), copied)
    assert told.status == 1
    assert "lists other records for this person than the signed entry" in told.err


def test_diff_counts_what_left_and_names_why(cf: Any, world: World) -> None:
    told = cf("diff", world.before, world.after, "--json")
    assert told.status == 0
    found = told.json
    assert found["isSuccessor"] is True
    before, after = (
        int(
            verifier.read_manifest(
                (where / verifier.MANIFEST_NAME).read_bytes()
            ).predicate["commitments"]["records"]["entries"]
        )
        for where in (world.before, world.after)
    )
    rows = found["rows"]
    assert rows["left"] + rows["changed"] + rows["same"] == before
    assert rows["entered"] + rows["changed"] + rows["same"] == after
    assert rows["left"] > 0
    reasons = {each["after"] for each in found["moves"] if each["move"] == "left"}
    assert "CONSENT_WITHDRAWN" in reasons
    told = cf("diff", world.after, world.before)
    assert "does not name the first as its previous release" in told.out
    assert f"entered: {rows['left']:,} records" in told.out
    same = cf("diff", world.before, world.before, "--json").json
    assert same["rows"] == {"left": 0, "entered": 0, "changed": 0, "same": before}


# --- recheck --------------------------------------------------------------------------


def test_recheck_writes_a_removal_list_and_exits_1(
    cf: Any, world: World, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    side = ["--subjects", world.files.subjects, "--links", world.files.links]
    consent = ["--consent", world.files.consent]
    told = cf("recheck", world.before, *consent, *side)
    assert told.status == 0
    assert "Nothing has to be removed." in told.out
    out = tmp_path / "removal.parquet"
    consent += ["--consent", world.later]
    told = cf("recheck", world.before, *consent, *side, "--out", out, "--json")
    assert told.status == 1
    assert pq.read_metadata(out).num_rows == told.json["rowsToRemove"]
    assert sum(told.json["byReason"].values()) == told.json["rowsToRemove"]
    assert told.json["asOf"] == "2024-02-08T00:00:00Z"
    told = cf("recheck", world.before, *consent, *side)
    assert told.status == 1
    assert "CONSENT_WITHDRAWN   the person withdrew consent" in told.out
    told = cf("recheck", world.before, *consent, *side, "--out", out)
    assert told.status == 2
    assert "exists already and is not overwritten" in told.err
    told = cf("recheck", world.after, *consent, *side)
    assert told.status == 0, told.out
    told = cf("recheck", world.before, "--consent", world.later, *side)
    assert told.status == 2
    assert "give all consent, old and new" in told.err


# --- report ---------------------------------------------------------------------------


def test_report_is_one_file_that_carries_the_verifier(
    cf: Any, world: World, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    told = cf("report", world.before, "--out", out, "--json")
    assert told.status == 0
    text = out.read_text(encoding="utf-8")
    assert text == (world.before / "report.html").read_text(encoding="utf-8")
    assert told.json["manifestSha256"] in text
    assert "CONSENT_WITHDRAWN" in text
    assert "the person withdrew consent" in text
    assert "What this does not prove" in text
    assert "http://" not in text.replace("http-equiv", "")
    assert 'src="' not in text
    assert "<link" not in text
    assert "Not signed" not in text
    other = (world.after / "report.html").read_text(encoding="utf-8")
    assert "Not signed" in other


def test_no_private_copy_says_what_is_missing(cf: Any, tmp_path: Path) -> None:
    parts = [made_release.part("a.parquet", 20)]
    where = made_release.release(tmp_path / "one", parts)
    shutil.rmtree(where / "private")
    for command in (
        ["prove", where, "--record", "r1"],
        ["explain", where, "r1"],
        ["trace", "--subject", "1", where],
        ["diff", where, where],
        ["recheck", where, "--consent", where],
    ):
        told = cf(*command)
        assert told.status == 2, command
        assert "has no private/ directory" in told.err

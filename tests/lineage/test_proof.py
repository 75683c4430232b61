"""Proofs: right ones hold, and each corruption of one is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentfilter.errors import EvidenceError, InputError
from consentfilter.lineage import opened, proof, verifier
from consentfilter.lineage.opened import OpenedRelease
from consentfilter.lineage.verifier import Refused
from tests.lineage import made_release
from tests.lineage.made_release import KEY

SUBJECT = "user_id\x1f3"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> OpenedRelease:
    parts = [
        made_release.part("a.parquet", 400),
        made_release.part("day=1/b.parquet", 300, first=1000),
    ]
    where = made_release.release(tmp_path_factory.mktemp("r") / "one", parts)
    return opened.open_release(where)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> OpenedRelease:
    parts = [made_release.part("a.parquet", 400, seed=5)]
    where = made_release.release(tmp_path_factory.mktemp("r") / "two", parts)
    return opened.open_release(where)


def record(release: OpenedRelease, decision: str) -> str:
    one = made_release.part("a.parquet", 400)
    rows = one.ledger.to_pylist()
    return next(r["record_id"] for r in rows if r["decision"] == decision)


def check(made: Any, release: OpenedRelease, key: bytes | None = None) -> Any:
    return verifier.check_proof(proof.proof_json(made), release.manifest, key)


def test_every_admitted_record_is_in_and_every_dropped_one_out(
    release: OpenedRelease,
) -> None:
    for row in made_release.part("a.parquet", 400).ledger.to_pylist():
        made = proof.prove(release, "records", row["record_id"])
        result = check(made, release)
        assert result.kind == ("out" if row["out_row"] is None else "in")
        assert not result.is_bound
        if result.kind == "in":
            assert result.id == row["record_id"]
            assert result.fields["decision"] == row["decision"]
            assert result.fields["out_row"] == str(row["out_row"])
            assert result.fields["data_path"] == "data/a.parquet"
        else:
            assert result.id is None


def test_a_person_is_in_with_counts_and_a_stranger_is_out(
    release: OpenedRelease,
) -> None:
    result = check(proof.prove(release, "subjects", SUBJECT), release)
    assert result.kind == "in"
    assert int(result.fields["rows_admitted"]) > 0
    assert (
        check(proof.prove(release, "subjects", "user_id\x1fx"), release).kind == "out"
    )


def test_opened_proof_names_the_id_and_the_key_binds_it(release: OpenedRelease) -> None:
    dropped = record(release, "drop")
    made = proof.prove(release, "records", dropped, is_opened=True)
    assert made["id"] == dropped
    assert not check(made, release).is_bound
    assert check(made, release, KEY).is_bound
    made["id"] = "somebody else"
    assert check(made, release).id == "somebody else"  # only the key can tell
    with pytest.raises(Refused, match="is not that of 'somebody else'"):
        check(made, release, KEY)


def test_a_wrong_release_key_is_refused(release: OpenedRelease) -> None:
    made = proof.prove(release, "records", "r1")
    with pytest.raises(Refused, match="not the one that the manifest commits to"):
        check(made, release, bytes(32))
    with pytest.raises(Refused, match="31 bytes, wanted 32"):
        check(made, release, bytes(31))


def test_a_proof_of_another_release_is_refused(
    release: OpenedRelease, other: OpenedRelease
) -> None:
    made = proof.prove(release, "records", record(release, "keep"))
    with pytest.raises(Refused):
        check(made, other)


def flip(text: str) -> str:
    return ("1" if text[0] != "1" else "2") + text[1:]


Change = Callable[[dict[str, Any]], Any]

CHANGES: dict[str, Change] = {
    "scheme": lambda p: p.update(scheme="prefix-pages-sha256/v2"),
    "no scheme": lambda p: p.pop("scheme"),
    "set": lambda p: p.update(set="subjects"),
    "unknown set": lambda p: p.update(set="rows"),
    "set of another type": lambda p: p.update(set=[]),
    "no set": lambda p: p.pop("set"),
    "kind": lambda p: p.update(kind="out"),
    "kind in words": lambda p: p.update(kind="IN"),
    "no kind": lambda p: p.pop("kind"),
    "path": lambda p: p.update(path=flip(p["path"])),
    "last byte of path": lambda p: p.update(path=p["path"][:-1] + "xX"[:1]),
    "path in upper case": lambda p: p.update(path=p["path"].upper()),
    "short path": lambda p: p.update(path=p["path"][2:]),
    "long path": lambda p: p.update(path=p["path"] + "00"),
    "no path": lambda p: p.pop("path"),
    "salt": lambda p: p.update(salt=flip(p["salt"])),
    "no salt": lambda p: p.pop("salt"),
    "no fields": lambda p: p.pop("fields"),
    "field added": lambda p: p["fields"].update(extra=""),
    "field removed": lambda p: p["fields"].pop("reason"),
    "field no text": lambda p: p["fields"].update(out_row=1),
    "page entry changed": lambda p: p["page"].__setitem__(0, flip(p["page"][0])),
    "value changed": lambda p: p["page"].__setitem__(
        0, p["page"][0][:32] + flip(p["page"][0][32:])
    ),
    "page entry removed": lambda p: p["page"].pop(),
    "page entry doubled": lambda p: p["page"].insert(0, p["page"][0]),
    "page reversed": lambda p: p["page"].reverse(),
    "page empty": lambda p: p["page"].clear(),
    "page no list": lambda p: p.update(page={}),
    "no page": lambda p: p.pop("page"),
    "short entry": lambda p: p["page"].__setitem__(0, p["page"][0][2:]),
    "huge page": lambda p: p.update(page=[f"{n:096x}" for n in range(1025)]),
    "sibling changed": lambda p: p["siblings"].__setitem__(0, flip(p["siblings"][0])),
    "sibling removed": lambda p: p["siblings"].pop(),
    "sibling added": lambda p: p["siblings"].append("0" * 64),
    "siblings reversed": lambda p: p["siblings"].reverse(),
    "siblings exchanged": lambda p: p["siblings"].insert(0, p["siblings"].pop()),
    "no siblings": lambda p: p.pop("siblings"),
    "field unknown to the scheme": lambda p: p.update(index=0),
    "negative index": lambda p: p.update(index=-1),
    "id": lambda p: p.update(id="r999999"),
    "id no text": lambda p: p.update(id=7),
    "token of another": lambda p: p.update(token="0" * 64),
    "token of another salt": lambda p: p.update(token=p["path"] + "0" * 32),
    "a float": lambda p: p.update(index=1.5),
    "no number": lambda p: p.update(index=float("nan")),
}
for _field in verifier.BODY_FIELDS["records"]:

    def _change_field(made: dict[str, Any], name: str = _field) -> None:
        made["fields"][name] += "0"

    CHANGES[f"field {_field}"] = _change_field


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_proof_is_refused(release: OpenedRelease, name: str) -> None:
    made = proof.prove(release, "records", record(release, "keep"))
    assert len(made["siblings"]) >= 2
    changed = copy.deepcopy(made)
    CHANGES[name](changed)
    assert changed != made
    with pytest.raises(Refused):
        check(changed, release)


def test_an_in_proof_turned_into_an_out_proof_is_refused(
    release: OpenedRelease,
) -> None:
    made = proof.prove(release, "records", record(release, "keep"))
    del made["salt"], made["fields"]
    made["kind"] = "out"
    with pytest.raises(Refused, match="says `out`, but the path stands in its page"):
        check(made, release)


def test_an_out_proof_of_the_other_set_is_refused(release: OpenedRelease) -> None:
    made = proof.prove(release, "records", record(release, "drop"))
    made["set"] = "subjects"
    with pytest.raises(Refused):
        check(made, release)


def test_every_byte_of_a_proof_file_counts(release: OpenedRelease) -> None:
    """Change one character anywhere: refused, unless it is white space between."""
    made = proof.prove(release, "records", record(release, "keep"))
    data = proof.proof_json(made)
    meant = json.loads(data)
    for at in range(0, len(data), 7):
        for new in (b"0", b"z", b'"'):
            changed = data[:at] + new + data[at + 1 :]
            if changed == data:
                continue
            with pytest.raises(Refused):
                verifier.check_proof(changed, release.manifest)
    assert json.loads(data) == meant


def test_odd_json_is_refused(release: OpenedRelease) -> None:
    made = proof.proof_json(proof.prove(release, "records", record(release, "keep")))
    doubled = made.replace(b'"kind": "in"', b'"kind": "out",\n "kind": "in"')
    assert doubled != made
    nested = made.replace(b'"reason":', b'"reason": "", "reason":')
    for odd, message in [
        (doubled, "the key 'kind' stands there twice"),
        (nested, "the key 'reason' stands there twice"),
        (b"\xef\xbb\xbf" + made, "not JSON"),
        (made.decode().encode("utf-16"), "not JSON"),
        (made[:-3], "not JSON"),
        (made + b"{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "proof.set"),
        (b"null", "proof.set"),
        (b" " * (1 << 21), "more than any proof has"),
    ]:
        with pytest.raises(Refused, match=message):
            verifier.check_proof(odd, release.manifest)


def test_proving_needs_private_and_whole_evidence(
    tmp_path: Path, release: OpenedRelease
) -> None:
    import shutil

    copied = tmp_path / "copy"
    shutil.copytree(release.root, copied)
    tree = copied / "private/evidence/records.tree"
    tree.write_bytes(bytes(tree.stat().st_size))
    with pytest.raises(EvidenceError, match="the evidence does not fit the manifest"):
        proof.prove(opened.open_release(copied), "records", "r1")
    (copied / "private/evidence/records.parquet").write_bytes(b"PAR1")
    with pytest.raises(EvidenceError, match="the evidence is damaged"):
        proof.prove(opened.open_release(copied), "records", "r1")
    (copied / "private/release.key").write_bytes(bytes(32))
    with pytest.raises(EvidenceError, match="not the one that the manifest commits"):
        proof.prove(opened.open_release(copied), "records", "r1")
    shutil.rmtree(copied / "private")
    with pytest.raises(InputError, match="has no private/ directory"):
        proof.prove(opened.open_release(copied), "records", "r1")

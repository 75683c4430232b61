"""The verifier: published vectors, and manifests and releases that must not pass."""

from __future__ import annotations

import base64
import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consentfilter import digest
from consentfilter.lineage import sign, verifier
from consentfilter.lineage.verifier import Refused
from tests.lineage import made_release

SIGNED_BY = made_release.signer()
PEM = made_release.public_pem()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [
        made_release.part("a.parquet", 90),
        made_release.part("day=é/b.parquet", 20, first=1000),
    ]
    where = tmp_path_factory.mktemp("release") / "one"
    return made_release.release(where, parts, signed_by=SIGNED_BY)


@pytest.fixture
def release(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "one")
    return tmp_path / "one"


def manifest_bytes(where: Path) -> bytes:
    return (where / verifier.MANIFEST_NAME).read_bytes()


def verify(where: Path, pem: bytes | None = PEM) -> verifier.Manifest:
    manifest = verifier.read_manifest(manifest_bytes(where), pem)
    verifier.check_release_files(str(where), manifest)
    verifier.check_private_files(str(where), manifest)
    return manifest


# --- published vectors --------------------------------------------------------------


def test_dsse_pre_authentication_encoding_of_the_specification() -> None:
    assert (
        verifier.pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_ed25519_of_rfc_8032_test_1() -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert raw.hex() == (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    assert sign.KeySigner(key).sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


RFC_8785 = (
    b'{"\\r":"Carriage Return","1":"One","\xc2\x80":"Control\x7f",'
    b'"\xc3\xb6":"Latin Small Letter O With Diaeresis",'
    b'"\xe2\x82\xac":"Euro Sign","\xf0\x9f\x98\x80":"Emoji: Grinning Face",'
    b'"\xef\xac\xb3":"Hebrew Letter Dalet With Dagesh"}'
)


def test_keys_are_sorted_as_in_rfc_8785_section_3_2_3() -> None:
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control\u007f",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert verifier.canonical(value) == RFC_8785 == digest.canonical_json(value)


def test_text_is_escaped_as_in_rfc_8785_section_3_2_2() -> None:
    text = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    value = {"string": text, "l": [None, True]}
    expected = '{"l":[null,true],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    assert verifier.canonical(value) == expected.encode()
    assert digest.canonical_json(value) == expected.encode()


def test_fold_agrees_with_the_page_depth_of_large_sets() -> None:
    assert [verifier.page_bits(n) for n in (0, 1, 64, 65, 128, 129)] == [
        0, 0, 0, 1, 1, 2,
    ]  # fmt: skip


# --- what holds ---------------------------------------------------------------------


def test_an_untouched_release_holds(release: Path) -> None:
    manifest = verify(release)
    assert manifest.signature == "valid"
    assert manifest.key_id == SIGNED_BY.key_id
    assert manifest.sha256 == digest.sha256(manifest_bytes(release))
    assert verifier.read_manifest(manifest_bytes(release)).signature == "unchecked"


def test_it_needs_nothing_but_the_standard_library_and_cryptography(
    release: Path, tmp_path: Path
) -> None:
    """An auditor copies one file and runs it alone."""
    alone = tmp_path / "auditor"
    alone.mkdir()
    shutil.copy(verifier.__file__, alone / "verifier.py")
    (alone / "key.pem").write_bytes(PEM)
    code = (
        "import sys, verifier\n"
        "data = open(sys.argv[1] + '/manifest.intoto.json', 'rb').read()\n"
        "m = verifier.read_manifest(data, open('key.pem', 'rb').read())\n"
        "verifier.check_release_files(sys.argv[1], m)\n"
        "heavy = {'consentfilter', 'numpy', 'polars', 'pyarrow', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), sys.modules\n"
        "print(m.signature)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(release)],
        cwd=alone,
        env={**os.environ, "PYTHONPATH": str(alone)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "valid\n"


def test_ecdsa_p256_signs_and_verifies(release: Path, tmp_path: Path) -> None:
    pair = sign.generate_key(tmp_path / "ec", "ecdsa-p256")
    statement = json.loads(verify(release).payload)
    data = sign.envelope(statement, sign.load_signer(pair.private))
    manifest = verifier.read_manifest(data, pair.public.read_bytes())
    assert manifest.signature == "valid"
    with pytest.raises(Refused, match="not by the given"):
        verifier.read_manifest(data, PEM)


def test_an_unsigned_release_says_so_and_fails_where_a_key_is_given(
    release: Path,
) -> None:
    statement = json.loads(verify(release).payload)
    data = sign.envelope(statement, None)
    assert verifier.read_manifest(data).signature == "none"
    assert verifier.read_manifest(data).key_id is None
    with pytest.raises(Refused, match="not signed, though a public key was given"):
        verifier.read_manifest(data, PEM)


# --- manifests that must not pass -----------------------------------------------------


def envelope_of(where: Path) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(manifest_bytes(where))
    return envelope


def refuse(data: bytes, message: str, pem: bytes | None = PEM) -> None:
    with pytest.raises(Refused, match=message):
        verifier.read_manifest(data, pem)


def test_every_changed_byte_of_a_manifest_is_refused(release: Path) -> None:
    data = manifest_bytes(release)
    for at in range(0, len(data), 5):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(Refused):
            verifier.read_manifest(changed, PEM)


def test_other_spellings_of_the_same_envelope_are_refused(release: Path) -> None:
    data = manifest_bytes(release)
    envelope = json.loads(data)
    payload = envelope["payload"]
    for odd in [
        data + b"\n",
        json.dumps(envelope).encode(),
        json.dumps(dict(reversed(envelope.items())), separators=(",", ":")).encode(),
        data.replace(b'"payload":', b'"payload":"","payload":'),
        data.replace(b'"payload":', b'"p\\u0061yload":'),
        data.replace(b"application/vnd", b"application\\/vnd"),
        b"\xef\xbb\xbf" + data,
        data.decode().encode("utf-16"),
        data[:-1],
        b"[]",
        b"",
        b"x" * 200_000,
    ]:
        with pytest.raises(Refused):
            verifier.read_manifest(odd, PEM)
    for spelling in [
        payload + "\n",
        payload.rstrip("=") + "====",
        payload.replace("+", "-").replace("/", "_") + "-",
        " " + payload,
        payload + "é",
    ]:
        odd = digest.canonical_json({**envelope, "payload": spelling})
        refuse(odd, "base64|does not fit")


def test_non_canonical_base64_of_the_same_bytes_is_refused() -> None:
    assert verifier.decode_base64("AA==", "x") == b"\0"
    with pytest.raises(Refused, match="x: not the canonical base64"):
        verifier.decode_base64("AB==", "x")


def test_extra_missing_and_foreign_signatures_are_refused(release: Path) -> None:
    envelope = envelope_of(release)
    one = envelope["signatures"][0]
    payload = base64.b64decode(envelope["payload"])
    other = made_release.signer(2)
    foreign = other.sign(verifier.pae(verifier.PAYLOAD_TYPE, payload))
    foreign_sig = base64.b64encode(foreign).decode()
    for signatures, message in [
        ([one, one], "2 signatures, wanted exactly one"),
        ([], "not signed, though"),
        ([{"keyid": other.key_id, "sig": foreign_sig}], "not by the given"),
        ([{"keyid": one["keyid"], "sig": foreign_sig}], "does not fit its payload"),
        ([{"keyid": "0" * 64, "sig": one["sig"]}], "not by the given"),
        ([{"sig": one["sig"]}], r"signatures\[0\]: has \['sig'\]"),
        ([{**one, "cert": ""}], r"signatures\[0\]: has"),
        ([{**one, "sig": ""}], "does not fit its payload"),
        ([{**one, "keyid": None}], "keyid: found None"),
        (one, "wanted list"),
    ]:
        odd = digest.canonical_json({**envelope, "signatures": signatures})
        refuse(odd, message)


def resigned(payload: Any) -> bytes:
    """A manifest with another payload, signed by the right key all the same."""
    data = payload if isinstance(payload, bytes) else digest.canonical_json(payload)
    raw = SIGNED_BY.sign(verifier.pae(verifier.PAYLOAD_TYPE, data))
    return digest.canonical_json(
        {
            "payload": base64.b64encode(data).decode(),
            "payloadType": verifier.PAYLOAD_TYPE,
            "signatures": [
                {"keyid": SIGNED_BY.key_id, "sig": base64.b64encode(raw).decode()}
            ],
        }
    )


def test_a_wrong_payload_type_is_refused(release: Path) -> None:
    envelope = envelope_of(release)
    odd = digest.canonical_json({**envelope, "payloadType": "application/json"})
    refuse(odd, "payloadType: found 'application/json'")


def set_at(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(statement: dict[str, Any]) -> None:
        node: Any = statement
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = to

    return change


STATEMENTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another type": (set_at("_type", to="https://in-toto.io/Statement/v0.1"), "_type"),
    "another predicate": (set_at("predicateType", to="x/v2"), "predicateType"),
    "no subject": (set_at("subject", to=[]), "found 0, wanted exactly one"),
    "two subjects": (
        lambda s: s["subject"].append(s["subject"][0]),
        "found 2, wanted exactly one",
    ),
    "a part as subject": (set_at("subject", 0, "name", to="data/a.parquet"), "name"),
    "another digest": (
        lambda s: s["subject"][0]["digest"].update(sha512="0" * 128),
        "digest: has",
    ),
    "short digest": (set_at("subject", 0, "digest", "sha256", to="0"), "sha256"),
    "extra field": (set_at("predicate", "extra", to=1), "predicate: has"),
    "count as number": (set_at("predicate", "counts", "read", to=110), "counts.read"),
    "negative count": (
        set_at("predicate", "counts", "dropped", to="-1"),
        "counts.dropped",
    ),
    "leading zero": (set_at("predicate", "counts", "kept", to="01"), "counts.kept"),
    "counts that do not add up": (
        set_at("predicate", "counts", "read", to="109"),
        "counts.read: 110, wanted 109",
    ),
    "reasons that do not add up": (
        set_at("predicate", "counts", "byReason", to={"OK_CONSENT": "1"}),
        "counts.byReason: 1, wanted 110",
    ),
    "categories that do not add up": (
        set_at("predicate", "counts", "byCategory", to={}),
        "counts.byCategory, kept: 0",
    ),
    "fewer entries": (
        set_at("predicate", "commitments", "records", "entries", to="1"),
        "commitments.records.entries: 1",
    ),
    "deeper pages": (
        set_at("predicate", "commitments", "subjects", "pageBits", to="1"),
        "commitments.subjects.pageBits: 1, wanted 0",
    ),
    "another scheme": (
        set_at("predicate", "commitments", "scheme", to="x"),
        "commitments.scheme",
    ),
    "local time": (
        set_at("predicate", "consent", "asOf", to="2026-01-01T00:00:00+01:00"),
        "consent.asOf",
    ),
    "a list of ids": (set_at("predicate", "counts", "ids", to=[]), "counts: has"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_signed_statement_of_another_shape_is_refused(
    release: Path, name: str
) -> None:
    statement = json.loads(verify(release).payload)
    change, message = STATEMENTS[name]
    change(statement)
    refuse(resigned(statement), message)


def leaves_of(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = node.items() if isinstance(node, dict) else enumerate(node)
    for name, each in items:
        if isinstance(each, dict | list):
            yield from leaves_of(each, (*path, name))
        yield (*path, name)


def test_every_field_of_a_statement_must_be_there_and_of_its_type(
    release: Path,
) -> None:
    statement = json.loads(verify(release).payload)
    free = {"lint", "nonClaims", "purposes", "sources", "schemas", "byReason"}
    for path in leaves_of(statement):
        changed = copy.deepcopy(statement)
        set_at(*path, to=1.0 if path[-1] != "x" else None)(changed)
        with pytest.raises(Refused):
            verifier.read_manifest(resigned(json.dumps(changed).encode()))
        changed = copy.deepcopy(statement)
        set_at(*path, to=False)(changed)
        with pytest.raises(Refused):
            verifier.read_manifest(resigned(changed))
        changed = copy.deepcopy(statement)
        node: Any = changed
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]
        if not free & set(path):
            with pytest.raises(Refused):
                verifier.read_manifest(resigned(changed))


def test_payloads_in_another_form_are_refused_though_signed(release: Path) -> None:
    payload = verify(release).payload
    statement = json.loads(payload)
    decomposed = payload.replace(b'"_type":', b'"_typ\xc3\xa9":')
    for odd, message in [
        (payload + b" ", "not in canonical form"),
        (json.dumps(statement).encode(), "not in canonical form"),
        (payload.replace(b'"p"', b'"\\u0070"'), "not in canonical form"),
        (payload.replace(b'"lint":', b'"lint":[],"lint":'), "stands there twice"),
        (decomposed, "statement: has|not in canonical form"),
        (b'{"_type":1.0}', "whole numbers only"),
        (b'{"_type":NaN}', "whole numbers only"),
        (b"\xff", "not JSON"),
        (b'"' + b"x" * 70_000 + b'"', "64 KiB or more"),
    ]:
        assert odd != payload
        refuse(resigned(odd), message)


def test_odd_public_keys_are_refused(release: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    data = manifest_bytes(release)
    refuse(data, "not a PEM public key", b"not a key")
    p384 = sign.public_pem(ec.generate_private_key(ec.SECP384R1()))
    refuse(data, "wanted Ed25519 or ECDSA P-256", p384)
    key: Any = rsa.generate_private_key(65537, 2048)
    refuse(data, "wanted Ed25519 or ECDSA P-256", sign.public_pem(key))
    refuse(data, "not by the given", made_release.public_pem(2))


# --- releases that must not pass ------------------------------------------------------


def all_files(where: Path) -> list[str]:
    files = [path for path in where.rglob("*") if path.is_file()]
    return sorted(path.relative_to(where).as_posix() for path in files)


def test_a_changed_cut_longer_or_missing_file_is_refused_by_name(
    original: Path, tmp_path: Path
) -> None:
    names = all_files(original)
    assert len(names) == 13
    for number, name in enumerate(names):
        for how in ("first", "middle", "last", "cut", "longer", "empty", "missing"):
            where = tmp_path / f"{number}-{how}"
            shutil.copytree(original, where)
            data = bytearray((where / name).read_bytes())
            if how == "missing":
                (where / name).unlink()
            else:
                at = {"first": 0, "middle": len(data) // 2}.get(how, len(data) - 1)
                if how == "cut":
                    del data[-1:]
                elif how == "longer":
                    data += b"\0"
                elif how == "empty":
                    data.clear()
                else:
                    data[at] ^= 1
                (where / name).write_bytes(data)
            if name == verifier.MANIFEST_NAME and how == "missing":
                continue
            with pytest.raises(Refused) as refused:
                verify(where)
            told = "\n".join(refused.value.problems)
            plain = name.removeprefix("private/")
            assert plain in told or "manifest" in told or "release key" in told
            shutil.rmtree(where)


def test_files_that_stand_in_no_index_are_refused(release: Path) -> None:
    for name in ("data/c.parquet", "notes.txt", "private/extra", "data/.hidden", "a/b"):
        path = release / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
        with pytest.raises(Refused, match="is there, but not in the index"):
            verify(release)
        path.unlink()
    shutil.rmtree(release / "a")
    for name in verifier.VIEW_NAMES:
        (release / name).write_bytes(b"{}")
    verify(release)


def test_exchanged_and_replayed_files_are_refused(
    release: Path, tmp_path: Path
) -> None:
    parts = [made_release.part("a.parquet", 90, seed=9)]
    other = made_release.release(tmp_path / "two", parts, signed_by=SIGNED_BY)
    for name in all_files(other):
        keep = (release / name).read_bytes()
        replayed = (other / name).read_bytes()
        if replayed != keep:
            (release / name).write_bytes(replayed)
            with pytest.raises(Refused):
                verify(release)
            (release / name).write_bytes(keep)
    verify(release)
    first, second = release / "data/a.parquet", release / "data/day=é/b.parquet"
    both = first.read_bytes(), second.read_bytes()
    first.write_bytes(both[1])
    second.write_bytes(both[0])
    with pytest.raises(Refused) as refused:
        verify(release)
    assert len(refused.value.problems) == 2


def resign_index(where: Path, index: Any) -> None:
    """Write another index and sign for it: the signer lies."""
    data = index if isinstance(index, bytes) else digest.canonical_json(index)
    (where / verifier.INDEX_NAME).write_bytes(data)
    statement = json.loads(verifier.read_manifest(manifest_bytes(where)).payload)
    statement["subject"][0]["digest"]["sha256"] = digest.sha256(data)
    (where / verifier.MANIFEST_NAME).write_bytes(resigned(statement))


@pytest.mark.parametrize(
    "path",
    [
        "../outside", "data/../../outside", "/etc/hosts", "data//a.parquet", "",
        "data/./a.parquet", "data\\..\\outside", "data/\0", "..", ".", "data/",
        "data/a\nb",
    ],
)  # fmt: skip
def test_paths_that_leave_the_release_are_refused_before_anything_is_opened(
    release: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (release.parent / "outside").write_bytes(b"")
    index = json.loads((release / verifier.INDEX_NAME).read_bytes())
    index[0]["path"] = path
    resign_index(release, sorted(index, key=lambda line: line["path"]))
    manifest = verifier.read_manifest(manifest_bytes(release), PEM)
    data = (release / verifier.INDEX_NAME).read_bytes()
    monkeypatch.setattr(
        verifier, "read_bytes", lambda *_: data
    )  # nothing else may be opened

    def no_open(*_: object) -> None:
        pytest.fail("a file was opened")

    monkeypatch.setattr("builtins.open", no_open)
    with pytest.raises(Refused, match="may lead out of the release"):
        verifier.check_release_files(str(release), manifest)


def test_links_are_not_followed(release: Path, tmp_path: Path) -> None:
    target = release / "data/a.parquet"
    moved = tmp_path / "moved"
    target.rename(moved)
    target.symlink_to(moved)
    with pytest.raises(Refused, match=r"data/a.parquet: a link"):
        verify(release)
    target.unlink()
    moved.rename(target)
    verify(release)
    shutil.move(release / "data", tmp_path / "data")
    (release / "data").symlink_to(tmp_path / "data", target_is_directory=True)
    with pytest.raises(Refused, match=r"data/a.parquet: a link"):
        verify(release)
    (release / "data").unlink()
    shutil.move(tmp_path / "data", release / "data")
    (release / "more").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(Refused, match="more: is there, but not in the index"):
        verify(release)
    (release / "more").unlink()
    index = release / verifier.INDEX_NAME
    index.rename(tmp_path / "index")
    index.symlink_to(tmp_path / "index")
    with pytest.raises(Refused, match="release-index.json: a link"):
        verify(release)
    index.unlink()
    index.mkdir()
    with pytest.raises(Refused, match="release-index.json: a link, or something else"):
        verify(release)


def test_a_lying_index_is_refused_though_signed(release: Path) -> None:
    index = json.loads((release / verifier.INDEX_NAME).read_bytes())
    first, second = index

    def refused(lines: Any, message: str) -> None:
        resign_index(release, lines)
        with pytest.raises(Refused, match=message):
            verify(release)

    refused([second, first], "not strictly sorted by path")
    refused([first, first, second], "not strictly sorted by path")
    refused([first], "rows in data/, wanted")
    refused([{**first, "size": -1}, second], "a negative size")
    refused([{**first, "rows": -1}, second], "a negative size")
    refused([{**first, "rows": True}, second], "found True, wanted int")
    refused([{**first, "rows": first["rows"] + 1}, second], "rows in data/, wanted")
    refused([{**first, "sha256": "0" * 64}, second], "data/a.parquet: changed")
    refused([{**first, "size": first["size"] + 1}, second], "data/a.parquet: changed")
    refused([{**first, "mode": 1}, second], r"release-index.json\[0\]: has")
    refused({"a": 1}, "wanted list")
    refused(json.dumps(index).encode(), "not in canonical form")
    resign_index(release, index)
    verify(release)


def test_a_huge_file_in_place_of_the_index_is_not_read_whole(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "MAX_INDEX_BYTES", 100)
    with pytest.raises(Refused, match="more than 100 bytes"):
        verify(release)

"""Key files, and the envelope that is signed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from consentfilter import digest
from consentfilter.errors import InputError, StorageError
from consentfilter.lineage import sign, verifier
from tests.lineage import made_release


@pytest.mark.parametrize("algorithm", sign.ALGORITHMS)
def test_a_key_pair_is_written_and_signs(
    tmp_path: Path, algorithm: sign.Algorithm
) -> None:
    pair = sign.generate_key(tmp_path / "key", algorithm)
    assert pair.private == tmp_path / "key.pem"
    assert pair.public == tmp_path / "key.pub.pem"
    assert stat.S_IMODE(pair.private.stat().st_mode) == 0o600
    assert pair.private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    signer = sign.load_signer(pair.private)
    assert signer.key_id == pair.key_id
    public = verifier.load_public_key(pair.public.read_bytes())
    assert verifier.key_id(public) == pair.key_id


def test_no_key_is_ever_overwritten(tmp_path: Path) -> None:
    first = sign.generate_key(tmp_path / "key")
    kept = first.private.read_bytes(), first.public.read_bytes()
    with pytest.raises(InputError, match="there is a key already") as told:
        sign.generate_key(tmp_path / "key")
    assert str(first.private) in str(told.value)
    assert str(first.public) in str(told.value)
    first.private.unlink()
    with pytest.raises(InputError, match="key.pub.pem: there is a key already"):
        sign.generate_key(tmp_path / "key")
    assert first.public.read_bytes() == kept[1]


def test_bad_key_files_are_named_with_the_next_step(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    with pytest.raises(InputError, match="cannot be read.*keygen"):
        sign.load_signer(tmp_path / "none.pem")
    odd = tmp_path / "odd.pem"
    odd.write_bytes(b"no key")
    with pytest.raises(InputError, match="odd.pem: not a usable key; wanted an unencr"):
        sign.load_signer(odd)
    ed = ed25519.Ed25519PrivateKey.generate()
    pem = ed.private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x")
    )
    odd.write_bytes(pem)
    with pytest.raises(InputError, match="not a usable key"):
        sign.load_signer(odd)
    p384 = ec.generate_private_key(ec.SECP384R1())
    odd.write_bytes(
        p384.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    )
    with pytest.raises(InputError, match="found ECPrivateKey|EllipticCurve"):
        sign.load_signer(odd)
    with pytest.raises(InputError, match="'rsa' is not one of ed25519, ecdsa-p256"):
        sign.generate_key(tmp_path / "x", "rsa")  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="the key cannot be written"):
        sign.generate_key(tmp_path / "no/such/place")


def test_a_key_management_service_can_sign() -> None:
    class Service:
        """Has the key somewhere else; all it offers is a name and signatures."""

        key_id = made_release.signer().key_id

        def sign(self, message: bytes) -> bytes:
            return made_release.signer().sign(message)

    statement = {"a": 1}
    made = sign.envelope(statement, Service())
    assert made == sign.envelope(statement, made_release.signer())


def test_an_envelope_has_one_signature_or_none() -> None:
    payload = digest.canonical_json({"a": 1})
    assert b'"signatures":[]' in sign.envelope({"a": 1}, None)
    made = verifier.parse_canonical(
        sign.envelope({"a": 1}, made_release.signer()), "made"
    )
    assert verifier.decode_base64(made["payload"], "payload") == payload
    assert [each["keyid"] for each in made["signatures"]] == [
        made_release.signer().key_id
    ]


def test_a_payload_of_64_kib_is_not_signed() -> None:
    with pytest.raises(InputError, match="more than the 65535 that readers accept"):
        sign.envelope({"a": "x" * (1 << 16)}, None)
    assert sign.envelope({"a": "x" * ((1 << 16) - 9)}, None)

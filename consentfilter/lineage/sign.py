"""Keys, signatures and the DSSE envelope around a manifest.

A DSSE v1 envelope signs `PAE(type, body) = "DSSEv1" SP len(type) SP type SP len(body)
SP body`, so the type is signed with the body. A release has exactly one signature,
or, unsigned, none. `Signer` is a protocol: a key file is one way to sign, a key
management service another.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from consentfilter import digest
from consentfilter.errors import InputError, StorageError
from consentfilter.lineage import verifier

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

Algorithm = Literal["ed25519", "ecdsa-p256"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ed25519", "ecdsa-p256")


class Signer(Protocol):
    """Whoever can sign: a key file here, a key management service elsewhere.

    `sign` gets the pre-authentication encoding and returns a raw Ed25519 signature
    (64 bytes) or a DER-encoded ECDSA P-256 signature over its SHA-256.
    """

    @property
    def key_id(self) -> str:
        """SHA-256 (hex) of the public key's SubjectPublicKeyInfo in DER."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature of the message."""
        ...


class KeyPair(NamedTuple):
    """Where `generate_key` wrote a key pair, and how it is called.

    Attributes:
        private: PKCS#8 PEM, mode 0600. public: SubjectPublicKeyInfo PEM.
        key_id: see `Signer.key_id`.
    """

    private: Path
    public: Path
    key_id: str


class KeySigner:
    """Signs with a private key held in memory: Ed25519 or ECDSA P-256."""

    def __init__(self, key: PrivateKey) -> None:
        self.private_key: Final = key
        self.key_id: str = verifier.key_id(key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of the message."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        if isinstance(self.private_key, ec.EllipticCurvePrivateKey):
            return self.private_key.sign(message, ec.ECDSA(hashes.SHA256()))
        return self.private_key.sign(message)


def load_signer(path: str | os.PathLike[str]) -> KeySigner:
    """Read a private key (PKCS#8 PEM) and return its signer.

    Raises:
        InputError: the file is missing, no PEM, encrypted, or of another algorithm.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    wanted = (
        "wanted an unencrypted Ed25519 or ECDSA P-256 private key (PKCS#8 PEM); "
        "`consentfilter keygen` makes one"
    )
    try:
        data = Path(path).read_bytes()
    except OSError as problem:
        raise InputError(
            f"{os.fspath(path)}: the signing key cannot be read "
            f"({problem.strerror}); {wanted}"
        ) from problem
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as problem:
        raise InputError(f"{os.fspath(path)}: not a usable key; {wanted}") from problem
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return KeySigner(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return KeySigner(key)
    found = type(key).__name__.removeprefix("_")
    raise InputError(f"{os.fspath(path)}: found {found}; {wanted}")


def generate_key(
    prefix: str | os.PathLike[str], algorithm: Algorithm = "ed25519"
) -> KeyPair:
    """Make a key pair and write `PREFIX.pem` (mode 0600) and `PREFIX.pub.pem`.

    Raises:
        InputError: one of the files exists (nothing is overwritten), or the
            algorithm is unknown.
        StorageError: a file cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if algorithm not in ALGORITHMS:
        raise InputError(
            f"algorithm: {algorithm!r} is not one of {', '.join(ALGORITHMS)}"
        )
    private, public = Path(f"{os.fspath(prefix)}.pem"), Path(f"{prefix}.pub.pem")
    existing = [str(path) for path in (private, public) if path.exists()]
    if existing:
        raise InputError(
            f"{' and '.join(existing)}: there is a key already, and it is never "
            "overwritten; choose another --out"
        )
    key: PrivateKey = (
        ed25519.Ed25519PrivateKey.generate()
        if algorithm == "ed25519"
        else ec.generate_private_key(ec.SECP256R1())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem_of_public = public_pem(key)
    _write_new(private, pem, mode=0o600)
    _write_new(public, pem_of_public, mode=0o644)
    return KeyPair(private, public, verifier.key_id(key.public_key()))


def envelope(statement: dict[str, Any], signer: Signer | None) -> bytes:
    """Return the DSSE envelope of a statement: the bytes of `manifest.intoto.json`.

    Args:
        statement: what `manifest.build_statement` returned.
        signer: None for an unsigned release (its envelope has no signature).

    Raises:
        InputError: the payload is larger than the 64 KiB that readers accept.
    """
    payload = digest.canonical_json(statement)
    if len(payload) >= verifier.MAX_PAYLOAD_BYTES:
        raise InputError(
            f"the manifest would have {len(payload)} bytes, more than the "
            f"{verifier.MAX_PAYLOAD_BYTES - 1} that readers accept; fewer categories, "
            "consent sources or lint warnings are needed"
        )
    signatures = []
    if signer is not None:
        message = verifier.pae(verifier.PAYLOAD_TYPE, payload)
        signatures.append(
            {"keyid": signer.key_id, "sig": _base64(signer.sign(message))}
        )
    return digest.canonical_json(
        {
            "payload": _base64(payload),
            "payloadType": verifier.PAYLOAD_TYPE,
            "signatures": signatures,
        }
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def public_pem(key: PrivateKey) -> bytes:
    """Return the public half of a key as SubjectPublicKeyInfo PEM."""
    from cryptography.hazmat.primitives import serialization

    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _write_new(path: Path, data: bytes, *, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
    except OSError as problem:
        raise StorageError(
            f"{path}: the key cannot be written ({problem.strerror}); "
            "choose a directory that exists and may be written"
        ) from problem

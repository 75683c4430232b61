"""A release, opened for reading: its checked manifest and where its files are."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from consentfilter.errors import EvidenceError, InputError
from consentfilter.lineage import verifier
from consentfilter.lineage.verifier import Manifest, Refused


@dataclasses.dataclass(frozen=True, slots=True)
class OpenedRelease:
    """A release whose manifest was checked; its files were not, yet.

    Attributes:
        root: the release's directory.
        manifest: the checked manifest.
    """

    root: Path
    manifest: Manifest

    @property
    def predicate(self) -> dict[str, Any]:
        """What the manifest says."""
        return self.manifest.predicate

    @property
    def name(self) -> str:
        """Name and version of the release, for people."""
        release = self.predicate["release"]
        return f"{release['dataset']} {release['version']}"

    @property
    def has_private(self) -> bool:
        """Whether `private/` is at hand."""
        return os.path.lexists(self.private)

    @property
    def private(self) -> Path:
        """Where the ledger and the evidence are, if they are at hand."""
        return self.root / verifier.PRIVATE_NAME

    @property
    def evidence(self) -> Path:
        """Where the evidence files are."""
        return self.private / "evidence"

    def ledger(self, part: str) -> Path:
        """Return the ledger file of a part.

        Raises:
            EvidenceError: the part's name leads out of the ledger.
        """
        with refusals(str(self.root)):
            verifier.safe_path(part, "part")
        return self.private / "ledger" / part

    def ledger_parts(self) -> list[str]:
        """Return the parts that have a ledger, sorted, as the private index says.

        Raises:
            EvidenceError: the private index is not the one the manifest names.
        """
        prefix = "ledger/"
        return [
            line["path"].removeprefix(prefix)
            for line in self.private_index()
            if line["path"].startswith(prefix)
        ]

    def private_index(self) -> list[dict[str, Any]]:
        """Return the lines of `private/private-index.json`.

        Raises:
            InputError: `private/` is not at hand.
            EvidenceError: it is not the index that the manifest names.
        """
        self.need_private()
        name = verifier.PRIVATE_INDEX_NAME
        with refusals(str(self.root)):
            data = verifier.read_bytes(
                str(self.private), name, verifier.MAX_INDEX_BYTES
            )
            signed = self.predicate["evidence"]["sha256"]
            return verifier.read_index(data, signed, name)

    def index(self) -> list[dict[str, Any]]:
        """Return the lines of `release-index.json`.

        Raises:
            EvidenceError: it is not the index that the manifest names.
        """
        name = verifier.INDEX_NAME
        with refusals(str(self.root)):
            data = verifier.read_bytes(str(self.root), name, verifier.MAX_INDEX_BYTES)
            return verifier.read_index(data, self.manifest.index_sha256, name)

    def key(self) -> bytes:
        """Return the release key.

        Raises:
            InputError: `private/` is not at hand.
            EvidenceError: the key is not the one that the manifest commits to.
        """
        self.need_private()
        with refusals(str(self.root)):
            key = verifier.read_bytes(
                str(self.private), verifier.KEY_NAME, verifier.HASH_BYTES
            )
            verifier.check_release_key(key, self.manifest)
            return key

    def need_private(self) -> None:
        """Refuse to go on without `private/`.

        Raises:
            InputError: `private/` is not at hand.
        """
        if not self.has_private:
            raise InputError(
                f"{self.root}: has no private/ directory, so there is no ledger and "
                "no evidence; this needs the release as it was made, not its "
                "published copy"
            )


def open_release(
    root: str | os.PathLike[str],
    *,
    public_key: str | os.PathLike[str] | None = None,
) -> OpenedRelease:
    """Open a release and check its manifest.

    Args:
        root: the release's directory, local.
        public_key: PEM file of the key that must have signed it; None: the
            signature is not checked.

    Raises:
        InputError: there is no release here, or no public key.
        EvidenceError: the manifest does not hold.
    """
    path = Path(root)
    if not path.is_dir():
        raise InputError(
            f"{path}: found no directory; wanted a release on this machine (copy a "
            "remote one here first)"
        )
    manifest = path / verifier.MANIFEST_NAME
    if not os.path.lexists(manifest):
        raise InputError(
            f"{path}: found no {verifier.MANIFEST_NAME}, so this is no release: a run "
            "writes it last; give the directory of a finished release"
        )
    return OpenedRelease(path, read_manifest(manifest, public_key=public_key))


def read_manifest(
    path: str | os.PathLike[str],
    *,
    public_key: str | os.PathLike[str] | None = None,
) -> Manifest:
    """Read and check a manifest file on its own.

    Raises:
        InputError: the manifest cannot be read, or the public key is none.
        EvidenceError: the manifest does not hold.
    """
    pem = None if public_key is None else _read_public_key(public_key)
    where = Path(path)
    with refusals(str(where)):
        if where.is_symlink():
            raise Refused("the manifest is a link, wanted a plain file")
        data = read_file(where, "the manifest", limit=4 * verifier.MAX_PAYLOAD_BYTES)
        return verifier.read_manifest(data, pem)


def _read_public_key(path: str | os.PathLike[str]) -> bytes:
    pem = read_file(path, "the public key")
    try:
        verifier.load_public_key(pem)
    except Refused as refused:
        raise InputError(
            f"{os.fspath(path)}: not a usable public key; wanted Ed25519 or ECDSA "
            "P-256 (PEM), such as PREFIX.pub.pem of `consentfilter keygen`"
        ) from refused
    return pem


def read_release_key(path: str | os.PathLike[str]) -> bytes:
    """Read a release key that somebody keeps: 32 raw bytes.

    Raises:
        InputError: it cannot be read, or has another length.
    """
    key = read_file(path, "the release key")
    if len(key) != verifier.HASH_BYTES:
        raise InputError(
            f"{os.fspath(path)}: not a release key; wanted {verifier.HASH_BYTES} raw "
            "bytes, such as private/release.key of the release"
        )
    return key


def read_file(
    path: str | os.PathLike[str], what: str, *, limit: int = verifier.MAX_PROOF_BYTES
) -> bytes:
    """Read a small file.

    Raises:
        InputError: it cannot be read; the message says `what` it should have been.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read(limit + 1)
    except OSError as problem:
        raise InputError(
            f"{os.fspath(path)}: {what} cannot be read ({problem.strerror}); check "
            "the path"
        ) from problem


#: What reading a damaged Parquet file may come to: Arrow's errors are among these.
_DAMAGE: Final[tuple[type[Exception], ...]] = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    NotImplementedError,
)


@contextlib.contextmanager
def undamaged(where: str | os.PathLike[str], *also: type[Exception]) -> Iterator[None]:
    """Turn what reading a damaged file of `private/` comes to into one message.

    Args:
        where: the file.
        also: further errors of whoever reads it.

    Raises:
        EvidenceError: the file is missing or damaged.
    """
    try:
        yield
    except _DAMAGE + also as problem:
        said = str(problem).partition("\n")[0]
        raise EvidenceError(
            f"{os.fspath(where)}: cannot be read ({said}); the evidence is damaged, so "
            "restore private/ from where the release was made"
        ) from problem


@contextlib.contextmanager
def refusals(where: str) -> Iterator[None]:
    """Turn what the verifier refuses in this block into an `EvidenceError`.

    Raises:
        EvidenceError: each problem, with `where` in front.
    """
    try:
        yield
    except Refused as refused:
        raise EvidenceError(
            [f"{where}: {problem}" for problem in refused.problems]
        ) from refused

"""Check a release or a proof without trusting whoever made it. This file is enough.

It needs the standard library and `cryptography`, reads bytes, recomputes, and
compares. It never trusts a length, an index or a flag that somebody wrote down.
Read from top to bottom: JSON, signature, predicate, files, tree, proof.

    manifest = read_manifest(bytes_of_manifest, public_key_pem)
    check_release_files("RELEASE", manifest)
    result = check_proof(bytes_of_proof, manifest)

Whatever does not hold raises `Refused`, which says what is wrong.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Literal

MANIFEST_NAME: Final = "manifest.intoto.json"
INDEX_NAME: Final = "release-index.json"
PRIVATE_NAME: Final = "private"
PRIVATE_INDEX_NAME: Final = "private-index.json"
KEY_NAME: Final = "release.key"
#: Unsigned files that name the manifest's digest, so the manifest cannot name theirs.
VIEW_NAMES: Final = ("croissant.json", "openlineage.json", "report.html")

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:consentfilter:predicate/training-set/v1"
SCHEME: Final = "prefix-pages-sha256/v1"
PROOF_SCHEME: Final = "prefix-pages-sha256/v1"
LABELS: Final = {"records": b"record/v1", "subjects": b"subject/v1"}
#: The fields of an entry's body, in the order in which they are hashed.
BODY_FIELDS: Final = {
    "records": (
        "record_id",
        "decision",
        "reason",
        "content_sha256",
        "data_path",
        "out_row",
    ),
    "subjects": ("subject_key", "rows_admitted", "rows_dropped", "paths_sha256"),
}

MAX_PAYLOAD_BYTES: Final = 64 * 1024
MAX_INDEX_BYTES: Final = 1 << 30
MAX_PROOF_BYTES: Final = 1 << 20
#: A page holds 32 to 64 entries on average; paths are spread evenly by HMAC.
PAGE_TARGET: Final = 64
MAX_PAGE_ENTRIES: Final = 1024
PATH_BYTES: Final = 16
ENTRY_BYTES: Final = 48
HASH_BYTES: Final = 32


class Refused(Exception):  # noqa: N818  (a verdict, not a fault of the program)
    """Something does not hold; `problems` says what, one sentence each."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        listed = [problems] if isinstance(problems, str) else list(problems)
        self.problems: tuple[str, ...] = tuple(listed)
        super().__init__("\n".join(listed))


# --- JSON: one spelling only -------------------------------------------------------


def parse_json(data: bytes, what: str) -> Any:
    """Return the value of JSON bytes; no duplicate keys, no floats, valid UTF-8."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Refused(f"{what}: the key {twice!r} stands there twice")
        return found

    def no_float(text: str) -> Any:
        raise Refused(
            f"{what}: {text} is not a whole number; none other may stand here"
        )

    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_float=no_float,
            parse_constant=no_float,
        )
    except (ValueError, RecursionError) as problem:
        raise Refused(f"{what}: not JSON ({problem})") from problem


def canonical(value: Any) -> bytes:
    """Return RFC 8785 bytes of a value made of objects, lists, texts and integers."""

    def ordered(node: Any) -> Any:
        if isinstance(node, dict):
            names = sorted(
                node, key=lambda name: name.encode("utf-16-be", "surrogatepass")
            )
            return {name: ordered(node[name]) for name in names}
        return [ordered(each) for each in node] if isinstance(node, list) else node

    text = json.dumps(ordered(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def parse_canonical(data: bytes, what: str) -> Any:
    """Return the value of JSON bytes that are in the one canonical form (RFC 8785)."""
    value = parse_json(data, what)
    if canonical(value) != data:
        raise Refused(f"{what}: not in canonical form (RFC 8785), so it was rewritten")
    return value


def check_shape(value: Any, shape: Any, where: str) -> None:
    """Refuse a value unless it has exactly this shape.

    A dict wants exactly its keys (`{KEY_PATTERN: shape}` any keys of that form), a
    one-element list wants a list of it, a pattern wants a text that matches in full,
    a type wants that type, a tuple wants one of its shapes.
    """
    if isinstance(shape, tuple):
        for option in shape[:-1]:
            try:
                return check_shape(value, option, where)
            except Refused:
                continue
        check_shape(value, shape[-1], where)
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            raise Refused(f"{where}: found {value!r}, wanted an object")
        pattern = next((key for key in shape if isinstance(key, re.Pattern)), None)
        if pattern is None and set(value) != set(shape):
            raise Refused(
                f"{where}: found the fields {sorted(value)}, wanted {sorted(shape)}"
            )
        for name, each in value.items():
            if pattern is not None:
                check_shape(name, pattern, f"{where}, a name")
            check_shape(
                each, shape[name if pattern is None else pattern], f"{where}.{name}"
            )
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise Refused(f"{where}: found {value!r}, wanted a list")
        for at, each in enumerate(value):
            check_shape(each, shape[0], f"{where}[{at}]")
    elif isinstance(shape, re.Pattern):
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise Refused(f"{where}: found {value!r}, wanted text like {shape.pattern}")
    elif type(value) is not shape:
        raise Refused(f"{where}: found {value!r}, wanted {shape.__name__}")


HEX_32: Final = re.compile("[0-9a-f]{64}")
COUNT: Final = re.compile("0|[1-9][0-9]{0,18}")
TEXT: Final = re.compile("(?s:.*)")
INSTANT: Final = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{6})?Z"
)
_NONE: Final = type(None)
_SET_SHAPE: Final = {"root": HEX_32, "entries": COUNT, "pageBits": COUNT}
PREDICATE_SHAPE: Final = {
    "release": {"dataset": TEXT, "version": TEXT, "previous": (_NONE, HEX_32)},
    "run": {
        "id": TEXT,
        "startedAt": INSTANT,
        "finishedAt": INSTANT,
        "engine": TEXT,
        "toolVersion": TEXT,
    },
    "inputs": {
        "records": {"parts": COUNT, "rows": COUNT, "indexSha256": HEX_32},
        "schemas": [{"fingerprint": HEX_32, "parts": COUNT}],
    },
    "consent": {
        "snapshotId": TEXT,
        "asOf": INSTANT,
        "historyMode": re.compile("full|compact"),
        "sources": [{"id": TEXT, "watermark": (_NONE, INSTANT), "rows": COUNT}],
        "maxStaleness": (_NONE, re.compile(r"PT[0-9]+(\.[0-9]{6})?S")),
        "subjectsSha256": (_NONE, HEX_32),
        "linksSha256": (_NONE, HEX_32),
    },
    "policy": {
        "id": TEXT,
        "version": TEXT,
        "sha256": HEX_32,
        "purposes": [TEXT],
        "recipient": (_NONE, TEXT),
    },
    "dataset": {"sha256": HEX_32},
    "taxonomy": {"version": TEXT},
    "counts": {
        "read": COUNT,
        "kept": COUNT,
        "redacted": COUNT,
        "dropped": COUNT,
        "byReason": {re.compile("[A-Z_]+"): COUNT},
        "byCategory": {TEXT: {"kept": COUNT, "redacted": COUNT, "dropped": COUNT}},
    },
    "commitments": {
        "scheme": re.compile(re.escape(SCHEME)),
        "keyCommitment": HEX_32,
        "records": _SET_SHAPE,
        "subjects": _SET_SHAPE,
    },
    "evidence": {"sha256": HEX_32},
    "lint": [TEXT],
    "nonClaims": [TEXT],
}


# --- The signed manifest -----------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A manifest whose envelope, signature and predicate were checked.

    Attributes:
        signature: `valid`; `unchecked` (signed, no public key at hand); `none`.
        key_id: of the signing key, None when unsigned.
        sha256: hex digest of the manifest file's bytes.
        payload: the signed bytes. predicate: what they say.
        index_sha256: hex digest that `release-index.json` must have.
    """

    signature: Literal["valid", "unchecked", "none"]
    key_id: str | None
    sha256: str
    payload: bytes
    predicate: dict[str, Any]
    index_sha256: str


def pae(payload_type: str, body: bytes) -> bytes:
    """Return the bytes that a DSSE v1 signature covers."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def key_id(public_key_pem: bytes) -> str:
    """Return SHA-256 (hex) of the key's SubjectPublicKeyInfo (the PEM's content)."""
    lines = public_key_pem.decode("ascii", "replace").split("-----")
    return hashlib.sha256(base64.b64decode(lines[2])).hexdigest()


def read_manifest(data: bytes, public_key_pem: bytes | None = None) -> Manifest:
    """Check the envelope, the signature and the predicate of a manifest file.

    Args:
        data: the bytes of `manifest.intoto.json`.
        public_key_pem: SubjectPublicKeyInfo PEM of the key that must have signed;
            with it an unsigned manifest is refused.
    """
    if len(data) > 2 * MAX_PAYLOAD_BYTES:
        raise Refused(f"manifest: {len(data)} bytes, more than any manifest has")
    envelope = parse_canonical(data, "manifest")
    signature_shape = {"keyid": HEX_32, "sig": TEXT}
    shape = {"payload": TEXT, "payloadType": TEXT, "signatures": [signature_shape]}
    check_shape(envelope, shape, "manifest")
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise Refused(
            f"manifest: found payloadType {envelope['payloadType']!r}, "
            f"wanted {PAYLOAD_TYPE!r}"
        )
    signatures = envelope["signatures"]
    if len(signatures) > 1:
        raise Refused(
            f"manifest: found {len(signatures)} signatures, wanted exactly one"
        )
    payload = decode_base64(envelope["payload"], "manifest.payload")
    status: Literal["valid", "unchecked", "none"] = (
        "unchecked" if signatures else "none"
    )
    if public_key_pem is not None:
        if not signatures:
            raise Refused("manifest: not signed, though a public key was given")
        _check_signature(signatures[0], payload, public_key_pem)
        status = "valid"
    statement = _check_statement(payload)
    return Manifest(
        signature=status,
        key_id=signatures[0]["keyid"] if signatures else None,
        sha256=hashlib.sha256(data).hexdigest(),
        payload=payload,
        predicate=statement["predicate"],
        index_sha256=statement["subject"][0]["digest"]["sha256"],
    )


def decode_base64(text: str, what: str) -> bytes:
    """Return the bytes of standard base64 in its one canonical spelling."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error) as problem:
        raise Refused(f"{what}: not base64") from problem
    if base64.b64encode(data).decode("ascii") != text:
        raise Refused(f"{what}: not the canonical base64 of its bytes")
    return data


def _check_signature(signature: dict[str, str], payload: bytes, pem: bytes) -> None:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise Refused("public key: not a PEM public key") from problem
    is_p256 = (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    )
    if not is_p256 and not isinstance(key, ed25519.Ed25519PublicKey):
        raise Refused("public key: wanted Ed25519 or ECDSA P-256")
    if signature["keyid"] != key_id(pem):
        raise Refused(
            f"manifest: signed by the key {signature['keyid']}, "
            f"not by the given one, {key_id(pem)}"
        )
    raw = decode_base64(signature["sig"], "manifest.signatures[0].sig")
    message = pae(PAYLOAD_TYPE, payload)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(raw, message)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as problem:
        raise Refused("manifest: the signature does not fit its payload") from problem


def _check_statement(payload: bytes) -> dict[str, Any]:
    if len(payload) >= MAX_PAYLOAD_BYTES:
        raise Refused(f"manifest: the payload has {len(payload)} bytes, 64 KiB or more")
    statement: dict[str, Any] = parse_canonical(payload, "manifest payload")
    subject = {
        "name": re.compile(re.escape(INDEX_NAME)),
        "digest": {"sha256": HEX_32},
    }
    shape = {
        "_type": re.compile(re.escape(STATEMENT_TYPE)),
        "subject": [subject],
        "predicateType": re.compile(re.escape(PREDICATE_TYPE)),
        "predicate": PREDICATE_SHAPE,
    }
    check_shape(statement, shape, "statement")
    if len(statement["subject"]) != 1:
        raise Refused(
            f"statement.subject: found {len(statement['subject'])}, wanted exactly one"
        )
    _check_counts(statement["predicate"])
    return statement


def _check_counts(predicate: dict[str, Any]) -> None:
    counts = predicate["counts"]
    read, kept, redacted, dropped = (
        int(counts[name]) for name in ("read", "kept", "redacted", "dropped")
    )
    problems = []
    if kept + redacted + dropped != read:
        problems.append("counts: kept + redacted + dropped is not read")
    if read != int(predicate["inputs"]["records"]["rows"]):
        problems.append("counts: read is not the number of rows of the input")
    if sum(map(int, counts["byReason"].values())) != read:
        problems.append("counts.byReason does not add up to read")
    for name in ("kept", "redacted", "dropped"):
        if sum(int(each[name]) for each in counts["byCategory"].values()) != int(
            counts[name]
        ):
            problems.append(f"counts.byCategory does not add up to {name}")
    commitments = predicate["commitments"]
    if int(commitments["records"]["entries"]) != kept + redacted:
        problems.append("commitments.records.entries is not kept + redacted")
    for name in ("records", "subjects"):
        if int(commitments[name]["pageBits"]) != page_bits(
            int(commitments[name]["entries"])
        ):
            problems.append(f"commitments.{name}.pageBits does not fit its entries")
    if problems:
        raise Refused(problems)


# --- The files ---------------------------------------------------------------------


def safe_path(path: str, what: str) -> str:
    """Return a path of an index; refuse one that might lead out of the release."""
    parts = path.split("/")
    if (
        not path
        or any(part in ("", ".", "..") for part in parts)
        or any(character < " " or character == "\\" for character in path)
        or os.path.splitdrive(path)[0]
    ):
        raise Refused(f"{what}: the path {path!r} may lead out of the release")
    return path


def read_index(data: bytes, sha256: str, what: str) -> list[dict[str, Any]]:
    """Return the lines of an index file that must have this digest."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Refused(
            f"{what}: its SHA-256 is {hashlib.sha256(data).hexdigest()}, "
            f"the manifest says {sha256}"
        )
    index: list[dict[str, Any]] = parse_canonical(data, what)
    shape = {"path": TEXT, "rows": (_NONE, int), "sha256": HEX_32, "size": int}
    check_shape(index, [shape], what)
    paths = [safe_path(line["path"], what) for line in index]
    if any(first >= second for first, second in zip(paths, paths[1:], strict=False)):
        raise Refused(f"{what}: not strictly sorted by path")
    if any(line["size"] < 0 or (line["rows"] or 0) < 0 for line in index):
        raise Refused(f"{what}: a negative size or number of rows")
    return index


def read_bytes(root: str, path: str, limit: int) -> bytes:
    """Return the bytes of a regular file below `root`; links are not followed."""
    _refuse_links(root, path)
    with open(os.path.join(root, *path.split("/")), "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise Refused(f"{path}: more than {limit} bytes")
    return data


def check_release_files(
    root: str, manifest: Manifest, progress: Callable[[int], None] | None = None
) -> list[dict[str, Any]]:
    """Check the index and every published file below `root`; return the index.

    A file that is missing, changed, or there without standing in the index is
    refused, all of them together. `private/` is left alone.
    """
    data = read_bytes(root, INDEX_NAME, MAX_INDEX_BYTES)
    index = read_index(data, manifest.index_sha256, INDEX_NAME)
    counts = manifest.predicate["counts"]
    rows = sum(line["rows"] or 0 for line in index if line["path"].startswith("data/"))
    if rows != int(counts["kept"]) + int(counts["redacted"]):
        raise Refused(
            f"{INDEX_NAME}: {rows} rows in data/, the manifest says otherwise"
        )
    allowed = {INDEX_NAME, MANIFEST_NAME, *VIEW_NAMES}
    _check_files(root, index, allowed, {PRIVATE_NAME}, progress)
    return index


def check_private_files(
    root: str, manifest: Manifest, progress: Callable[[int], None] | None = None
) -> list[dict[str, Any]]:
    """Check the index and every file of `private/`, and the release key."""
    private = os.path.join(root, PRIVATE_NAME)
    data = read_bytes(private, PRIVATE_INDEX_NAME, MAX_INDEX_BYTES)
    signed = manifest.predicate["evidence"]["sha256"]
    index = read_index(data, signed, f"{PRIVATE_NAME}/{PRIVATE_INDEX_NAME}")
    key = read_bytes(private, KEY_NAME, HASH_BYTES)
    if key_commitment(key) != manifest.predicate["commitments"]["keyCommitment"]:
        raise Refused(f"{PRIVATE_NAME}/{KEY_NAME}: not the key the manifest commits to")
    _check_files(private, index, {PRIVATE_INDEX_NAME, KEY_NAME}, set(), progress)
    return index


def _check_files(
    root: str,
    index: Sequence[dict[str, Any]],
    allowed: Collection[str],
    skipped: Collection[str],
    progress: Callable[[int], None] | None,
) -> None:
    problems: list[str] = []
    for line in index:
        try:
            _check_file(root, line, progress)
        except Refused as refused:
            problems.extend(refused.problems)
    known = {line["path"] for line in index} | set(allowed)
    for folder, folders, names in os.walk(root):
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        folders[:] = [name for name in folders if prefix + name not in skipped]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*names, *links]):
            if prefix + name not in known:
                problems.append(f"{prefix}{name}: is there, but not in the index")
    if problems:
        raise Refused(problems)


def _check_file(
    root: str, line: dict[str, Any], progress: Callable[[int], None] | None
) -> None:
    path = line["path"]
    _refuse_links(root, path)
    state, size = hashlib.sha256(), 0
    with open(os.path.join(root, *path.split("/")), "rb") as stream:
        while chunk := stream.read(1 << 20):
            state.update(chunk)
            size += len(chunk)
            if progress is not None:
                progress(len(chunk))
    if size != line["size"] or state.hexdigest() != line["sha256"]:
        raise Refused(
            f"{path}: was changed ({size} bytes, SHA-256 {state.hexdigest()}; "
            f"the index says {line['size']} bytes, {line['sha256']})"
        )


def _refuse_links(root: str, path: str) -> None:
    """Refuse unless every step from `root` to the file is a real folder or file."""
    where = root
    parts = safe_path(path, root).split("/")
    for at, part in enumerate(parts):
        where = os.path.join(where, part)
        try:
            mode = os.lstat(where).st_mode
        except OSError as problem:
            raise Refused(f"{path}: missing ({problem.strerror})") from problem
        wanted = stat.S_ISREG if at == len(parts) - 1 else stat.S_ISDIR
        if not wanted(mode):
            raise Refused(f"{path}: a link or something else than a plain file")


# --- The tree (RFC 9162, section 2.1) ----------------------------------------------


def page_bits(entries: int) -> int:
    """Return b: how many leading bits of a path name its page."""
    pages_needed = -(-entries // PAGE_TARGET)
    return max(0, pages_needed - 1).bit_length()


def leaf_hash(page: bytes) -> bytes:
    """Return the hash of a page, a leaf of the tree."""
    return hashlib.sha256(b"\x00" + page).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(leaf: bytes, index: int, siblings: Sequence[bytes]) -> bytes:
    """Return the root above a leaf of a tree with 2 ** len(siblings) leaves."""
    node = leaf
    for level, sibling in enumerate(siblings):
        is_right = index >> level & 1
        node = node_hash(sibling, node) if is_right else node_hash(node, sibling)
    return node


# --- A proof -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ProofResult:
    """What a proof shows.

    Attributes:
        kind: `in` or `out`. set: `records` or `subjects`.
        path: of the entry, hex.
        fields: the opened entry's fields, for `in`.
        id: the id the proof names, or None. With `in` it is in the entry.
        is_bound: True if it was checked, with the release key, that `path` belongs
            to `id`. Without it an `out` proof is about `path` alone.
    """

    kind: Literal["in", "out"]
    set: Literal["records", "subjects"]
    path: str
    fields: dict[str, str]
    id: str | None
    is_bound: bool


def key_commitment(key: bytes) -> str:
    """Return the public digest (hex) of a release key of 32 bytes."""
    if len(key) != HASH_BYTES:
        raise Refused(f"release key: {len(key)} bytes, wanted {HASH_BYTES}")
    return hashlib.sha256(b"consentfilter/key/v1\x00" + key).hexdigest()


def token(key: bytes, name: str, identity: str) -> bytes:
    """Return t of an id: its path (16 bytes), then its salt (16 bytes)."""
    message = LABELS[name] + b"\x00" + identity.encode("utf-8")
    return hmac.new(key, message, hashlib.sha256).digest()


def entry_value(salt: bytes, fields: Sequence[str]) -> bytes:
    """Return the value under which an entry with these fields stands in its page."""
    texts = [field.encode("utf-8") for field in fields]
    body = b"".join(b"%d:%b," % (len(text), text) for text in texts)
    return hashlib.sha256(salt + body).digest()


def check_proof(
    data: bytes, manifest: Manifest, release_key: bytes | None = None
) -> ProofResult:
    """Check that a proof holds against the signed root.

    Args:
        data: the proof file's bytes.
        manifest: from `read_manifest`, of the release that the proof is about.
        release_key: the auditor's 32 bytes; then the id is checked, too.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise Refused(f"proof: {len(data)} bytes, more than any proof has")
    proof = parse_json(data, "proof")
    name, is_in = _check_proof_shape(proof)
    commitments = manifest.predicate["commitments"]
    signed, depth = commitments[name], int(commitments[name]["pageBits"])
    path = bytes.fromhex(proof["path"])
    index = int.from_bytes(path, "big") >> (8 * PATH_BYTES - depth)
    page = [bytes.fromhex(entry) for entry in proof["page"]]
    for entry in page:
        if (
            int.from_bytes(entry[:PATH_BYTES], "big") >> (8 * PATH_BYTES - depth)
            != index
        ):
            raise Refused("proof.page: an entry belongs to another page")
    paths = [entry[:PATH_BYTES] for entry in page]
    if any(first >= second for first, second in zip(paths, paths[1:], strict=False)):
        raise Refused("proof.page: not strictly sorted by path")
    siblings = [bytes.fromhex(sibling) for sibling in proof["siblings"]]
    if len(siblings) != depth:
        raise Refused(f"proof.siblings: found {len(siblings)}, wanted exactly {depth}")
    if fold(leaf_hash(b"".join(page)), index, siblings).hex() != signed["root"]:
        raise Refused(f"proof: does not lead to the signed root of {name}")
    if is_in:
        fields = [proof["fields"][field] for field in BODY_FIELDS[name]]
        value = entry_value(bytes.fromhex(proof["salt"]), fields)
        if path + value not in page:
            raise Refused("proof: the opened entry does not stand in its page")
        if "id" in proof and proof["id"] != fields[0]:
            raise Refused(f"proof.id: {proof['id']!r} is not the entry's {fields[0]!r}")
    elif path in paths:
        raise Refused("proof: says `out`, but the path stands in its page")
    identity = proof["fields"][BODY_FIELDS[name][0]] if is_in else proof.get("id")
    return ProofResult(
        kind="in" if is_in else "out",
        set=name,
        path=proof["path"],
        fields=proof.get("fields", {}),
        id=identity,
        is_bound=_check_binding(proof, name, identity, manifest, release_key),
    )


def _check_proof_shape(
    proof: Any,
) -> tuple[Literal["records", "subjects"], bool]:
    if not isinstance(proof, dict) or proof.get("set") not in BODY_FIELDS:
        raise Refused("proof.set: wanted 'records' or 'subjects'")
    name, is_in = proof["set"], proof.get("kind") == "in"
    shape: dict[str, Any] = {
        "scheme": re.compile(re.escape(SCHEME)),
        "set": TEXT,
        "kind": re.compile("in|out"),
        "path": re.compile("[0-9a-f]{32}"),
        "page": [re.compile("[0-9a-f]{96}")],
        "siblings": [HEX_32],
    }
    if is_in:
        shape["salt"] = re.compile("[0-9a-f]{32}")
        shape["fields"] = dict.fromkeys(BODY_FIELDS[name], TEXT)
    optional = {"id": TEXT, "token": HEX_32}
    shape |= {key: optional[key] for key in optional if key in proof}
    check_shape(proof, shape, "proof")
    if len(proof["page"]) > MAX_PAGE_ENTRIES:
        raise Refused(f"proof.page: {len(proof['page'])} entries, more than a page has")
    return name, is_in


def _check_binding(
    proof: dict[str, Any],
    name: str,
    identity: str | None,
    manifest: Manifest,
    release_key: bytes | None,
) -> bool:
    """Tell whether it was shown that path (and salt, and token) belong to the id."""
    opened = proof.get("token")
    salt = proof.get("salt", "")
    if opened is not None and not opened.startswith(proof["path"] + salt):
        raise Refused("proof.token: not that of the path and the salt")
    if release_key is None:
        return False
    if (
        key_commitment(release_key)
        != manifest.predicate["commitments"]["keyCommitment"]
    ):
        raise Refused("release key: not the key that the manifest commits to")
    if identity is None:
        return False
    wanted = token(release_key, name, identity).hex()
    if not wanted.startswith(proof["path"] + salt) or opened not in (None, wanted):
        raise Refused(f"proof: path, salt or token is not that of {identity!r}")
    return True

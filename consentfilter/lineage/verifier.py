"""Check a release or a proof without trusting whoever made it. This file is enough.

It needs the standard library and `cryptography`; it recomputes and compares, and
never trusts a length, an index or a flag that somebody wrote down. Top to bottom:
JSON, what the manifest may say, signature, files, tree, proof.

    manifest = read_manifest(manifest_bytes, public_key_pem)
    check_release_files("RELEASE", manifest)
    result = check_proof(proof_bytes, manifest)

Whatever does not hold raises `Refused`, which says what is wrong.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import os
import re
import stat
from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

MANIFEST_NAME: Final = "manifest.intoto.json"
INDEX_NAME: Final = "release-index.json"
PRIVATE_NAME: Final = "private"
PRIVATE_INDEX_NAME: Final = "private-index.json"
KEY_NAME: Final = "release.key"
#: Unsigned files that name the manifest's digest, so that it cannot name theirs.
VIEW_NAMES: Final = ("croissant.json", "openlineage.json", "report.html")

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:consentfilter:predicate/training-set/v1"
SCHEME: Final = "prefix-pages-sha256/v1"
LABELS: Final = {"records": b"record/v1", "subjects": b"subject/v1"}
#: The fields of an entry's body, in the order in which they are hashed.
# fmt: off
BODY_FIELDS: Final = {
    "records": ("record_id", "decision", "reason", "content_sha256", "data_path",
                "out_row"),
    "subjects": ("subject_key", "rows_admitted", "rows_dropped", "paths_sha256"),
}
# fmt: on

MAX_PAYLOAD_BYTES: Final = 64 << 10
MAX_INDEX_BYTES: Final = 1 << 30
MAX_PROOF_BYTES: Final = 1 << 20
#: Pages hold 32 to 64 entries on average, spread evenly by HMAC.
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
    """Return the value of JSON bytes: UTF-8, no key twice, whole numbers only."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise Refused(f"{what}: the key {twice!r} stands there twice")
        return dict(pairs)

    def refuse(text: str) -> Any:
        raise Refused(f"{what}: found the number {text}, wanted whole numbers only")

    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_float=refuse,
            parse_constant=refuse,
        )
    except (ValueError, RecursionError) as problem:
        raise Refused(f"{what}: not JSON ({problem})") from problem


def canonical(value: Any) -> bytes:
    """Return RFC 8785 bytes of a value made of objects, lists, texts and integers."""

    def in_order(node: Any) -> Any:
        if isinstance(node, dict):
            names = sorted(node, key=lambda n: n.encode("utf-16-be", "surrogatepass"))
            return {name: in_order(node[name]) for name in names}
        return [in_order(each) for each in node] if isinstance(node, list) else node

    text = json.dumps(in_order(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def parse_canonical(data: bytes, what: str) -> Any:
    """Return the value of JSON bytes that are in their one canonical form."""
    value = parse_json(data, what)
    if canonical(value) != data:
        raise Refused(f"{what}: not in canonical form (RFC 8785), so it was rewritten")
    return value


def check_shape(value: Any, shape: Any, where: str) -> None:
    """Refuse a value unless it has exactly this shape.

    A dict wants exactly its keys (with a pattern as key: any keys of that form), a
    list wants a list of its element, a tuple wants its element or null, a pattern
    wants a text that matches in full, a type wants that type.
    """
    if isinstance(shape, tuple):
        if value is not None:
            check_shape(value, shape[0], where)
    elif isinstance(shape, dict) and isinstance(value, dict):
        pattern = next((key for key in shape if isinstance(key, re.Pattern)), None)
        if pattern is None and set(value) != set(shape):
            raise Refused(f"{where}: has {sorted(value)}, wanted {sorted(shape)}")
        for name, each in value.items():
            if pattern is not None:
                check_shape(name, pattern, f"{where}, a name")
            check_shape(each, shape[pattern or name], f"{where}.{name}")
    elif isinstance(shape, list) and isinstance(value, list):
        for at, each in enumerate(value):
            check_shape(each, shape[0], f"{where}[{at}]")
    elif isinstance(shape, re.Pattern):
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise Refused(f"{where}: found {value!r}, wanted text like {shape.pattern}")
    elif type(value) is not shape:
        wanted = shape.__name__ if isinstance(shape, type) else type(shape).__name__
        raise Refused(f"{where}: found {value!r}, wanted {wanted}")


# --- What a manifest says (docs/predicate.md) --------------------------------------


def exactly(text: str) -> re.Pattern[str]:
    """Return the pattern of one text."""
    return re.compile(re.escape(text))


TEXT: Final = re.compile("(?s:.*)")
SHA256: Final = re.compile("[0-9a-f]{64}")
COUNT: Final = re.compile("0|[1-9][0-9]{0,18}")
TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z"
)
SECONDS: Final = re.compile(r"PT[0-9]+(\.[0-9]{6})?S")

_OUTCOMES = {"kept": COUNT, "redacted": COUNT, "dropped": COUNT}
_SOURCE = {"id": TEXT, "watermark": (TIME,), "rows": COUNT}
_SET = {"root": SHA256, "entries": COUNT, "pageBits": COUNT}
# fmt: off
PREDICATE_SHAPE: Final = {
    "release": {"dataset": TEXT, "version": TEXT, "previous": (SHA256,)},
    "run": {"id": TEXT, "startedAt": TIME, "finishedAt": TIME,
            "engine": TEXT, "toolVersion": TEXT},
    "inputs": {"records": {"parts": COUNT, "rows": COUNT, "indexSha256": SHA256},
               "schemas": [{"fingerprint": SHA256, "parts": COUNT}]},
    "consent": {"snapshotId": TEXT, "asOf": TIME, "sources": [_SOURCE],
                "historyMode": re.compile("full|compact"), "maxStaleness": (SECONDS,),
                "subjectsSha256": (SHA256,), "linksSha256": (SHA256,)},
    "policy": {"id": TEXT, "version": TEXT, "sha256": SHA256,
               "purposes": [TEXT], "recipient": (TEXT,)},
    "dataset": {"sha256": SHA256},
    "taxonomy": {"version": TEXT},
    "counts": {"read": COUNT, **_OUTCOMES, "byCategory": {TEXT: _OUTCOMES},
               "byReason": {re.compile("[A-Z_]+"): COUNT}},
    "commitments": {"scheme": exactly(SCHEME), "keyCommitment": SHA256,
                    "records": _SET, "subjects": _SET},
    "evidence": {"sha256": SHA256},
    "lint": [TEXT],
    "nonClaims": [TEXT],
}
STATEMENT_SHAPE: Final = {
    "_type": exactly(STATEMENT_TYPE),
    "subject": [{"name": exactly(INDEX_NAME), "digest": {"sha256": SHA256}}],
    "predicateType": exactly(PREDICATE_TYPE),
    "predicate": PREDICATE_SHAPE,
}
ENVELOPE_SHAPE: Final = {
    "payload": TEXT, "payloadType": exactly(PAYLOAD_TYPE),
    "signatures": [{"keyid": SHA256, "sig": TEXT}],
}
# fmt: on


def _check_counts(predicate: dict[str, Any]) -> None:
    counts, sets = predicate["counts"], predicate["commitments"]
    read = int(counts["read"])
    admitted = int(counts["kept"]) + int(counts["redacted"])
    sums = {
        "counts.read": (admitted + int(counts["dropped"]), read),
        "inputs.records.rows": (int(predicate["inputs"]["records"]["rows"]), read),
        "counts.byReason": (sum(map(int, counts["byReason"].values())), read),
        "commitments.records.entries": (int(sets["records"]["entries"]), admitted),
    }
    for name in _OUTCOMES:
        found = sum(int(each[name]) for each in counts["byCategory"].values())
        sums[f"counts.byCategory, {name}"] = (found, int(counts[name]))
    for name in LABELS:
        depth = page_bits(int(sets[name]["entries"]))
        sums[f"commitments.{name}.pageBits"] = (int(sets[name]["pageBits"]), depth)
    wrong = [
        f"{k}: {a}, wanted {b} by the rest" for k, (a, b) in sums.items() if a != b
    ]
    if wrong:
        raise Refused(wrong)


# --- The signature (DSSE v1) -------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A manifest whose envelope, signature and predicate were checked.

    Attributes:
        signature: `valid`; `unchecked` (signed, no public key at hand); `none`.
        key_id: of the signing key, None when unsigned.
        sha256: hex digest of the manifest file's bytes.
        payload: the signed bytes.
        predicate: what they say.
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


def read_manifest(data: bytes, public_key_pem: bytes | None = None) -> Manifest:
    """Check the envelope, the signature and the predicate of `manifest.intoto.json`.

    With the public key (SubjectPublicKeyInfo PEM) of whoever must have signed, an
    unsigned manifest is refused.
    """
    if len(data) > 2 * MAX_PAYLOAD_BYTES:
        raise Refused(f"manifest: {len(data)} bytes, more than any manifest has")
    envelope = parse_canonical(data, "manifest")
    check_shape(envelope, ENVELOPE_SHAPE, "manifest")
    signatures = envelope["signatures"]
    if len(signatures) > 1:
        raise Refused(f"manifest: {len(signatures)} signatures, wanted exactly one")
    payload = decode_base64(envelope["payload"], "manifest.payload")
    status: Literal["valid", "unchecked", "none"]
    status = "unchecked" if signatures else "none"
    if public_key_pem is not None:
        if not signatures:
            raise Refused("manifest: not signed, though a public key was given")
        _check_signature(signatures[0], payload, public_key_pem)
        status = "valid"
    if len(payload) >= MAX_PAYLOAD_BYTES:
        raise Refused(f"manifest: a payload of {len(payload)} bytes, 64 KiB or more")
    statement = parse_canonical(payload, "manifest payload")
    check_shape(statement, STATEMENT_SHAPE, "statement")
    subjects = statement["subject"]
    if len(subjects) != 1:
        raise Refused(f"statement.subject: found {len(subjects)}, wanted exactly one")
    _check_counts(statement["predicate"])
    return Manifest(
        signature=status,
        key_id=signatures[0]["keyid"] if signatures else None,
        sha256=hashlib.sha256(data).hexdigest(),
        payload=payload,
        predicate=statement["predicate"],
        index_sha256=subjects[0]["digest"]["sha256"],
    )


def decode_base64(text: str, what: str) -> bytes:
    """Return the bytes of standard base64 in its one canonical spelling."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as problem:
        raise Refused(f"{what}: not base64") from problem
    if base64.b64encode(data).decode("ascii") != text:
        raise Refused(f"{what}: not the canonical base64 of its bytes")
    return data


def load_public_key(pem: bytes) -> Any:
    """Return an Ed25519 or ECDSA P-256 public key from PEM."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise Refused("public key: not a PEM public key") from problem
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else None
    if curve != "secp256r1" and not isinstance(key, ed25519.Ed25519PublicKey):
        raise Refused("public key: wanted Ed25519 or ECDSA P-256")
    return key


def key_id(key: Any) -> str:
    """Return SHA-256 (hex) of a public key's SubjectPublicKeyInfo in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _check_signature(signature: dict[str, str], payload: bytes, pem: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = load_public_key(pem)
    found, wanted = signature["keyid"], key_id(key)
    if found != wanted:
        raise Refused(f"manifest: signed by key {found}, not by the given {wanted}")
    raw = decode_base64(signature["sig"], "manifest.signatures[0].sig")
    is_ecdsa = isinstance(key, ec.EllipticCurvePublicKey)
    scheme = [ec.ECDSA(hashes.SHA256())] if is_ecdsa else []
    try:
        key.verify(raw, pae(PAYLOAD_TYPE, payload), *scheme)
    except InvalidSignature as problem:
        raise Refused("manifest: the signature does not fit its payload") from problem


# --- The files ---------------------------------------------------------------------


def check_release_files(root: str, manifest: Manifest) -> list[dict[str, Any]]:
    """Check the index and every published file below `root`; return the index.

    A file that is missing, changed, or there without standing in the index is
    refused, all of them together. `private/` is left alone.
    """
    data = read_bytes(root, INDEX_NAME, MAX_INDEX_BYTES)
    index = read_index(data, manifest.index_sha256, INDEX_NAME)
    rows = sum(line["rows"] or 0 for line in index if line["path"].startswith("data/"))
    admitted = int(manifest.predicate["commitments"]["records"]["entries"])
    if rows != admitted:
        raise Refused(f"{INDEX_NAME}: {rows} rows in data/, wanted {admitted}")
    own = {INDEX_NAME, MANIFEST_NAME, *VIEW_NAMES}
    _check_files(root, index, own, skipped={PRIVATE_NAME})
    return index


def check_private_files(root: str, manifest: Manifest) -> list[dict[str, Any]]:
    """Check the index and every file of `private/`, and the release key."""
    private = os.path.join(root, PRIVATE_NAME)
    data = read_bytes(private, PRIVATE_INDEX_NAME, MAX_INDEX_BYTES)
    signed = manifest.predicate["evidence"]["sha256"]
    index = read_index(data, signed, f"{PRIVATE_NAME}/{PRIVATE_INDEX_NAME}")
    check_release_key(read_bytes(private, KEY_NAME, HASH_BYTES), manifest)
    _check_files(private, index, {PRIVATE_INDEX_NAME, KEY_NAME}, skipped=set())
    return index


def read_index(data: bytes, sha256: str, what: str) -> list[dict[str, Any]]:
    """Return the lines of an index file that must have this digest."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise Refused(f"{what}: has SHA-256 {found}, the manifest says {sha256}")
    index: list[dict[str, Any]] = parse_canonical(data, what)
    shape = {"path": TEXT, "rows": (int,), "sha256": SHA256, "size": int}
    check_shape(index, [shape], what)
    paths = [safe_path(line["path"], what) for line in index]
    if any(first >= second for first, second in zip(paths, paths[1:], strict=False)):
        raise Refused(f"{what}: not strictly sorted by path")
    if any(line["size"] < 0 or (line["rows"] or 0) < 0 for line in index):
        raise Refused(f"{what}: a negative size or number of rows")
    return index


def safe_path(path: str, what: str) -> str:
    """Return a path of an index; refuse one that might lead out of the release."""
    is_odd = any(character < " " or character == "\\" for character in path)
    steps = path.split("/")
    if is_odd or {"", ".", ".."} & set(steps) or os.path.splitdrive(path)[0]:
        raise Refused(f"{what}: the path {path!r} may lead out of the release")
    return path


def read_bytes(root: str, path: str, limit: int) -> bytes:
    """Return the bytes of a regular file below `root`; links are not followed."""
    with open(_plain_file(root, path), "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise Refused(f"{path}: more than {limit} bytes")
    return data


def _plain_file(root: str, path: str) -> str:
    """Return where a file lies; refuse a link or an odd thing on the way to it."""
    where = root
    steps = safe_path(path, root).split("/")
    for at, step in enumerate(steps, start=1):
        where = os.path.join(where, step)
        try:
            mode = os.lstat(where).st_mode
        except OSError as problem:
            raise Refused(f"{path}: missing ({problem.strerror})") from problem
        if not (stat.S_ISREG(mode) if at == len(steps) else stat.S_ISDIR(mode)):
            raise Refused(f"{path}: a link, or something else than a plain file")
    return where


def _check_files(
    root: str,
    index: Sequence[dict[str, Any]],
    own: Collection[str],
    *,
    skipped: Collection[str],
) -> None:
    problems: list[str] = []
    for line in index:
        try:
            with open(_plain_file(root, line["path"]), "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
                size = stream.tell()
            if found != line["sha256"] or size != line["size"]:
                problems.append(
                    f"{line['path']}: changed ({size} bytes, SHA-256 {found}; the "
                    f"index says {line['size']} bytes, {line['sha256']})"
                )
        except Refused as refused:
            problems.extend(refused.problems)
    known = {line["path"] for line in index} | set(own)
    for folder, folders, names in os.walk(root):
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        folders[:] = [name for name in folders if prefix + name not in skipped]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        added = sorted(prefix + name for name in [*names, *links])
        problems.extend(
            f"{path}: is there, but not in the index"
            for path in added
            if path not in known
        )
    if problems:
        raise Refused(problems)


# --- The tree (RFC 9162, section 2.1) ----------------------------------------------


def page_bits(entries: int) -> int:
    """Return b = max(0, ceil(log2(entries / 64))): the bits that name a page."""
    return max(0, -(-entries // PAGE_TARGET) - 1).bit_length()


def leaf_hash(page: bytes) -> bytes:
    """Return the hash of a page, a leaf of the tree."""
    return hashlib.sha256(b"\x00" + page).digest()


def fold(leaf: bytes, index: int, siblings: Sequence[bytes]) -> bytes:
    """Return the root above leaf `index` of a tree with 2 ** len(siblings) leaves."""
    node = leaf
    for level, sibling in enumerate(siblings):
        both = sibling + node if index >> level & 1 else node + sibling
        node = hashlib.sha256(b"\x01" + both).digest()
    return node


# --- A proof -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ProofResult:
    """What a proof shows.

    Attributes:
        kind: `in` or `out`.
        set: `records` or `subjects`.
        path: of the entry, hex.
        fields: of the opened entry, for `in`.
        id: what the proof is about; for `out` it may be None.
        is_bound: it was checked, with the release key, that `path` is that of `id`.
            Without it an `out` proof is about `path` alone.
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


def check_release_key(key: bytes, manifest: Manifest) -> None:
    """Refuse a release key that is not the one the manifest commits to."""
    if key_commitment(key) != manifest.predicate["commitments"]["keyCommitment"]:
        raise Refused("release key: not the one that the manifest commits to")


def token(key: bytes, set_name: str, identity: str) -> bytes:
    """Return t of an id: its path (16 bytes), then its salt (16 bytes)."""
    message = LABELS[set_name] + b"\x00" + identity.encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).digest()


def entry_value(salt: bytes, fields: Sequence[str]) -> bytes:
    """Return the value under which an entry with these fields stands in its page."""
    texts = [field.encode("utf-8", "surrogatepass") for field in fields]
    body = b"".join(b"%d:%b," % (len(text), text) for text in texts)
    return hashlib.sha256(salt + body).digest()


def check_proof(
    data: bytes, manifest: Manifest, release_key: bytes | None = None
) -> ProofResult:
    """Check a proof file's bytes against the signed root of its set.

    With the release key (an auditor's) it is checked, too, that the path is the id's.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise Refused(f"proof: {len(data)} bytes, more than any proof has")
    proof = parse_json(data, "proof")
    name, is_in = _check_proof_shape(proof)
    signed = manifest.predicate["commitments"][name]
    depth = int(signed["pageBits"])

    def page_of(path: bytes) -> int:
        return int.from_bytes(path, "big") >> (8 * PATH_BYTES - depth)

    path = bytes.fromhex(proof["path"])
    page = [bytes.fromhex(entry) for entry in proof["page"]]
    paths = [entry[:PATH_BYTES] for entry in page]
    if any(page_of(each) != page_of(path) for each in paths):
        raise Refused("proof.page: an entry belongs to another page")
    if any(first >= second for first, second in zip(paths, paths[1:], strict=False)):
        raise Refused("proof.page: not strictly sorted by path")
    siblings = [bytes.fromhex(sibling) for sibling in proof["siblings"]]
    if len(siblings) != depth:
        raise Refused(f"proof.siblings: found {len(siblings)}, wanted exactly {depth}")
    root = fold(leaf_hash(b"".join(page)), page_of(path), siblings).hex()
    if root != signed["root"]:
        raise Refused(f"proof: does not lead to the signed root of {name}")
    identity = proof.get("id")
    if is_in:
        fields = [proof["fields"][field] for field in BODY_FIELDS[name]]
        if path + entry_value(bytes.fromhex(proof["salt"]), fields) not in page:
            raise Refused("proof: the opened entry does not stand in its page")
        if identity not in (None, fields[0]):
            raise Refused(f"proof.id: {identity!r} is not the entry's {fields[0]!r}")
        identity = fields[0]
    elif path in paths:
        raise Refused("proof: says `out`, but the path stands in its page")
    _check_binding(proof, name, identity, manifest, release_key)
    return ProofResult(
        kind="in" if is_in else "out",
        set=name,
        path=proof["path"],
        fields=proof.get("fields", {}),
        id=identity,
        is_bound=release_key is not None and identity is not None,
    )


def _check_proof_shape(proof: Any) -> tuple[Literal["records", "subjects"], bool]:
    if not isinstance(proof, dict) or proof.get("set") not in list(BODY_FIELDS):
        raise Refused("proof.set: wanted 'records' or 'subjects'")
    name, is_in = proof["set"], proof.get("kind") == "in"
    half, entry = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{96}")
    shape: dict[str, Any] = {"scheme": exactly(SCHEME), "set": TEXT, "path": half}
    shape |= {"kind": re.compile("in|out"), "page": [entry], "siblings": [SHA256]}
    if is_in:
        shape |= {"salt": half, "fields": dict.fromkeys(BODY_FIELDS[name], TEXT)}
    for key, optional in (("id", TEXT), ("token", SHA256)):
        if key in proof:
            shape[key] = optional
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
) -> None:
    """Refuse a path, salt or token that is not the id's, as far as one can see."""
    shown = proof["path"] + proof.get("salt", "")
    if not proof.get("token", shown).startswith(shown):
        raise Refused("proof.token: not that of the path and the salt")
    if release_key is not None:
        check_release_key(release_key, manifest)
        if identity is not None:
            wanted = token(release_key, name, identity).hex()
            if not wanted.startswith(proof.get("token", shown)):
                raise Refused(f"proof: path, salt or token is not that of {identity!r}")

"""The statement that is signed: in-toto Statement v1 with the training-set predicate.

Built from plain values, so that it depends on nothing but what it says: no clock,
no path of the machine, no order of a hash table. `docs/predicate.md` says what each
field claims; `schemas/predicate-v1.json` is its JSON Schema.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from consentfilter import digest
from consentfilter.errors import InputError, StorageError
from consentfilter.lineage import verifier

#: What the evidence does not prove; part of every predicate.
NON_CLAIMS: Final = (
    "Which bytes a training run read is not proven.",
    "That model weights derive from this set, or only from it, is not proven.",
    "Copies and paraphrases of a removed record in other records are not found.",
    "That the consent events are true and complete is not proven.",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Release:
    """What the release is called.

    Attributes:
        dataset: name of the data set. version: of this release.
        previous: SHA-256 (hex) of the previous release's manifest file, or None.
    """

    dataset: str
    version: str
    previous: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """The run; the only part of the predicate that differs between repeats."""

    id: str
    started_at: dt.datetime
    finished_at: dt.datetime
    engine: str
    tool_version: str


@dataclasses.dataclass(frozen=True, slots=True)
class Inputs:
    """The records that were read.

    Attributes:
        parts: how many files. rows: how many records, by the files' footers.
        index_sha256: digest of the input index (`index_json` of the input parts).
        schemas: parts per schema fingerprint (`rows.schema_fingerprint`).
    """

    parts: int
    rows: int
    index_sha256: str
    schemas: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class ConsentSource:
    """One source of consent events and how far it had been read."""

    source_id: str
    watermark: dt.datetime | None
    rows: int


@dataclasses.dataclass(frozen=True, slots=True)
class ConsentUsed:
    """The consent that the decisions rest on.

    Attributes:
        history: `full` or `compact`.
        max_staleness: the policy's limit, or None.
        subjects_sha256, links_sha256: digests of the side files, or None.
    """

    snapshot_id: str
    as_of: dt.datetime
    history: str
    sources: Sequence[ConsentSource]
    max_staleness: dt.timedelta | None = None
    subjects_sha256: str | None = None
    links_sha256: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class PolicyUsed:
    """The policy that decided."""

    id: str
    version: str
    sha256: str
    purposes: Sequence[str]
    recipient: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """How many records had which outcome.

    Attributes:
        by_reason: records per reason; adds up to `read`.
        by_category: records per category ("" for none), each
            `{"kept": …, "redacted": …, "dropped": …}`; adds up too.
    """

    read: int
    kept: int
    redacted: int
    dropped: int
    by_reason: Mapping[str, int]
    by_category: Mapping[str, Mapping[str, int]]


@dataclasses.dataclass(frozen=True, slots=True)
class SetCommitment:
    """One authenticated set: its root (hex), its size, and the page depth b."""

    root: str
    entries: int
    page_bits: int


@dataclasses.dataclass(frozen=True, slots=True)
class Commitments:
    """Both authenticated sets of a release, and the digest of the key."""

    key_commitment: str
    records: SetCommitment
    subjects: SetCommitment


@dataclasses.dataclass(frozen=True, slots=True)
class IndexedFile:
    """One line of an index: a file of the release (or of the input).

    Attributes:
        path: relative, with `/`. rows: of a Parquet file, else None.
        sha256: hex digest of the bytes. size: in bytes.
    """

    path: str
    sha256: str
    size: int
    rows: int | None = None


def index_json(files: Sequence[IndexedFile]) -> bytes:
    """Return an index file: RFC 8785 JSON, sorted by path.

    Example: `[{"path":"data/a.parquet","rows":2,"sha256":"…","size":512}]`, `rows`
    null where the file has none.

    Raises:
        InputError: a path stands there twice.
    """
    ordered = sorted(files, key=lambda file: file.path)
    for before, after in zip(ordered, ordered[1:], strict=False):
        if before.path == after.path:
            raise InputError(
                f"{after.path}: two files of one release have this path; "
                "rename one of the inputs"
            )
    return digest.canonical_json(
        [
            {"path": f.path, "rows": f.rows, "sha256": f.sha256, "size": f.size}
            for f in ordered
        ]
    )


def key_commitment(key: bytes) -> str:
    """Return the public digest (hex) of a release key."""
    return verifier.key_commitment(key)


def build_statement(
    *,
    index_sha256: str,
    release: Release,
    run: Run,
    inputs: Inputs,
    consent: ConsentUsed,
    policy: PolicyUsed,
    counts: Counts,
    commitments: Commitments,
    evidence_sha256: str,
    taxonomy_version: str,
    dataset_sha256: str,
    lint: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the in-toto statement of a release.

    `index_sha256` is the SHA-256 (hex) of `release-index.json`, the one subject;
    `evidence_sha256` that of `private/private-index.json`; `dataset_sha256` that of
    the dataset binding in its canonical form; `lint` holds the warnings that the
    policy was run with.

    Raises:
        StorageError: the counts do not reconcile; nothing is signed then.
    """
    _reconcile(counts, inputs)
    predicate = {
        "release": dataclasses.asdict(release),
        "run": {
            "id": run.id,
            "startedAt": instant(run.started_at),
            "finishedAt": instant(run.finished_at),
            "engine": run.engine,
            "toolVersion": run.tool_version,
        },
        "inputs": {
            "records": {
                "parts": str(inputs.parts),
                "rows": str(inputs.rows),
                "indexSha256": inputs.index_sha256,
            },
            "schemas": [
                {"fingerprint": name, "parts": str(parts)}
                for name, parts in sorted(inputs.schemas.items())
            ],
        },
        "consent": _consent(consent),
        "policy": {
            "id": policy.id,
            "version": policy.version,
            "sha256": policy.sha256,
            "purposes": list(policy.purposes),
            "recipient": policy.recipient,
        },
        "dataset": {"sha256": dataset_sha256},
        "taxonomy": {"version": taxonomy_version},
        "counts": {
            "read": str(counts.read),
            "kept": str(counts.kept),
            "redacted": str(counts.redacted),
            "dropped": str(counts.dropped),
            "byReason": _texts(counts.by_reason),
            "byCategory": {
                name: _texts(each) for name, each in counts.by_category.items()
            },
        },
        "commitments": {
            "scheme": verifier.SCHEME,
            "keyCommitment": commitments.key_commitment,
            "records": _set(commitments.records),
            "subjects": _set(commitments.subjects),
        },
        "evidence": {"sha256": evidence_sha256},
        "lint": list(lint),
        "nonClaims": list(NON_CLAIMS),
    }
    return {
        "_type": verifier.STATEMENT_TYPE,
        "subject": [{"name": verifier.INDEX_NAME, "digest": {"sha256": index_sha256}}],
        "predicateType": verifier.PREDICATE_TYPE,
        "predicate": predicate,
    }


def instant(moment: dt.datetime) -> str:
    """Return an instant as RFC 3339 text in UTC, microseconds only where there are.

    Raises:
        InputError: the instant has no offset, so nobody knows when it was.
    """
    if moment.utcoffset() is None:
        raise InputError(
            f"{moment.isoformat()}: an instant without an offset cannot be recorded; "
            "give it a time zone"
        )
    text = moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat()
    return f"{text}Z"


def duration(length: dt.timedelta) -> str:
    """Return a duration as ISO 8601 text in seconds, e.g. `PT86400S`."""
    seconds = length / dt.timedelta(seconds=1)
    return f"PT{int(seconds)}S" if seconds == int(seconds) else f"PT{seconds:.6f}S"


def _consent(used: ConsentUsed) -> dict[str, Any]:
    limit = used.max_staleness
    return {
        "snapshotId": used.snapshot_id,
        "asOf": instant(used.as_of),
        "historyMode": used.history,
        "sources": [
            {
                "id": source.source_id,
                "watermark": None
                if source.watermark is None
                else instant(source.watermark),
                "rows": str(source.rows),
            }
            for source in sorted(used.sources, key=lambda source: source.source_id)
        ],
        "maxStaleness": None if limit is None else duration(limit),
        "subjectsSha256": used.subjects_sha256,
        "linksSha256": used.links_sha256,
    }


def _set(commitment: SetCommitment) -> dict[str, str]:
    return {
        "root": commitment.root,
        "entries": str(commitment.entries),
        "pageBits": str(commitment.page_bits),
    }


def _texts(counts: Mapping[str, int]) -> dict[str, str]:
    return {name: str(count) for name, count in counts.items()}


def _reconcile(counts: Counts, inputs: Inputs) -> None:
    outcomes = {
        "kept": counts.kept,
        "redacted": counts.redacted,
        "dropped": counts.dropped,
    }
    problems = []
    if sum(outcomes.values()) != counts.read:
        problems.append(
            f"counts: kept {counts.kept} + redacted {counts.redacted} + dropped "
            f"{counts.dropped} is not the {counts.read} rows read"
        )
    if counts.read != inputs.rows:
        problems.append(
            f"counts: {counts.read} rows were decided, but the input has {inputs.rows}"
        )
    if sum(counts.by_reason.values()) != counts.read:
        problems.append(
            f"counts: the reasons add up to {sum(counts.by_reason.values())}, "
            f"not to the {counts.read} rows read"
        )
    for name, wanted in outcomes.items():
        found = sum(each.get(name, 0) for each in counts.by_category.values())
        if found != wanted:
            problems.append(
                f"counts: {name} by category adds up to {found}, not to {wanted}"
            )
    if problems:
        raise StorageError(problems)

"""Ledger rows and people for tests, made from a seed."""

from __future__ import annotations

import collections
import datetime as dt
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter import digest
from consentfilter.lineage import evidence, manifest, rows, sign
from consentfilter.lineage.ledger import LEDGER_SCHEMA
from consentfilter.lineage.manifest import Commitments, IndexedFile
from tests.lineage import reference_tree

KEY = bytes(range(32))


class Part(NamedTuple):
    name: str
    ledger: pa.Table
    people: pa.Table


def part(name: str, count: int, *, seed: int = 0, first: int = 0) -> Part:
    draw = random.Random(f"{name}/{seed}")
    rows = []
    people = []
    out_row = 0
    for at in range(count):
        record_id = f"r{first + at}é" if at % 7 == 0 else f"r{first + at}"
        decision = draw.choice(["keep", "keep", "redact", "drop"])
        is_admitted = decision != "drop"
        reason = "OK_CONSENT" if decision == "keep" else "CONSENT_WITHDRAWN"
        for _ in range(draw.choice([0, 1, 1, 1, 3])):
            key = None if draw.random() < 0.05 else f"user_id\x1f{draw.randrange(40)}"
            is_in = is_admitted and draw.random() < 0.9
            people.append({"row": at, "subject_key": key, "is_in": is_in})
        rows.append(
            {
                "record_id": record_id,
                "decision": decision,
                "reason": reason,
                "redacted": ["x"] if decision == "redact" else [],
                "rule": "default",
                "subject_key": None,
                "grant_id": "g1" if decision == "keep" else None,
                "denial_id": None if decision == "keep" else "d1",
                "part": name,
                "row": at,
                "out_row": out_row if is_admitted else None,
                "content_sha256": hashlib.sha256(record_id.encode()).digest()
                if is_admitted
                else None,
            }
        )
        out_row += is_admitted
    return Part(
        name,
        pa.Table.from_pylist(rows, LEDGER_SCHEMA),
        pa.Table.from_pylist(people, evidence.PEOPLE_SCHEMA),
    )


def collect(
    parts: Sequence[Part], scratch: Path, batch_rows: int = 10**9
) -> list[Path]:
    paths = []
    for one in parts:
        path = scratch / one.name
        with evidence.PartEvidence(path, key=KEY, part=one.name) as collected:
            for start in range(0, one.ledger.num_rows, batch_rows):
                end = start + batch_rows
                named = [
                    {**person, "row": person["row"] - start}
                    for person in one.people.to_pylist()
                    if start <= person["row"] < end
                ]
                collected.add(
                    one.ledger.slice(start, batch_rows),
                    pa.Table.from_pylist(named, evidence.PEOPLE_SCHEMA),
                )
        paths.append(path)
    return paths


def write(
    parts: Sequence[Part], where: Path, *, batch_rows: int = 10**9, workers: int = 1
) -> Commitments:
    paths = collect(parts, where / "scratch", batch_rows)
    return evidence.write_evidence(
        paths,
        where / "evidence",
        key=KEY,
        scratch=where / "scratch",
        workers=workers,
    )


def reference_entries(parts: Sequence[Part]) -> tuple[list[bytes], list[bytes]]:
    """Both sets of entries, row by row, from the text of the scheme."""
    records = []
    people: dict[str, tuple[set[str], set[str]]] = {}
    for one in parts:
        rows = one.ledger.to_pylist()
        for row in rows:
            if row["out_row"] is not None:
                fields = [
                    row["record_id"],
                    row["decision"],
                    row["reason"],
                    row["content_sha256"].hex(),
                    f"data/{one.name}",
                    str(row["out_row"]),
                ]
                records.append(reference_tree.entry(KEY, b"record/v1", fields))
        for person in one.people.to_pylist():
            if person["subject_key"] is not None:
                sets = people.setdefault(person["subject_key"], (set(), set()))
                record_id = rows[person["row"]]["record_id"]
                sets[0 if person["is_in"] else 1].add(record_id)
    subjects = []
    for key, (inside, outside) in people.items():
        paths = sorted(
            reference_tree.token(KEY, b"record/v1", name)[:16] for name in inside
        )
        digest = hashlib.sha256(b"".join(paths)).hexdigest()
        fields = [key, str(len(inside)), str(len(outside - inside)), digest]
        subjects.append(reference_tree.entry(KEY, b"subject/v1", fields))
    return records, subjects


def signer(seed: int = 1) -> sign.KeySigner:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return sign.KeySigner(
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    )


def public_pem(seed: int = 1) -> bytes:
    return sign.public_pem(signer(seed).private_key)


def data_table(one: Part) -> pa.Table:
    ids = [
        row["record_id"] for row in one.ledger.to_pylist() if row["out_row"] is not None
    ]
    return pa.table(
        {"record_id": pa.array(ids, pa.string()), "text": [f"text of {i}" for i in ids]}
    )


def release(
    where: Path,
    parts: Sequence[Part],
    *,
    signed_by: sign.Signer | None = None,
    started: int = 0,
    previous: str | None = None,
) -> Path:
    """Write a whole release as the engine would, and return its directory."""
    public, private = [], []
    done = []
    for one in parts:
        table = data_table(one)
        digests = iter(rows.row_digests(table).to_pylist())
        ledger_rows = [
            {
                **row,
                "content_sha256": next(digests) if row["out_row"] is not None else None,
            }
            for row in one.ledger.to_pylist()
        ]
        filled = one._replace(ledger=pa.Table.from_pylist(ledger_rows, LEDGER_SCHEMA))
        done.append(filled)
        public.append(_write(where, f"data/{one.name}", table))
        private.append(_write(where / "private", f"ledger/{one.name}", filled.ledger))
    scratch = where.parent / f"{where.name}-scratch"
    commitments = evidence.write_evidence(
        collect(done, scratch), where / "private/evidence", key=KEY, scratch=scratch
    )
    for path in sorted((where / "private/evidence").iterdir()):
        private.append(_indexed(where / "private", f"evidence/{path.name}"))
    (where / "private/release.key").write_bytes(KEY)
    index = manifest.index_json(public)
    private_index = manifest.index_json(private)
    (where / "release-index.json").write_bytes(index)
    (where / "private/private-index.json").write_bytes(private_index)
    made = statement(
        done,
        commitments,
        index_sha256=digest.sha256(index),
        evidence_sha256=digest.sha256(private_index),
        started=started,
        previous=previous,
    )
    (where / "manifest.intoto.json").write_bytes(sign.envelope(made, signed_by))
    return where


def statement(
    parts: Sequence[Part],
    commitments: Commitments,
    *,
    index_sha256: str = "0" * 64,
    evidence_sha256: str = "1" * 64,
    started: int = 0,
    previous: str | None = None,
) -> dict[str, object]:
    ledgers = [row for one in parts for row in one.ledger.to_pylist()]
    outcomes = collections.Counter(row["decision"] for row in ledgers)
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=started)
    kept, redacted, dropped = (outcomes[name] for name in ("keep", "redact", "drop"))
    return manifest.build_statement(
        index_sha256=index_sha256,
        release=manifest.Release("meetings", "1", previous),
        run=manifest.Run(f"run-{started}", now, now, "local", "0.1.0"),
        inputs=manifest.Inputs(
            len(parts), len(ledgers), "2" * 64, {"3" * 64: len(parts)}
        ),
        consent=manifest.ConsentUsed(
            "snap",
            dt.datetime(2025, 12, 31, tzinfo=dt.UTC),
            "full",
            [
                manifest.ConsentSource(
                    "cmp", dt.datetime(2025, 12, 30, tzinfo=dt.UTC), 7
                ),
                manifest.ConsentSource("admin", None, 0),
            ],
            max_staleness=dt.timedelta(days=1),
        ),
        policy=manifest.PolicyUsed("p", "1", "4" * 64, ["improve.train_ai"]),
        counts=manifest.Counts(
            len(ledgers),
            kept,
            redacted,
            dropped,
            collections.Counter(row["reason"] for row in ledgers),
            {"content.chat": {"kept": kept, "redacted": redacted, "dropped": dropped}},
        ),
        commitments=commitments,
        evidence_sha256=evidence_sha256,
        taxonomy_version="1",
        dataset_sha256="5" * 64,
        lint=["W: a warning"],
    )


def _write(root: Path, path: str, table: pa.Table) -> IndexedFile:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, root / path)
    return _indexed(root, path)


def _indexed(root: Path, path: str) -> IndexedFile:
    sha256, size = digest.sha256_file(root / path)
    count = (
        pq.read_metadata(root / path).num_rows if path.endswith(".parquet") else None
    )
    return IndexedFile(path, sha256, size, count)

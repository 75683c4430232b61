"""Ledger rows and people for tests, made from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from consentfilter.lineage import evidence
from consentfilter.lineage.ledger import LEDGER_SCHEMA
from consentfilter.lineage.manifest import Commitments
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

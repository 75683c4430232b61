"""Write `lineage-v1.json`: frozen vectors of the scheme, for other implementations.

`python -m tests.vectors.make_lineage` writes them again; they are frozen: a change
means that old releases no longer verify, so it needs a new version of the scheme.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.lineage import opened, proof, rows, verifier
from tests.lineage import made_release

WHERE = Path(__file__).with_name("lineage-v1.json")
ID_OF_ABSENT = "nobody's record"


def row_vectors() -> list[dict[str, Any]]:
    """Rows as lists of [type, value], what is hashed, and the digest."""
    table = pa.table(
        {
            "id": pa.array(["r1", "", None]),
            "text": pa.array(["é\0,~", "3:abc,", "\U0001f600"]),
            "count": pa.array([-7, 2**53, None], pa.int64()),
            "flag": pa.array([True, False, None]),
            "score": pa.array([1.5, -0.0, None], pa.float64()),
            "day": pa.array([0, -1, None], pa.date32()),
            "blob": pa.array([b"\0\xff", b"", None], pa.binary()),
            "tags": pa.array([["a", None], [], None], pa.list_(pa.string())),
            "who": pa.array(
                [{"ns": "u", "n": 1}, {"ns": None, "n": None}, None],
                pa.struct([("ns", pa.string()), ("n", pa.int32())]),
            ),
        }
    )
    kinds = ["text", "text", "int", "bool", "double", "int", "binary", "list", "struct"]
    digests = rows.row_digests(table).to_pylist()
    made = []
    for at in range(table.num_rows):
        cells = []
        for kind, column in zip(kinds, table.columns, strict=True):
            value = column[at].as_py() if kind != "int" else _number(column[at])
            if kind == "binary" and value is not None:
                value = value.hex()
            if kind == "list" and value is not None:
                value = [["text", each] for each in value]
            if kind == "struct" and value is not None:
                value = [["text", value["ns"]], ["int", _text(value["n"])]]
            if kind == "double" and value is not None:
                value = value.hex()
            cells.append([kind, value])
        made.append({"cells": cells, "sha256": digests[at].hex()})
    return made


def _number(scalar: Any) -> str | None:
    if pa.types.is_date(scalar.type):
        scalar = scalar.cast(pa.int32())
    return str(scalar.as_py()) if scalar.is_valid else None


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def build() -> dict[str, Any]:
    """Return all vectors as one JSON value."""
    parts = [
        made_release.part("a.parquet", 150),
        made_release.part("b é.parquet", 60, first=1000),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        where = made_release.release(
            Path(scratch) / "one", parts, signed_by=made_release.signer()
        )
        release = opened.open_release(where)
        envelope = (where / verifier.MANIFEST_NAME).read_bytes()
        ledgers = [
            pq.read_table(where / "private/ledger" / one.name).to_pylist()
            for one in parts
        ]
        admitted = [
            [
                row["record_id"],
                row["decision"],
                row["reason"],
                row["content_sha256"].hex(),
                f"data/{row['part']}",
                str(row["out_row"]),
            ]
            for ledger in ledgers
            for row in ledger
            if row["out_row"] is not None
        ]
        named = _people(parts)
        proofs = [
            proof.prove(release, "records", admitted[0][0]),
            proof.prove(release, "records", admitted[-1][0], is_opened=True),
            proof.prove(release, "records", ID_OF_ABSENT),
            proof.prove(release, "records", ID_OF_ABSENT, is_opened=True),
            proof.prove(release, "subjects", named[0][0]),
            proof.prove(release, "subjects", "user_id\x1fnobody", is_opened=True),
        ]
        commitments = release.predicate["commitments"]
    return {
        "scheme": verifier.SCHEME,
        "rowScheme": rows.SCHEME,
        "rows": row_vectors(),
        "releaseKey": made_release.KEY.hex(),
        "records": sorted(admitted),
        "people": named,
        "commitments": commitments,
        "proofs": proofs,
        "manifest": base64.b64encode(envelope).decode(),
        "manifestSha256": hashlib.sha256(envelope).hexdigest(),
        "publicKey": made_release.public_pem().decode(),
    }


def _people(parts: list[made_release.Part]) -> list[list[Any]]:
    """Each person: key, ids of records they are in, how many they are not in."""
    inside: dict[str, set[str]] = {}
    outside: dict[str, set[str]] = {}
    for one in parts:
        ledger = one.ledger.to_pylist()
        for person in one.people.to_pylist():
            key = person["subject_key"]
            if key is not None:
                record = ledger[person["row"]]["record_id"]
                inside.setdefault(key, set())
                outside.setdefault(key, set())
                (inside if person["is_in"] else outside)[key].add(record)
    return [
        [key, sorted(inside[key]), len(outside[key] - inside[key])]
        for key in sorted(inside)
    ]


def main() -> None:
    """Write the file."""
    text = json.dumps(build(), ensure_ascii=True, indent=1)
    WHERE.write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()

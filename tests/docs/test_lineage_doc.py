"""The numbers and names in the pages about evidence are those of the code."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re

import pyarrow as pa

from consentfilter.lineage import rows, verifier

DOCS = pathlib.Path(__file__).parents[2] / "docs"
LINEAGE = (DOCS / "lineage.md").read_text(encoding="utf-8")
PREDICATE = (DOCS / "predicate.md").read_text(encoding="utf-8")
KEY = bytes(range(32))


def test_the_worked_example_is_right() -> None:
    table = pa.table({"id": ["r1"], "n": [7], "text": pa.array([None], pa.string())})
    row = rows.row_digests(table)[0].as_py().hex()
    assert row == hashlib.sha256(b"2:r1,1:7,~").hexdigest()
    token = verifier.token(KEY, "records", "r1")
    fields = ["r1", "keep", "OK_CONSENT", row, "data/a.parquet", "0"]
    value = verifier.entry_value(token[16:], fields)
    for name, number in [
        ("row", row),
        ("keyCommitment", verifier.key_commitment(KEY)),
        ("token", token.hex()),
        ("value", value.hex()),
        ("root", verifier.leaf_hash(token[:16] + value).hex()),
    ]:
        assert f"`{number}`" in LINEAGE, name


def test_names_and_limits_are_those_of_the_verifier() -> None:
    assert f"`{verifier.SCHEME}`" in LINEAGE
    assert f"`{rows.SCHEME}`" in LINEAGE
    assert f"`{verifier.PREDICATE_TYPE}`" in PREDICATE
    assert f"`{verifier.STATEMENT_TYPE}`" in PREDICATE
    assert f"{verifier.MAX_PAGE_ENTRIES:,} entries" in LINEAGE
    for name in ("records", "subjects"):
        assert verifier.LABELS[name].decode() in LINEAGE


def test_every_field_of_the_predicate_is_described() -> None:
    table = "\n".join(line for line in PREDICATE.splitlines() if line[:1] == "|")
    for name, shape in verifier.PREDICATE_SHAPE.items():
        assert f"`{name}" in table, name
        if name in ("release", "run", "consent"):
            for field in shape:
                assert f".{field}`" in table, f"{name}.{field}"


def test_the_example_is_json() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PREDICATE, re.DOTALL)
    example = json.loads(block)
    assert example["predicateType"] == verifier.PREDICATE_TYPE
    counts = {name: int(n) for name, n in example["predicate"]["counts"].items()}
    assert counts["read"] == counts["kept"] + counts["redacted"] + counts["dropped"]

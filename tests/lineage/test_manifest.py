"""The statement: what it holds, and that nothing is signed that does not add up."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from consentfilter import digest
from consentfilter.errors import InputError, StorageError
from consentfilter.lineage import manifest, sign, verifier
from consentfilter.lineage.manifest import Commitments, IndexedFile, SetCommitment
from tests.lineage import made_release

PART = made_release.part("a.parquet", 40)
ADMITTED = sum(row["out_row"] is not None for row in PART.ledger.to_pylist())
COMMITMENTS = Commitments(
    "a" * 64, SetCommitment("b" * 64, ADMITTED, 0), SetCommitment("c" * 64, 3, 0)
)


def test_a_statement_passes_the_verifier_and_says_what_it_was_told() -> None:
    made = made_release.statement([PART], COMMITMENTS)
    read = verifier.read_manifest(sign.envelope(made, None))
    assert read.predicate == made["predicate"]
    consent = read.predicate["consent"]
    assert [source["id"] for source in consent["sources"]] == ["admin", "cmp"]
    assert consent["maxStaleness"] == "PT86400S"
    assert consent["asOf"] == "2025-12-31T00:00:00Z"
    assert read.predicate["nonClaims"] == list(manifest.NON_CLAIMS)


def test_repeats_differ_in_run_alone() -> None:
    once: Any = made_release.statement([PART], COMMITMENTS, started=0)
    again: Any = made_release.statement([PART], COMMITMENTS, started=99)
    assert once != again
    once["predicate"].pop("run")
    again["predicate"].pop("run")
    assert digest.canonical_json(once) == digest.canonical_json(again)


def test_counts_that_do_not_add_up_are_not_signed() -> None:
    def build(**changed: Any) -> None:
        counts = {
            "read": 3,
            "kept": 1,
            "redacted": 1,
            "dropped": 1,
            "by_reason": {"OK_CONSENT": 3},
            "by_category": {"x": {"kept": 1, "redacted": 1, "dropped": 1}},
        }
        moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        manifest.build_statement(
            index_sha256="0" * 64,
            release=manifest.Release("d", "1"),
            run=manifest.Run("r", moment, moment, "local", "0"),
            inputs=manifest.Inputs(1, 3, "0" * 64, {}),
            consent=manifest.ConsentUsed("s", moment, "full", []),
            policy=manifest.PolicyUsed("p", "1", "0" * 64, []),
            counts=manifest.Counts(**(counts | changed)),
            commitments=COMMITMENTS,
            evidence_sha256="0" * 64,
            taxonomy_version="1",
            dataset_sha256="0" * 64,
        )

    build()
    for changed, message in [
        ({"kept": 2}, "kept 2 . redacted 1 . dropped 1 is not the 3 rows read"),
        ({"by_reason": {"OK_CONSENT": 2}}, "the reasons add up to 2"),
        ({"by_category": {}}, "kept by category adds up to 0, not to 1"),
        ({"read": 4}, "4 rows were decided, but the input has 3"),
    ]:
        with pytest.raises(StorageError, match=message):
            build(**changed)


def test_an_index_is_sorted_and_has_each_path_once() -> None:
    files = [IndexedFile("b", "1" * 64, 2), IndexedFile("a", "2" * 64, 3, rows=4)]
    data = manifest.index_json(files)
    assert data == manifest.index_json(files[::-1])
    assert json.loads(data) == [
        {"path": "a", "rows": 4, "sha256": "2" * 64, "size": 3},
        {"path": "b", "rows": None, "sha256": "1" * 64, "size": 2},
    ]
    assert verifier.read_index(data, digest.sha256(data), "x")[0]["path"] == "a"
    with pytest.raises(InputError, match="a: two files of one release have this path"):
        manifest.index_json([files[1], files[1]])


def test_paths_are_ordered_as_the_verifier_orders_them() -> None:
    names = ["é", "e\u0301", "Z", "a", "\U0001f600", "\uffee"]
    data = manifest.index_json([IndexedFile(name, "0" * 64, 0) for name in names])
    verifier.read_index(data, digest.sha256(data), "x")


def test_instants_and_durations_have_one_form() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    assert manifest.instant(dt.datetime(2026, 1, 1, 2, tzinfo=zone)) == (
        "2026-01-01T00:00:00Z"
    )
    odd = dt.datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=dt.UTC)
    assert manifest.instant(odd) == "2026-01-01T00:00:00.000005Z"
    with pytest.raises(InputError, match="an instant without an offset"):
        manifest.instant(dt.datetime(2026, 1, 1))
    assert manifest.duration(dt.timedelta(milliseconds=1500)) == "PT1.500000S"


def test_the_json_schema_is_the_verifiers_shape() -> None:
    """Written from the shape; `make docs`-style drift fails here."""
    import jsonschema

    from consentfilter.lineage import schema

    where = Path(__file__).parents[2] / "schemas" / "predicate-v1.json"
    written = json.loads(where.read_bytes())
    assert written == schema.predicate_schema(), (
        "run: python -m consentfilter.lineage.schema"
    )
    made: Any = made_release.statement([PART], COMMITMENTS)
    jsonschema.Draft202012Validator.check_schema(written)
    jsonschema.validate(made["predicate"], written)
    made["predicate"]["counts"]["read"] = 40
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(made["predicate"], written)

"""The published schemas are those of the code; `UPDATE_GOLDENS=1` writes them anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from consentfilter.consent.published import events_schema, snapshot_schema
from consentfilter.consent.snapshot import build_snapshot
from tests.consent.conftest import AS_OF, GRANT, as_table

SCHEMAS = {
    "schemas/consent_events.schema.json": events_schema,
    "schemas/consent_snapshot.schema.json": snapshot_schema,
}


def plain(row: dict[str, Any]) -> Any:
    """The row as JSON has it."""
    return json.loads(json.dumps(row, default=lambda value: value.isoformat()))


@pytest.mark.parametrize("path", SCHEMAS)
def test_published_schemas_are_those_of_the_code(path: str) -> None:
    text = json.dumps(SCHEMAS[path](), ensure_ascii=False, indent=2) + "\n"
    if os.environ.get("UPDATE_GOLDENS"):
        Path(path).write_text(text, encoding="utf-8")
    assert text == Path(path).read_text(encoding="utf-8")


@pytest.mark.parametrize("make", SCHEMAS.values())
def test_they_are_schemas(make: Callable[[], dict[str, Any]]) -> None:
    jsonschema.Draft202012Validator.check_schema(make())


def test_a_sound_event_and_its_statement_are_valid() -> None:
    event = plain(GRANT)
    jsonschema.validate(event, events_schema())
    snapshot = build_snapshot(as_table(GRANT), as_of=AS_OF)
    jsonschema.validate(plain(snapshot.statements.to_pylist()[0]), snapshot_schema())


@pytest.mark.parametrize(
    "wrong", [{"status": "Given"}, {"actor_verified": "yes"}, {"recipients": "lab"}]
)
def test_an_event_with_other_values_is_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain(GRANT), **wrong}, events_schema())


def test_a_statement_has_no_further_columns() -> None:
    snapshot = build_snapshot(as_table(GRANT), as_of=AS_OF)
    row = {**plain(snapshot.statements.to_pylist()[0]), "extra": 1}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(row, snapshot_schema())

"""The predicate's JSON Schema, made from the shape that the verifier demands.

`python -m consentfilter.lineage.schema` writes `schemas/predicate-v1.json`; a test
fails when the file and the code differ.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from consentfilter.lineage import verifier

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def predicate_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the predicate, version 1."""
    return {
        "$schema": _DRAFT,
        "$id": verifier.PREDICATE_TYPE,
        "title": "What is signed about a training set",
        **_schema(verifier.PREDICATE_SHAPE),
    }


def _schema(shape: Any) -> dict[str, Any]:
    if isinstance(shape, tuple):
        return {"anyOf": [{"type": "null"}, _schema(shape[0])]}
    if isinstance(shape, list):
        return {"type": "array", "items": _schema(shape[0])}
    if isinstance(shape, re.Pattern):
        return {"type": "string", **_pattern(shape)}
    names = [name for name in shape if not isinstance(name, re.Pattern)]
    if not names:
        ((pattern, each),) = shape.items()
        named = {"propertyNames": _pattern(pattern)} if _pattern(pattern) else {}
        return {"type": "object", **named, "additionalProperties": _schema(each)}
    return {
        "type": "object",
        "properties": {name: _schema(shape[name]) for name in names},
        "required": names,
        "additionalProperties": False,
    }


def _pattern(pattern: re.Pattern[str]) -> dict[str, str]:
    if pattern is verifier.TEXT:
        return {}
    return {"pattern": f"^(?:{pattern.pattern})$"}


def write(where: Path) -> None:
    """Write the schema to a file."""
    where.write_text(json.dumps(predicate_schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":  # pragma: no cover
    write(Path(__file__).parents[2] / "schemas" / "predicate-v1.json")

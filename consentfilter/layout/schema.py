"""The JSON Schema of a `dataset.yaml`, made from the model, for editors and tools."""

from __future__ import annotations

from typing import Any, Final

from consentfilter import dataset
from consentfilter.consent import binding
from consentfilter.described import DIALECT, describe

#: Parts that may be written as one word: a column name, or a category.
_ONE_WORD: Final = {
    "ValueSource": "A column name.",
    "SubjectSource": "A column name.",
    "EventSource": "A column name.",
    "SegmentBinding": "The column of segments.",
    "FieldBinding": "The column's category.",
}


def dataset_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a `dataset.yaml`."""
    whole = dataset.Dataset.model_json_schema()
    definitions: dict[str, dict[str, Any]] = whole.pop("$defs")
    definitions["Dataset"] = whole
    for name, definition in definitions.items():
        model = getattr(dataset, name, None) or getattr(binding, name)
        describe(definition, model)
    redaction = definitions["FieldBinding"]["properties"]["redaction"]
    redaction["enum"] = [None, *redaction["enum"]]
    redaction.pop("type", None)
    default = definitions["RedactionDefaults"]["properties"]["fields"]
    default["enum"] = [None, *default["enum"]]
    default.pop("type", None)
    for name, meaning in _ONE_WORD.items():
        word = {"type": "string", "minLength": 1, "description": meaning}
        definitions[name] = {"anyOf": [word, definitions[name]]}
    return {
        "$schema": DIALECT,
        "title": "consentfilter dataset binding",
        "$ref": "#/$defs/Dataset",
        "$defs": dict(sorted(definitions.items())),
    }

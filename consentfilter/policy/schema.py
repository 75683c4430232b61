"""The JSON Schema of a policy file, made from the model.

Editors check a policy while it is written with it (`# yaml-language-server:
$schema=…`). What JSON Schema cannot say (two rules for one category, unknown
nodes) `policy check` says.
"""

from __future__ import annotations

from typing import Any, Final

from consentfilter.described import DIALECT, describe
from consentfilter.policy import parts
from consentfilter.policy.model import Policy


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a policy file."""
    schema = Policy.model_json_schema()
    definitions: dict[str, dict[str, Any]] = schema["$defs"]
    for name, definition in definitions.items():
        describe(definition, getattr(parts, name, Policy))
    # Rules are named by their place when they name themselves nothing.
    definitions["Rule"]["required"].remove("id")
    policy = definitions["Policy"]
    policy["properties"]["all_of"] = {
        **policy["properties"]["all_of"],
        "items": {"anyOf": [{"$ref": "#/$defs/Member"}, _PATH]},
    }
    policy["properties"]["rules"] |= {"minItems": 1}
    policy["properties"]["rules"].pop("default")
    member = {key: value for key, value in policy.items() if key != "required"}
    definitions["Member"] = {
        **member,
        "title": "Member",
        "description": "A policy inside another one; id, version, purposes and"
        " recipient are taken from there if absent.",
    }
    return {
        "$schema": DIALECT,
        "title": "consentfilter policy",
        "$ref": "#/$defs/Policy",
        "$defs": dict(sorted(definitions.items())),
    }


_PATH: Final = {
    "type": "string",
    "minLength": 1,
    "description": "A policy file, relative to this one.",
}

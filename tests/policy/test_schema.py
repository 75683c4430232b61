"""The JSON Schema of a policy file; `UPDATE_GOLDENS=1` writes it anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from consentfilter.policy.schema import policy_schema
from consentfilter.yamlfile import read_yaml
from tests.policy.test_load import ONE_PROBLEM

PATH = Path("schemas/policy.schema.json")
SCHEMA = policy_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_published_schema_is_that_of_the_model() -> None:
    text = json.dumps(SCHEMA, ensure_ascii=False, indent=2) + "\n"
    if os.environ.get("UPDATE_GOLDENS"):
        PATH.write_text(text, encoding="utf-8")
    assert text == PATH.read_text(encoding="utf-8")


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", ["zoom-2023-08", "gdpr-strict"])
def test_the_examples_satisfy_it(name: str) -> None:
    VALIDATOR.validate(read_yaml(f"examples/{name}.yaml").data)


def test_rules_need_no_id_and_members_may_be_files() -> None:
    VALIDATOR.validate({"id": "p", "version": "1", "rules": [{"categories": ["*"]}]})
    VALIDATOR.validate(
        {"id": "p", "version": "1", "all_of": ["a.yaml", {"on_fail": "drop"}]}
    )


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (_, code, _) in ONE_PROBLEM.items()
        if code in ("E102", "E103", "E104", "E105", "E112", "E113")
        and name != "a place that is a number"  # keys of JSON are always text
    ],
)
def test_what_has_the_wrong_shape_does_not(tmp_path: Path, name: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(ONE_PROBLEM[name][0])
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(read_yaml(path).data)


def test_every_key_is_described() -> None:
    def bare(name: str, definition: dict[str, Any]) -> list[str]:
        return [
            f"{name}.{key}"
            for key, said in definition["properties"].items()
            if not said.get("description")
        ]

    assert [one for name, d in SCHEMA["$defs"].items() for one in bare(name, d)] == []

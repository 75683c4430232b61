"""The reference page says every key, default and code, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from consentfilter import taxonomy
from consentfilter.policy import Policy
from consentfilter.policy.cases import Case
from consentfilter.policy.findings import CODES
from consentfilter.policy.schema import policy_schema
from consentfilter.yamlfile import parse_yaml

PAGE = Path("docs/policy.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
DEFINITIONS: dict[str, dict[str, Any]] = policy_schema()["$defs"]


def row(key: str) -> str:
    """The line of a table that explains a key."""
    lines = [
        line
        for line in PAGE.splitlines()
        if line.startswith("| ") and f"`{key}`" in line.split(" | ")[0]
    ]
    assert lines, f"docs/policy.md has no row for {key}"
    return " ".join(lines)


@pytest.mark.parametrize(
    "model", ["Policy", "Rule", "Temporal", "MultiSubject", "Minors"]
)
def test_every_key_has_a_row(model: str) -> None:
    for key, said in DEFINITIONS[model]["properties"].items():
        line = row(key)
        if isinstance(default := said.get("default"), str):
            assert f"`{default}`" in line, (model, key)


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        ("Lifecycle", "lifecycle"),
        ("Signals", "signals"),
        ("Aggregate", "aggregate"),
        ("SnapshotRule", "snapshot"),
    ],
)
def test_every_key_of_the_small_parts_has_a_row(model: str, prefix: str) -> None:
    for key in DEFINITIONS[model]["properties"]:
        row(f"{prefix}.{key}")


def test_every_value_is_named() -> None:
    text = re.sub(r"^```.*?^```$", "", PAGE, flags=re.M | re.S)
    named = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", text))))
    values = {
        value
        for definition in DEFINITIONS.values()
        for said in definition["properties"].values()
        for part in (said, said.get("items", {}), *said.get("anyOf", ()))
        for value in (*part.get("enum", ()), *part.get("items", {}).get("enum", ()))
    }
    assert values - named == set()
    assert len(values) > 40


def test_every_node_is_named() -> None:
    for node in (*taxonomy.BASE_PURPOSES, *taxonomy.BASE_CATEGORIES):
        assert re.search(rf"`(?:[a-z_.]+\.)?{node.rpartition('.')[2]}`", PAGE), node


def test_every_code_is_explained() -> None:
    found = dict(re.findall(r"^\| ([EW]\d{3}) \| (.*) \|$", PAGE, re.M))
    assert found == CODES


@pytest.mark.parametrize("at", range(len(EXAMPLES)))
def test_the_examples_load(at: int) -> None:
    data = parse_yaml(EXAMPLES[at]).data
    if "cases" in data:
        for case in data["cases"]:
            Case.model_validate(case)
    else:
        Policy.from_dict(data)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 6

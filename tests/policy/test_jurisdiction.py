"""Which list of rules and which age applies in a place."""

from __future__ import annotations

from typing import Any

import pytest

from consentfilter.policy import Policy
from consentfilter.policy.jurisdiction import (
    EU_MEMBERS,
    age_of_consent,
    nearest_rule,
    normalise,
    parents,
)
from tests.reference import words


@pytest.mark.parametrize(
    ("code", "chain"),
    [
        ("DE", ("DE", "EU")),
        ("de-by", ("DE-BY", "DE", "EU")),
        ("US-CA", ("US-CA", "US")),
        ("US", ("US",)),
        ("EU", ("EU",)),
        (" fr ", ("FR", "EU")),
        ("NO", ("NO",)),
        ("GB", ("GB",)),
        ("XX", ("XX",)),
        ("", ()),
        (None, ()),
    ],
)
def test_parents(code: str | None, chain: tuple[str, ...]) -> None:
    assert parents(code) == chain


def test_the_union_has_27_members() -> None:
    assert len(EU_MEMBERS) == 27
    assert set(words.EU_MEMBERS) == EU_MEMBERS


def test_an_empty_code_is_none() -> None:
    assert normalise("  ") is None


def rule(name: str, *categories: str, **keys: Any) -> dict[str, Any]:
    return {"id": name, "categories": list(categories), **keys}


POLICY = Policy.from_dict(
    {
        "id": "p",
        "version": "1",
        "rules": [
            rule("all", "*"),
            rule("content", "content"),
            rule("chat", "content.chat"),
        ],
        "jurisdictions": {
            "EU": [rule("eu-content", "content"), rule("eu-file", "content.file")],
            "DE": [rule("de-audio", "content.audio")],
            "US-CA": [rule("ca", "*")],
        },
    }
)


@pytest.mark.parametrize(
    ("place", "category", "found"),
    [
        (None, "content.chat", "chat"),
        (None, "content.video", "content"),
        (None, "account.profile", "all"),
        ("US", "content.chat", "chat"),
        ("US-CA", "content.chat", "ca"),  # a list goes before a nearer category
        ("FR", "content.chat", "eu-content"),
        ("FR", "content.file", "eu-file"),
        ("FR", "account", "all"),
        ("DE", "content.audio", "de-audio"),
        ("DE-BY", "content.audio", "de-audio"),
        ("DE-BY", "content.file", "eu-file"),
        ("DE", "special.health", "all"),
    ],
)
def test_nearest_rule(place: str | None, category: str, found: str) -> None:
    one = nearest_rule(POLICY, place, category)
    assert one is not None
    assert one.id == found


def test_no_rule_is_none() -> None:
    policy = Policy.from_dict(
        {"id": "p", "version": "1", "rules": [rule("content", "content")]}
    )
    assert nearest_rule(policy, "DE", "account.profile") is None
    # A rule for a part says nothing of the whole.
    assert nearest_rule(policy, None, "contents") is None


@pytest.mark.parametrize(
    ("place", "age"),
    [("FR", 15), ("fr", 15), ("DE", 14), ("DE-BY", 14), ("US", 13), (None, 16)],
)
def test_age_of_consent(place: str | None, age: int) -> None:
    policy = Policy.from_dict(
        {
            "id": "p",
            "version": "1",
            "minors": {"ages": {"fr": 15, "EU": 14, "US": 13}},
        }
    )
    assert policy.minors is not None
    assert age_of_consent(policy.minors, place) == age

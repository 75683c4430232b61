"""A policy in sentences; `UPDATE_GOLDENS=1` writes the golden texts anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import pytest

from consentfilter.policy import Policy, load_policy
from consentfilter.policy.explain import explain, explain_sections
from consentfilter.policy.parts import ROLES, Expression

GOLDEN = Path(__file__).parent / "golden"
POLICIES = {
    "zoom-2023-08": lambda: load_policy("examples/zoom-2023-08.yaml"),
    "gdpr-strict": lambda: load_policy("examples/gdpr-strict.yaml"),
    "default": lambda: Policy.from_dict({"id": "default", "version": "1"}),
    "both": lambda: Policy.from_dict(
        {
            "id": "both",
            "version": "1",
            "purposes": ["improve.train_ai", "research.academic"],
            "recipient": "Example Lab",
            "all_of": [
                {
                    "id": "terms",
                    "temporal": {"mode": "processing"},
                    "rules": [{"categories": ["content"], "effect": "allow"}],
                },
                {"id": "blog", "conflict": "latest", "on_duplicate": "drop"},
            ],
        }
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_text_is_the_golden_one(name: str) -> None:
    text = explain(POLICIES[name]())
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDENS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 80


def said(**keys: Any) -> str:
    policy = Policy.from_dict({"id": "p", "version": "1", **keys})
    return " ".join(
        sentence
        for section in explain_sections(policy)
        for sentence in section.sentences
    )


#: Every key with a value that is not the default, and words that then are new.
SPOKEN: dict[str, tuple[dict[str, Any], str]] = {
    "purposes": ({"purposes": ["research.academic"]}, "academic research"),
    "recipient": ({"recipient": "Example Lab"}, "They go to Example Lab"),
    "categories": ({"rules": [{"categories": ["content"]}]}, "content [rule rules[0]]"),
    "effect allow": (
        {"rules": [{"categories": ["*"], "effect": "allow"}]},
        "used without asking for consent",
    ),
    "effect prohibit": (
        {"rules": [{"categories": ["*"], "effect": "prohibit"}]},
        "never used",
    ),
    "ignore_denials": (
        {"rules": [{"categories": ["*"], "effect": "allow", "ignore_denials": True}]},
        "Nobody can opt out",
    ),
    "basis": (
        {"rules": [{"categories": ["*"], "basis": "contract"}]},
        "on the ground of a contract",
    ),
    "expression": (
        {"rules": [{"categories": ["*"], "expression": ["implied"]}]},
        "must be expressed by conduct from which consent is inferred (implied).",
    ),
    "actors": (
        {"rules": [{"categories": ["*"], "actors": [{"type": "guardian"}]}]},
        "It may be given by a verified parent or guardian (guardian).",
    ),
    "scopes": (
        {
            "rules": [
                {
                    "categories": ["*"],
                    "actors": [{"type": "account_owner", "scopes": ["account"]}],
                }
            ]
        },
        "(account_owner), speaking about the account.",
    ),
    "relations": (
        {
            "rules": [
                {
                    "categories": ["*"],
                    "actors": [{"type": "account_owner", "relations": ["member"]}],
                }
            ]
        },
        "for people whose relation to the account is 'member'.",
    ),
    "requires_notice": (
        {"rules": [{"categories": ["*"], "requires_notice": True}]},
        "A notice must have been given before the data was collected.",
    ),
    "terms": (
        {"rules": [{"categories": ["*"], "terms": ["v2"]}]},
        "under terms 'v2'.",
    ),
    "inherit_purpose": (
        {"rules": [{"categories": ["*"], "inherit_purpose": False}]},
        "It must name the purpose itself",
    ),
    "mode processing": (
        {"temporal": {"mode": "processing"}},
        "whether it was when the data was collected is not asked",
    ),
    "mode collection": (
        {"temporal": {"mode": "collection"}},
        "a later withdrawal does not count",
    ),
    "mode continuous": ({"temporal": {"mode": "continuous"}}, "without a gap"),
    "retroactive deny": (
        {"temporal": {"retroactive": "deny"}},
        "never covers data collected before it",
    ),
    "retroactive allow": (
        {"temporal": {"retroactive": "allow"}},
        "although it does not say so",
    ),
    "max_age_months": (
        {"temporal": {"max_age_months": 1}},
        "lapses 1 calendar month after",
    ),
    "per_segment": ({"multi_subject": {"mode": "per_segment"}}, "segment by segment"),
    "min_retained": (
        {"multi_subject": {"mode": "per_segment", "min_retained": 0.5}},
        "less than 50 % of the segments",
    ),
    "quorum": (
        {"multi_subject": {"mode": "quorum", "quorum": 0.667}},
        "at least 66.7 % of these people",
    ),
    "roles": (
        {"multi_subject": {"roles": ["author"]}},
        "Asked is everybody who is author of",
    ),
    "mentions": ({"multi_subject": {"mentions": "pseudonymise"}}, "by a pseudonym"),
    "minors": ({"minors": {}}, "Below 16 years"),
    "ages": ({"minors": {"ages": {"FR": 15}}}, "The age is 15 in FR."),
    "unknown_age": (
        {"minors": {"unknown_age": "minor"}},
        "their own consent does not count",
    ),
    "on_majority": (
        {"minors": {"on_majority": "lapse"}},
        "ends when the child comes of age",
    ),
    "jurisdictions": (
        {"jurisdictions": {"US-CA": [{"categories": ["*"]}]}},
        "[rule US-CA[0]]",
    ),
    "jurisdiction_default": (
        {
            "jurisdictions": {"US-CA": [{"categories": ["*"]}]},
            "jurisdiction_default": "US-CA",
        },
        "else US-CA.",
    ),
    "lifecycle": (
        {"lifecycle": {"deleted": "keep"}},
        "people who are deleted are judged as if nothing had happened",
    ),
    "conflict": ({"conflict": "latest"}, "the latest act counts"),
    "signals": (
        {"signals": {"later_explicit_lifts": True}},
        "lifted by a later explicit consent",
    ),
    "aggregate": (
        {"aggregate": {"allow": True, "min_group_size": 1000}},
        "at least 1,000 people",
    ),
    "sources": ({"sources": ["third_party:acme"]}, "of this origin: third_party:acme"),
    "on_fail": ({"on_fail": "redact_fields"}, "the others are emptied"),
    "max_skew_s": ({"max_skew_s": 1}, "more than 1 second after"),
    "max_staleness in seconds": (
        {"snapshot": {"max_staleness": "PT90S"}},
        "more than 90 seconds old",
    ),
    "max_staleness": (
        {"snapshot": {"max_staleness": "PT90M"}},
        "more than 90 minutes old",
    ),
    "required_sources": (
        {"snapshot": {"required_sources": ["cmp"]}},
        "one of these sources is missing: cmp",
    ),
    "on_duplicate": (
        {"on_duplicate": "drop"},
        "Records that share an id are all dropped",
    ),
}


@pytest.mark.parametrize("key", SPOKEN)
def test_every_key_is_said(key: str) -> None:
    keys, expected = SPOKEN[key]
    assert expected in said(**keys)
    assert expected not in said()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"temporal": {"mode": "collection"}}, "withdrawn after the collection"),
        ({"temporal": {"mode": "processing"}}, "in force when the data was collected."),
        ({}, "interrupted between the collection and now"),
        ({}, "How long ago consent was given"),
        ({}, "Who receives the records"),
        ({}, "Whether the person was a child"),
        ({}, "only mentioned agree"),
        ({}, "Where the records come from"),
        ({}, "How fresh the consent data is"),
        ({}, "copyright"),
        ({}, "for rule default"),
        ({"lifecycle": {"deceased": "keep"}}, "state is deceased"),
    ],
)
def test_what_is_not_checked_is_said(keys: dict[str, Any], expected: str) -> None:
    policy = Policy.from_dict({"id": "p", "version": "1", **keys})
    last = explain_sections(policy)[-1]
    assert last.title == "Not checked"
    assert expected in " ".join(last.sentences)


def test_a_rule_that_accepts_every_expression_refuses_none() -> None:
    every = list(get_args(Expression))
    assert "Not enough" not in said(rules=[{"categories": ["*"], "expression": every}])


def test_every_role_may_be_asked() -> None:
    assert "Not asked is" in said()
    assert "Not asked is" not in said(multi_subject={"roles": list(ROLES)})


def test_a_policy_that_asks_has_less_that_is_not_checked() -> None:
    policy = load_policy("examples/gdpr-strict.yaml")
    open_points = " ".join(explain_sections(policy)[-1].sentences)
    for answered in ("interrupted", "How long ago", "child", "How fresh", "told"):
        assert answered not in open_points

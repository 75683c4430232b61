"""What changed between two policies."""

from __future__ import annotations

from typing import Any

import pytest

from consentfilter.policy import Policy
from consentfilter.policy.diff import Difference, diff_policies
from consentfilter.policy.parts import DECIDING_ROLES

BASE: dict[str, Any] = {
    "id": "p",
    "version": "1",
    "rules": [
        {"id": "content", "categories": ["content"]},
        {"id": "rest", "categories": ["*"], "effect": "prohibit"},
    ],
}


def changes(**keys: Any) -> list[str]:
    old = Policy.from_dict(BASE)
    new = Policy.from_dict({**BASE, **keys})
    return [str(one) for one in diff_policies(old, new)]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, []),
        ({"on_fail": "drop", "temporal": {"mode": "both"}}, []),
        ({"rules": BASE["rules"][::-1]}, []),
        ({"multi_subject": {"roles": list(DECIDING_ROLES[::-1])}}, []),
        (
            {"temporal": {"mode": "processing"}},
            ["temporal.mode: was both, is processing"],
        ),
        (
            {"temporal": {"max_age_months": 13}},
            ["temporal.max_age_months: was nothing, is 13"],
        ),
        (
            {"purposes": ["improve.train_ai", "research.academic"]},
            ["purposes: now also research.academic"],
        ),
        (
            {"multi_subject": {"roles": ["author", "mentioned"]}},
            [
                "multi_subject.roles: now also mentioned; no longer speaker, depicted,"
                " participant, owner"
            ],
        ),
        (
            {
                "rules": [
                    {
                        "id": "content",
                        "categories": ["content"],
                        "expression": ["explicit", "expressed", "default_on"],
                        "requires_notice": True,
                    },
                    BASE["rules"][1],
                ]
            },
            [
                "rules.content.expression: now also default_on",
                "rules.content.requires_notice: was false, is true",
            ],
        ),
        (
            {"minors": {"ages": {"FR": 15}}},
            [
                "minors: was nothing, is {ages: {default: 16, FR: 15}, unknown_age:"
                " adult, on_majority: keep}"
            ],
        ),
        (
            {"jurisdictions": {"EU": [{"id": "eu", "categories": ["*"]}]}},
            [
                "jurisdictions.EU: is new: [{id: eu, categories: [*], effect: require,"
                " basis: consent, expression: [explicit, expressed], actors: [{type:"
                " self}], requires_notice: false, inherit_purpose: true,"
                " ignore_denials: false}]"
            ],
        ),
    ],
)
def test_difference(keys: dict[str, Any], expected: list[str]) -> None:
    assert changes(**keys) == expected


def test_a_rule_that_is_gone_and_one_that_is_new() -> None:
    new = [BASE["rules"][0], {"id": "all", "categories": ["*"], "effect": "prohibit"}]
    gone, come = changes(rules=new)
    assert gone.startswith("rules.rest: is gone; it was {categories: [*],")
    assert come.startswith("rules.all: is new: {categories: [*],")


def test_rules_of_a_place_are_matched_by_id() -> None:
    eu = {"id": "eu", "categories": ["content"]}
    other = {"id": "other", "categories": ["account"]}
    old = Policy.from_dict({**BASE, "jurisdictions": {"EU": [eu, other]}})
    new = Policy.from_dict(
        {**BASE, "jurisdictions": {"EU": [other, {**eu, "terms": ["v2"]}]}}
    )
    assert diff_policies(old, new) == (
        Difference("jurisdictions.EU.eu.terms", None, ["v2"], "was nothing, is [v2]"),
    )


def test_members_are_matched_by_id() -> None:
    document = {"id": "p", "version": "1", "all_of": [{"id": "a"}, {"id": "b"}]}
    old = Policy.from_dict(document)
    new = Policy.from_dict(
        {**document, "all_of": [{"id": "b", "max_skew_s": 10}, {"id": "a"}]}
    )
    assert [str(one) for one in diff_policies(old, new)] == [
        "all_of.b.max_skew_s: was 300, is 10"
    ]

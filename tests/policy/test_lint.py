"""What deserves a second look, with the message a person reads."""

from __future__ import annotations

from typing import Any

import pytest

from consentfilter.policy import Policy
from consentfilter.policy.findings import CODES, Finding
from consentfilter.policy.lint import lint
from consentfilter.policy.load import read_policy
from consentfilter.policy.parts import Rule
from consentfilter.taxonomy import BASE

QUIET: dict[str, Any] = {
    "id": "p",
    "version": "1",
    "minors": {"unknown_age": "minor"},
}


def found(**keys: Any) -> list[tuple[str, str, str]]:
    policy = Policy.from_dict({**QUIET, **keys})
    return [(one.code, one.path, one.message) for one in lint(policy)]


def rules(**keys: Any) -> dict[str, Any]:
    return {"rules": [{"categories": ["*"], **keys}]}


CONSENT = "under the GDPR consent is a clear affirmative action (Art. 4(11))"

CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "nothing": ({}, []),
    "default_on": (
        rules(expression=["explicit", "default_on"]),
        [
            (
                "W201",
                "rules[0].expression[1]",
                "default_on counts as consent: a box that was on by default; "
                + CONSENT,
            )
        ],
    ),
    "notice": (
        rules(expression=["notice"]),
        [
            (
                "W201",
                "rules[0].expression[0]",
                "notice counts as consent: a notice that was only acknowledged; "
                + CONSENT,
            )
        ],
    ),
    "terms": (
        rules(expression=["terms"]),
        [
            (
                "W201",
                "rules[0].expression[0]",
                "terms counts as consent: acceptance of general terms; " + CONSENT,
            )
        ],
    ),
    "implied": (
        rules(expression=["implied"]),
        [
            (
                "W201",
                "rules[0].expression[0]",
                "implied counts as consent: conduct from which consent is inferred; "
                + CONSENT,
            )
        ],
    ),
    "an account without notice": (
        rules(actors=[{"type": "self"}, {"type": "account_admin"}]),
        [
            (
                "W202",
                "rules[0].actors[1]",
                "an account_admin consents for other people, who need not even be told;"
                " set requires_notice: true",
            )
        ],
    ),
    "an account with notice": (
        rules(actors=[{"type": "account_admin"}], requires_notice=True),
        [],
    ),
    "mode collection": (
        {"temporal": {"mode": "collection"}},
        [
            (
                "W203",
                "temporal.mode",
                "a withdrawal after the collection does not count (GDPR Art. 7(3) lets"
                " people withdraw at any time)",
            )
        ],
    ),
    "retroactive allow": (
        {"temporal": {"retroactive": "allow"}},
        [
            (
                "W204",
                "temporal.retroactive",
                "a consent covers data collected before it, although it does not say"
                " so",
            )
        ],
    ),
    "a part without the rest": (
        {"rules": [{"categories": ["content.chat", "account"]}]},
        [
            (
                "W205",
                "rules[0].categories[0]",
                "there is a rule for 'content.chat' and none for 'content' or '*', so"
                " everything else below 'content' is dropped; add a rule if that is not"
                " meant",
            )
        ],
    ),
    "a part with the rest in a wider list": (
        {
            "rules": [{"categories": ["content"]}],
            "jurisdictions": {"DE": [{"categories": ["content.chat"]}]},
            "jurisdiction_default": "DE",
        },
        [],
    ),
    "no minors": (
        {"minors": None},
        [
            (
                "W206",
                "minors",
                "absent: a child's own consent counts like an adult's (GDPR Art. 8;"
                " COPPA)",
            )
        ],
    ),
    "unknown age is adult": (
        {"minors": {}},
        [
            (
                "W207",
                "minors.unknown_age",
                "people of unknown birth date count as adults",
            )
        ],
    ),
    "ignored denials": (
        rules(effect="allow", ignore_denials=True),
        [
            (
                "W208",
                "rules[0].ignore_denials",
                "even a standing objection or opt-out does not count; such rows are"
                " listed as OK_EXEMPT in the manifest",
            )
        ],
    ),
    "keys that an allowing rule does not read": (
        rules(effect="allow", basis="contract", terms=["a"], requires_notice=True),
        [
            ("W209", f"rules[0].{key}", "has no effect with effect allow; remove it")
            for key in ("basis", "requires_notice", "terms")
        ],
    ),
    "keys that a prohibiting rule does not read": (
        rules(effect="prohibit", actors=[], inherit_purpose=False),
        [
            ("W209", f"rules[0].{key}", "has no effect with effect prohibit; remove it")
            for key in ("actors", "inherit_purpose")
        ],
    ),
    "keys that another basis does not read": (
        rules(basis="contract", expression=["explicit"], requires_notice=True),
        [
            (
                "W209",
                "rules[0].expression",
                "has no effect with basis contract; remove it",
            )
        ],
    ),
    "shares that the mode does not read": (
        {"multi_subject": {"quorum": 0.5, "min_retained": 0.5}},
        [
            (
                "W209",
                f"multi_subject.{key}",
                "has no effect with mode all; remove it",
            )
            for key in ("min_retained", "quorum")
        ],
    ),
    "a size that nothing reads": (
        {"aggregate": {"min_group_size": 20}},
        [
            (
                "W209",
                "aggregate.min_group_size",
                "has no effect with allow: false; remove it",
            )
        ],
    ),
    "retroactive that nothing reads": (
        {"temporal": {"mode": "processing", "retroactive": "allow"}},
        [
            (
                "W209",
                "temporal.retroactive",
                "has no effect with mode processing; remove it",
            )
        ],
    ),
    "kept data of the dead": (
        {"lifecycle": {"deceased": "keep"}},
        [
            (
                "W210",
                "lifecycle.deceased",
                "records of people whose state is deceased are judged as if nothing had"
                " happened",
            )
        ],
    ),
    "latest": (
        {"conflict": "latest"},
        [
            (
                "W211",
                "conflict",
                "a denial in one source stops counting once another source has a later"
                " grant",
            )
        ],
    ),
    "a distant actor": (
        rules(actors=[{"type": "publisher"}]),
        [
            (
                "W212",
                "rules[0].actors[0]",
                "publisher may consent for a person although it neither is nor"
                " represents that person",
            )
        ],
    ),
    "a small group": (
        {"aggregate": {"allow": True, "min_group_size": 3}},
        [
            (
                "W213",
                "aggregate.min_group_size",
                "an aggregate over 3 people may point at one of them",
            )
        ],
    ),
    "a member's run-level key": (
        {
            "minors": None,
            "all_of": [{"on_duplicate": "drop", "minors": {"unknown_age": "minor"}}],
        },
        [
            (
                "W214",
                "all_of[0].on_duplicate",
                "drop is not used: a run has one answer, and the policy around it says"
                " error",
            )
        ],
    ),
    "sensitive data on other grounds": (
        {
            "rules": [
                {"categories": ["special.health"], "basis": "legitimate_interest"},
                {"categories": ["biometric"], "effect": "allow"},
                {"categories": ["special"]},
            ]
        },
        [
            (
                "W215",
                "rules[0].categories[0]",
                "'special.health' is sensitive data (GDPR Art. 9), used here on"
                " legitimate_interest without consent",
            ),
            (
                "W215",
                "rules[1].categories[0]",
                "'biometric' is sensitive data (GDPR Art. 9), used here on no ground at"
                " all without consent",
            ),
        ],
    ),
    "no default place": (
        {"jurisdictions": {"US": [{"categories": ["*"]}]}},
        [
            (
                "W216",
                "jurisdictions",
                "people and records of unknown place get the default list, however"
                " strict the lists here are; name one under jurisdiction_default",
            )
        ],
    ),
    "a place that hides a prohibition": (
        {
            "rules": [
                {"categories": ["*"]},
                {"id": "bio", "categories": ["biometric"], "effect": "prohibit"},
            ],
            "jurisdictions": {"EU": [{"categories": ["*"]}]},
            "jurisdiction_default": "EU",
        },
        [
            (
                "W217",
                "jurisdictions.EU[0].categories[0]",
                "'*' answers for 'biometric' here, so that the rule 'bio' (prohibit) of"
                " a wider list is not used; repeat it in this list if it is meant to"
                " hold here",
            )
        ],
    ),
    "a place that repeats the prohibition": (
        {
            "rules": [
                {"categories": ["*"]},
                {"id": "bio", "categories": ["biometric"], "effect": "prohibit"},
            ],
            "jurisdictions": {
                "EU": [
                    {"categories": ["*"]},
                    {"categories": ["biometric"], "effect": "prohibit"},
                ]
            },
            "jurisdiction_default": "EU",
        },
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_warning(name: str) -> None:
    keys, expected = CASES[name]
    if "all_of" in keys:
        keys = {key: value for key, value in keys.items() if key != "minors"}
        policy = Policy.from_dict({"id": "p", "version": "1", **keys})
        assert [(f.code, f.path, f.message) for f in lint(policy)] == expected
    else:
        assert found(**keys) == expected


def test_every_warning_code_has_a_case() -> None:
    shown = {code for _, expected in CASES.values() for code, _, _ in expected}
    assert shown == {code for code in CODES if code.startswith("W")}


def test_warnings_of_members_name_the_member() -> None:
    policy = Policy.from_dict(
        {"id": "p", "version": "1", "all_of": [QUIET, {"id": "other"}]}
    )
    assert [(one.code, one.path) for one in lint(policy)] == [
        ("W206", "all_of[1].minors")
    ]


def test_a_policy_made_in_code_with_unknown_nodes_is_found() -> None:
    policy = Policy(
        id="p",
        version="1",
        purposes=("zzz",),
        rules=(Rule(id="r", categories=("contant",)),),
    )
    errors = [one for one in lint(policy) if one.severity == "error"]
    assert [(one.code, str(one)) for one in errors] == [
        (
            "E115",
            "purposes[0]: 'zzz' is not in the purpose tree; add it under"
            " taxonomy.purposes if it is meant",
        ),
        (
            "E114",
            "rules[0].categories[0]: 'contant' is not in the category tree; did you"
            " mean 'content'?",
        ),
    ]
    known = BASE.extended(purposes=["zzz"], categories=["contant"])
    assert {one.code for one in lint(policy, taxonomy=known)} == {"W206"}


def test_the_video_conferencing_example_is_warned_of_loudly() -> None:
    reading = read_policy("examples/zoom-2023-08.yaml")
    findings = lint(reading.require(), document=reading.document)
    assert [(one.code, one.line, one.path) for one in findings] == [
        ("W208", 35, "rules[1].ignore_denials"),
        ("W207", 58, "minors.unknown_age"),
    ]


def test_the_strict_example_has_nothing_to_warn_of() -> None:
    reading = read_policy("examples/gdpr-strict.yaml")
    assert lint(reading.require(), document=reading.document) == ()


def test_a_finding_reads_as_a_line() -> None:
    finding = Finding("W203", "temporal.mode", "said so", "policy.yaml", 14)
    assert str(finding) == "policy.yaml:14: temporal.mode: said so"
    assert finding.as_json() == {
        "code": "W203",
        "severity": "warning",
        "source": "policy.yaml",
        "line": 14,
        "path": "temporal.mode",
        "message": "said so",
    }
    assert str(Finding("E102", "", "said so")) == "said so"

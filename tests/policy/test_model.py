"""The policy as a value: defaults, members, digest."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter import records
from consentfilter.policy import Policy, load_policy, parts
from consentfilter.policy.parts import Actor, Rule


def policy(**keys: Any) -> Policy:
    return Policy.from_dict({"id": "p", "version": "1", **keys})


def test_id_and_version_are_enough() -> None:
    one = policy()
    assert one.purposes == ("improve.train_ai",)
    assert one.rules == (Rule(id="default", categories=("*",)),)
    rule = one.rules[0]
    assert (rule.effect, rule.basis) == ("require", "consent")
    assert rule.expression == ("explicit", "expressed")
    assert rule.actors == (Actor(type="self"),)
    assert rule.inherit_purpose
    assert not rule.requires_notice
    assert not rule.ignore_denials
    assert rule.terms is None
    assert (one.temporal.mode, one.temporal.retroactive) == ("both", "explicit")
    assert one.multi_subject.mode == "all"
    assert one.multi_subject.roles == records.DECIDING_ROLES
    assert one.minors is None
    assert set(dict(one.lifecycle).values()) == {"drop"}
    assert (one.conflict, one.on_fail) == ("deny_overrides", "drop")
    assert (one.aggregate.allow, one.aggregate.min_group_size) == (False, 50)
    assert (one.on_duplicate, one.max_skew_s) == ("error", 300)
    assert one.sources is None
    assert one.recipient is None
    assert one.members == (one,)


def test_roles_are_those_of_records() -> None:
    assert parts.ROLES == records.ROLES
    assert parts.DECIDING_ROLES == records.DECIDING_ROLES


def test_rules_without_id_are_named_by_their_place() -> None:
    one = policy(
        rules=[{"categories": ["content"]}, {"id": "own", "categories": ["account"]}],
        jurisdictions={"eu": [{"categories": ["*"]}]},
    )
    assert [rule.id for rule in one.rules] == ["rules[0]", "own"]
    assert [rule.id for rule in one.jurisdictions["EU"]] == ["EU[0]"]


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(pydantic.ValidationError):
        policy().on_fail = "drop"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT24H", timedelta(days=1)),
        ("P1D", timedelta(days=1)),
        ("PT30M", timedelta(minutes=30)),
        ("P1DT12H", timedelta(hours=36)),
        ("PT90S", timedelta(seconds=90)),
        ("P2W", timedelta(weeks=2)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    one = policy(snapshot={"max_staleness": text})
    assert one.snapshot.max_staleness == length
    assert Policy.from_dict(one.effective()) == one


@pytest.mark.parametrize("text", ["P", "PT", "P1Y", "24h", "PT1.5H", "-PT1H", "P1W1D"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="E107"):
        parts.SnapshotRule.model_validate({"max_staleness": text})


def test_a_policy_made_in_code_is_checked_too() -> None:
    with pytest.raises(pydantic.ValidationError, match="E120"):
        Rule(id="r", categories=("content",), ignore_denials=True)
    with pytest.raises(pydantic.ValidationError, match="E113"):
        Policy(id="p", version="1", rules=())
    with pytest.raises(pydantic.ValidationError, match="E127"):
        Policy(id="p", version="1", all_of=(policy(),), sources=("first_party",))


MEMBERS: list[dict[str, Any]] = [
    {
        "id": "terms",
        "recipient": "lab",
        "snapshot": {"max_staleness": "P1D", "required_sources": ["a"]},
        "purposes": ["improve.train_ai"],
    },
    {
        "id": "blog",
        "snapshot": {"max_staleness": "PT1H", "required_sources": ["b", "a"]},
        "purposes": ["research.academic", "improve.train_ai"],
    },
]


def test_a_policy_with_members_shows_what_binds_the_run() -> None:
    one = policy(all_of=MEMBERS, snapshot={"required_sources": ["c"]})
    assert [member.id for member in one.members] == ["terms", "blog"]
    assert [member.version for member in one.members] == ["1", "1"]
    assert one.purposes == ("improve.train_ai", "research.academic")
    assert one.recipient == "lab"
    assert one.snapshot.max_staleness == timedelta(hours=1)
    assert one.snapshot.required_sources == ("c", "a", "b")


def test_purposes_and_recipient_are_handed_down() -> None:
    one = policy(
        purposes=["marketing.email"],
        recipient="lab",
        all_of=[{}, {"purposes": ["research"], "recipient": None}],
    )
    assert [m.purposes for m in one.members] == [("marketing.email",), ("research",)]
    assert [m.recipient for m in one.members] == ["lab", None]
    assert [m.id for m in one.members] == ["p/1", "p/2"]


def test_members_of_members_are_members() -> None:
    one = policy(
        all_of=[{"id": "a", "all_of": [{"id": "b"}, {"id": "c"}]}, {"id": "d"}]
    )
    assert [member.id for member in one.members] == ["b", "c", "d"]


EVERYTHING: dict[str, Any] = {
    "id": "p",
    "version": "1",
    "jurisdictions": {"de": [{"categories": ["*"]}], "us-ca": [{"categories": ["*"]}]},
    "minors": {"ages": {"fr": 15, "default": 14, "be": 13}, "on_majority": "lapse"},
    "temporal": {"max_age_months": 13, "mode": "continuous"},
    "multi_subject": {"mode": "quorum", "quorum": 0.5, "min_retained": 0.25},
    "snapshot": {"max_staleness": "PT90M", "required_sources": ["x"]},
    "taxonomy": {"categories": ["game"]},
}


@pytest.mark.parametrize("document", [EVERYTHING, {**EVERYTHING, "on_fail": "drop"}])
def test_a_default_that_is_written_out_changes_nothing(
    document: dict[str, Any],
) -> None:
    assert Policy.from_dict(document).sha256 == Policy.from_dict(EVERYTHING).sha256


def test_the_effective_policy_is_a_policy() -> None:
    for one in (Policy.from_dict(EVERYTHING), policy(all_of=MEMBERS)):
        again = Policy.from_dict(one.effective())
        assert again == one
        assert again.sha256 == one.sha256


def test_the_digest_of_the_default_policy_is_frozen() -> None:
    assert policy().sha256 == (
        "e44cb8dac09cb4b48b56bca0a836df7d969353717e54f9ac84d3d8c72a71db51"
    )


@given(data=st.data())
def test_the_digest_is_independent_of_the_order_of_keys(data: st.DataObject) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = data.draw(st.permutations(sorted(value)))
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(one) for one in value] if isinstance(value, list) else value

    assert (
        Policy.from_dict(shuffled(EVERYTHING)).sha256
        == Policy.from_dict(EVERYTHING).sha256
    )


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"purposes": ["research"]},
        {"max_skew_s": 301},
        {"rules": [{"categories": ["*"], "expression": ["explicit"]}]},
        {"taxonomy": {"categories": ["games"]}},
    ],
)
def test_every_change_changes_the_digest(change: dict[str, Any]) -> None:
    assert Policy.from_dict({**EVERYTHING, **change}).sha256 != (
        Policy.from_dict(EVERYTHING).sha256
    )


def test_the_digest_is_independent_of_the_hash_seed() -> None:
    code = (
        "from consentfilter.policy import load_policy;"
        "print(load_policy('examples/zoom-2023-08.yaml').sha256)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }
    assert digests == {load_policy("examples/zoom-2023-08.yaml").sha256}


def test_a_policy_travels_to_other_processes() -> None:
    one = policy(all_of=MEMBERS)
    assert pickle.loads(pickle.dumps(one)) == one

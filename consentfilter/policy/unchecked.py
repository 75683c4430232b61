"""What a policy leaves open: the limits that its reader must know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consentfilter.policy.model import Policy
from consentfilter.policy.parts import Rule

#: What no policy looks at.
NEVER_CHECKED: Final = (
    "Whether a consent was informed, freely given and truly made by whom the record"
    " of it names. The acts are taken as their sources recorded them.",
    "What a record says or shows: people who are in it and not listed as its subjects"
    " or mentions are not found.",
    "Rights other than consent: copyright, confidentiality, contracts, employment law.",
)


def not_checked(policy: Policy) -> tuple[str, ...]:
    """Return one sentence for each thing that this policy does not look at."""
    return (*_of_policy(policy), *_of_rules(policy))


def _of_policy(policy: Policy) -> Iterator[str]:
    if policy.temporal.mode == "collection":
        yield "Whether consent was withdrawn after the collection."
    if policy.temporal.mode == "processing":
        yield "Whether consent was in force when the data was collected."
    if policy.temporal.mode in ("both", "collection"):
        yield "Whether consent was interrupted between the collection and now."
    if policy.temporal.max_age_months is None:
        yield "How long ago consent was given."
    if policy.recipient is None:
        yield "Who receives the records, beyond the controller."
    if not policy.jurisdictions:
        yield "Whether the law of a person's place asks for more."
    if policy.minors is None:
        yield "Whether the person was a child."
    if policy.multi_subject.mentions == "ignore":
        yield "Whether people who are only mentioned agree."
    if policy.sources is None:
        yield "Where the records come from."
    if policy.snapshot.max_staleness is None:
        yield "How fresh the consent data is."
    if not policy.snapshot.required_sources:
        yield "Whether the consent data of every source is there."
    for state, answer in policy.lifecycle:
        if answer == "keep":
            yield f"Whether the person's state is {state}."


def _of_rules(policy: Policy) -> Iterator[str]:
    lists = {"rules": policy.rules, **policy.jurisdictions}
    rules = [rule for listed in lists.values() for rule in listed]
    asking = [rule for rule in rules if rule.effect == "require"]
    consenting = [rule for rule in asking if rule.basis == "consent"]
    if silent := [rule for rule in asking if not rule.requires_notice]:
        yield f"Whether anybody was told before the collection, for {_named(silent)}."
    if free := [rule for rule in consenting if rule.terms is None]:
        yield f"Which terms a consent was given under, for {_named(free)}."
    if other := [rule for rule in asking if rule.basis != "consent"]:
        yield f"Whether the legal basis that is named holds, for {_named(other)}."
    if deaf := [rule for rule in rules if rule.ignore_denials]:
        yield f"Whether anybody objected, for {_named(deaf)}."


def _named(rules: list[Rule]) -> str:
    names = list(dict.fromkeys(rule.id for rule in rules))
    return ("rule " if len(names) == 1 else "rules ") + ", ".join(names)

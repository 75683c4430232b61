"""What deserves a second look in the rules of a policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from consentfilter.policy.findings import Loc
from consentfilter.policy.jurisdiction import parents
from consentfilter.policy.model import Policy
from consentfilter.policy.parts import Rule
from consentfilter.taxonomy import ancestors, is_above_or_equal

Found = tuple[str, Loc, str]

_WEAK: Final = {
    "default_on": "a box that was on by default",
    "notice": "a notice that was only acknowledged",
    "terms": "acceptance of general terms",
    "implied": "conduct from which consent is inferred",
}
_DISTANT: Final = ("controller", "publisher", "system", "unknown")
_SENSITIVE: Final = ("special", "biometric")
#: Keys of a rule that only a rule with effect require and basis consent reads.
_OF_CONSENT: Final = ("expression", "actors", "terms", "inherit_purpose")


def of_lists(policy: Policy) -> Iterator[Found]:
    """Yield code, path and message for the default rules and those of each place."""
    lists: list[tuple[Loc, Sequence[Rule], str | None]] = [
        (("rules",), policy.rules, None),
        *(
            (("jurisdictions", code), rules, code)
            for code, rules in policy.jurisdictions.items()
        ),
    ]
    for prefix, rules, code in lists:
        outer = _rules_around(policy, code)
        reachable = frozenset(
            node for rule in (*rules, *outer) for node in rule.categories
        )
        here = frozenset(node for rule in rules for node in rule.categories)
        for at, rule in enumerate(rules):
            for key, loc, message in (
                *_of_rule(rule),
                *_parts_without_rest(rule, reachable),
                *_hidden_rules(rule, here, outer),
            ):
                yield key, (*prefix, at, *loc), message
    if policy.jurisdictions and policy.jurisdiction_default is None:
        yield (
            "W216",
            ("jurisdictions",),
            "people and records of unknown place get the default list, however strict"
            " the lists here are; name one under jurisdiction_default",
        )


def _rules_around(policy: Policy, code: str | None) -> tuple[Rule, ...]:
    """Return the rules that apply where the list of this place has none."""
    if code is None:
        return ()
    wider = (policy.jurisdictions.get(place, ()) for place in parents(code)[1:])
    return tuple(rule for rules in (*wider, policy.rules) for rule in rules)


def _of_rule(rule: Rule) -> Iterator[Found]:
    if rule.ignore_denials:
        yield (
            "W208",
            ("ignore_denials",),
            "even a standing objection or opt-out does not count; such rows are listed"
            " as OK_EXEMPT in the manifest",
        )
    yield from _without_effect(rule)
    if rule.effect == "prohibit":
        return
    if rule.effect == "require" and rule.basis == "consent":
        yield from _of_consent(rule)
        return
    ground = rule.basis if rule.effect == "require" else "no ground at all"
    for place, node in enumerate(rule.categories):
        if any(is_above_or_equal(upper, node) for upper in _SENSITIVE):
            yield (
                "W215",
                ("categories", place),
                f"{node!r} is sensitive data (GDPR Art. 9), used here on {ground}"
                " without consent",
            )


def _of_consent(rule: Rule) -> Iterator[Found]:
    for place, expression in enumerate(rule.expression):
        if expression in _WEAK:
            yield (
                "W201",
                ("expression", place),
                f"{expression} counts as consent: {_WEAK[expression]}; under the GDPR"
                " consent is a clear affirmative action (Art. 4(11))",
            )
    for place, actor in enumerate(rule.actors):
        if actor.type.startswith("account_") and not rule.requires_notice:
            yield (
                "W202",
                ("actors", place),
                f"an {actor.type} consents for other people, who need not even be told;"
                " set requires_notice: true",
            )
        if actor.type in _DISTANT:
            yield (
                "W212",
                ("actors", place),
                f"{actor.type} may consent for a person although it neither is nor"
                " represents that person",
            )


def _without_effect(rule: Rule) -> Iterator[Found]:
    unread: list[str] = []
    reader = f"effect {rule.effect}"
    if rule.effect != "require":
        unread += ["basis", "requires_notice", *_OF_CONSENT]
    elif rule.basis != "consent":
        unread += _OF_CONSENT
        reader = f"basis {rule.basis}"
    for key in unread:
        if getattr(rule, key) != Rule.model_fields[key].default:
            yield "W209", (key,), f"has no effect with {reader}; remove it"


def _parts_without_rest(rule: Rule, reachable: frozenset[str]) -> Iterator[Found]:
    for place, node in enumerate(rule.categories):
        above = ancestors(node)[1:]
        if len(above) > 1 and not reachable.intersection(above):
            root = above[-2]
            yield (
                "W205",
                ("categories", place),
                f"there is a rule for {node!r} and none for {root!r} or '*', so"
                f" everything else below {root!r} is dropped; add a rule if that is"
                " not meant",
            )


def _hidden_rules(
    rule: Rule, here: frozenset[str], outer: Sequence[Rule]
) -> Iterator[Found]:
    """A list is asked before the wider ones: its `*` hides what they say of a part."""
    for place, node in enumerate(rule.categories):
        for other in outer:
            for part in other.categories:
                nearest = next((up for up in ancestors(part) if up in here), None)
                if part != node and nearest == node and not _same(rule, other):
                    yield (
                        "W217",
                        ("categories", place),
                        f"{node!r} answers for {part!r} here, so that the rule"
                        f" {other.id!r} ({other.effect}) of a wider list is not used;"
                        " repeat it in this list if it is meant to hold here",
                    )


def _same(one: Rule, other: Rule) -> bool:
    """Tell whether two rules ask the same."""
    unlike = {"id": "", "categories": ("*",)}
    return one.model_copy(update=unlike) == other.model_copy(update=unlike)

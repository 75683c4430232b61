"""The rules of a policy as plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from consentfilter.policy import words
from consentfilter.policy.jurisdiction import is_in_eu, parents
from consentfilter.policy.model import Policy
from consentfilter.policy.parts import Actor, Expression, Rule


def about_rules(policy: Policy) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a title and sentences for the default rules and for each place."""
    yield (
        "What is asked, by category of data",
        (
            *(sentence for rule in policy.rules for sentence in _about_rule(rule)),
            _rest(policy),
        ),
    )
    for code in sorted(policy.jurisdictions):
        rules = policy.jurisdictions[code]
        yield (
            f"Otherwise for people in {code}",
            (
                *(sentence for rule in rules for sentence in _about_rule(rule)),
                _wider(policy, code),
            ),
        )
    yield "Whose law applies", tuple(_about_places(policy))


def _about_rule(rule: Rule) -> Iterator[str]:
    covered = words.joined(
        ("every category (*)" if node == "*" else node for node in rule.categories),
        "and",
    )
    head = f"{covered} [rule {rule.id}]:"
    if rule.effect == "prohibit":
        yield f"{head} never used, whatever was consented to."
        return
    if rule.effect == "allow":
        yield f"{head} used without asking for consent."
        yield (
            "  Nobody can opt out: a standing objection or withdrawal does not count"
            " (ignore_denials)."
            if rule.ignore_denials
            else "  A standing objection, opt-out, refusal or withdrawal excludes it."
        )
        return
    if rule.basis != "consent":
        ground = words.BASES[rule.basis]
        yield f"{head} used on the ground of {ground}, without consent."
        yield "  A standing objection, opt-out, refusal or withdrawal excludes it."
        yield _notice(rule)
        return
    yield f"{head} used only with consent."
    yield from _about_consent(rule)


def _about_consent(rule: Rule) -> Iterator[str]:
    accepted = [words.with_term(words.EXPRESSIONS, one) for one in rule.expression]
    yield f"  Consent must be expressed by {words.joined(accepted, 'or')}."
    others = [one for one in get_args(Expression) if one not in rule.expression]
    if others:
        refused = [words.with_term(words.EXPRESSIONS, one) for one in others]
        yield f"  Not enough: {words.joined(refused, 'or')}; nor a form not recorded."
    givers = words.joined(map(_about_actor, rule.actors), "or by")
    yield f"  It may be given by {givers}."
    if rule.terms is None:
        yield "  It may have been given under any version of the terms."
    else:
        versions = words.joined((repr(one) for one in rule.terms), "or")
        yield f"  It must have been given under terms {versions}."
    yield (
        "  A consent to a wider purpose counts too."
        if rule.inherit_purpose
        else "  It must name the purpose itself; a wider one is not enough."
    )
    yield _notice(rule)


def _about_actor(actor: Actor) -> str:
    text = words.with_term(words.ACTORS, actor.type)
    limits = []
    if actor.scopes is not None:
        about = words.joined((words.SCOPES[scope] for scope in actor.scopes), "or")
        limits.append(f"speaking about {about}")
    if actor.relations is not None:
        relations = words.joined((repr(one) for one in actor.relations), "or")
        limits.append(f"for people whose relation to the account is {relations}")
    return ", ".join([text, *limits])


def _notice(rule: Rule) -> str:
    return (
        "  A notice must have been given before the data was collected."
        if rule.requires_notice
        else "  No notice before the collection is asked for."
    )


def _rest(policy: Policy) -> str:
    nodes = {node for rule in policy.rules for node in rule.categories}
    if "*" in nodes:
        return "For each record the rule of the nearest category counts."
    return (
        "Every other category is dropped. For each record the rule of the nearest"
        " category counts."
    )


def _wider(policy: Policy, code: str) -> str:
    around = [place for place in parents(code)[1:] if place in policy.jurisdictions]
    lists = [f"the rules for {place}" for place in around] + ["the rules above"]
    return (
        f"What these rules do not name is asked of {words.joined(lists, 'and then')}."
    )


def _about_places(policy: Policy) -> Iterator[str]:
    if not policy.jurisdictions:
        yield "The same rules apply everywhere."
    else:
        yield (
            "The person's own place counts, else the place of the record, else"
            f" {policy.jurisdiction_default or 'the rules for no place in particular'}."
        )
        yield "A part of a country also has the rules of the country."
    if any(is_in_eu(code) for code in policy.jurisdictions):
        yield (
            "The 27 member states of the European Union have the rules for EU. Norway,"
            " Iceland, Liechtenstein, Switzerland and the United Kingdom do not; they"
            " would need lists of their own."
        )

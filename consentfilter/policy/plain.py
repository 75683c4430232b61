"""What is wrong between two places of a policy, judged on its plain values.

Names against the trees, rules against each other. The model checks the latter
too, but only once every part is valid; here they are found together with
everything else. What has the wrong type is left to validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from consentfilter import taxonomy as tree
from consentfilter.policy import checks
from consentfilter.policy.findings import Loc
from consentfilter.policy.jurisdiction import is_in_eu
from consentfilter.policy.model import KEYS_BESIDE_ALL_OF, Policy
from consentfilter.taxonomy import Taxonomy
from consentfilter.yamlfile import did_you_mean


def extended(base: Taxonomy, document: Any) -> Taxonomy:
    """Return the trees with the nodes that a document and its members add."""
    if not isinstance(document, Mapping):
        return base
    added = document.get("taxonomy")
    if isinstance(added, Mapping):
        base = base.extended(
            (name for _, name in _names(added, "purposes")),
            (name for _, name in _names(added, "categories")),
        )
    for _, member in _entries(document, "all_of"):
        base = extended(base, member)
    return base


def unknown_nodes(document: Any, taxonomy: Taxonomy) -> Iterator[tuple[str, Loc, str]]:
    """Yield code, path and message for each name that is in no tree.

    Args:
        document: a policy as plain values.
        taxonomy: the trees, already extended.
    """
    if not isinstance(document, Mapping):
        return
    for at, name in _names(document, "purposes"):
        if name not in taxonomy.purposes:
            yield "E115", ("purposes", at), _message(name, "purpose", taxonomy.purposes)
    for prefix, rules in _rule_lists(document):
        for place, rule in rules:
            for at, name in _names(rule, "categories"):
                if name not in taxonomy.categories:
                    loc = (*prefix, place, "categories", at)
                    yield "E114", loc, _message(name, "category", taxonomy.categories)
    for place, member in _entries(document, "all_of"):
        for code, loc, message in unknown_nodes(member, taxonomy):
            yield code, ("all_of", place, *loc), message


def contradictions(document: Any) -> Iterator[tuple[str, Loc, str]]:
    """Yield what parts of a document say against each other.

    Args:
        document: a policy as plain values.
    """
    if not isinstance(document, Mapping):
        return
    for prefix, rules in _rule_lists(document):
        named = [_names(rule, "categories", with_star=True) for _, rule in rules]
        for code, loc, message in checks.repeated_categories(named):
            yield code, (*prefix, *loc), message
        for at, rule in rules:
            place = prefix[-1] if len(prefix) > 1 else None
            if _ignores_denials(rule) and is_in_eu(str(place or "")):
                code, loc, message = checks.ignored_denial_in_eu(str(place), at)
                yield code, ("jurisdictions", *loc), message
    if document.get("all_of"):
        for key in document:
            if key in Policy.model_fields and key not in KEYS_BESIDE_ALL_OF:
                yield "E127", (key,), checks.text_beside_all_of(key)
    for place, member in _entries(document, "all_of"):
        for code, loc, message in contradictions(member):
            yield code, ("all_of", place, *loc), message


def _ignores_denials(rule: Any) -> bool:
    return isinstance(rule, Mapping) and rule.get("ignore_denials") is True


def _message(name: str, kind: str, known: frozenset[str]) -> str:
    near = did_you_mean(name, known)
    plural = "purposes" if kind == "purpose" else "categories"
    return f"{name!r} is not in the {kind} tree" + (
        near or f"; add it under taxonomy.{plural} if it is meant"
    )


def _rule_lists(
    document: Mapping[Any, Any],
) -> Iterator[tuple[Loc, list[tuple[int, Any]]]]:
    yield ("rules",), _entries(document, "rules")
    lists = document.get("jurisdictions")
    if isinstance(lists, Mapping):
        for code in lists:
            yield ("jurisdictions", code), _entries(lists, code)


def _entries(holder: Mapping[Any, Any], key: Any) -> list[tuple[int, Any]]:
    found = holder.get(key)
    return list(enumerate(found)) if isinstance(found, (list, tuple)) else []


def _names(holder: Any, key: str, *, with_star: bool = False) -> list[tuple[int, str]]:
    """Return the well-formed names of a list with their places."""
    if not isinstance(holder, Mapping):
        return []
    return [
        (at, name)
        for at, name in _entries(holder, key)
        if isinstance(name, str)
        and (tree.is_well_formed(name) or (with_star and name == "*"))
    ]

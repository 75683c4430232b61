"""Defaults of a policy that depend on where something stands.

Names of rules, codes in upper case, the implied rule, and what a policy with
`all_of` hands down to its members. Values in, values out: the mapping that is
given is left as it was found; what has the wrong type is passed on as it is, for
validation to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from consentfilter.policy import checks

#: The age that counts where `minors.ages` gives none (GDPR Art. 8(1)).
DEFAULT_AGE: Final = 16
#: What members take from the policy around them when they do not say it.
HANDED_DOWN: Final = ("version", "purposes", "recipient")


def filled(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a policy with such defaults written out."""
    document = dict(data)
    if document.get("all_of"):
        document["all_of"] = _members(document)
    elif "rules" not in document:
        document["rules"] = ({"id": "default", "categories": ("*",)},)
    if "rules" in document:
        document["rules"] = _named(document["rules"], "rules")
    return document


def filled_lists(lists: object) -> object:
    """Return `jurisdictions` with codes in upper case and every rule named.

    Raises:
        PydanticCustomError: two keys are the same code.
    """
    upper = checks.upper_codes(lists)
    if not isinstance(upper, Mapping):
        return upper
    return {code: _named(rules, str(code)) for code, rules in upper.items()}


def filled_ages(ages: object) -> object:
    """Return `minors.ages` with codes in upper case and the default age.

    Raises:
        PydanticCustomError: two keys are the same code.
    """
    upper = checks.upper_codes(ages)
    return {"default": DEFAULT_AGE, **upper} if isinstance(upper, Mapping) else upper


def _named(rules: object, prefix: str) -> object:
    """Give each rule without an id the name of its place."""
    if not isinstance(rules, (list, tuple)):
        return rules
    return tuple(
        {"id": f"{prefix}[{at}]", **rule} if isinstance(rule, Mapping) else rule
        for at, rule in enumerate(rules)
    )


def _members(document: Mapping[str, Any]) -> object:
    """Hand id, version, purposes and recipient down to members without them."""
    members = document["all_of"]
    if not isinstance(members, (list, tuple)):
        return members
    down = {key: document[key] for key in HANDED_DOWN if key in document}
    return tuple(
        {"id": f"{document.get('id', 'policy')}/{at}", **down, **member}
        if isinstance(member, Mapping)
        else member
        for at, member in enumerate(members, start=1)
    )

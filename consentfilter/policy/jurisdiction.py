"""Which list of rules, and which age, applies in a place.

Codes are ISO 3166-1 (`DE`) and ISO 3166-2 (`DE-BY`), upper case, and `EU`. The
member states of the Union have the parent `EU`; nothing else has (Norway, Iceland
and Liechtenstein apply the GDPR by the EEA agreement: a policy names them).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from consentfilter.taxonomy import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consentfilter.policy.model import Policy
    from consentfilter.policy.parts import Minors, Rule

#: The member states of the European Union since 1 February 2020.
EU_MEMBERS: Final = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR"),
        *("HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO"),
        *("SE", "SI", "SK"),
    )
)
#: Codes that are often written for another one.
MISTAKEN: Final = {"UK": "GB", "EL": "GR", "USA": "US"}

_SHAPE: Final = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?", re.ASCII)


def normalise(code: str | None) -> str | None:
    """Return a code stripped and in upper case; None for an empty one."""
    return (code or "").strip().upper() or None


def is_well_formed(code: str) -> bool:
    """Tell whether a code looks like `DE`, `DE-BY`, `US-CA` or `EU`."""
    return _SHAPE.fullmatch(code) is not None and code not in MISTAKEN


def parents(code: str | None) -> tuple[str, ...]:
    """Return a code and the wider places it lies in, nearest first.

    >>> parents("de-by")
    ('DE-BY', 'DE', 'EU')
    >>> parents(None)
    ()
    """
    here = normalise(code)
    if here is None:
        return ()
    country = here.partition("-")[0]
    chain = (here,) if country == here else (here, country)
    return (*chain, "EU") if country in EU_MEMBERS else chain


def is_in_eu(code: str) -> bool:
    """Tell whether a list of rules for this place binds in the Union."""
    return "EU" in parents(code)


def rule_lists(policy: Policy, jurisdiction: str | None) -> Iterator[Sequence[Rule]]:
    """Yield the lists of rules to look in, the nearest place first."""
    for code in parents(jurisdiction):
        if code in policy.jurisdictions:
            yield policy.jurisdictions[code]
    yield policy.rules


def nearest_rule(
    policy: Policy, jurisdiction: str | None, category: str
) -> Rule | None:
    """Return the rule for a category in a place.

    The place's own list goes before those of the places around it, and those
    before the default list; within a list the nearest category at or above the
    asked one wins, `*` last.

    Args:
        policy: a policy that decides itself (one of `Policy.members`).
        jurisdiction: the code that applies to the person, or None.
        category: a node of the category tree.

    Returns:
        The rule, or None: then the category is not permitted.
    """
    for rules in rule_lists(policy, jurisdiction):
        by_category = {node: rule for rule in rules for node in rule.categories}
        for node in ancestors(category):
            if node in by_category:
                return by_category[node]
    return None


def age_of_consent(minors: Minors, jurisdiction: str | None) -> int:
    """Return the age in full years from which people consent for themselves."""
    for code in parents(jurisdiction):
        if code in minors.ages:
            return minors.ages[code]
    return minors.ages["default"]

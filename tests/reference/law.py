"""What a policy asks of a category in a place (section 2)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from tests.reference.words import DECIDING_ROLES, EU_MEMBERS, above

Mapping = dict[str, Any]
Rule = dict[str, Any]

#: Choice: where `ages` has no default, the age of GDPR Art. 8(1).
DEFAULT_AGE = 16


def policy_with_defaults(raw: Mapping) -> Mapping:
    """Return a policy mapping with every key of section 2.2 present."""
    policy: Mapping = {
        "purposes": ["improve.train_ai"],
        "recipient": None,
        "jurisdiction_default": None,
        "conflict": "deny_overrides",
        "sources": None,
        "on_fail": "drop",
        "max_skew_s": 300,
        "on_duplicate": "error",
        "minors": None,
        **raw,
    }
    implied = [{"id": "default", "categories": ["*"]}]
    policy["rules"] = rules_with_defaults(raw.get("rules") or implied, "rules")
    policy["jurisdictions"] = {
        code.strip().upper(): rules_with_defaults(rules, code)
        for code, rules in raw.get("jurisdictions", {}).items()
    }
    nested: dict[str, Mapping] = {
        "temporal": {"mode": "both", "retroactive": "explicit", "max_age_months": None},
        "multi_subject": {
            "mode": "all",
            "min_retained": 0.0,
            "quorum": 1.0,
            "roles": list(DECIDING_ROLES),
            "mentions": "ignore",
        },
        "lifecycle": {"deleted": "drop", "deactivated": "drop", "deceased": "drop"},
        "signals": {"later_explicit_lifts": False},
        "aggregate": {"allow": False, "min_group_size": 50},
    }
    for name, defaults in nested.items():
        policy[name] = {**defaults, **raw.get(name, {})}
    if policy["minors"] is not None:
        keep = {"ages": {}, "unknown_age": "adult", "on_majority": "keep"}
        policy["minors"] = {**keep, **policy["minors"]}
    return policy


def rules_with_defaults(rules: list[Rule], where: str) -> list[Rule]:
    """Return rules with every key present; an unnamed one is named by its place."""
    defaults = {
        "effect": "require",
        "basis": "consent",
        "expression": ["explicit", "expressed"],
        "actors": [{"type": "self"}],
        "requires_notice": False,
        "terms": None,
        "inherit_purpose": True,
        "ignore_denials": False,
    }
    return [
        {"id": f"{where}[{at}]", **defaults, **rule} for at, rule in enumerate(rules)
    ]


def places(code: str | None) -> list[str]:
    """Return a place and its parents, the nearest first."""
    if code is None:
        return []
    country = code.split("-")[0]
    found = [code] if code == country else [code, country]
    return [*found, "EU"] if country in EU_MEMBERS else found


def nearest(policy: Mapping, jurisdiction: str | None, category: str) -> Rule | None:
    """Return the rule for a category: the place's own list first, default last."""
    lists = [policy["jurisdictions"].get(code, []) for code in places(jurisdiction)]
    for rules in [*lists, policy["rules"]]:
        covering = [
            (len(node) if node != "*" else 0, at)
            for at, rule in enumerate(rules)
            for node in rule["categories"]
            if above(node, category)
        ]
        if covering:
            rule: Rule = rules[max(covering)[1]]
            return rule
    return None


def majority(
    policy: Mapping, jurisdiction: str | None, birth_date: date | None
) -> datetime | None:
    """Return the instant from which a person may consent alone; None if unknown."""
    if policy["minors"] is None or birth_date is None:
        return None
    ages = policy["minors"]["ages"]
    code = next((c for c in places(jurisdiction) if c in ages), "default")
    year = birth_date.year + ages.get(code, DEFAULT_AGE)
    try:
        day = birth_date.replace(year=year)
    except ValueError:
        # Choice: who was born on 29 February comes of age on 1 March.
        day = date(year, 3, 1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def months_later(instant: datetime, months: int) -> datetime:
    """Return the same day and time months later, at most the month's last day."""
    count = instant.year * 12 + instant.month - 1 + months
    year, month = divmod(count, 12)
    for day in range(instant.day, 27, -1):
        try:
            return instant.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return instant.replace(year=year, month=month + 1)

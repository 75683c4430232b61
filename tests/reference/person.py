"""May this record of this person be used (the pseudo-code's `subject`)?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.reference.ids import place
from tests.reference.law import nearest
from tests.reference.state import (
    Question,
    Run,
    State,
    ends_at,
    fitting_groups,
    is_in_window,
    is_noticed,
    starts_at,
    state,
)
from tests.reference.words import FAILURES, first, weakest

ERASED = {"deleted": "SUBJECT_ERASED", "deactivated": "SUBJECT_ERASED"}
ERASED |= {"deceased": "SUBJECT_DECEASED"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """A reason, with everything that may have brought it about.

    Attributes:
        reason: one of the closed list.
        rules: ids of the rules that gave this reason; None where no rule did.
        grants, denials: ids of statements that did.
    """

    reason: str
    rules: frozenset[str | None] = frozenset([None])
    grants: frozenset[str] = frozenset()
    denials: frozenset[str] = frozenset()

    @property
    def is_ok(self) -> bool:
        """Whether the reason is one to keep."""
        return self.reason not in FAILURES


def united(findings: Iterable[Finding]) -> Finding:
    """Return the first failure by precedence, else the weakest keep reason."""
    found = list(findings)
    failing = [f.reason for f in found if not f.is_ok]
    reason = first(failing) if failing else weakest(f.reason for f in found)
    same = [f for f in found if f.reason == reason]
    return Finding(
        reason,
        frozenset[str | None]().union(*(f.rules for f in same)),
        frozenset[str]().union(*(f.grants for f in same)),
        frozenset[str]().union(*(f.denials for f in same)),
    )


def judge(
    run: Run, record: dict[str, Any], person: dict[str, Any], cats: Iterable[str]
) -> Finding:
    """Return whether one person permits a record to serve, for all categories."""
    key, policy = person["key"], run.policy
    if key is None:
        return Finding("SUBJECT_UNKNOWN")
    known = run.subjects.get(key, {})
    lifecycle = known.get("lifecycle", "active")
    if policy["lifecycle"].get(lifecycle) == "drop":
        return Finding(ERASED[lifecycle])
    jurisdiction = (
        place(known.get("jurisdiction"))
        or place(record["jurisdiction"])
        or place(policy["jurisdiction_default"])
    )
    findings = []
    for category in sorted(set(cats)):
        rule = nearest(policy, jurisdiction, category)
        if rule is None:
            findings.append(Finding("NO_CONSENT_RECORD"))
        elif rule["effect"] == "prohibit":
            findings.append(Finding("CATEGORY_PROHIBITED", frozenset([rule["id"]])))
        else:
            findings += [
                answer(
                    Question(
                        run=run,
                        record=record,
                        key=key,
                        relation=person["relation"],
                        jurisdiction=jurisdiction,
                        rule=rule,
                        purpose=purpose,
                        category=category,
                    )
                )
                for purpose in policy["purposes"]
            ]
    return united(findings)


def answer(x: Question) -> Finding:
    """Return whether one purpose is permitted for one category."""
    rule, now = x.rule, x.run.as_of
    collected_at = x.record["collected_at"]
    if rule["effect"] == "allow":
        if not rule["ignore_denials"] and (found := state(now, x)).is_denied:
            return finding(x, found.code, found)
        return finding(x, "OK_EXEMPT")
    if rule["basis"] != "consent":
        if (found := state(now, x)).is_denied:
            return finding(x, found.code, found)
        if rule["requires_notice"] and not is_noticed(collected_at, x):
            return finding(x, "NOTICE_MISSING")
        return finding(x, "OK_LEGAL_BASIS")
    found = consent(x, collected_at, now)
    if found.is_granted and rule["requires_notice"] and not is_noticed(collected_at, x):
        return finding(x, "NOTICE_MISSING")
    return granted(x, found) if found.is_granted else finding(x, found.code, found)


def consent(x: Question, collected_at: datetime, now: datetime) -> State:
    """Return the grants that count under the temporal mode, or why there are none."""
    temporal = x.policy["temporal"]
    mode, retroactive = temporal["mode"], temporal["retroactive"]
    outside = State("COLLECTED_OUTSIDE_CONSENT")
    found = state(collected_at if mode == "collection" else now, x)
    if not found.is_granted:
        is_late = mode == "collection" and not found.is_denied
        # Choice: "else its code" is the code of the state at collection.
        return outside if is_late and state(now, x).is_granted else found
    grants = in_window(found, collected_at)
    if not grants:
        return outside
    is_retroactive = retroactive == "allow" or (
        retroactive != "deny" and any("data_from" in g for g in grants)
    )
    if mode in ("both", "continuous") and not is_retroactive:
        then = state(collected_at, x)
        if not then.is_granted or not in_window(then, collected_at):
            return outside
        if mode == "continuous" and is_interrupted(x, collected_at, now):
            return State("CONSENT_INTERRUPTED")
    return State("GRANTED", grants=grants)


def in_window(found: State, collected_at: datetime) -> tuple[dict[str, Any], ...]:
    """Return the grants whose explicit data window contains the collection."""
    return tuple(g for g in found.grants if is_in_window(g, collected_at))


def is_interrupted(x: Question, collected_at: datetime, now: datetime) -> bool:
    """Tell whether consent was missing at any instant from collection until now.

    The state changes only where an act counts from, or a permission starts or ends.
    """
    changes = {collected_at, now}
    for group in fitting_groups(x):
        for e in group.statements:
            changes |= {e["effective_at"], starts_at(e), *ends_at(e, x)}
    inside = sorted(t for t in changes if collected_at <= t <= now)
    return not all(state(t, x).is_granted for t in inside)


def granted(x: Question, found: State) -> Finding:
    """Return the keep reason: own consent before a guardian's before others'."""
    for actor_type, reason in (("self", "OK_CONSENT"), ("guardian", "OK_GUARDIAN")):
        own = tuple(g for g in found.grants if g["actor_type"] == actor_type)
        if own:
            return finding(x, reason, State("GRANTED", grants=own))
    return finding(x, "OK_ON_BEHALF", found)


def finding(x: Question, reason: str, found: State | None = None) -> Finding:
    """Return a reason with the rule and the statements behind it."""
    return Finding(
        reason,
        frozenset([x.rule["id"]]),
        frozenset(g["event_id"] for g in (found.grants if found else ())),
        frozenset(d["event_id"] for d in (found.denials if found else ())),
    )

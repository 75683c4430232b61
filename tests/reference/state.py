"""What the ledger says of one person, purpose and category at one instant."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.reference.derive import Event, Group
from tests.reference.law import Mapping, Rule, majority, months_later
from tests.reference.words import DENIALS, ENDS, GRANTS, above, first, touches


@dataclasses.dataclass(frozen=True)
class Run:
    """What is fixed once per run."""

    policy: Mapping
    groups: list[Group]
    subjects: dict[str, dict[str, Any]]
    links: dict[str, frozenset[str]]
    as_of: datetime
    categories: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Question:
    """X of the pseudo-code: may this record of this person serve this purpose?"""

    run: Run
    record: dict[str, Any]
    key: str
    relation: str | None
    jurisdiction: str | None
    rule: Rule
    purpose: str
    category: str

    @property
    def policy(self) -> Mapping:
        """The policy of the run."""
        return self.run.policy

    @property
    def linked(self) -> frozenset[str]:
        """Keys that identity links lead to."""
        return self.run.links.get(self.key, frozenset())

    @property
    def majority(self) -> datetime | None:
        """The instant from which the person may consent alone, if it is known."""
        birth_date = self.run.subjects.get(self.key, {}).get("birth_date")
        return majority(self.policy, self.jurisdiction, birth_date)


@dataclasses.dataclass(frozen=True)
class State:
    """Denied (with a code), granted (with grants), or neither (with a note)."""

    code: str
    denials: tuple[Event, ...] = ()
    grants: tuple[Event, ...] = ()

    @property
    def is_denied(self) -> bool:
        """Whether a denial stands."""
        return bool(self.denials)

    @property
    def is_granted(self) -> bool:
        """Whether an accepted grant is in force and no denial stands."""
        return bool(self.grants) and not self.denials


@dataclasses.dataclass(frozen=True)
class Standing:
    """The latest act of one group that counts, or notes why there is none."""

    act: Event | None
    notes: tuple[str, ...]

    @property
    def is_denial(self) -> bool:
        """Whether the standing act is a denial."""
        return self.act is not None and self.act["status"] in DENIALS

    @property
    def is_grant(self) -> bool:
        """Whether the standing act is a grant."""
        return self.act is not None and self.act["status"] in GRANTS


def state(t: datetime, x: Question) -> State:
    """Return what all the groups together say at `t`."""
    standings = [standing(group, t, x) for group in fitting_groups(x)]
    acts = [s for s in standings if s.act is not None]
    if x.policy["conflict"] == "latest" and acts:
        newest = max(s.act["effective_at"] for s in acts if s.act)
        acts = [s for s in acts if s.act and s.act["effective_at"] == newest]
    grants = tuple(s.act for s in acts if s.act and s.is_grant)
    denials = tuple(
        s.act for s in acts if s.act and s.is_denial and not is_lifted(s.act, grants, x)
    )
    if denials:
        code = first(DENIALS[d["status"]] for d in denials)
        deciding = tuple(d for d in denials if DENIALS[d["status"]] == code)
        return State(code, denials=deciding)
    if grants:
        return State("GRANTED", grants=grants)
    notes = [note for s in standings for note in s.notes]
    # Choice: "first note" is the first by precedence, over all the groups.
    return State(first(notes) if notes else "NO_CONSENT_RECORD")


def is_lifted(denial: Event, grants: tuple[Event, ...], x: Question) -> bool:
    """Tell whether a later explicit grant lifts this opt-out signal."""
    return (
        x.policy["signals"]["later_explicit_lifts"]
        and denial["status"] == "opted_out"
        and any(
            g["expression"] == "explicit"
            and g["actor_type"] == "self"
            and g["effective_at"] > denial["effective_at"]
            for g in grants
        )
    )


def fitting_groups(x: Question) -> Iterator[Group]:
    """Yield the groups about the person, a linked identity or everyone in scope."""
    for group in x.run.groups:
        is_about = group.key in (None, x.key) or group.key in x.linked
        if is_about and fits_scope(group, x.record):
            yield group


def fits_scope(group: Group, record: dict[str, Any]) -> bool:
    """Tell whether every scope the group names is the record's."""
    return (
        group.account in (None, record["account_id"])
        and group.context in (None, record["context_id"])
        and group.asset in (None, record["asset_id"])
    )


def standing(group: Group, t: datetime, x: Question) -> Standing:
    """Return one group's latest act at `t`, walking its statements in order."""
    act: Event | None = None
    ended: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    for at, e in enumerate(group.statements):
        if e["effective_at"] > t:
            break
        if e["status"] in DENIALS and is_asked(e, x):
            act, ended = e, ()
        elif e["status"] in ENDS and is_asked(e, x):
            act, ended = None, (ENDS[e["status"]],)
        elif e["status"] in GRANTS:
            problem = (
                accept(e, x)
                or invalidated(group, at, x)
                or ("NOT_YET_VALID" if t < starts_at(e) else None)
            )
            if problem:
                notes += (problem,)
            else:
                act, ended = e, ()
    if act is not None and act["status"] in GRANTS:
        if any(t >= end for end in ends_at(act, x)):
            act, ended = None, ("CONSENT_EXPIRED",)
        elif group.key in x.linked:
            act = None
    return Standing(act, notes + ended)


def is_asked(e: Event, x: Question) -> bool:
    """Tell whether a denial or an end touches the purpose and the category."""
    return touches(e["purpose"], x.purpose) and touches(e["category"], x.category)


def invalidated(group: Group, at: int, x: Question) -> str | None:
    """Return the note that a later `invalidated` act voids the grant, or None."""
    later = group.statements[at:]
    if any(e["status"] == "invalidated" and is_asked(e, x) for e in later):
        return "CONSENT_INVALIDATED"
    return None


def starts_at(grant: Event) -> datetime:
    """Return when a permission starts to run."""
    start: datetime = grant.get("valid_from") or grant["effective_at"]
    return start


def ends_at(grant: Event, x: Question) -> list[datetime]:
    """Return the instants at which a grant ends; the earliest counts."""
    ends = [grant["valid_until"]] if "valid_until" in grant else []
    months = x.policy["temporal"]["max_age_months"]
    if months is not None:
        ends.append(months_later(grant["effective_at"], months))
    minors = x.policy["minors"]
    of_age = x.majority
    # Choice: what lapses at majority is whatever was granted before it.
    if minors and minors["on_majority"] == "lapse" and of_age is not None:
        ends += [of_age] if grant["effective_at"] < of_age else []
    return ends


def is_in_window(grant: Event, collected_at: datetime) -> bool:
    """Tell whether the explicit data window, if any, contains the collection."""
    begins, ends = grant.get("data_from"), grant.get("data_until")
    return (begins is None or begins <= collected_at) and (
        ends is None or collected_at < ends
    )


def is_noticed(t: datetime, x: Question) -> bool:
    """Tell whether a fitting notice was given at or before `t`."""
    return any(
        e["status"] == "noticed"
        and e["effective_at"] <= t
        and bool(e["purpose"] and e["category"])
        and above(e["purpose"], x.purpose)
        and above(e["category"], x.category)
        for group in fitting_groups(x)
        if group.key not in x.linked
        for e in group.statements
    )


def accept(e: Event, x: Question) -> str | None:
    """Return the first acceptance test that a grant fails, or None."""
    rule, recipient = x.rule, x.policy["recipient"]
    covers = above(e["purpose"], x.purpose)
    if not covers or (not rule["inherit_purpose"] and e["purpose"] != x.purpose):
        return "PURPOSE_NOT_COVERED"
    if not above(e["category"], x.category):
        return "CATEGORY_NOT_COVERED"
    if recipient is not None and not {recipient, "*"} & set(e.get("recipients", ())):
        return "RECIPIENT_NOT_COVERED"
    if problem := accept_age(e, x):
        return problem
    if not any(fits_actor(entry, e, x) for entry in rule["actors"]):
        return "ACTOR_NOT_ALLOWED"
    # Choice: without ages too, a guardian whom the rule lists must be verified.
    if e["actor_type"] == "guardian" and not e["actor_verified"]:
        return "MINOR_REQUIRES_GUARDIAN"
    if e["expression"] not in rule["expression"]:
        return "EXPRESSION_INSUFFICIENT"
    if rule["terms"] is not None and e.get("terms_version") not in rule["terms"]:
        return "TERMS_VERSION_MISMATCH"
    return None


def accept_age(e: Event, x: Question) -> str | None:
    """Return why somebody of this age, or a guardian, could not grant this."""
    minors, of_age = x.policy["minors"], x.majority
    is_birth_known = bool(x.run.subjects.get(x.key, {}).get("birth_date"))
    if minors is not None and e["actor_type"] == "self":
        if not is_birth_known and minors["unknown_age"] == "minor":
            return "AGE_UNKNOWN"
        if of_age is not None and e["effective_at"] < of_age:
            return "MINOR_REQUIRES_GUARDIAN"
    if minors is not None and e["actor_type"] == "guardian":
        # Choice: of unknown age, there is no instant the guardian would be late for.
        if of_age is not None and e["effective_at"] >= of_age:
            return "ACTOR_NOT_ALLOWED"
        if not e["actor_verified"]:
            return "MINOR_REQUIRES_GUARDIAN"
    return None


def fits_actor(entry: Mapping, e: Event, x: Question) -> bool:
    """Tell whether an entry of `actors` allows who acted, in which scope, for whom."""
    scopes, relations = entry.get("scopes"), entry.get("relations")
    return (
        entry["type"] == e["actor_type"]
        and (scopes is None or scope_of(e) in scopes)
        and (relations is None or x.relation in relations)
    )


def scope_of(e: Event) -> str:
    """Return the scope of a statement for actor rules."""
    if e["key"] is not None:
        return "subject"
    return next(name for name in ("asset", "context", "account") if e[name])

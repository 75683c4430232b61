"""From raw events to the statements known at T (section 1.2)."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

from tests.reference.ids import blank_is_none, subject_key
from tests.reference.words import (
    ACTOR_TYPES,
    DENIALS,
    ENDS,
    EXPRESSIONS,
    GRANTS,
    LEGAL_BASES,
)

Event = dict[str, Any]

#: How far a clock may run ahead before a grant is not believed any more.
TOLERANCE = timedelta(minutes=5)


@dataclasses.dataclass(frozen=True)
class Group:
    """The statements of one source about one subject in one scope, in order."""

    source: str
    key: str | None
    account: str | None
    context: str | None
    asset: str | None
    statements: tuple[Event, ...]


def derive(
    events: list[Event],
    as_of: datetime,
    *,
    purposes: frozenset[str],
    categories: frozenset[str],
) -> list[Group]:
    """Return the groups of statements known at `as_of`, each in its order."""
    full = [with_defaults(e) for e in events]
    known = [e for e in full if e["recorded_at"] <= as_of]
    standing = without_voided(without_repeats(known))
    stated = [statement(e, purposes, categories) for e in standing]
    return grouped([s for s in stated if s is not None])


def with_defaults(event: Event) -> Event:
    """Return the event with the defaults of section 1.9 for what is absent."""
    e = {name: value for name, value in event.items() if value is not None}
    e.setdefault("source_id", "default")
    e.setdefault("subject_ns", "user_id")
    e.setdefault("actor_type", "self")
    e.setdefault("actor_verified", False)
    e.setdefault("expression", "unspecified")
    e.setdefault("legal_basis", "consent")
    if "occurred_at" in e:
        e.setdefault("recorded_at", e["occurred_at"])
    return e


def without_repeats(events: list[Event]) -> list[Event]:
    """Return one of equal events; of unequal ones with one id only the denials."""
    by_id: dict[str, list[Event]] = {}
    for e in events:
        versions = by_id.setdefault(e["event_id"], [])
        if e not in versions:
            versions.append(e)
    return [
        e
        for versions in by_id.values()
        for e in versions
        # Choice: besides the denials the ends are kept, which end grants.
        if len(versions) == 1 or e["status"] in DENIALS or e["status"] in ENDS
    ]


def without_voided(events: list[Event]) -> list[Event]:
    """Return the events no standing correction declares never recorded."""
    voiders: dict[str, list[str]] = {}
    for e in events:
        if e["status"] == "voided":
            voiders.setdefault(e.get("voids_event_id", ""), []).append(e["event_id"])

    def is_voided(event_id: str) -> bool:
        return any(not is_voided(by) for by in voiders.get(event_id, ()))

    return [
        e for e in events if e["status"] != "voided" and not is_voided(e["event_id"])
    ]


def statement(
    e: Event, purposes: frozenset[str], categories: frozenset[str]
) -> Event | None:
    """Return what an event states, or None where it is set aside.

    Doubt is asymmetric: what is broken in a grant sets it aside, what is broken in
    a denial (or an end) makes it wider.
    """
    is_wide = e["status"] in DENIALS or e["status"] in ENDS
    is_grant = e["status"] in GRANTS
    effective = effective_at(e)
    if effective is None:
        return None
    if is_grant and e["legal_basis"] != "consent":
        return None
    key = subject_key(e["subject_ns"], e.get("subject_id"))
    if key is None and "subject_id" in e and not is_wide:
        return None  # Choice: a placeholder's grant is not everyone's grant.
    scopes = {
        name: blank_is_none(e.get(f"{name}_id"))
        for name in ("account", "context", "asset")
    }
    if key is None and not any(scopes.values()):
        return None
    is_broken = (
        e["expression"] not in EXPRESSIONS
        or e["actor_type"] not in ACTOR_TYPES
        or e["legal_basis"] not in LEGAL_BASES
    )
    if is_broken and not is_wide:
        return None
    purpose = e.get("purpose") or None
    category = e.get("category") or None
    if is_grant and (purpose is None or category is None):
        return None
    if is_wide and (is_broken or not is_known(purpose, purposes)):
        purpose = "*"
    if is_wide and (is_broken or not is_known(category, categories)):
        category = "*"
    return {
        **e,
        **scopes,
        "key": key,
        "effective_at": effective,
        "purpose": purpose,
        "category": category,
    }


def is_known(node: str | None, nodes: frozenset[str]) -> bool:
    """Tell whether a name is `*` or a node of the tree."""
    return node == "*" or node in nodes


def effective_at(e: Event) -> datetime | None:
    """Return when an act counts from, or None where it is unusable."""
    occurred: datetime | None = e.get("occurred_at")
    recorded: datetime = e["recorded_at"]
    if occurred is None:
        return None if e["status"] in GRANTS else recorded
    if occurred <= recorded:
        return occurred
    is_believed = occurred - recorded <= TOLERANCE
    if is_believed or e["status"] in DENIALS or e["status"] in ENDS:
        return recorded
    return None


def grouped(stated: list[Event]) -> list[Group]:
    """Return the statements by source, subject and scope, each group in order."""
    groups: dict[tuple[Any, ...], list[Event]] = {}
    for s in stated:
        of = (s["source_id"], s["key"], s["account"], s["context"], s["asset"])
        groups.setdefault(of, []).append(s)
    return [
        Group(source, key, account, context, asset, in_order(members))
        for (source, key, account, context, asset), members in groups.items()
    ]


def in_order(members: list[Event]) -> tuple[Event, ...]:
    """Return one group's statements: by time, sequence, kind, recording and id."""
    is_numbered = all("source_seq" in s for s in members)

    def position(s: Event) -> tuple[Any, ...]:
        kind = 2 if s["status"] in DENIALS else 1 if s["status"] in ENDS else 0
        sequence = s["source_seq"] if is_numbered else 0
        return s["effective_at"], sequence, kind, s["recorded_at"], s["event_id"]

    return tuple(sorted(members, key=position))

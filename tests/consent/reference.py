"""A slow snapshot derivation, one event at a time, written from the model alone."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from consentfilter.taxonomy import BASE

Event = dict[str, Any]

GRANTS = {"given", "renewed"}
DENIALS = {"refused", "withdrawn", "revoked", "objected", "opted_out"}
ENDS = {"expired", "invalidated"}
NO_EFFECT = {"requested", "deferred", "noticed", "unknown"}
EXPRESSIONS = {
    "explicit",
    "expressed",
    "default_on",
    "notice",
    "terms",
    "implied",
    "unspecified",
}
ACTORS = {
    "self",
    "guardian",
    "account_owner",
    "account_admin",
    "authorized_agent",
    "controller",
    "authority",
    "publisher",
    "system",
    "unknown",
}
BASES = {
    "consent",
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_interest",
    "legitimate_interest",
}
SCOPES = ("account_id", "context_id", "asset_id")
WINDOWS = ("valid_from", "valid_until", "data_from", "data_until")
FIVE_MINUTES = dt.timedelta(minutes=5)
PLACEHOLDERS = {"", "null", "none", "nan", "n/a", "unknown", "anonymous"}


def _word(value: Any) -> str | None:
    bare = None if value is None else str(value).strip()
    return bare or None


def _key(event: Event) -> str | None:
    value = event.get("subject_id")
    if value is None or str(value).strip().lower() in PLACEHOLDERS:
        return None
    return f"{_word(event.get('subject_ns')) or 'user_id'}\x1f{str(value).strip()}"


def standard(event: Event, as_of: dt.datetime) -> Event | None:
    """One event with its defaults and doubts; None: not known at the cut."""
    status = event["status"]
    restricts = status in DENIALS | ENDS
    permits = status in GRANTS | NO_EFFECT
    doubts: set[str] = set()
    occurred, recorded = event.get("occurred_at"), event.get("recorded_at")
    if occurred is None:
        doubts.add("no_time")
    if recorded is None and occurred is None:
        doubts.add("no_recorded_at")
        recorded = as_of
    recorded = recorded or occurred
    if recorded > as_of:
        return None
    effective = occurred or recorded
    if effective > recorded:
        if effective - recorded > FIVE_MINUTES:
            doubts.add("from_the_future")
        effective = recorded
    out: Event = {
        "event_id": event["event_id"],
        "source_id": _word(event.get("source_id")) or "default",
        "source_seq": event.get("source_seq"),
        "subject_key": _key(event),
        "status": status,
        "occurred_at": occurred,
        "recorded_at": recorded,
        "effective_at": effective,
        "actor_verified": bool(event.get("actor_verified")),
        "terms_version": event.get("terms_version"),
        "recipients": tuple(sorted(set(event.get("recipients") or ()))) or None,
        "jurisdiction": event.get("jurisdiction"),
        "voids_event_id": event.get("voids_event_id") if status == "voided" else None,
        "channel": event.get("channel"),
        "legal_basis": event.get("legal_basis") or "consent",
    }
    for name in SCOPES:
        out[name] = _word(event.get(name)) and event.get(name)
    for name in WINDOWS:
        out[name] = event.get(name) if permits else None
    expression = _word(event.get("expression")) or "unspecified"
    actor = _word(event.get("actor_type")) or "self"
    is_odd = False
    if expression not in EXPRESSIONS:
        doubts.add("unknown_expression")
        is_odd, expression = True, None
    if actor not in ACTORS:
        doubts.add("unknown_actor_type")
        is_odd, actor = True, "unknown"
    if out["legal_basis"] not in BASES:
        doubts.add("unknown_legal_basis")
        is_odd = True
    out["expression"], out["actor_type"] = expression, actor
    for name, known in (("purpose", BASE.purposes), ("category", BASE.categories)):
        node = _word(event.get(name))
        if restricts:
            if node is not None and node not in known and node != "*":
                doubts.add(f"unknown_{name}")
            out[name] = "*" if is_odd or node not in known else node
        else:
            if status in GRANTS and node is None:
                doubts.add(f"no_{name}")
            out[name] = node or ""
    if status in GRANTS and out["legal_basis"] in BASES - {"consent"}:
        doubts.add("grant_not_consent")
    scoped = any(out[name] is not None for name in SCOPES)
    given = event.get("subject_id") is not None
    if out["subject_key"] is None:
        if given and (scoped or permits):
            doubts.add("placeholder_subject")
        if not scoped and restricts:
            doubts.add("denial_names_nobody")
        if not scoped and permits and not given:
            doubts.add("names_nobody")
    if status == "voided":
        doubts = set() if out["voids_event_id"] else {"void_without_target"}
    out["doubts"] = doubts
    return out


def _content(event: Event) -> tuple[Any, ...]:
    """Sortable content: null last, as the columns are ordered."""
    names = [
        "event_id",
        "source_id",
        "source_seq",
        "subject_key",
        "account_id",
        "context_id",
        "asset_id",
        "status",
        "voids_event_id",
        "purpose",
        "category",
        "expression",
        "actor_type",
        "actor_verified",
        "occurred_at",
        "recorded_at",
        "effective_at",
        "valid_from",
        "valid_until",
        "data_from",
        "data_until",
        "terms_version",
        "recipients",
        "jurisdiction",
        "channel",
        "legal_basis",
    ]
    return tuple((event[name] is None, _rank(name, event[name])) for name in names)


def _rank(name: str, value: Any) -> Any:
    if value is None:
        return 0
    if name == "status":
        order = [
            *[
                "given",
                "renewed",
                "refused",
                "withdrawn",
                "revoked",
                "objected",
                "opted_out",
            ],
            *[
                "expired",
                "invalidated",
                "requested",
                "deferred",
                "noticed",
                "unknown",
                "voided",
            ],
        ]
        return order.index(value)
    if name == "expression":
        return [
            *[
                "explicit",
                "expressed",
                "default_on",
                "notice",
                "terms",
                "implied",
                "unspecified",
            ]
        ].index(value)
    if name == "actor_type":
        return [
            "self",
            "guardian",
            "account_owner",
            "account_admin",
            "authorized_agent",
            "controller",
            "authority",
            "publisher",
            "system",
            "unknown",
        ].index(value)
    if name == "recipients":
        return "".join(f"{len(one)}:{one}," for one in value)
    return value


def _standing(voids: list[Event]) -> tuple[set[str], set[str]]:
    """Targets of voids that stand for sure, and of those in doubt."""
    pending = [(v, "event_id_conflict" in v["doubts"]) for v in voids]
    sure: set[str] = set()
    unsure: set[str] = set()
    while pending:
        aimed = {v["voids_event_id"] for v, _ in pending}
        settled = [(v, odd) for v, odd in pending if v["event_id"] not in aimed]
        if not settled:
            unsure |= aimed
            break
        hit = {v["voids_event_id"] for v, odd in settled if not odd}
        maybe = {v["voids_event_id"] for v, odd in settled if odd}
        sure |= hit
        unsure |= maybe
        pending = [
            (v, odd or v["event_id"] in maybe)
            for v, odd in pending
            if v["event_id"] in aimed and v["event_id"] not in hit
        ]
    return sure, unsure


def derive(
    events: list[Event], as_of: dt.datetime
) -> tuple[list[Event], dict[str, int]]:
    """Return the rows of the snapshot, in order, and the counts of set-aside acts."""
    known = [one for event in events if (one := standard(event, as_of)) is not None]
    distinct = {_content(one): one for one in known}
    by_id: dict[str, list[Event]] = {}
    for content in sorted(distinct):
        by_id.setdefault(distinct[content]["event_id"], []).append(distinct[content])
    for same in by_id.values():
        if len(same) > 1:
            for one in same:
                one["doubts"].add("event_id_conflict")
    rows = [one for same in by_id.values() for one in same]
    sure, unsure = _standing(
        [one for one in rows if one["status"] == "voided" and one["voids_event_id"]]
    )
    permitting = GRANTS | NO_EFFECT
    ids = set(by_id)
    rows = [
        one
        for one in rows
        if one["event_id"] not in sure
        and not (one["event_id"] in unsure and one["status"] in permitting)
    ]
    counts: dict[str, int] = {}
    kept: list[Event] = []
    for one in rows:
        target = one["voids_event_id"]
        if one["status"] == "voided" and target is not None and target not in ids:
            one["doubts"].add("void_of_unknown_event")
        is_aside = (
            one["status"] in permitting | {"voided"} and one["doubts"]
        ) or "denial_names_nobody" in one["doubts"]
        if is_aside:
            for code in one["doubts"]:
                counts[code] = counts.get(code, 0) + 1
        elif one["status"] != "voided":
            kept.append(one)
    return _ordered(_named(kept)), counts


def _named(kept: list[Event]) -> list[Event]:
    several: dict[str, int] = {}
    for one in sorted(kept, key=_content):
        if "event_id_conflict" in one["doubts"]:
            several[one["event_id"]] = nth = several.get(one["event_id"], 0) + 1
            one["statement_id"] = one["event_id"] + (f"#{nth}" if nth > 1 else "")
        else:
            one["statement_id"] = one["event_id"]
    return kept


def _ordered(kept: list[Event]) -> list[Event]:
    names = ("subject_key", "source_id", *SCOPES)
    groups: dict[tuple[Any, ...], list[Event]] = {}
    for one in kept:
        group = tuple((one[name] is None, one[name] or "") for name in names)
        groups.setdefault(group, []).append(one)
    rows: list[Event] = []
    for group in sorted(groups):
        members = groups[group]
        has_seq = all(one["source_seq"] is not None for one in members)
        members.sort(key=functools.partial(_place, has_seq=has_seq))
        for at, one in enumerate(members):
            one["order_in_group"] = at
            later = [
                next_one["effective_at"]
                for next_one in members[at + 1 :]
                if next_one["purpose"] == one["purpose"]
                and next_one["category"] == one["category"]
            ]
            one["superseded_at"] = later[0] if later else None
        rows += members
    return rows


def _place(one: Event, *, has_seq: bool) -> tuple[Any, ...]:
    severity = 2 if one["status"] in DENIALS else 1 if one["status"] in ENDS else 0
    seq = one["source_seq"] if has_seq else 0
    return (
        one["effective_at"],
        seq,
        severity,
        one["recorded_at"],
        one["statement_id"],
    )

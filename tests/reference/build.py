"""Short words for small worlds, so that a test reads as the rule it names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

World = dict[str, Any]
Engine = Literal["reference", "kernel"]

AS_OF = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
#: When a record of these tests is collected unless it says otherwise.
COLLECTED = AS_OF - 50 * DAY


def ago(days: float) -> datetime:
    """Return the instant so many days before the decision."""
    return AS_OF - days * DAY


def act(status: str, who: Any = "ann", *, on: Any = 100, **more: Any) -> Any:
    """Return an event about somebody, `on` an instant or so many days ago."""
    occurred = on if isinstance(on, datetime) else ago(on)
    return {
        "source_id": "cmp",
        "subject_id": who,
        "status": status,
        "purpose": "improve.train_ai",
        "category": "*",
        "expression": "explicit",
        "actor_type": "self",
        "occurred_at": occurred,
        "recorded_at": occurred,
        **more,
    }


def given(who: Any = "ann", **more: Any) -> Any:
    """Return an explicit consent of somebody to everything, 100 days ago."""
    return act("given", who, **more)


def person(who: Any = "ann", **more: Any) -> Any:
    """Return a subject of a record."""
    return {"id": who, **more}


def record(*who: Any, **more: Any) -> Any:
    """Return a chat message of some people (of `ann` alone), collected 50 days ago."""
    people = [w if isinstance(w, dict) else person(w) for w in who or ["ann"]]
    return {
        "category": "content.chat",
        "collected_at": COLLECTED,
        "subjects": people,
        "text": "Hello Bob, this is Ann",
        **more,
    }


def segment(name: str, *who: Any, **more: Any) -> Any:
    """Return a segment by some people; by nobody if none are named."""
    people = [w if isinstance(w, dict) else person(w) for w in who]
    return {"segment_id": name, "subjects": people, "words": "so they said", **more}


def policy(**keys: Any) -> Any:
    """Return a policy document; keys of a rule go into one rule for everything."""
    of_rule = {
        key: keys.pop(key)
        for key in (
            "effect",
            "basis",
            "expression",
            "actors",
            "requires_notice",
            "terms",
            "inherit_purpose",
            "ignore_denials",
        )
        if key in keys
    }
    if of_rule:
        keys["rules"] = [{"id": "all", "categories": ["*"], **of_rule}]
    return {"id": "p", "version": "1", **keys}


def world(
    events: Iterable[Any],
    records: Any = None,
    rules: Any = None,
    **more: Any,
) -> World:
    """Return a world of one record or several, under one policy."""
    found = [records or record()] if not isinstance(records, list) else records
    columns = {name for r in found for name in r if name in ("text", "summary", "n")}
    return {
        "as_of": AS_OF,
        "policy": rules or policy(),
        "events": [{"event_id": f"e{at}", **e} for at, e in enumerate(events)],
        "columns": sorted(columns),
        "records": [{"record_id": f"r{at}", **r} for at, r in enumerate(found)],
        **more,
    }


def outcomes(engine: Engine, made: World) -> Sequence[str]:
    """Return `decision REASON` per record, with what goes behind a colon."""
    if engine == "reference":
        from tests.reference.decide import decide_world

        return [_told(v.decision, v.reason, v.redacted) for v in decide_world(made)]
    from tests.reference.compare import answers

    return [_told(a.decision, a.reason, a.redacted) for a in answers(made)]


def outcome(engine: Engine, made: World) -> str:
    """Return what is decided about the only record of a world."""
    (only,) = outcomes(engine, made)
    return only


def _told(decision: str, reason: str, redacted: tuple[str, ...]) -> str:
    return f"{decision} {reason}" + (f": {', '.join(redacted)}" if redacted else "")

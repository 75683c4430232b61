"""What the product notes by itself: clicks, crashes, and counts over many people."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from consentfilter.demo import phrases
from consentfilter.demo.cast import Cast
from consentfilter.demo.columns import (
    SUBJECT,
    constant,
    lists,
    numbered,
    pick,
    times,
)
from consentfilter.demo.meetings import Meetings

_FIELD = pa.struct([("name", pa.string()), ("category", pa.string())])


def _person(cast: Cast, person: np.ndarray) -> dict[str, pa.Array]:
    who = pa.array(person)
    relation = (cast.account[person] < 0).astype(int)
    people = pa.StructArray.from_arrays(
        [
            cast.ns.take(who),
            cast.id.take(who),
            constant("author", len(person)),
            pick(("member", "guest"), relation),
        ],
        fields=list(SUBJECT),
    )
    return {
        "subjects": lists(people, np.ones(len(person), int)),
        "jurisdiction": cast.place.take(who),
    }


def events(
    rng: np.random.Generator, cast: Cast, meetings: Meetings, *, count: int
) -> pa.Table:
    """Return telemetry, one row per click; a few rows are broken or unnamed."""
    of = np.sort(rng.integers(0, len(meetings), count))
    person = meetings.somebody(rng, of)
    at = meetings.start[of] + (rng.random(count) * meetings.length[of]).astype(np.int64)
    category = (np.arange(count) % 400 == 7).astype(int)
    event = rng.integers(0, len(phrases.TELEMETRY_EVENTS), count)
    return pa.table(
        {
            "record_id": numbered("event-", np.arange(count)),
            "category": pick(
                ("service_generated.telemetry", "avatar_motion"), category
            ),
            "collected_at": times(at, missing=np.arange(count) % 600 == 11),
            **_person(cast, person),
            "account_id": cast.account_id.take(pa.array(meetings.account[of])),
            "context_id": meetings.context_id.take(pa.array(of)),
            "event": pick(phrases.TELEMETRY_EVENTS, event),
            "device": pick(
                phrases.DEVICES, rng.integers(0, len(phrases.DEVICES), count)
            ),
            "round_trip_ms": pa.array(rng.integers(8, 400, count).astype(np.int16)),
        }
    )


def crashes(
    rng: np.random.Generator, cast: Cast, meetings: Meetings, *, count: int
) -> pa.Table:
    """Return crash reports; each carries a display name, which is profile data."""
    of = np.sort(rng.integers(0, len(meetings), count))
    person = meetings.somebody(rng, of)
    own = pa.StructArray.from_arrays(
        [constant("display_name", count), constant("account.profile", count)],
        fields=list(_FIELD),
    )
    return pa.table(
        {
            "record_id": numbered("crash-", np.arange(count)),
            "category": constant("service_generated.diagnostics", count),
            "collected_at": times(meetings.start[of]),
            **_person(cast, person),
            "account_id": cast.account_id.take(pa.array(meetings.account[of])),
            "fields": lists(own, np.ones(count, int)),
            "display_name": cast.name.take(pa.array(person)),
            "signal": pick(
                ("SIGSEGV", "SIGABRT", "out of memory"), rng.integers(0, 3, count)
            ),
        }
    )


def aggregates(rng: np.random.Generator, *, count: int) -> pa.Table:
    """Return usage counted over groups of people, some of them small."""
    days = np.arange(count) * 86_400_000_000 + 1_690_000_000_000_000
    return pa.table(
        {
            "record_id": numbered("usage-", np.arange(count)),
            "category": constant("service_generated.usage", count),
            "collected_at": times(days),
            "group_size": pa.array(rng.choice([12, 30, 60, 240, 900], count)),
            "minutes_used": pa.array(rng.integers(100, 90_000, count)),
        }
    )

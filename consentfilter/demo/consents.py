"""The consent acts of the demo: what its people did, as a ledger would export it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from consentfilter.demo.cast import Cast
from consentfilter.demo.columns import DAY, UTC, instant, numbered, times
from consentfilter.demo.meetings import Meetings
from consentfilter.demo.stories import AS_OF, STORIES, Act

_TEXT: Final = (
    "event_id", "source_id", "channel", "subject_ns", "subject_id", "account_id",
    "context_id", "status", "voids_event_id", "purpose", "category", "expression",
    "actor_type", "terms_version",
)  # fmt: skip
_TIME: Final = ("occurred_at", "recorded_at", "valid_until", "data_from")
SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in _TEXT]
    + [("actor_verified", pa.bool_())]
    + [(name, UTC) for name in _TIME]
)
_CHANNELS: Final = {
    "preference_center": "web",
    "admin_console": "admin_console",
    "client": "desktop",
    "browser_signal": "edge_header",
    "dsar": "mail",
    "meeting_service": "in_meeting",
}
_TRAINING: Final = "improve.train_ai"


def make_events(rng: np.random.Generator, cast: Cast, meetings: Meetings) -> pa.Table:
    """Return all events, numbered and in the order in which they were recorded.

    Args:
        rng: the dice.
        cast: who acts.
        meetings: where in-meeting notices were shown.
    """
    acts = [
        _personal(rng, cast, np.flatnonzero(cast.story == at), act)
        for at, story in enumerate(STORIES)
        for act in story.acts
    ]
    acts += [_owners(rng, cast), _notices(cast), _announcements(meetings)]
    acts += [_last_day(cast), _broken(rng, cast)]
    events = pa.concat_tables(acts).sort_by("recorded_at")
    numbers = numbered("ev-", np.arange(events.num_rows))
    events = events.set_column(0, SCHEMA.field(0), numbers)
    # Ten events stand twice, as in any export that overlaps the one before it.
    repeated = events.slice(events.num_rows // 2, 10)
    return pa.concat_tables([events, repeated, _mistake(cast)])


def _events(length: int, **columns: Any) -> pa.Table:
    """Return events with the columns given (arrays or one value), null elsewhere."""
    made = []
    for field in SCHEMA:
        value = columns.get(field.name)
        if not isinstance(value, pa.Array | pa.ChunkedArray):
            value = pa.repeat(pa.scalar(value, field.type), length)
        made.append(value)
    return pa.Table.from_arrays(made, schema=SCHEMA)


def _when(
    rng: np.random.Generator, window: tuple[str, str], length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw when acts happened and, some seconds later, when they were recorded."""
    low, high = instant(window[0]), instant(window[1])
    occurred = rng.integers(low, high, length)
    return occurred, occurred + rng.integers(200_000, 9_000_000, length)


def _personal(
    rng: np.random.Generator, cast: Cast, people: np.ndarray, act: Act
) -> pa.Table:
    """Return one act of each of the people."""
    who = pa.array(people)
    occurred, recorded = _when(rng, act.window, len(people))
    until = None
    if act.valid_days is not None:
        until = times(occurred + act.valid_days * DAY)
    since = None
    if act.data_from is not None:
        since = times(np.full(len(people), instant(act.data_from)))
    return _events(
        len(people),
        source_id=act.source,
        channel=_CHANNELS[act.source],
        subject_ns=cast.ns.take(who),
        subject_id=cast.id.take(who),
        status=act.status,
        purpose=act.purpose,
        category=act.category,
        expression=act.expression,
        actor_type=act.actor,
        actor_verified=act.actor == "guardian",
        terms_version=act.terms,
        occurred_at=times(occurred),
        recorded_at=times(recorded),
        valid_until=until,
        data_from=since,
    )


def _owners(rng: np.random.Generator, cast: Cast) -> pa.Table:
    """Return the consent of account owners, each for everybody in the account."""
    agreed = np.flatnonzero(cast.has_owner_agreed)
    occurred, recorded = _when(rng, ("2023-08-11", "2023-08-31"), len(agreed))
    return _events(
        len(agreed),
        source_id="admin_console",
        channel="admin_console",
        account_id=cast.account_id.take(pa.array(agreed)),
        status="given",
        purpose=_TRAINING,
        category="content",
        expression="explicit",
        actor_type="account_owner",
        actor_verified=True,
        terms_version="2023-08-11",
        occurred_at=times(occurred),
        recorded_at=times(recorded),
    )


def _notices(cast: Cast) -> pa.Table:
    """Return the privacy notices about telemetry that nine in ten accounts saw."""
    shown = np.flatnonzero(np.arange(len(cast.account_id)) % 10 != 7)
    at = times(np.full(len(shown), instant("2023-06-15T06:00:00")))
    return _events(
        len(shown),
        source_id="admin_console",
        channel="admin_console",
        account_id=cast.account_id.take(pa.array(shown)),
        status="noticed",
        purpose=_TRAINING,
        category="service_generated",
        actor_type="controller",
        actor_verified=False,
        occurred_at=at,
        recorded_at=at,
    )


def _announcements(meetings: Meetings) -> pa.Table:
    """Return the notices shown to everybody at the start of a meeting."""
    shown = np.flatnonzero(meetings.is_announced)
    at = times(meetings.start[shown] - 1_000_000)
    return _events(
        len(shown),
        source_id="meeting_service",
        channel="in_meeting",
        context_id=meetings.context_id.take(pa.array(shown)),
        status="noticed",
        purpose=_TRAINING,
        category="content",
        actor_type="controller",
        actor_verified=False,
        occurred_at=at,
        recorded_at=at,
    )


def _last_day(cast: Cast) -> pa.Table:
    """Return one renewal per required source in the last hours before the run.

    The policy wants every required source to have been heard of within a day.
    """
    at = times(np.full(2, instant(AS_OF) - 5 * 3_600_000_000))
    agreed = np.flatnonzero(cast.has_owner_agreed)[0]
    member = np.flatnonzero(cast.story == 0)[0]
    return _events(
        2,
        source_id=pa.array(["admin_console", "preference_center"]),
        channel=pa.array(["admin_console", "web"]),
        subject_ns=pa.array([None, cast.ns[member].as_py()], pa.string()),
        subject_id=pa.array([None, cast.id[member].as_py()], pa.string()),
        account_id=pa.array([cast.account_id[agreed].as_py(), None], pa.string()),
        status="renewed",
        purpose=_TRAINING,
        category="content",
        expression="explicit",
        actor_type=pa.array(["account_owner", "self"]),
        actor_verified=True,
        terms_version="2023-08-11",
        occurred_at=at,
        recorded_at=at,
    )


def _broken(rng: np.random.Generator, cast: Cast) -> pa.Table:
    """Return five grants without the time of the act: a client that lost its clock.

    They are set aside and counted; nobody is admitted because of them.
    """
    silent = [at for at, story in enumerate(STORIES) if story.key == "silent"]
    people = np.flatnonzero(cast.story == silent[0])[:5]
    act = Act("client", "given", ("2023-10-01", "2023-10-30"), expression="explicit")
    made = _personal(rng, cast, people, act)
    nothing = pa.nulls(len(people), UTC)
    at = SCHEMA.get_field_index("occurred_at")
    return made.set_column(at, SCHEMA.field(at), nothing)


def _mistake(cast: Cast) -> pa.Table:
    """Return a withdrawal that a support agent booked on the wrong person.

    Both the act and the correction are in the ledger, which only ever grows; the
    correction makes the act count as never recorded.
    """
    person = pa.array(np.flatnonzero(cast.story == 0)[-1:])
    at = instant("2024-01-15T09:30:00")
    return _events(
        2,
        event_id=pa.array(["ev-mistake", "ev-correction"]),
        source_id="preference_center",
        channel="support",
        subject_ns=cast.ns.take(person)[0].as_py(),
        subject_id=cast.id.take(person)[0].as_py(),
        status=pa.array(["withdrawn", "voided"]),
        voids_event_id=pa.array([None, "ev-mistake"], pa.string()),
        purpose=pa.array([_TRAINING, None], pa.string()),
        category=pa.array(["content", None], pa.string()),
        actor_type=pa.array(["authorized_agent", "controller"]),
        actor_verified=False,
        occurred_at=times(np.array([at, at + DAY])),
        recorded_at=times(np.array([at, at + DAY])),
    )


def later_withdrawals(cast: Cast, *, people: int) -> pa.Table:
    """Return withdrawals made after the run: what `recheck` is for."""
    agreed = np.flatnonzero(cast.story == 0)[1 : people + 1]
    at = times(np.full(len(agreed), instant(AS_OF)) + 7 * DAY)
    who = pa.array(agreed)
    return _events(
        len(agreed),
        event_id=numbered("later-", np.arange(len(agreed))),
        source_id="preference_center",
        channel="web",
        subject_ns=cast.ns.take(who),
        subject_id=cast.id.take(who),
        status="withdrawn",
        purpose=_TRAINING,
        category="content",
        actor_type="self",
        actor_verified=False,
        occurred_at=at,
        recorded_at=at,
    )

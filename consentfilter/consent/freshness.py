"""Is the consent data fresh and complete enough for this run?

The age of a source is the time from its watermark (the newest `recorded_at` heard
of) to the instant of the decision. A source that was never heard of has no age: it
is missing. Too old or missing refuses the run; it never lets anything through.
"""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from consentfilter.consent.model import SnapshotMeta
from consentfilter.errors import RunRefused


class FreshnessRule(Protocol):
    """What a policy asks of the consent data (its `snapshot` part)."""

    @property
    def max_staleness(self) -> dt.timedelta | None:
        """Longest age; None: any."""
        ...

    @property
    def required_sources(self) -> tuple[str, ...]:
        """Sources that must be there."""
        ...


def check_freshness(
    meta: SnapshotMeta, rule: FreshnessRule, *, now: dt.datetime
) -> None:
    """Refuse a run whose consent data is incomplete or too old.

    Every required source must be there. With `max_staleness`, none of them may be
    older than that at `now`; if none is required, the newest of all sources counts.
    The snapshot itself (`as_of`) may not be older either.

    Args:
        meta: of the snapshot.
        rule: `policy.snapshot`.
        now: the instant of the decision, or of the start of the run, aware.

    Raises:
        RunRefused: RUN_SOURCE_MISSING naming the missing sources, or else
            RUN_SNAPSHOT_STALE naming what is too old, how old, and the limit.
    """
    known = {mark.source_id: mark for mark in meta.sources}
    missing = [name for name in rule.required_sources if name not in known]
    if missing:
        found = ", ".join(map(repr, known)) or "no source at all"
        raise RunRefused(
            "RUN_SOURCE_MISSING",
            [
                f"the policy requires consent source {name!r}, found {found}; give "
                "its events too, or correct `snapshot.required_sources`"
                for name in missing
            ],
        )
    limit = rule.max_staleness
    if limit is None:
        return
    late = f"the policy allows {_span(limit)} (`snapshot.max_staleness`)"
    problems = []
    if now - meta.as_of > limit:
        problems.append(
            f"the snapshot is as of {_text(meta.as_of)}, {_span(now - meta.as_of)} "
            f"before {_text(now)}; {late}; build a newer snapshot"
        )
    if rule.required_sources:
        marks = [
            (f"source {name!r}", known[name].watermark)
            for name in rule.required_sources
        ]
    else:
        heard = [mark.watermark for mark in meta.sources if mark.watermark is not None]
        marks = [("the newest event of all sources", max(heard, default=None))]
    for name, watermark in marks:
        if watermark is None:
            problems.append(
                f"{name} states no recording time, so its age is unknown; {late}; "
                "give events with recorded_at"
            )
        elif now - watermark > limit:
            problems.append(
                f"{name} was recorded {_text(watermark)}, {_span(now - watermark)} "
                f"before {_text(now)}; {late}; fetch newer consent events"
            )
    if problems:
        raise RunRefused("RUN_SNAPSHOT_STALE", problems)


def _text(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _span(span: dt.timedelta) -> str:
    """Return a length of time as a person says it.

    >>> _span(dt.timedelta(days=3, hours=4, minutes=5))
    '3 d 4 h'
    """
    seconds = int(span.total_seconds())
    parts = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        many, seconds = divmod(seconds, size)
        if many:
            parts.append(f"{many} {unit}")
    return " ".join(parts[:2]) or "0 s"

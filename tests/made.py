"""Small dumps, consents and policies that many tests build on.

Ten people, `u0` to `u9`: `u0` to `u5` consented, `u6` withdrew, `u7` refused, of `u8`
there is a default-on box, of `u9` nothing.
"""

from __future__ import annotations

import datetime as dt
import json
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CONSENTED = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
COLLECTED = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
WITHDRAWN = dt.datetime(2024, 9, 1, tzinfo=dt.UTC)
AS_OF = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
POLICY: dict[str, Any] = {"id": "test", "version": "1"}
INSTANT = pa.timestamp("us", "UTC")

#: Files of a release that say when it was made, or name the manifest, which does.
NAMES_THE_MANIFEST = (
    "manifest.intoto.json",
    "openlineage.json",
    "croissant.json",
    "report.html",
)

#: Reason of a record of each person under `POLICY`.
REASONS = {
    **{f"u{n}": "OK_CONSENT" for n in range(6)},
    "u6": "CONSENT_WITHDRAWN",
    "u7": "CONSENT_REFUSED",
    "u8": "EXPRESSION_INSUFFICIENT",
    "u9": "NO_CONSENT_RECORD",
}


def records(count: int = 10, *, start: int = 0, **payload: Any) -> pa.Table:
    """Return records in the standard layout, by the ten people in turn."""
    at = range(start, start + count)
    return pa.table(
        {
            "record_id": [f"r{n}" for n in at],
            "subject_id": [f"u{n % 10}" for n in at],
            "category": ["content.chat"] * count,
            "collected_at": pa.array([COLLECTED] * count, INSTANT),
            "text": [f"message {n}" for n in at],
            **payload,
        }
    )


def admitted_ids(count: int = 10, *, start: int = 0) -> list[str]:
    """Return the ids of `records(...)` that `POLICY` keeps."""
    return [f"r{n}" for n in range(start, start + count) if n % 10 < 6]


def events() -> pa.Table:
    """Return the ten people's consent events."""
    rows = [("given", "explicit", n, CONSENTED) for n in (0, 1, 2, 3, 4, 5, 6)]
    rows += [
        ("withdrawn", None, 6, WITHDRAWN),
        ("refused", None, 7, CONSENTED),
        ("given", "default_on", 8, CONSENTED),
    ]
    return pa.table(
        {
            "event_id": [f"e{at}" for at in range(len(rows))],
            "source_id": ["app"] * len(rows),
            "subject_id": [f"u{n}" for _, _, n, _ in rows],
            "status": [status for status, _, _, _ in rows],
            "purpose": ["improve.train_ai"] * len(rows),
            "category": ["*"] * len(rows),
            "expression": pa.array([how for _, how, _, _ in rows], pa.string()),
            "occurred_at": pa.array([when for *_, when in rows], INSTANT),
            "recorded_at": pa.array([when for *_, when in rows], INSTANT),
        }
    )


def write_events(directory: pathlib.Path) -> str:
    """Write `events()` to a file and return its path."""
    path = directory / "consent.parquet"
    pq.write_table(events(), path)
    return str(path)


def write_policy(directory: pathlib.Path, **changes: Any) -> str:
    """Write `POLICY`, changed, to a file and return its path."""
    path = directory / "policy.yaml"
    path.write_text(json.dumps({**POLICY, **changes}))
    return str(path)

"""Small makers of consent events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from consentfilter.consent.schema import EVENTS

AS_OF = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
MADE = dt.datetime(2024, 6, 1, 12, tzinfo=dt.UTC)

#: A sound grant; tests say what is different.
GRANT: dict[str, Any] = {
    "event_id": "e1",
    "source_id": "crm",
    "subject_id": "ann",
    "status": "given",
    "purpose": "improve.train_ai",
    "category": "content",
    "expression": "explicit",
    "actor_type": "self",
    "occurred_at": MADE,
    "recorded_at": MADE,
}


def as_table(*events: dict[str, Any]) -> pa.Table:
    """Return events in the standard layout, absent values null."""
    fields = [EVENTS.field(name).with_nullable(True) for name in EVENTS.names]
    return pa.Table.from_pylist(list(events), schema=pa.schema(fields))


@pytest.fixture
def grant() -> Callable[..., dict[str, Any]]:
    """Return a maker of sound grants with some values changed."""

    def make(**changed: Any) -> dict[str, Any]:
        return {**GRANT, **changed}

    return make


@pytest.fixture
def denial() -> Callable[..., dict[str, Any]]:
    """Return a maker of sound denials with some values changed."""

    def make(**changed: Any) -> dict[str, Any]:
        return {**GRANT, "status": "withdrawn", **changed}

    return make

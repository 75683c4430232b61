"""A world as JSON, so that a difference can be kept, read and run again."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Final

#: Keys whose text is an instant; `collected_at` only where it is not kept as text.
INSTANTS: Final = frozenset(
    (
        "as_of",
        "occurred_at",
        "recorded_at",
        "valid_from",
        "valid_until",
        "data_from",
        "data_until",
        "lifecycle_at",
    )
)


def dumps(world: dict[str, Any]) -> str:
    """Return a world as indented JSON without absent values."""
    return json.dumps(without_none(world), indent=1, default=lambda t: t.isoformat())


def loads(text: str) -> dict[str, Any]:
    """Return the world that `dumps` wrote."""
    raw = json.loads(text)
    world: dict[str, Any] = revived(raw)
    if world.get("collected_as") != "text":
        for record in world.get("records", ()):
            if record.get("collected_at"):
                record["collected_at"] = datetime.fromisoformat(record["collected_at"])
    return world


def without_none(value: Any) -> Any:
    """Return a value without the keys whose value is null, which mean the same."""
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    return [without_none(v) for v in value] if isinstance(value, list) else value


def revived(value: Any, key: str = "") -> Any:
    """Return a value with its instants and dates as such."""
    if isinstance(value, dict):
        return {k: revived(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [revived(v, key) for v in value]
    if key in INSTANTS and isinstance(value, str):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if key == "birth_date" else value

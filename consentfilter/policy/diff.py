"""What changed between two policies, key by key, in plain words.

Effective policies are compared: writing a default out is no difference. Lists are
compared as sets, because no list of a policy has an order that matters; rules and
members are matched by their id.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

from consentfilter.policy.model import Policy

_ABSENT: Final = object()
#: Lists of mappings that are matched by id.
_NAMED: Final = ("rules", "all_of")


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """One key that has another value.

    Attributes:
        path: for example `rules.content.expression`; rules go by their id.
        old: the value as JSON, None where there was none.
        new: the value as JSON, None where there is none.
        message: the change in words.
    """

    path: str
    old: Any
    new: Any
    message: str

    def __str__(self) -> str:
        """The difference as `temporal.mode: was both, is processing`."""
        return f"{self.path}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        return dataclasses.asdict(self)


def diff_policies(old: Policy, new: Policy) -> tuple[Difference, ...]:
    """Return every difference between two policies, in the order of the keys."""
    return tuple(_of_mappings((), old.effective(), new.effective()))


def _of_mappings(
    path: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Difference]:
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if before != after:
            yield from _of_values((*path, key), before, after)


def _of_values(path: tuple[str, ...], old: Any, new: Any) -> Iterator[Difference]:
    is_named = path[-1] in _NAMED or (len(path) > 1 and path[-2] == "jurisdictions")
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_mappings(path, old, new)
    elif is_named and isinstance(old, list) and isinstance(new, list):
        yield from _of_mappings(path, _by_id(old), _by_id(new))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(path, old, new)
    else:
        was = None if old is _ABSENT else old
        now = None if new is _ABSENT else new
        if old is _ABSENT:
            message = f"is new: {_text(new)}"
        elif new is _ABSENT:
            message = f"is gone; it was {_text(old)}"
        else:
            message = f"was {_text(old)}, is {_text(new)}"
        yield Difference(".".join(path), was, now, message)


def _of_lists(
    path: tuple[str, ...], old: list[Any], new: list[Any]
) -> Iterator[Difference]:
    gone = [item for item in old if item not in new]
    come = [item for item in new if item not in old]
    parts = [
        f"{words} {', '.join(map(_text, items))}"
        for words, items in (("now also", come), ("no longer", gone))
        if items
    ]
    if parts:
        yield Difference(".".join(path), old, new, "; ".join(parts))


def _by_id(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        entry["id"]: {key: value for key, value in entry.items() if key != "id"}
        for entry in entries
    }


def _text(value: Any) -> str:
    """Return a value as a policy file writes it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        stated = {key: one for key, one in value.items() if one is not None}
        pairs = (f"{key}: {_text(one)}" for key, one in stated.items())
        return f"{{{', '.join(pairs)}}}"
    return str(value)

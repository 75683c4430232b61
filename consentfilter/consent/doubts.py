"""What can be wrong with a consent event, and what then becomes of it.

Doubt is asymmetric. An act that could help to permit (a grant, a notice) is set
aside when it is broken; an act that can only take permission away is kept, as wide
as it could have been meant. Each event carries its doubts as bits of one integer.
"""

from __future__ import annotations

from typing import Final

#: code -> (what becomes of a permitting act, of a restricting act); "" = no doubt.
SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "no_purpose": ("names no purpose", ""),
    "no_category": ("names no category", ""),
    "no_time": (
        "has no readable occurred_at",
        "has no readable occurred_at; counts from recorded_at",
    ),
    "no_recorded_at": (
        "has no readable recorded_at",
        "has no readable recorded_at; counts as recorded when it occurred",
    ),
    "window_unreadable": (
        "has a valid_ or data_ time that cannot be read",
        "",
    ),
    "unknown_expression": (
        "has an expression that is not in the list",
        "has an expression that is not in the list; kept for every purpose and "
        "category",
    ),
    "unknown_actor_type": (
        "has no actor_type of the list",
        "has an actor_type that is not in the list; kept for every purpose and "
        "category",
    ),
    "unknown_legal_basis": (
        "has a legal_basis that is not in the list",
        "has a legal_basis that is not in the list; kept for every purpose and "
        "category",
    ),
    "grant_not_consent": ("rests on a legal basis other than consent", ""),
    "placeholder_subject": (
        "has a placeholder for a subject id",
        "has a placeholder for a subject id; speaks for everyone in its scope",
    ),
    "names_nobody": ("names neither a subject nor a scope", ""),
    "denial_names_nobody": (
        "",
        "names neither a subject nor a scope, so it can be applied to nobody: find "
        "out whose it is",
    ),
    "from_the_future": (
        "says it occurred more than 5 minutes after it was recorded",
        "says it occurred more than 5 minutes after it was recorded; counts from "
        "recorded_at",
    ),
    "event_id_conflict": (
        "shares its event_id with an event of other content",
        "shares its event_id with an event of other content; kept",
    ),
    "unknown_purpose": (
        "",
        "names a purpose that is not in the tree; kept for every purpose",
    ),
    "unknown_category": (
        "",
        "names a category that is not in the tree; kept for every category",
    ),
    "void_without_target": ("is voided but names no voids_event_id", ""),
    "void_of_unknown_event": ("voids an event that is not known", ""),
}

CODES: Final = tuple(SENTENCES)
#: Bit of each code in an event's `doubts`.
BIT: Final[dict[str, int]] = {code: 1 << at for at, code in enumerate(CODES)}


def bits(*codes: str) -> int:
    """Return the bits of several codes."""
    return sum(BIT[code] for code in codes)


#: An enum value that is not in its list: a restricting act becomes wide.
UNKNOWN_ENUM: Final = bits(
    "unknown_expression", "unknown_actor_type", "unknown_legal_basis"
)
#: Restricting acts that nevertheless cannot be kept.
UNUSABLE_RESTRICTION: Final = bits("denial_names_nobody")

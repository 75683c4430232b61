"""The purpose tree and the category tree: dotted names, extended by data.

A node is above another if it is `*` or a dotted prefix of it. Names are
case-sensitive. A policy or a dataset file may add nodes to both trees; adding a
node adds its parents. A taxonomy is a value: `extended` returns another one.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Final

BASE_VERSION: Final = "1"

BASE_PURPOSES: Final = (
    "service.provide",
    "service.feature_ai",
    "improve.service",
    "improve.evaluate_ai",
    "improve.train_ai.generative",
    "improve.train_ai.discriminative",
    "share.third_party",
    "research.academic",
    "security.abuse_detection",
    "marketing.email",
)

BASE_CATEGORIES: Final = (
    "content.audio",
    "content.video",
    "content.chat",
    "content.chat_reaction",
    "content.transcript",
    "content.file",
    "content.whiteboard",
    "content.ai_output",
    "content.post",
    "service_generated.telemetry",
    "service_generated.usage",
    "service_generated.diagnostics",
    "account.profile",
    "biometric.voiceprint",
    "biometric.faceprint",
    "special.health",
    "special.ethnic_origin",
    "special.political_opinion",
    "special.religion",
    "special.trade_union",
    "special.genetic",
    "special.sex_life",
    "special.sexual_orientation",
)


def ancestors(node: str) -> tuple[str, ...]:
    """Return the node, its parents and `*`, nearest first.

    >>> ancestors("content.chat")
    ('content.chat', 'content', '*')
    """
    if node == "*":
        return ("*",)
    parts = node.split(".")
    return (*(".".join(parts[:end]) for end in range(len(parts), 0, -1)), "*")


def is_above_or_equal(upper: str, lower: str) -> bool:
    """Tell whether `upper` is `lower`, one of its parents, or `*`."""
    return upper in ("*", lower) or lower.startswith(upper + ".")


def touches(a: str, b: str) -> bool:
    """Tell whether one of two nodes is above or equal to the other."""
    return is_above_or_equal(a, b) or is_above_or_equal(b, a)


def is_well_formed(node: str) -> bool:
    """Tell whether a name can be a node: dotted, no empty part, no `*` or space."""
    return all(
        part and "*" not in part and part == part.strip() for part in node.split(".")
    )


def _closed(nodes: Iterable[str]) -> frozenset[str]:
    return frozenset(up for node in nodes for up in ancestors(node) if up != "*")


@dataclasses.dataclass(frozen=True, slots=True)
class Taxonomy:
    """Both trees, closed under parents; `*` is known to both and listed in none."""

    purposes: frozenset[str]
    categories: frozenset[str]

    def extended(
        self, purposes: Iterable[str] = (), categories: Iterable[str] = ()
    ) -> Taxonomy:
        """Return this taxonomy with further nodes and their parents."""
        return Taxonomy(
            self.purposes | _closed(purposes), self.categories | _closed(categories)
        )

    @property
    def version(self) -> str:
        """The base version, with a digest of whatever was added to it.

        `"1"` for the base trees, `"1+3f2a9c…"` (12 hex digits) for extended ones.
        """
        added = sorted(f"p:{p}" for p in self.purposes - BASE.purposes)
        added += sorted(f"c:{c}" for c in self.categories - BASE.categories)
        if not added:
            return BASE_VERSION
        digest = hashlib.sha256("\n".join(added).encode()).hexdigest()
        return f"{BASE_VERSION}+{digest[:12]}"


BASE: Final = Taxonomy(_closed(BASE_PURPOSES), _closed(BASE_CATEGORIES))

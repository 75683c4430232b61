"""How many rows were kept, redacted and dropped, and why."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from consentfilter import reasons
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.lookup import KeyTable
from consentfilter.reasons import Decision

#: Where rows are counted whose category the taxonomy does not know, or is null.
UNKNOWN_CATEGORY: Final = "(unknown)"


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """Counts of rows; `+` merges two of them.

    Attributes:
        by_reason: rows by (decision, reason name).
        by_category: rows by (category, decision).
    """

    by_reason: Mapping[tuple[Decision, str], int] = dataclasses.field(
        default_factory=dict
    )
    by_category: Mapping[tuple[str, Decision], int] = dataclasses.field(
        default_factory=dict
    )

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            dict(
                collections.Counter(self.by_reason)
                + collections.Counter(other.by_reason)
            ),
            dict(
                collections.Counter(self.by_category)
                + collections.Counter(other.by_category)
            ),
        )

    def rows(self, decision: Decision | None = None) -> int:
        """Return how many rows were decided so, or at all."""
        return sum(
            rows
            for (which, _), rows in self.by_reason.items()
            if decision is None or which == decision
        )


def tally(decisions: Decisions, category: pa.Array, known: frozenset[str]) -> Tally:
    """Count a batch's decisions.

    Args:
        decisions: what was decided.
        category: the category of each record.
        known: the taxonomy's categories; others count as `UNKNOWN_CATEGORY`.
    """
    codes = decisions.decision.astype(np.int64)
    by_reason = np.bincount(codes * 256 + decisions.reason)
    names, position = _numbered(known)
    which = position.find(category)
    # `UNKNOWN_CATEGORY` stands first, for what was not found is -1.
    by_category_code = np.bincount((which + 1) * 3 + codes)
    by_category: collections.Counter[tuple[str, Decision]] = collections.Counter()
    for at, rows in _counted(by_category_code):
        by_category[names[at // 3], Decision(at % 3)] += rows
    return Tally(
        {
            (Decision(at // 256), reasons.NAME[at % 256]): rows
            for at, rows in _counted(by_reason)
        },
        dict(by_category),
    )


@functools.lru_cache(maxsize=8)
def _numbered(known: frozenset[str]) -> tuple[list[str], KeyTable]:
    """Return the names that rows are counted by, and the positions of the known."""
    names = sorted(known)
    return [UNKNOWN_CATEGORY, *names], KeyTable(pa.array(names, pa.string()))


def _counted(counts: np.ndarray) -> list[tuple[int, int]]:
    return [(int(at), int(counts[at])) for at in np.flatnonzero(counts)]

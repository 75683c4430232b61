"""Counts of rows, by outcome, reason and category."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from consentfilter.decide.decisions import Decisions
from consentfilter.engine.statement import counts
from consentfilter.engine.tally import UNKNOWN_CATEGORY, Tally, tally
from consentfilter.reasons import CODE, Decision


def _decisions(*pairs: tuple[Decision, str]) -> Decisions:
    nulls = pa.nulls(len(pairs), pa.string())
    return Decisions(
        decision=np.array([decision for decision, _ in pairs], np.uint8),
        reason=np.array([CODE[reason] for _, reason in pairs], np.uint8),
        rule=nulls,
        subject_key=nulls,
        grant_id=nulls,
        denial_id=nulls,
        segments=np.zeros(0, bool),
        columns={},
        mentions=np.zeros(0, bool),
    )


PAIRS = (
    (Decision.KEEP, "OK_CONSENT"),
    (Decision.REDACT, "OBJECTED"),
    (Decision.DROP, "OBJECTED"),
    (Decision.DROP, "CATEGORY_UNKNOWN"),
    (Decision.DROP, "CATEGORY_UNKNOWN"),
)
CATEGORIES = pa.array(["content.chat", "content.chat", "content", "no.such", None])
KNOWN = frozenset({"content.chat", "content"})


def test_rows_are_counted_by_outcome_and_reason() -> None:
    found = tally(_decisions(*PAIRS), CATEGORIES, KNOWN)
    assert found.by_reason == {
        (Decision.KEEP, "OK_CONSENT"): 1,
        (Decision.REDACT, "OBJECTED"): 1,
        (Decision.DROP, "OBJECTED"): 1,
        (Decision.DROP, "CATEGORY_UNKNOWN"): 2,
    }
    assert (found.rows(), found.rows(Decision.DROP)) == (5, 3)


def test_categories_outside_the_taxonomy_are_counted_together() -> None:
    found = tally(_decisions(*PAIRS), CATEGORIES, KNOWN)
    assert found.by_category == {
        ("content.chat", Decision.KEEP): 1,
        ("content.chat", Decision.REDACT): 1,
        ("content", Decision.DROP): 1,
        (UNKNOWN_CATEGORY, Decision.DROP): 2,
    }


def test_tallies_add_up() -> None:
    whole = tally(_decisions(*PAIRS), CATEGORIES, KNOWN)
    parts = [
        tally(_decisions(*PAIRS[a:b]), CATEGORIES[a:b], KNOWN)
        for a, b in ((0, 2), (2, 2), (2, 5))
    ]
    assert sum(parts, Tally()) == whole


def test_nothing_is_nothing() -> None:
    assert tally(_decisions(), pa.array([], pa.string()), KNOWN) == Tally()


def test_the_statement_merges_reasons_and_spells_outcomes() -> None:
    found = counts(tally(_decisions(*PAIRS), CATEGORIES, KNOWN))
    assert (found.read, found.kept, found.redacted, found.dropped) == (5, 1, 1, 3)
    assert found.by_reason == {"CATEGORY_UNKNOWN": 2, "OBJECTED": 2, "OK_CONSENT": 1}
    assert found.by_category["content.chat"] == {"kept": 1, "redacted": 1, "dropped": 0}

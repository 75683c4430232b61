"""Asking people: entries in, one encoded answer per entry, reduced by minimum.

An encoded answer is `code << 40 | ask`: the minimum over several is the reason that
the precedence names first (or the weakest keep reason, for keep codes are larger),
with the ask it came from.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from consentfilter.decide import ragged
from consentfilter.decide.batch import Batch
from consentfilter.decide.draft import Draft
from consentfilter.decide.index import MemberIndex
from consentfilter.decide.verdict import Asks, Verdicts, judge
from consentfilter.reasons import CODE, KEEP_BASE

SHIFT: Final = 40
_NO_ASK: Final = (1 << SHIFT) - 1
#: Failures that a quorum does not outvote.
_NEVER_OUTVOTED: Final = np.array(
    sorted(
        CODE[name]
        for name in (
            "CATEGORY_PROHIBITED",
            "SUBJECT_ERASED",
            "SUBJECT_DECEASED",
            "OBJECTED",
            "OPT_OUT_SIGNAL",
            "CONSENT_WITHDRAWN",
            "CONSENT_REFUSED",
            "CONSENT_REVOKED",
        )
    ),
    np.int64,
)


def unasked(name: str) -> int:
    """Return the encoded answer of a reason that no ask stands behind."""
    return (CODE[name] << SHIFT) | _NO_ASK


def codes(answers: np.ndarray) -> np.ndarray:
    """Return the reason codes (int64) of encoded answers."""
    return answers >> SHIFT


def is_failing(answers: np.ndarray) -> np.ndarray:
    """Tell which encoded answers are failures (an absent answer is none)."""
    return codes(answers) < KEEP_BASE


@dataclasses.dataclass(frozen=True, slots=True)
class Entries:
    """People (as named in records) and the category each is asked about.

    Attributes:
        row: record. person, relation: see `Batch`. category: code.
        source: entry of `Bound.people`, or of mentions counted on from there.
    """

    row: np.ndarray
    person: np.ndarray
    relation: np.ndarray
    category: np.ndarray
    source: np.ndarray

    @classmethod
    def of_people(
        cls, batch: Batch, people: np.ndarray, category: np.ndarray
    ) -> Entries:
        """Ask entries of `Bound.people` about one category each."""
        return cls(
            batch.bound.people.row.take(people),
            batch.person.take(people),
            ragged.taken(batch.relation, people),
            category,
            people,
        )

    def __add__(self, other: Entries) -> Entries:
        return Entries(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ("row", "person", "relation", "category", "source")
            )
        )

    def __len__(self) -> int:
        return len(self.row)


@dataclasses.dataclass(frozen=True, slots=True)
class Poll:
    """Entries and their answers.

    Attributes:
        answers: int64 per entry, encoded.
    """

    entries: Entries
    answers: np.ndarray
    _entry_of_ask: np.ndarray
    _asks: Asks
    _verdicts: Verdicts

    @classmethod
    def take(cls, batch: Batch, member: MemberIndex, entries: Entries) -> Poll:
        """Ask every entry, for every purpose of the policy."""
        entry, asks = batch.asks(
            member, entries.row, entries.person, entries.relation, entries.category
        )
        verdicts = judge(member, asks)
        numbers = np.arange(len(asks), dtype=np.int64)
        answers = (verdicts.code.astype(np.int64) << SHIFT) | numbers
        if len(asks) != len(entries):
            answers = ragged.min_by(entry, answers, len(entries))
        return cls(entries, answers, entry, asks, verdicts)

    def record(
        self,
        draft: Draft,
        rows: np.ndarray,
        answers: np.ndarray,
        *,
        redact: bool = False,
    ) -> None:
        """Write encoded answers into the draft, one per record of `rows`."""
        draft.code[rows] = codes(answers)
        draft.is_redacted[rows] = redact
        ask = answers & _NO_ASK
        asked = np.flatnonzero(ask != _NO_ASK)
        rows, ask = rows.take(asked), ask.take(asked)
        draft.question[rows] = self._asks.question.take(ask)
        draft.entry[rows] = self.entries.source.take(self._entry_of_ask.take(ask))
        draft.grant[rows] = self._verdicts.grant.take(ask)
        draft.denial[rows] = self._verdicts.denial.take(ask)


def by_quorum(
    unit: np.ndarray,
    person: np.ndarray,
    answers: np.ndarray,
    size: int,
    quorum: float,
) -> np.ndarray:
    """Return the encoded answer per unit when a share of its people is enough.

    A person named twice counts once and must pass each time. A denial is never
    outvoted, nor is a prohibition, an erased or a deceased person.

    Args:
        unit: what has to be permitted, per answer.
        person: an identity per answer, the same for the same person.
        answers: encoded.
        size: number of units.
        quorum: the share that must be permitted, above 0.
    """
    order = np.lexsort((person, unit))
    unit, person, answers = unit[order], person[order], answers[order]
    fresh = np.ones(len(unit), bool)
    fresh[1:] = (unit[1:] != unit[:-1]) | (person[1:] != person[:-1])
    voter = np.cumsum(fresh) - 1
    votes = ragged.min_by(voter, answers, int(fresh.sum()))
    of = unit[fresh]
    fails = is_failing(votes)
    first = ragged.min_by(of, votes, size)
    vetoes = fails & np.isin(codes(votes), _NEVER_OUTVOTED)
    is_vetoed = ragged.any_by(of, vetoes, size)
    passing = ragged.min_by(of, np.where(fails, ragged.FAR, votes), size)
    voters = ragged.count_by(of, size)
    permitted = ragged.count_by(of[~fails], size)
    # Compared without a division: 2 of 3 meets a quorum written as 0.6667 or 2/3.
    is_met = permitted >= quorum * voters - 1e-9
    result = np.where(is_met, passing, unasked("QUORUM_NOT_MET"))
    return np.where(is_vetoed, first, result)

"""`subject(P, r, s, cats)`: may this person's data in this record be used.

One ask is one person (as named in one place of a record) and one category; the
answer is a reason code, the rule and the statements behind it. The common case is a
lookup in the index and one comparison with the collection time.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from consentfilter.decide import ragged
from consentfilter.decide.index import PIECE, MemberIndex, Table
from consentfilter.decide.queries import GRANTED, Queries, States
from consentfilter.decide.targets import (
    BY_BASIS,
    BY_CONSENT,
    CONSTANT,
    FIRST_DENIAL,
    LAST_DENIAL,
)
from consentfilter.reasons import CODE

_OK_BY_RANK: Final = np.array(
    [CODE["OK_CONSENT"], CODE["OK_GUARDIAN"], CODE["OK_ON_BEHALF"]], np.uint8
)
_OUTSIDE: Final = CODE["COLLECTED_OUTSIDE_CONSENT"]
_INTERRUPTED: Final = CODE["CONSENT_INTERRUPTED"]
_NOTICE_MISSING: Final = CODE["NOTICE_MISSING"]

#: Person numbers of people who are not in the index.
NOBODY: Final = -2
STRANGER: Final = -1


@dataclasses.dataclass(frozen=True, slots=True)
class Asks:
    """Questions about people in records, one entry per person and question.

    Attributes:
        question: int32: question number of the member index.
        person: int32: person number, `STRANGER` or `NOBODY`.
        scope: int32 per scope column: code of the record's value, -1.
        collected: int64: collection time of the record.
    """

    question: np.ndarray
    person: np.ndarray
    scope: tuple[np.ndarray, ...]
    collected: np.ndarray

    def __len__(self) -> int:
        return len(self.question)


@dataclasses.dataclass(frozen=True, slots=True)
class Verdicts:
    """The answers: code uint8 (fail or keep reason), statements int64, -1: none."""

    code: np.ndarray
    grant: np.ndarray
    denial: np.ndarray


def judge(index: MemberIndex, asks: Asks) -> Verdicts:
    """Answer every ask."""
    size = len(asks)
    questions = index.questions()
    judged = np.array([q.judged for q in questions], np.int8).take(asks.question)
    constant = np.array([q.constant for q in questions], np.uint8).take(asks.question)
    code = constant * (judged == CONSTANT)
    grant = np.full(size, -1, np.int64)
    denial = np.full(size, -1, np.int64)
    answer = _Answer(code, grant, denial)
    row_of = np.array([q.row for q in questions], np.int32)
    notice_of = np.array([q.requires_notice for q in questions], bool)
    left = _look_up(index, asks, judged, row_of.take(asks.question), notice_of, answer)
    for piece in _pieces(index, asks, left):
        _evaluate(index, asks, piece, judged, row_of, notice_of, answer)
    _before_any_consent(index, asks, answer)
    return Verdicts(code, grant, denial)


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """Arrays that the passes of `judge` fill in place."""

    code: np.ndarray
    grant: np.ndarray
    denial: np.ndarray

    def put(self, at: np.ndarray, code: np.ndarray, statement: np.ndarray) -> None:
        """Write codes and the statement behind each, as grant or as denial."""
        self.code[at] = code
        is_denial = (code >= FIRST_DENIAL) & (code <= LAST_DENIAL)
        self.denial[at] = ragged.where(is_denial, statement, -1)
        self.grant[at] = ragged.where(is_denial, -1, statement)


def _before_any_consent(index: MemberIndex, asks: Asks, answer: _Answer) -> None:
    """Unknown, erased and deceased people come before every other reason."""
    data = index.statements
    nobody = asks.person == NOBODY
    if nobody.any():
        answer.put(
            nobody, np.full(nobody.sum(), CODE["SUBJECT_UNKNOWN"]), _none(nobody)
        )
    if len(data.lifecycle) and index.lifecycle_code.any():
        known = asks.person >= 0
        code = np.where(
            known, index.lifecycle_code[data.lifecycle[np.maximum(asks.person, 0)]], 0
        ).astype(np.uint8)
        gone = code != 0
        if gone.any():
            answer.put(gone, code[gone], _none(gone))


def _none(mask: np.ndarray) -> np.ndarray:
    return np.full(int(mask.sum()), -1, np.int64)


def _look_up(
    index: MemberIndex,
    asks: Asks,
    judged: np.ndarray,
    rows: np.ndarray,
    notice_of: np.ndarray,
    answer: _Answer,
) -> np.ndarray:
    """Answer from the tables; return the asks that need an evaluation."""
    open_asks = (judged != CONSTANT) & (asks.person != NOBODY)
    data = index.statements
    plain = open_asks
    if not index.are_all_plain:
        plain = open_asks & index.is_plain[np.maximum(asks.person, STRANGER)]
    if data.has_everyone:
        for ranges, codes in zip(data.everyone, asks.scope, strict=True):
            plain = plain & (ranges.counts_of(codes) == 0)
    left = open_asks & ~plain
    if index.policy.temporal.mode == "collection":
        by_consent = plain & (judged == BY_CONSENT)
        plain, left = plain & ~by_consent, left | by_consent
    looked_up = np.flatnonzero(plain)
    of = rows.take(looked_up)
    distinct = _distinct(of)
    for row in distinct:
        here = looked_up if len(distinct) == 1 else looked_up[of == row]
        table = index.table(int(row))
        if table is None:
            left[here] = True
            continue
        again = _from_table(index, asks, here, table, judged, notice_of, answer)
        left[again] = True
    return np.flatnonzero(left)


def _distinct(rows: np.ndarray) -> np.ndarray:
    if not len(rows):
        return rows
    return np.flatnonzero(np.bincount(rows))


def _from_table(
    index: MemberIndex,
    asks: Asks,
    here: np.ndarray,
    table: Table,
    judged: np.ndarray,
    notice_of: np.ndarray,
    answer: _Answer,
) -> np.ndarray:
    """Answer asks from one table; return those it can not answer."""
    person = asks.person.take(here)
    collected = asks.collected.take(here)
    found = table.people.take(person)
    state = found["code"].copy()
    statement = found["statement"].astype(np.int64)
    how = judged.take(here)
    granted = state == GRANTED
    ok = _OK_BY_RANK.take(_ranks(index, statement, granted))
    again = np.zeros(len(here), bool)
    mode = index.policy.temporal.mode
    if mode != "processing" and index.policy.temporal.retroactive != "allow":
        inside = collected >= found["since"]
        earlier = granted & ~inside & ~found["is_whole"]
        later = granted & (collected > index.as_of_us)
        again = (earlier | later) & (how == BY_CONSENT)
        ok = ragged.where(inside, ok, _OUTSIDE)
    code = ragged.where(granted, ok, state)
    missing = notice_of.take(asks.question.take(here))
    if missing.any() and table.noticed_at is not None:
        missing &= table.noticed_at.take(person) > collected
    code = _final(how, state, code, missing)
    rests_on_nothing = _rests_on_nothing(how, state)
    answer.put(here, code, ragged.where(rests_on_nothing, -1, statement))
    return here[again]


def _ranks(
    index: MemberIndex, statement: np.ndarray, granted: np.ndarray
) -> np.ndarray:
    data = index.statements
    if not index.evaluator.class_rank.any():
        return np.zeros(len(statement), np.uint8)
    ranks = index.evaluator.class_rank[data.class_of[statement]]
    return np.where(granted, ranks, 0)


def _final(
    how: np.ndarray, state: np.ndarray, consent: np.ndarray, missing: np.ndarray
) -> np.ndarray:
    """Return the reason once state, consent and notice are known.

    Args:
        how: BY_CONSENT, BY_BASIS or BY_EXEMPTION.
        state: code of the state at `as_of`.
        consent: the answer if it were by consent, notice aside.
        missing: a notice is asked for and there was none in time.
    """
    by_consent = ragged.where((consent > 100) & missing, _NOTICE_MISSING, consent)
    if (how == BY_CONSENT).all():
        return by_consent
    is_denied = (state >= FIRST_DENIAL) & (state <= LAST_DENIAL)
    by_basis = np.where(missing, _NOTICE_MISSING, CODE["OK_LEGAL_BASIS"])
    other = np.where(how == BY_BASIS, by_basis, CODE["OK_EXEMPT"])
    other = np.where(is_denied, state, other)
    return np.where(how == BY_CONSENT, by_consent, other).astype(np.uint8)


def _rests_on_nothing(how: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Tell where no statement decides: another basis, and nobody objects."""
    is_denied = (state >= FIRST_DENIAL) & (state <= LAST_DENIAL)
    return (how != BY_CONSENT) & ~is_denied


def _pieces(index: MemberIndex, asks: Asks, left: np.ndarray) -> list[np.ndarray]:
    """Split asks so that no piece expands to many more than `PIECE` groups."""
    if not len(left):
        return []
    data = index.statements
    person = asks.person[left]
    size = 1 + data.own.counts_of(person)
    if len(data.linked.groups):
        size += data.linked.counts_of(np.where(person >= 0, data.component[person], -1))
    for ranges, codes in zip(data.everyone, asks.scope, strict=True):
        size += ranges.counts_of(codes[left])
    seen = np.cumsum(size)
    cuts = np.searchsorted(seen, np.arange(PIECE >> 2, int(seen[-1]), PIECE >> 2))
    return [piece for piece in np.split(left, np.unique(cuts)) if len(piece)]


def _evaluate(
    index: MemberIndex,
    asks: Asks,
    here: np.ndarray,
    judged: np.ndarray,
    row_of: np.ndarray,
    notice_of: np.ndarray,
    answer: _Answer,
) -> None:
    """Answer asks by evaluating their statements."""
    collected = asks.collected[here]
    queries = Queries(
        row=row_of[asks.question[here]],
        person=asks.person[here],
        scope=tuple(codes[here] for codes in asks.scope),
        at=np.full(len(here), index.as_of_us, np.int64),
        collected=collected,
    )
    now = index.evaluator.evaluate(queries, index.acceptance)
    how = judged[here]
    consent, statement = _by_consent(index, queries, now, how == BY_CONSENT)
    missing = notice_of[asks.question[here]] & (now.noticed_at > collected)
    code = _final(how, now.code, consent, missing)
    statement = np.where(how == BY_CONSENT, statement, now.statement)
    statement = np.where(_rests_on_nothing(how, now.code), -1, statement)
    answer.put(here, code, statement)


def _by_consent(
    index: MemberIndex, queries: Queries, now: States, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the consent answer and its statement, notice aside."""
    temporal = index.policy.temporal
    code, statement = now.code.copy(), now.statement.copy()
    if temporal.mode == "collection":
        then = _at_collection(index, queries, np.flatnonzero(wanted))
        asked = np.flatnonzero(wanted)
        ok = (then.code == GRANTED) & (then.covering >= 0)
        uncovered = (then.code == GRANTED) & ~ok
        lapsed = (then.code != GRANTED) & (now.code[asked] == GRANTED)
        denied = (then.code >= FIRST_DENIAL) & (then.code <= LAST_DENIAL)
        outside = uncovered | (lapsed & ~denied)
        code[asked] = np.where(
            ok, _OK_BY_RANK[then.rank], np.where(outside, _OUTSIDE, then.code)
        )
        statement[asked] = np.where(
            ok,
            then.covering,
            np.where(lapsed & ~denied, now.statement[asked], then.statement),
        )
        return code, statement
    granted = now.code == GRANTED
    covered = granted & (now.covering >= 0)
    code[granted & ~covered] = _OUTSIDE
    statement = np.where(covered, now.covering, statement)
    code[covered] = _OK_BY_RANK[now.rank[covered]]
    if temporal.mode == "processing" or temporal.retroactive == "allow":
        return code, statement
    is_exempt = now.is_retroactive & (temporal.retroactive != "deny")
    asked = np.flatnonzero(wanted & covered & ~is_exempt)
    then = _at_collection(index, queries, asked)
    inside = (then.code == GRANTED) & (then.covering >= 0)
    code[asked[~inside]] = _OUTSIDE
    if temporal.mode == "continuous":
        held = asked[inside]
        broken = _is_broken(index, queries.take(held))
        code[held[broken]] = _INTERRUPTED
    return code, statement


def _at_collection(index: MemberIndex, queries: Queries, asked: np.ndarray) -> States:
    then = queries.take(asked)
    return index.evaluator.evaluate(then.when(then.collected), index.acceptance)


def _is_broken(index: MemberIndex, queries: Queries) -> np.ndarray:
    """Tell where some instant between collection and `as_of` is not granted."""
    owner, instants = index.evaluator.changes(queries, index.acceptance, index.as_of_us)
    after = instants > queries.collected[owner]
    owner, instants = owner[after], instants[after]
    asked = queries.take(owner).when(instants)
    broken = np.zeros(len(queries), bool)
    for start in range(0, len(owner), PIECE >> 3):
        part = np.arange(start, min(start + (PIECE >> 3), len(owner)))
        states = index.evaluator.evaluate(asked.take(part), index.acceptance)
        broken |= ragged.any_by(owner[part], states.code != GRANTED, len(queries))
    return broken

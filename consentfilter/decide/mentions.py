"""People who are only mentioned: their names go, the record may stay."""

from __future__ import annotations

import numpy as np

from consentfilter.decide import ragged
from consentfilter.decide.batch import Batch
from consentfilter.decide.columns import Columns
from consentfilter.decide.draft import Draft
from consentfilter.decide.index import MemberIndex
from consentfilter.decide.poll import Entries, Poll, is_failing


def judge_mentions(batch: Batch, member: MemberIndex, draft: Draft) -> None:
    """Redact mentions of people who do not permit, in records that are admitted.

    A mention in a column that goes anyway, or whose column is null, counts for
    nothing. A span that does not fit its text takes the whole column with it.
    """
    bound = batch.bound
    mentions = bound.mentions
    if not len(mentions):
        return
    columns = Columns.of(batch)
    admitted = ((draft.code > 100) | draft.is_redacted) & ~bound.is_aggregate
    chosen = admitted[mentions.row] & _is_there(batch, columns, draft)
    at = np.flatnonzero(chosen)
    if not len(at):
        return
    row, column = mentions.row[at], mentions.column[at]
    category = np.where(
        column >= 0, _category(columns, column, row), batch.category[row]
    )
    start, count = ragged.ranges(bound.derived_row, bound.num_rows)
    owner, derived = ragged.expand(start[row], count[row])
    number = np.concatenate([np.arange(len(at)), owner])
    entries = Entries(
        row=row[number],
        person=batch.mention_person[at][number],
        relation=np.full(len(number), -1, np.int32),
        category=np.concatenate([category, batch.derived_category[derived]]),
        source=len(bound.people) + at[number],
    )
    poll = Poll.take(batch, member, entries)
    order = np.argsort(number, kind="stable")
    answers = ragged.min_by(number[order], poll.answers[order], len(at))
    fails = is_failing(answers)
    _record(batch, columns, poll, draft, at[fails], answers[fails])


def _is_there(batch: Batch, columns: Columns, draft: Draft) -> np.ndarray:
    mentions = batch.bound.mentions
    named = mentions.column >= 0
    at = (mentions.column[named], mentions.row[named])
    there = np.ones(len(mentions), bool)
    there[named] = columns.is_present[at] & ~draft.columns[at]
    spoken = mentions.segment >= 0
    there[spoken] &= ~draft.segments[mentions.segment[spoken]]
    return there


def _category(columns: Columns, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    if not len(columns.category):
        return np.full(len(row), -1, np.int64)
    return columns.category[column, row]


def _record(
    batch: Batch,
    columns: Columns,
    poll: Poll,
    draft: Draft,
    at: np.ndarray,
    answers: np.ndarray,
) -> None:
    bound, mentions = batch.bound, batch.bound.mentions
    size = bound.num_rows
    row, column = mentions.row[at], mentions.column[at]
    is_whole = ~mentions.is_span_valid[at]
    named = is_whole & (column >= 0)
    draft.columns[column[named], row[named]] = True
    stuck = is_whole & (column < 0)
    stuck[named] = columns.is_required[column[named], row[named]]
    lost = ragged.any_by(row, stuck, size)
    left = columns.is_present & ~draft.columns
    lost |= ragged.any_by(row, named, size) & ~left.any(axis=0) & ~batch.has_segments
    first = ragged.min_by(row, answers, size)
    rows = np.flatnonzero(first != ragged.FAR)
    # What was redacted before for a nearer reason keeps that reason.
    nearer = (first[rows] >> 40) < draft.code[rows]
    fresh = ~draft.is_redacted[rows]
    changed = rows[nearer | fresh]
    poll.record(draft, changed, first[changed], redact=True)
    dropped = np.flatnonzero(lost)
    draft.is_redacted[dropped] = False
    draft.columns[:, dropped] = False
    draft.segments[lost[bound.segments.row]] = False
    gone = named & (column >= 0)
    kept = ~gone & ~lost[row]
    draft.mentions[at[kept]] = True
    # Other mentions in a column that went as a whole are gone with it.
    there = mentions.column >= 0
    covered = np.zeros(len(mentions), bool)
    covered[there] = draft.columns[mentions.column[there], mentions.row[there]]
    draft.mentions[covered] = False

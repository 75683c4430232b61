"""Records judged segment by segment: what one person said goes, the rest may stay."""

from __future__ import annotations

import numpy as np

from consentfilter.decide import ragged
from consentfilter.decide.batch import Batch
from consentfilter.decide.columns import Columns
from consentfilter.decide.draft import Draft
from consentfilter.decide.index import MemberIndex
from consentfilter.decide.poll import Entries, Poll, is_failing, unasked
from consentfilter.decide.ragged import FAR
from consentfilter.decide.wholes import Cells


def judge_by_segment(
    batch: Batch,
    member: MemberIndex,
    people: np.ndarray,
    rows: np.ndarray,
    draft: Draft,
) -> None:
    """Decide the records of a mask, which all have segments, part by part.

    Args:
        batch: the records.
        member: the policy.
        people: entries of people with a deciding role.
        rows: bool per record: which ones to decide.
        draft: is filled in for those records.
    """
    if not rows.any():
        return
    bound, size = batch.bound, batch.bound.num_rows
    people = people[rows[bound.people.row[people]]]
    columns = Columns.of(batch)
    column_row, column_at = columns.present_in(rows)
    judged = ~columns.is_spared[column_at]
    column_row, column_at = column_row[judged], column_at[judged]
    spoken, segment_of = _segment_entries(batch, people)
    whole, cell_of, cells = _column_entries(
        batch, people, column_row, columns.category[column_at, column_row]
    )
    poll = Poll.take(batch, member, spoken + whole)
    segment_answers = _by_segment(batch, rows, segment_of, poll.answers[: len(spoken)])
    cell_answers = ragged.min_by(cell_of, poll.answers[len(spoken) :], len(cells))
    own = cell_answers[cells.find(column_row, columns.category[column_at, column_row])]
    own = np.minimum(own, _derived(batch, cells, cell_answers)[column_row])

    chosen = rows[bound.segments.row]
    seg_row = bound.segments.row[chosen]
    answers = segment_answers[chosen]
    seg_fails = is_failing(answers)
    least_segment = ragged.min_by(seg_row, answers, size)
    least = np.minimum(least_segment, ragged.min_by(column_row, own, size))
    total = ragged.count_by(seg_row, size)
    failed = ragged.count_by(seg_row[seg_fails], size)
    column_fails = is_failing(own) | (failed > 0)[column_row]

    all_fail = rows & (failed == total)
    any_fail = (failed > 0) | ragged.any_by(column_row, column_fails, size)
    kept = rows & ~any_fail
    share = member.policy.multi_subject.min_retained
    too_little = rows & any_fail & ~all_fail & (total - failed < share * total - 1e-9)
    needed = ragged.any_by(
        column_row, column_fails & columns.is_required[column_at, column_row], size
    )
    redacted = rows & any_fail & ~all_fail & ~too_little & ~needed
    below = np.full(size, unasked("BELOW_MIN_RETAINED"))
    for mask, said, redact in (
        (kept, least, False),
        (all_fail, least_segment, False),
        (too_little, below, False),
        (rows & any_fail & ~all_fail & ~too_little & needed, least, False),
        (redacted, least, True),
    ):
        at = np.flatnonzero(mask)
        poll.record(draft, at, said[at], redact=redact)
    draft.segments[np.flatnonzero(chosen)[seg_fails & redacted[seg_row]]] = True
    goes = column_fails & redacted[column_row]
    draft.columns[column_at[goes], column_row[goes]] = True


def _segment_entries(batch: Batch, people: np.ndarray) -> tuple[Entries, np.ndarray]:
    """Ask everybody in a segment about its category and what it derives from."""
    bound = batch.bound
    inside = people[bound.people.segment[people] >= 0]
    segment = bound.people.segment[inside]
    own = Entries.of_people(batch, inside, batch.segment_category[segment])
    start, count = ragged.ranges(bound.derived_row, bound.num_rows)
    row = bound.people.row[inside]
    owner, at = ragged.expand(start[row], count[row])
    derived = Entries.of_people(batch, inside[owner], batch.derived_category[at])
    return own + derived, np.concatenate([segment, segment[owner]])


def _by_segment(
    batch: Batch, rows: np.ndarray, segment: np.ndarray, answers: np.ndarray
) -> np.ndarray:
    """Return the encoded answer per segment; nobody to ask is a failure."""
    size = len(batch.bound.segments)
    order = np.argsort(segment, kind="stable")
    least = ragged.min_by(segment[order], answers[order], size)
    return np.where(least == FAR, unasked("SUBJECT_UNKNOWN"), least)


def _column_entries(
    batch: Batch, people: np.ndarray, row: np.ndarray, category: np.ndarray
) -> tuple[Entries, np.ndarray, Cells]:
    """Ask everybody in a record about the categories of its columns."""
    bound = batch.bound
    has_columns = np.zeros(bound.num_rows, bool)
    has_columns[row] = True
    derived = has_columns[bound.derived_row]
    cells = Cells.of(
        np.concatenate([row, bound.derived_row[derived]]),
        np.concatenate([category, batch.derived_category[derived]]),
        len(batch.index.categories),
    )
    person_row = bound.people.row[people]
    start = np.searchsorted(person_row, cells.row)
    count = np.searchsorted(person_row, cells.row, side="right") - start
    cell_of, at = ragged.expand(start, count)
    entries = Entries.of_people(batch, people[at], cells.category[cell_of])
    return entries, cell_of, cells


def _derived(batch: Batch, cells: Cells, answers: np.ndarray) -> np.ndarray:
    """Return per record the least answer about what it was derived from."""
    bound = batch.bound
    asked = np.isin(bound.derived_row, cells.row)
    row = bound.derived_row[asked]
    at = cells.find(row, batch.derived_category[asked])
    return ragged.min_by(row, answers[at], bound.num_rows)

"""Records judged as a whole, and records whose columns are judged one by one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.decide import ragged
from consentfilter.decide.batch import Batch
from consentfilter.decide.columns import Columns
from consentfilter.decide.draft import Draft
from consentfilter.decide.index import MemberIndex
from consentfilter.decide.poll import Entries, Poll, by_quorum, is_failing
from consentfilter.reasons import CODE


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """Distinct (record, category) pairs, ascending by record.

    Attributes:
        row: int64. category: int32. The pairs of a record are next to each other.
    """

    row: np.ndarray
    category: np.ndarray
    _key: np.ndarray
    _width: int

    @classmethod
    def of(cls, row: np.ndarray, category: np.ndarray, width: int) -> Cells:
        """Gather pairs in any order, with repeats; `width` exceeds every code."""
        key = np.unique(row.astype(np.int64) * width + category)
        return cls(key // width, (key % width).astype(np.int32), key, width)

    def find(self, row: np.ndarray, category: np.ndarray) -> np.ndarray:
        """Return the number of each pair; all must be there."""
        return np.searchsorted(self._key, row.astype(np.int64) * self._width + category)

    def __len__(self) -> int:
        return len(self.row)


def judge_as_whole(
    batch: Batch,
    member: MemberIndex,
    people: np.ndarray,
    rows: np.ndarray,
    draft: Draft,
) -> None:
    """Decide the records of a mask by everybody in them.

    Args:
        batch: the records.
        member: the policy.
        people: entries of people with a deciding role.
        rows: bool per record: which ones to decide.
        draft: is filled in for those records.
    """
    people = people[rows.take(batch.bound.people.row.take(people))]
    _drop_nameless(batch, people, rows, draft)
    rows = rows & (draft.code == 0)
    if not rows.any():
        return
    people = people[rows.take(batch.bound.people.row.take(people))]
    if _is_one_each(batch, people, rows):
        _judge_one_each(batch, member, people, draft)
        return
    columns = Columns.of(batch)
    by_column = rows & ~batch.has_segments & columns.is_any_present
    if member.policy.on_fail == "drop":
        by_column[:] = False
    _judge_units(batch, member, people, rows, by_column, columns, draft)


def _drop_nameless(
    batch: Batch, people: np.ndarray, rows: np.ndarray, draft: Draft
) -> None:
    """Drop records, or records with a segment, in which nobody can be asked."""
    bound = batch.bound
    named = np.zeros(bound.num_rows, bool)
    named[bound.people.row[people]] = True
    if len(bound.segments):
        spoken = np.zeros(len(bound.segments), bool)
        of = bound.people.segment[people]
        spoken[of[of >= 0]] = True
        named &= ~ragged.any_by(bound.segments.row, ~spoken, bound.num_rows)
    draft.drop(rows & ~named, CODE["SUBJECT_UNKNOWN"])


def _is_one_each(batch: Batch, people: np.ndarray, rows: np.ndarray) -> bool:
    """Tell whether every record is about one person and of one category."""
    return (
        not batch.bound.has_parts
        and not len(batch.bound.derived_row)
        and len(people) == int(rows.sum())
    )


def _judge_one_each(
    batch: Batch, member: MemberIndex, people: np.ndarray, draft: Draft
) -> None:
    at = batch.bound.people.row.take(people)
    poll = Poll.take(
        batch, member, Entries.of_people(batch, people, batch.category.take(at))
    )
    answers = poll.answers
    if member.policy.multi_subject.mode == "quorum":
        own = np.arange(len(at))
        quorum = member.policy.multi_subject.quorum
        answers = by_quorum(own, own, answers, len(own), quorum)
    poll.record(draft, at, answers)


def _judge_units(
    batch: Batch,
    member: MemberIndex,
    people: np.ndarray,
    rows: np.ndarray,
    by_column: np.ndarray,
    columns: Columns,
    draft: Draft,
) -> None:
    bound, size = batch.bound, batch.bound.num_rows
    whole = np.flatnonzero(rows & ~by_column)
    pairs = [(whole, whole, batch.category[whole])]
    in_whole = rows & ~by_column
    for row, category in (
        (bound.segments.row, batch.segment_category),
        (bound.overrides.row, batch.override_category),
    ):
        # A field that is null counts for nothing; columns.own leaves it out.
        chosen = (
            in_whole[row]
            if row is bound.segments.row
            else (in_whole[row] & (bound.overrides.column < 0))
        )
        pairs.append((row[chosen], row[chosen], category[chosen]))
    row, column = columns.own_categories(in_whole)
    pairs.append((row, row, columns.category[column, row]))
    # Columns are units of their own, numbered on from the records.
    column_row, column_at = columns.present_in(by_column)
    unit = size + np.arange(len(column_row))
    pairs.append((unit, column_row, columns.category[column_at, column_row]))
    of_derived = rows[bound.derived_row]
    derived_row = bound.derived_row[of_derived]
    derived_category = batch.derived_category[of_derived]
    first = in_whole[derived_row]
    pairs.append((derived_row[first], derived_row[first], derived_category[first]))
    count = np.bincount(derived_row, minlength=size)[column_row]
    start = np.searchsorted(derived_row, column_row)
    owner, at = ragged.expand(start, count)
    pairs.append((unit[owner], column_row[owner], derived_category[at]))
    units, unit_row, category = (
        np.concatenate([np.asarray(part, np.int64) for part in parts])
        for parts in zip(*pairs, strict=True)
    )
    cells = Cells.of(unit_row, category, len(batch.index.categories))
    poll, cell_of = _ask(batch, member, people, cells)
    total = size + len(column_row)
    answers = _settle(
        batch, member, poll, cell_of, units, cells.find(unit_row, category), total
    )
    poll.record(draft, whole, answers[whole])
    _record_columns(
        columns, column_row, column_at, answers[size:], by_column, poll, draft
    )


def _ask(
    batch: Batch, member: MemberIndex, people: np.ndarray, cells: Cells
) -> tuple[Poll, np.ndarray]:
    """Ask everybody in a record about every category of it, once."""
    person_row = batch.bound.people.row[people]
    start = np.searchsorted(person_row, cells.row)
    count = np.searchsorted(person_row, cells.row, side="right") - start
    cell_of, at = ragged.expand(start, count)
    entries = Entries.of_people(batch, people[at], cells.category[cell_of])
    return Poll.take(batch, member, entries), cell_of


def _settle(
    batch: Batch,
    member: MemberIndex,
    poll: Poll,
    cell_of: np.ndarray,
    units: np.ndarray,
    cells: np.ndarray,
    total: int,
) -> np.ndarray:
    """Return the encoded answer per unit from the answers per person and cell."""
    order = np.argsort(units, kind="stable")
    units, cells = units[order], cells[order]
    size = int(cells.max()) + 1 if len(cells) else 0
    if member.policy.multi_subject.mode != "quorum":
        least = ragged.min_by(cell_of, poll.answers, size)
        return ragged.min_by(units, least[cells], total)
    start, count = ragged.ranges(cell_of, size)
    owner, at = ragged.expand(start[cells], count[cells])
    return by_quorum(
        units[owner],
        _identities(batch)[poll.entries.source[at]],
        poll.answers[at],
        total,
        member.policy.multi_subject.quorum,
    )


def _identities(batch: Batch) -> np.ndarray:
    """Return a number per entry of people, the same for the same key."""
    key = batch.bound.people.key
    encoded = pc.dictionary_encode(key).indices
    numbers = pc.fill_null(encoded, pa.scalar(-1, encoded.type)).to_numpy()
    own = len(key) + np.arange(len(key))
    return np.where(numbers < 0, own, numbers)


def _record_columns(
    columns: Columns,
    row: np.ndarray,
    column: np.ndarray,
    answers: np.ndarray,
    rows: np.ndarray,
    poll: Poll,
    draft: Draft,
) -> None:
    """Keep, redact or drop records by what each of their columns may do."""
    size = len(rows)
    fails = is_failing(answers)
    order = np.argsort(row, kind="stable")
    least = ragged.min_by(row[order], answers[order], size)
    all_fail = rows & ~ragged.any_by(row, ~fails, size)
    some_fail = ragged.any_by(row, fails, size)
    needed = ragged.any_by(row, fails & columns.is_required[column, row], size)
    dropped = all_fail | (rows & needed)
    kept = rows & ~some_fail
    redacted = rows & some_fail & ~dropped
    for mask, redact in ((dropped, False), (kept, False), (redacted, True)):
        at = np.flatnonzero(mask)
        poll.record(draft, at, least[at], redact=redact)
    goes = fails & redacted[row]
    draft.columns[column[goes], row[goes]] = True

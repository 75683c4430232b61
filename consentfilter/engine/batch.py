"""What happens to a batch of records: bound, decided, redacted, accounted for.

What comes out depends on nothing but the batch and the run, so every engine may cut
batches where it likes, and work on them anywhere and at any time.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter import binding
from consentfilter.dataset import Dataset
from consentfilter.decide import kernel, redact
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.index import ConsentIndex
from consentfilter.engine import ledger
from consentfilter.engine.tally import Tally, tally
from consentfilter.lineage import rows as row_hashes
from consentfilter.lineage.evidence import PEOPLE_SCHEMA
from consentfilter.reasons import Decision
from consentfilter.records import ROLES, Bound


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What decides, the same for every part of a run.

    Attributes:
        index: policy and consent, compiled.
        dataset: the binding.
        categories: the categories that the taxonomy knows.
        release_key: 32 bytes that key pseudonyms.
        id_key: keys subject ids, or None.
        repeated: ids that occur more than once and are to be dropped (policy
            `on_duplicate: drop`), or None.
        emits: False for a dry run: nothing is read but what decides.
    """

    index: ConsentIndex
    dataset: Dataset
    categories: frozenset[str]
    release_key: bytes
    id_key: bytes | None = None
    repeated: pa.Array | None = None
    emits: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch.

    Attributes:
        record_id: the ids, null when blank.
        admitted: rows to emit; None in a dry run.
        ledger: one row per record, `out_row` from 0.
        people: who is named in which row, and who is in (`PEOPLE_SCHEMA`).
        rows, admitted_rows: how many.
        tally: counts.
        group_ends: after how many admitted rows an output row group ends; more
            than one where small row groups were read together, none where one is
            not complete yet.
    """

    record_id: pa.Array
    admitted: pa.Table | None
    ledger: pa.Table
    people: pa.Table
    rows: int
    admitted_rows: int
    tally: Tally
    group_ends: tuple[int, ...]


def decide_batch(table: pa.Table, run: Run) -> tuple[Bound, Decisions]:
    """Bind and decide a batch; payload columns are needed only to redact parts.

    Raises:
        InputError: the table does not fit the binding.
    """
    bound = binding.bind(table, run.dataset, id_key=run.id_key)
    repeated = None
    if run.repeated is not None:
        is_repeated = pc.fill_null(pc.is_in(bound.record_id, run.repeated), False)
        repeated = np.asarray(is_repeated.to_numpy(zero_copy_only=False))
    return bound, kernel.decide(bound, run.index, duplicates=repeated)


def admit_batch(
    table: pa.Table, bound: Bound, decided: Decisions, run: Run
) -> pa.Table:
    """Return the rows of a whole batch that may be emitted, redacted where needed."""
    return redact.redact(
        table, bound, decided, run.dataset, release_key=run.release_key
    )


def batch_result(
    bound: Bound,
    decided: Decisions,
    admitted: pa.Table | None,
    run: Run,
    *,
    part: str,
    first_row: int,
    group_ends: tuple[int, ...] = (),
) -> BatchResult:
    """Return what became of a batch: its ledger, digests and counts."""
    digests = None if admitted is None else row_hashes.row_digests(admitted)
    return BatchResult(
        record_id=bound.record_id,
        admitted=admitted,
        ledger=ledger.ledger_table(
            decided,
            bound.record_id,
            redact.redacted_lists(bound, decided),
            digests,
            part=part,
            first_row=first_row,
        ),
        people=named_people(bound, decided),
        rows=bound.num_rows,
        admitted_rows=int((decided.decision != Decision.DROP).sum()),
        tally=tally(decided, bound.category, run.categories),
        group_ends=group_ends,
    )


def named_people(bound: Bound, decided: Decisions) -> pa.Table:
    """Return who is named in each record, and of whom something remains.

    Of a person in a segment something remains while the segment does; of a
    mentioned one, while one of the mentions does; of anybody else named in the
    record, while the record does.
    """
    people, mentions = bound.people, bound.mentions
    is_admitted = decided.decision != Decision.DROP
    is_gone = np.append(decided.segments, False).take(people.segment)
    speaks = np.flatnonzero(people.role != ROLES.index("mentioned"))
    rows = np.concatenate([people.row[speaks], mentions.row]).astype(np.int32)
    remains = np.concatenate([~is_gone[speaks], ~decided.mentions])
    keys = people.key
    if len(speaks) < len(people):
        keys = keys.take(pa.array(speaks))
    if len(mentions):
        keys = pa.concat_arrays([keys, mentions.key])
    return pa.Table.from_arrays(
        [pa.array(rows), keys, pa.array(is_admitted.take(rows) & remains)],
        schema=PEOPLE_SCHEMA,
    )


def moved_people(people: pa.Table, rows: int) -> pa.Table:
    """Return people of a batch that stands behind so many rows of others."""
    if not rows:
        return people
    at = PEOPLE_SCHEMA.get_field_index("row")
    moved = pc.add(people.column(at), pa.scalar(rows, pa.int32()))
    return people.set_column(at, PEOPLE_SCHEMA.field(at), moved)

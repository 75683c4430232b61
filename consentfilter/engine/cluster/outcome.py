"""What a decision gives for a batch: three outputs, one code path.

A batch may come from Beam or Spark, as columns or as rows; all end here, as a table
and the run that decides it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

import numpy as np
import pyarrow as pa

from consentfilter.decide import redact
from consentfilter.decide.decisions import Decisions
from consentfilter.engine import ledger
from consentfilter.engine.batch import decide_batch
from consentfilter.engine.cluster.shared import Held
from consentfilter.errors import InputError
from consentfilter.lineage import ledger as ledger_rows
from consentfilter.reasons import Decision
from consentfilter.records import Bound

#: The column that a dropped record gets.
REASON_COLUMN: Final = "consentfilter_reason"
#: Why everything is dropped while there is no snapshot.
NO_SNAPSHOT_REASON: Final = "NO_CONSENT_RECORD"

_SHARED: Final = (
    "record_id",
    "decision",
    "reason",
    "redacted",
    "rule",
    "subject_key",
    "grant_id",
    "denial_id",
)
#: Columns of the transform's ledger: those of a release's ledger that do not speak
#: of files, and which snapshot decided, as of when (null: there was none).
LEDGER_SCHEMA: Final = pa.schema(
    [
        *(ledger_rows.LEDGER_SCHEMA.field(name) for name in _SHARED),
        pa.field("snapshot_id", pa.dictionary(pa.int8(), pa.string())),
        pa.field("as_of", pa.timestamp("us", "UTC")),
    ]
)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided for a table.

    Attributes:
        bound, decided: one entry per row.
        reasons: reason name per row (dictionary-encoded).
        ledger: one row per row of the table (`LEDGER_SCHEMA`).
    """

    bound: Bound
    decided: Decisions
    reasons: pa.DictionaryArray
    ledger: pa.Table

    @property
    def is_dropped(self) -> np.ndarray:
        """Bool per row: it is dropped."""
        found: np.ndarray = self.decided.decision == Decision.DROP
        return found


def outcome(table: pa.Table, held: Held) -> Outcome:
    """Decide a table.

    Raises:
        InputError: the table does not fit the binding.
    """
    bound, decided = decide_batch(table, held.run)
    full = ledger.ledger_table(
        decided,
        bound.record_id,
        redact.redacted_lists(bound, decided),
        None,
        part="",
        first_row=0,
    )
    columns = [full.column(name) for name in _SHARED]
    stamped = _stamped(columns, held.meta.snapshot_id, held.meta.as_of)
    reasons = full.column("reason").combine_chunks()
    return Outcome(bound, decided, reasons, stamped)


def admitted(table: pa.Table, made: Outcome, held: Held) -> pa.Table:
    """Return the rows that may be used, redacted where needed, in their order."""
    run = held.run
    return redact.redact(
        table, made.bound, made.decided, run.dataset, release_key=run.release_key
    )


def dropped(table: pa.Table, made: Outcome) -> pa.Table:
    """Return the dropped rows as they came, with the reason as a further column.

    Raises:
        InputError: the table has a column of that name already.
    """
    return with_reason(
        table.filter(pa.array(made.is_dropped)),
        made.reasons.filter(pa.array(made.is_dropped)),
    )


def with_reason(table: pa.Table, names: pa.Array) -> pa.Table:
    """Return a table with the column of reasons.

    Raises:
        InputError: the table has a column of that name already.
    """
    if REASON_COLUMN in table.schema.names:
        raise InputError(
            f"records: there is a column {REASON_COLUMN!r} already; it is where "
            "dropped records get their reason: rename yours."
        )
    return table.append_column(REASON_COLUMN, names)


def ledger_without_snapshot(record_ids: pa.Array) -> pa.Table:
    """Return the ledger of records that came while there was no snapshot."""
    rows = len(record_ids)
    names = {"decision": "drop", "reason": NO_SNAPSHOT_REASON}
    columns = [
        record_ids
        if field.name == "record_id"
        else pa.repeat(names[field.name], rows).dictionary_encode().cast(field.type)
        if field.name in names
        else pa.nulls(rows, field.type)
        for field in (LEDGER_SCHEMA.field(name) for name in _SHARED)
    ]
    return _stamped(columns, None, None)


def _stamped(
    columns: list[pa.Array], snapshot_id: str | None, as_of: dt.datetime | None
) -> pa.Table:
    """Put the columns of a ledger together with what decided."""
    rows = len(columns[0])
    codes = pa.array(np.zeros(rows, np.int8), mask=np.full(rows, snapshot_id is None))
    names = pa.array([snapshot_id or ""], pa.string())
    stamp = [
        pa.DictionaryArray.from_arrays(codes, names),
        pa.repeat(pa.scalar(as_of, pa.timestamp("us", "UTC")), rows),
    ]
    return pa.Table.from_arrays([*columns, *stamp], schema=LEDGER_SCHEMA)


def batches_of(table: pa.Table) -> list[pa.RecordBatch]:
    """Return a table as batches without those that have no rows."""
    found = table.combine_chunks().to_batches() if table.num_rows else []
    return [batch for batch in found if batch.num_rows]

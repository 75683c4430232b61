"""One part in, one part out: the same code under every engine.

A part becomes the part of the same name in the release, with its ledger and its
evidence. Results may be computed ahead, anywhere; they are written in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.engine import ledger
from consentfilter.engine.batch import (
    BatchResult,
    Run,
    decide_batch,
    moved_people,
)
from consentfilter.engine.footers import Footer
from consentfilter.engine.reader import (
    PartReader,
    hive_columns,
    schema_with_hive,
    units,
)
from consentfilter.engine.sink import FileRecord, HashingSink
from consentfilter.engine.tally import Tally
from consentfilter.lineage.evidence import PartEvidence

# The one place for engines to import from; each part lives in a module of its own.
__all__ = [
    "OpenSinks",
    "PartReader",
    "Run",
    "ShardRecord",
    "ShardWriter",
    "Sinks",
    "check_rows",
    "decide_batch",
    "hive_columns",
    "process_part",
    "schema_with_hive",
    "units",
]


@dataclasses.dataclass(frozen=True, slots=True)
class ShardRecord:
    """What happened to one part.

    Attributes:
        name: the part's name.
        rows: rows read. admitted_rows: rows emitted.
        tally: counts.
        data: the file below the release; None in a dry run.
        ledger: the file below `private/`; None when it was not written.
    """

    name: str
    rows: int
    admitted_rows: int
    tally: Tally
    data: FileRecord | None
    ledger: FileRecord | None


@dataclasses.dataclass(frozen=True, slots=True)
class Sinks:
    """Where a part's output goes; None for what is not written.

    Attributes:
        data: the admitted rows. ledger: a row per record.
        evidence: entries for the commitments.
    """

    data: HashingSink | None = None
    ledger: HashingSink | None = None
    evidence: PartEvidence | None = None


#: A ledger's row groups have this many rows, or up to twice as many.
LEDGER_GROUP_ROWS: Final = 1 << 17

#: Opens the sinks of a part.
OpenSinks: TypeAlias = Callable[[Footer], Sinks]


class ShardWriter:
    """Writes a part's results, in order, to its data file and its ledger."""

    def __init__(self, reader: PartReader, sinks: Sinks) -> None:
        self._name = reader.footer.part.name
        self._sinks = sinks
        self._data: pq.ParquetWriter | None = None
        self._ledger: pq.ParquetWriter | None = None
        if sinks.data is not None:
            may_redact = reader.may_redact
            self._data = reader.layout.writer(sinks.data, may_redact=may_redact)
        if sinks.ledger is not None:
            self._ledger = ledger.ledger_writer(sinks.ledger)
        self._rows = self._admitted_rows = 0
        self._tally = Tally()
        self._open_group: list[pa.Table] = []
        self._ledger_rows: list[BatchResult] = []

    def write(self, result: BatchResult) -> None:
        """Write one result."""
        self.write_data(result)
        self.write_ledger(result)

    def write_data(self, result: BatchResult) -> None:
        """Write a result's admitted rows; each row group when it is complete."""
        if self._data is None or result.admitted is None:
            return
        start = 0
        for end in result.group_ends:
            self._open_group.append(result.admitted[start:end])
            self._write_group(self._data)
            start = end
        if start < result.admitted_rows:
            self._open_group.append(result.admitted[start:])

    def _write_group(self, data: pq.ParquetWriter) -> None:
        """Write the open row group, even when it is empty."""
        group = self._open_group
        table = group[0]
        if len(group) > 1:
            table = pa.concat_tables(group).unify_dictionaries()
        data.write_table(table, max(1, table.num_rows))
        self._open_group = []

    def write_ledger(self, result: BatchResult) -> None:
        """Take a result's ledger and evidence, and count it."""
        self._ledger_rows.append(result)
        self._tally += result.tally
        if sum(each.rows for each in self._ledger_rows) >= LEDGER_GROUP_ROWS:
            self._write_ledger_group()

    def _write_ledger_group(self) -> None:
        """Write what is waiting as one row group of the ledger."""
        tables, people, first = [], [], 0
        for result in self._ledger_rows:
            tables.append(ledger.numbered_from(result.ledger, self._admitted_rows))
            people.append(moved_people(result.people, first))
            first += result.rows
            self._admitted_rows += result.admitted_rows
        self._ledger_rows = []
        self._rows += first
        table = pa.concat_tables(tables).unify_dictionaries()
        if self._ledger is not None:
            self._ledger.write_table(table, max(1, table.num_rows))
        if self._sinks.evidence is not None:
            self._sinks.evidence.add(table, pa.concat_tables(people))

    def close(self) -> ShardRecord:
        """Finish all files and return what happened."""
        if self._ledger_rows:
            self._write_ledger_group()
        data, ledger_sink = self._sinks.data, self._sinks.ledger
        for writer, sink in ((self._data, data), (self._ledger, ledger_sink)):
            if writer is not None and sink is not None:
                writer.close()
                sink.close()
        if self._sinks.evidence is not None:
            self._sinks.evidence.close()
        return ShardRecord(
            self._name,
            self._rows,
            self._admitted_rows,
            self._tally,
            None
            if data is None
            else data.record(f"data/{self._name}", self._admitted_rows),
            None
            if ledger_sink is None
            else ledger_sink.record(f"ledger/{self._name}", self._rows),
        )

    def abort(self) -> None:
        """Close everything that is still open; what was written is no use."""
        sinks = self._sinks
        for writer, sink in ((self._data, sinks.data), (self._ledger, sinks.ledger)):
            if writer is None or sink is None or sink.closed:
                continue
            sink.discard()
            with contextlib.suppress(OSError, pa.ArrowException):
                writer.close()
            writer.is_open = False  # else its finaliser tries once more
            sink.close()
        if sinks.evidence is not None:
            sinks.evidence.__exit__(RuntimeError, None, None)  # throws its files away


def process_part(
    footer: Footer, run: Run, open_sinks: OpenSinks
) -> tuple[ShardRecord, list[pa.Array]]:
    """Decide and write one part, one unit after the other.

    What an engine calls that has many parts and runs each on one worker.

    Returns:
        What happened, and the record ids of each unit (for the check that ids are
        unique within the run).
    """
    with contextlib.closing(PartReader(footer, run)) as reader:
        writer = ShardWriter(reader, open_sinks(footer))
        try:
            ids: list[pa.Array] = []
            for unit in units(footer):
                for result in reader.decide(unit):
                    writer.write(result)
                    ids.append(result.record_id)
            return writer.close(), ids
        except BaseException:
            writer.abort()
            raise


def check_rows(footers: Sequence[Footer], records: Sequence[ShardRecord]) -> list[str]:
    """Return what does not add up between the parts' footers and what was done."""
    done = {record.name: record for record in records}
    problems: list[str] = []
    for footer in footers:
        record = done.get(footer.part.name)
        if record is None:
            problems.append(f"{footer.part.shown}: was not processed")
        elif not record.rows == footer.wanted_rows == record.tally.rows():
            problems.append(
                f"{footer.part.shown}: {footer.wanted_rows:,} rows by its footer, "
                f"{record.rows:,} read, {record.tally.rows():,} decided"
            )
    return problems

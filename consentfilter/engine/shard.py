"""One part in, one part out: the same code under every engine.

A part becomes the part of the same name in the release, with its ledger, in units:
a unit is a row group of the input and becomes one row group of each output. What a
unit gives depends on nothing but its rows and the run (`Run`), so engines may
compute units anywhere and at any time, and write them in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from consentfilter import binding
from consentfilter.dataset import Dataset
from consentfilter.decide import kernel, redact
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.index import ConsentIndex
from consentfilter.engine import ledger
from consentfilter.engine.footers import Footer, open_parquet
from consentfilter.engine.layout import FileLayout, read_layout
from consentfilter.engine.sink import FileRecord, HashingSink
from consentfilter.engine.tally import Tally, tally
from consentfilter.errors import InputError
from consentfilter.layout.resolve import lay_out
from consentfilter.lineage import rows as row_hashes
from consentfilter.lineage.evidence import PEOPLE_SCHEMA, PartEvidence
from consentfilter.reasons import Decision
from consentfilter.records import ROLES, Bound

#: Row groups beyond this size are cut, so that memory stays bounded; a rule of
#: the file alone, so that the output does not depend on the machine.
LARGE_GROUP_BYTES: Final = 1 << 30
#: About how many uncompressed bytes each piece of a large row group has.
PIECE_BYTES: Final = 256 << 20


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
class Unit:
    """A row group, or a piece of a large one.

    Attributes:
        group: number of the row group.
        first_row: position of its first row in the part.
        rows: how many rows.
        piece_rows: rows per piece where the row group is cut, else 0.
        size_bytes: uncompressed size.
    """

    group: int
    first_row: int
    rows: int
    piece_rows: int
    size_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class UnitResult:
    """What became of a unit, or of one piece of a large one.

    Attributes:
        record_id: the ids, null when blank.
        admitted: rows to emit; None in a dry run.
        ledger: one row per record, `out_row` from 0.
        people: who is named in which row, and who is in (`PEOPLE_SCHEMA`).
        rows, admitted_rows: how many.
        tally: counts.
    """

    record_id: pa.Array
    admitted: pa.Table | None
    ledger: pa.Table
    people: pa.Table
    rows: int
    admitted_rows: int
    tally: Tally


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


def units(footer: Footer) -> list[Unit]:
    """Return the units of a part, in order."""
    found: list[Unit] = []
    first = 0
    for at, (rows, size) in enumerate(
        zip(footer.row_groups, footer.row_group_bytes, strict=True)
    ):
        if footer.limit is not None and first >= footer.limit:
            break
        pieces = -(-size // PIECE_BYTES) if size > LARGE_GROUP_BYTES else 0
        wanted = rows if footer.limit is None else min(rows, footer.limit - first)
        piece_rows = -(-rows // pieces) if pieces else 0
        found.append(Unit(at, first, wanted, piece_rows, size))
        first += rows
    return found


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
) -> UnitResult:
    """Return what became of a batch: its ledger, digests and counts."""
    digests = None if admitted is None else row_hashes.row_digests(admitted)
    return UnitResult(
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
    )


def named_people(bound: Bound, decided: Decisions) -> pa.Table:
    """Return who is named in each record, and of whom something remains.

    Of a person in a segment something remains while the segment does; of a
    mentioned one, while one of the mentions does; of anybody else named in the
    record, while the record does.
    """
    people, mentions = bound.people, bound.mentions
    is_admitted = decided.decision != Decision.DROP
    is_gone = np.append(decided.segments, False)[people.segment]
    speaks = people.role != ROLES.index("mentioned")
    rows = np.concatenate([people.row[speaks], mentions.row]).astype(np.int32)
    remains = np.concatenate([~is_gone[speaks], ~decided.mentions])
    keys = pa.concat_arrays([people.key.filter(pa.array(speaks)), mentions.key])
    return pa.Table.from_arrays(
        [pa.array(rows), keys, pa.array(is_admitted[rows] & remains)],
        schema=PEOPLE_SCHEMA,
    )


class PartReader:
    """Reads units of one part; safe to use from several threads."""

    def __init__(self, footer: Footer, run: Run) -> None:
        """Open the part.

        Raises:
            InputError: it cannot be opened, or not be written back as it is.
        """
        self.footer = footer
        self._run = run
        self._idle: queue.SimpleQueue[pq.ParquetFile] = queue.SimpleQueue()
        opened = open_parquet(footer.part)
        self.layout: FileLayout = read_layout(opened, footer.part)
        self._idle.put(opened)
        self._hive = hive_columns(footer, run.dataset)
        needed = set(
            binding.needed_columns(schema_with_hive(footer, run.dataset), run.dataset)
        )
        names = self.layout.schema.names
        self._deciding = [name for name in names if name in needed]
        self._payload = [name for name in names if name not in needed]

    @property
    def may_redact(self) -> bool:
        """Whether a record can lose a part, so that values may change."""
        return not self._payload

    def close(self) -> None:
        """Close what was opened."""
        while not self._idle.empty():
            self._idle.get().close()

    def decide(self, unit: Unit) -> Iterator[UnitResult]:
        """Decide a unit: one result, or one per piece of a large row group.

        Raises:
            InputError: the row group cannot be read, or its columns not be bound.
        """
        try:
            opened = self._idle.get_nowait()
        except queue.Empty:
            opened = open_parquet(self.footer.part)
        try:
            if unit.piece_rows:
                yield from self._decide_pieces(opened, unit)
            else:
                yield self._decide_whole(opened, unit)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{self.footer.part.shown}: row group {unit.group} (rows "
                f"{unit.first_row:,} to {unit.first_row + unit.rows - 1:,}) cannot be "
                f"read: {error}; write or copy the file again."
            ) from error
        finally:
            self._idle.put(opened)

    def _decide_whole(self, opened: pq.ParquetFile, unit: Unit) -> UnitResult:
        table = opened.read_row_group(unit.group, self._deciding)[: unit.rows]
        bound, decided = self._decide(table)
        if not self._run.emits:
            return self._result(unit.first_row, bound, decided, None)
        if not (decided.decision != Decision.DROP).any():
            table = self.layout.schema.empty_table()
            return self._result(unit.first_row, bound, decided, table)
        if self._payload:
            rest = opened.read_row_group(unit.group, self._payload)[: unit.rows]
            table = self._together(table, rest)
        return self._result(
            unit.first_row, bound, decided, self._admitted(table, bound, decided)
        )

    def _decide_pieces(
        self, opened: pq.ParquetFile, unit: Unit
    ) -> Iterator[UnitResult]:
        columns = self.layout.schema.names if self._run.emits else self._deciding
        first, end = unit.first_row, unit.first_row + unit.rows
        for batch in opened.iter_batches(unit.piece_rows, [unit.group], columns):
            table = pa.Table.from_batches([batch])[: end - first]
            if not table.num_rows:
                break
            bound, decided = self._decide(table.select(self._deciding))
            admitted = None
            if self._run.emits:
                table = self._together(table, None)
                admitted = self._admitted(table, bound, decided)
            yield self._result(first, bound, decided, admitted)
            first += table.num_rows

    def _decide(self, table: pa.Table) -> tuple[Bound, Decisions]:
        for name, value in self._hive.items():
            constant = pa.repeat(pa.scalar(value, pa.string()), table.num_rows)
            table = table.append_column(name, constant)
        return decide_batch(table, self._run)

    def _admitted(self, table: pa.Table, bound: Bound, decided: Decisions) -> pa.Table:
        return admit_batch(table, bound, decided, self._run)

    def _result(
        self,
        first_row: int,
        bound: Bound,
        decided: Decisions,
        admitted: pa.Table | None,
    ) -> UnitResult:
        return batch_result(
            bound,
            decided,
            admitted,
            self._run,
            part=self.footer.part.name,
            first_row=first_row,
        )

    def _together(self, table: pa.Table, rest: pa.Table | None) -> pa.Table:
        """Put the columns back into the order and schema of the input."""
        schema = self.layout.schema
        columns = dict(zip(table.column_names, table.columns, strict=True))
        if rest is not None:
            columns.update(zip(rest.column_names, rest.columns, strict=True))
        return pa.Table.from_arrays([columns[n] for n in schema.names], schema=schema)


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

    def write(self, result: UnitResult) -> None:
        """Write one result: a row group each."""
        self.write_data(result)
        self.write_ledger(result)

    def write_data(self, result: UnitResult) -> None:
        """Write a result's admitted rows as one row group, even when there is none."""
        if self._data is not None and result.admitted is not None:
            self._data.write_table(result.admitted, max(1, result.admitted_rows))

    def write_ledger(self, result: UnitResult) -> None:
        """Write a result's ledger as one row group, and count it."""
        numbered = ledger.numbered_from(result.ledger, self._admitted_rows)
        if self._ledger is not None:
            self._ledger.write_table(numbered, max(1, result.rows))
        if self._sinks.evidence is not None:
            self._sinks.evidence.add(numbered, result.people)
        self._rows += result.rows
        self._admitted_rows += result.admitted_rows
        self._tally += result.tally

    def close(self) -> ShardRecord:
        """Finish all files and return what happened."""
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


def schema_with_hive(footer: Footer, dataset: Dataset) -> pa.Schema:
    """Return a part's schema with the columns that only its path has."""
    return _extended(footer.schema, hive_columns(footer, dataset))


def hive_columns(footer: Footer, dataset: Dataset) -> dict[str, str | None]:
    """Return what a part's path says and its file does not, as far as it is bound.

    A writer that partitions by a column takes it out of the files; a standard
    column (or one that the binding names) is then read from the path.
    """
    names = set(footer.schema.names)
    in_path = {n: v for n, v in footer.part.hive_values.items() if n not in names}
    if not in_path:
        return {}
    layout = lay_out(_extended(footer.schema, in_path), dataset)
    bound = {value.path.column for value in layout.values.values() if value.path}
    bound |= {subjects.path.column for subjects in layout.subjects}
    return {name: value for name, value in in_path.items() if name in bound}


def _extended(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    for name in names:
        schema = schema.append(pa.field(name, pa.string()))
    return schema

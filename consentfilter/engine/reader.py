"""Reading a part: what decides first, payload only where something is kept.

A part is read in units: a unit is a row group of the input and becomes one row
group of each output.
"""

from __future__ import annotations

import dataclasses
import queue
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter import binding, int96
from consentfilter.dataset import Dataset
from consentfilter.decide.decisions import Decisions
from consentfilter.engine.batch import (
    BatchResult,
    Run,
    admit_batch,
    batch_result,
    decide_batch,
)
from consentfilter.engine.footers import Footer, open_parquet
from consentfilter.engine.layout import FileLayout, read_layout
from consentfilter.errors import InputError
from consentfilter.layout.nested import one_array
from consentfilter.layout.resolve import lay_out
from consentfilter.reasons import Decision
from consentfilter.records import Bound

#: Row groups beyond this size are cut, so that memory stays bounded; a rule of
#: the file alone, so that the output does not depend on the machine.
LARGE_GROUP_BYTES: Final = 1 << 30
#: About how many uncompressed bytes each piece of a large row group has.
PIECE_BYTES: Final = 256 << 20


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
        self._times = (
            [] if int96.is_by_arrow(opened.metadata) else int96.int96_columns(opened)
        )
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

    def decide(self, unit: Unit) -> Iterator[BatchResult]:
        """Decide a unit: one result, or one per piece of a large row group.

        Raises:
            InputError: the row group cannot be read, or its columns not be bound.
        """
        try:
            opened = self._idle.get_nowait()
        except queue.Empty:
            opened = open_parquet(self.footer.part)
        try:
            if self._times:
                self._check_times(opened, unit)
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

    def _decide_whole(self, opened: pq.ParquetFile, unit: Unit) -> BatchResult:
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
    ) -> Iterator[BatchResult]:
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
    ) -> BatchResult:
        return batch_result(
            bound,
            decided,
            admitted,
            self._run,
            part=self.footer.part.name,
            first_row=first_row,
        )

    def _check_times(self, opened: pq.ParquetFile, unit: Unit) -> None:
        """Refuse INT96 times whose last digits microseconds cannot hold."""
        coarse = opened.read_row_group(unit.group, self._times)
        with pq.ParquetFile(self.footer.part.open(), pre_buffer=False) as as_stored:
            fine = as_stored.read_row_group(unit.group, self._times)
        for name in self._times:
            if pa.types.is_timestamp(fine.schema.field(name).type) and (
                int96.has_lost_digits(one_array(fine[name]), one_array(coarse[name]))
            ):
                raise InputError(
                    f"{self.footer.part.shown}: column {name!r} holds INT96 times with "
                    "digits below a microsecond, which would be lost; write the dump "
                    "again with INT64 nanoseconds"
                )

    def _together(self, table: pa.Table, rest: pa.Table | None) -> pa.Table:
        """Put the columns back into the order and schema of the input."""
        schema = self.layout.schema
        columns = dict(zip(table.column_names, table.columns, strict=True))
        if rest is not None:
            columns.update(zip(rest.column_names, rest.columns, strict=True))
        return pa.Table.from_arrays([columns[n] for n in schema.names], schema=schema)


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

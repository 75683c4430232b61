"""Reading a part: what decides first, payload only where something is kept.

A part is read in units: a row group, or several small ones together. A unit is
decided in pieces of bounded size; where the row groups of the output end is a rule
of the file alone, so that the output depends neither on the machine nor on who
reads.
"""

from __future__ import annotations

import dataclasses
import queue
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
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
from consentfilter.engine.footers import Footer, open_parquet, why_unreadable
from consentfilter.engine.layout import FileLayout, read_layout
from consentfilter.errors import InputError
from consentfilter.layout.nested import one_array
from consentfilter.layout.resolve import lay_out
from consentfilter.reasons import Decision
from consentfilter.records import Bound

#: At most so many rows are decided at a time. With fewer of them, threads hand the
#: interpreter to each other more often; with more, a piece takes too much memory.
PIECE_ROWS: Final = 1 << 17
#: And at most about so many uncompressed bytes.
PIECE_BYTES: Final = 64 << 20
#: A row group beyond this size becomes several, so that memory stays bounded.
LARGE_GROUP_BYTES: Final = 1 << 30
#: About how many uncompressed bytes of the input each of those takes.
CUT_BYTES: Final = 256 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """Consecutive row groups that are read together.

    Attributes:
        groups: numbers of the row groups; one, unless they are small.
        group_rows: how many rows of each are wanted.
        first_row: position of the first row in the part.
        size_bytes: uncompressed size.
        piece_rows: rows that are decided at a time.
        cut_rows: of a large row group, after how many rows an output row group
            ends; 0: output row groups end where the input's do.
    """

    groups: tuple[int, ...]
    group_rows: tuple[int, ...]
    first_row: int
    size_bytes: int
    piece_rows: int
    cut_rows: int

    @property
    def rows(self) -> int:
        """How many rows are wanted."""
        return sum(self.group_rows)

    @property
    def ends(self) -> tuple[int, ...]:
        """After which rows of the unit an output row group ends, ascending."""
        if self.cut_rows:
            inner = range(self.cut_rows, self.rows, self.cut_rows)
            return (*inner, self.rows)
        return tuple(int(end) for end in np.cumsum(self.group_rows))


def units(footer: Footer) -> list[Unit]:
    """Return the units of a part, in order."""
    found: list[Unit] = []
    small: list[tuple[int, int, int]] = []
    first = seen = 0

    def finish_small() -> None:
        nonlocal first
        if small:
            groups, rows, sizes = zip(*small, strict=True)
            unit = Unit(groups, rows, first, sum(sizes), PIECE_ROWS, 0)
            found.append(unit)
            first += unit.rows
            small.clear()

    for at, (rows, size) in enumerate(
        zip(footer.row_groups, footer.row_group_bytes, strict=True)
    ):
        if footer.limit is not None and seen >= footer.limit:
            break
        wanted = rows if footer.limit is None else min(rows, footer.limit - seen)
        seen += rows
        if sum(s[1] for s in small) + rows > PIECE_ROWS or (
            sum(s[2] for s in small) + size > PIECE_BYTES
        ):
            finish_small()
        if rows > PIECE_ROWS or size > PIECE_BYTES:
            found.append(_large_unit(at, rows, wanted, size, first))
            first += wanted
        else:
            small.append((at, wanted, size))
    finish_small()
    return found


def _large_unit(group: int, rows: int, wanted: int, size: int, first: int) -> Unit:
    piece_rows = min(PIECE_ROWS, max(1, rows * PIECE_BYTES // max(size, 1)))
    cut_rows = 0
    if size > LARGE_GROUP_BYTES:
        pieces = -(-rows * CUT_BYTES // size) // piece_rows
        cut_rows = max(1, pieces) * piece_rows
    return Unit((group,), (wanted,), first, size, piece_rows, cut_rows)


def read_columns(
    opened: pq.ParquetFile, unit: Unit, columns: Sequence[str]
) -> pa.Table:
    """Read some columns of a whole unit, on the thread of the caller.

    Units are read side by side already; Arrow's threads on top of that took 2.6
    times the processor time.
    """
    groups = list(unit.groups)
    table = opened.read_row_groups(groups, list(columns), use_threads=False)
    return table[: unit.rows]


def read_pieces(
    opened: pq.ParquetFile, unit: Unit, columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Read some columns of a unit piece by piece; at least one, maybe empty."""
    if unit.rows <= unit.piece_rows:
        yield read_columns(opened, unit, columns)
        return
    left = unit.rows
    for batch in opened.iter_batches(
        unit.piece_rows, list(unit.groups), list(columns), use_threads=False
    ):
        table = pa.Table.from_batches([batch])[:left]
        left -= table.num_rows
        if table.num_rows:
            yield table


class _Payload:
    """The payload of a unit: nothing of it is read before some of it is wanted."""

    def __init__(
        self, opened: pq.ParquetFile, unit: Unit, columns: Sequence[str]
    ) -> None:
        self._pieces = read_pieces(opened, unit, columns)
        self._at = 0
        self._ahead: pa.Table | None = None

    def rows(self, first: int, count: int) -> pa.Table:
        """Return rows of the unit; `first` may only grow from call to call."""
        found: list[pa.Table] = []
        missing = count
        while True:
            piece = self._ahead if self._ahead is not None else next(self._pieces)
            start = first + count - missing - self._at
            taken = piece.slice(start, missing)
            if taken.num_rows or not missing:
                found.append(taken)
                missing -= taken.num_rows
            if not missing:
                self._ahead = piece
                break
            self._ahead = None
            self._at += piece.num_rows
        return found[0] if len(found) == 1 else pa.concat_tables(found)


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

    def decide(self, unit: Unit) -> Generator[BatchResult, None, None]:
        """Decide a unit, piece by piece, in order.

        Raises:
            InputError: the row groups cannot be read, or their columns not be bound.
        """
        try:
            opened = self._idle.get_nowait()
        except queue.Empty:
            opened = open_parquet(self.footer.part)
        try:
            if self._times:
                self._check_times(opened, unit)
            yield from self._results(opened, unit)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                why_unreadable(self.footer.part, opened, unit.groups, error)
            ) from error
        finally:
            self._idle.put(opened)

    def _results(self, opened: pq.ParquetFile, unit: Unit) -> Iterator[BatchResult]:
        payload = _Payload(opened, unit, self._payload)
        at = 0
        for table in read_pieces(opened, unit, self._deciding):
            bound, decided = self._decide(table)
            is_admitted = decided.decision != Decision.DROP
            admitted = None
            if self._run.emits and is_admitted.any():
                rest = payload.rows(at, table.num_rows) if self._payload else None
                whole = self._together(table, rest)
                admitted = admit_batch(whole, bound, decided, self._run)
            elif self._run.emits:
                admitted = self.layout.schema.empty_table()
            yield batch_result(
                bound,
                decided,
                admitted,
                self._run,
                part=self.footer.part.name,
                first_row=unit.first_row + at,
                group_ends=_ends_within(unit, at, is_admitted),
            )
            at += table.num_rows

    def _decide(self, table: pa.Table) -> tuple[Bound, Decisions]:
        for name, value in self._hive.items():
            constant = pa.repeat(pa.scalar(value, pa.string()), table.num_rows)
            table = table.append_column(name, constant)
        return decide_batch(table, self._run)

    def _check_times(self, opened: pq.ParquetFile, unit: Unit) -> None:
        """Refuse INT96 times whose last digits microseconds cannot hold."""
        coarse = read_columns(opened, unit, self._times)
        with pq.ParquetFile(self.footer.part.open(), pre_buffer=False) as as_stored:
            fine = read_columns(as_stored, unit, self._times)
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


def _ends_within(unit: Unit, at: int, is_admitted: np.ndarray) -> tuple[int, ...]:
    """Return after how many admitted rows of a piece output row groups end."""
    counts = np.concatenate([[0], np.cumsum(is_admitted)])
    is_first, last = at == 0, at + len(is_admitted)
    return tuple(
        int(counts[end - at])
        for end in unit.ends
        if at < end <= last or (end == at and is_first)
    )


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

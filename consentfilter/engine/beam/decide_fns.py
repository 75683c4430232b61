"""The steps that decide: one for record batches, one for rows.

Not Beam's batched DoFns: those lose what `finish_bundle` emits and share one
converter between outputs. Rows are gathered here, per window and up to a number, and
what comes out keeps each row's own timestamp and window.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.utils.windowed_value import WindowedValue

from consentfilter.binding import needed_columns
from consentfilter.dataset import STANDARD_SUBJECTS, Dataset
from consentfilter.engine.beam.pointer import Pointed, newest
from consentfilter.engine.beam.shapes import RowShape, replaced
from consentfilter.engine.cluster import outcome as outcomes
from consentfilter.engine.cluster.deciding import Deciding
from consentfilter.engine.cluster.outcome import Outcome, batches_of
from consentfilter.engine.cluster.shared import Held
from consentfilter.errors import InputError
from consentfilter.layout.columns import non_blank_text
from consentfilter.layout.finder import REQUIRED
from consentfilter.layout.resolve import lay_out
from consentfilter.reasons import Decision

KEPT: Final = "kept"
DROPPED: Final = "dropped"
LEDGER: Final = "ledger"
ERRORS: Final = "errors"

Emitted = Iterator[Any]


class _Decider(beam.DoFn):
    """Knows what decides: always the same, or what the pointer says now."""

    def __init__(self, deciding: Deciding | Pointed, *, catches: bool) -> None:
        self._deciding = deciding
        self._catches = catches
        self._held: Held | None = None

    def setup(self) -> None:
        """Load what decides, once per process."""
        if isinstance(self._deciding, Deciding):
            self._held = self._deciding.hold()

    @property
    def _dataset(self) -> Dataset:
        return self._deciding.dataset

    def _now(self, readings: Iterable[Any]) -> Held | None:
        """Return what decides now; None while there is no snapshot."""
        if isinstance(self._deciding, Deciding):
            return self._held
        pointer = newest(readings)
        # What was loaded is held until the next one, so that it is not loaded twice.
        self._held = None if pointer is None else self._deciding.hold(pointer)
        return self._held


class DecideBatches(_Decider):
    """Decides record batches; each becomes at most one batch per output."""

    def process(self, batch: pa.RecordBatch, readings: Iterable[Any] = ()) -> Emitted:
        """Decide one batch."""
        try:
            yield from self._decided(pa.Table.from_batches([batch]), readings)
        except InputError as error:
            if not self._catches:
                raise
            yield beam.pvalue.TaggedOutput(ERRORS, (str(error), batch))

    def _decided(self, table: pa.Table, readings: Iterable[Any]) -> list[Any]:
        held = self._now(readings)
        if held is None:
            ids = _record_ids(table, self._dataset)
            names = pa.repeat(outcomes.NO_SNAPSHOT_REASON, len(ids)).dictionary_encode()
            return [
                *_tagged(DROPPED, outcomes.with_reason(table, names)),
                *_tagged(LEDGER, outcomes.ledger_without_snapshot(ids)),
            ]
        made = outcomes.outcome(table, held)
        return [
            *batches_of(outcomes.admitted(table, made, held)),
            *_tagged(DROPPED, outcomes.dropped(table, made)),
            *_tagged(LEDGER, made.ledger),
        ]


class DecideRows(_Decider):
    """Decides rows, gathered into columns; kept rows are the objects that came."""

    def __init__(
        self,
        deciding: Deciding | Pointed,
        shape: RowShape,
        *,
        batch_rows: int,
        catches: bool,
    ) -> None:
        super().__init__(deciding, catches=catches)
        self._shape = shape
        self._batch_rows = batch_rows
        self._columns: dict[tuple[str, ...], tuple[list[str], frozenset[str]]] = {}

    def start_bundle(self) -> None:
        """Begin with nothing gathered."""
        self._gathered: list[WindowedValue] = []
        self._gathered_for: Held | None = None

    def process(
        self,
        row: Any,
        element: WindowedValue = beam.DoFn.WindowedValueParam,
        readings: Iterable[Any] = (),  # last: Beam drops a default in the middle
    ) -> Emitted | None:
        """Gather one row; decide what was gathered when it is enough."""
        held = self._now(readings)
        if held is not self._gathered_for:
            before, self._gathered = self._gathered, [element]
            made_for, self._gathered_for = self._gathered_for, held
            return self._decided(before, made_for) if before else None
        self._gathered.append(element)
        return self._flush() if len(self._gathered) >= self._batch_rows else None

    def finish_bundle(self) -> Emitted:
        """Decide the rest."""
        return self._flush()

    def _flush(self) -> Emitted:
        gathered, self._gathered = self._gathered, []
        return self._decided(gathered, self._gathered_for) if gathered else iter(())

    def _decided(self, elements: list[WindowedValue], held: Held | None) -> Emitted:
        """Decide rows; find those that cannot be read by halving."""
        try:
            return self._outputs(elements, held)
        except InputError as error:
            if not self._catches:
                raise
            if len(elements) == 1:
                (only,) = elements
                return iter([_tag(ERRORS, only.with_value((str(error), only.value)))])
        half = len(elements) // 2
        return itertools.chain(
            self._decided(elements[:half], held), self._decided(elements[half:], held)
        )

    def _outputs(self, elements: list[WindowedValue], held: Held | None) -> Emitted:
        """Return what becomes of rows; what can fail has happened when it returns."""
        rows = [element.value for element in elements]
        table = self._table(rows)
        if held is None:
            ids = _record_ids(table, self._dataset)
            told = outcomes.ledger_without_snapshot(ids)
            names = [outcomes.NO_SNAPSHOT_REASON] * len(rows)
            is_dropped = [True] * len(rows)
            left: dict[int, Any] = {}
        else:
            made = outcomes.outcome(table, held)
            told = made.ledger
            words = made.reasons.dictionary.to_pylist()
            names = [words[code] for code in made.reasons.indices.to_pylist()]
            is_dropped = made.is_dropped.tolist()
            left = dict(_redacted(rows, table, made, held))
        return itertools.chain(
            _row_outputs(elements, is_dropped, names, left),
            _ledger_outputs(elements, told),
        )

    def _table(self, rows: Sequence[Any]) -> pa.Table:
        """Return the columns that the decision needs."""
        names = self._shape.names_of(rows)
        if self._shape.names is None:
            names = tuple(dict.fromkeys((*names, *_always_there(self._dataset))))
        if names not in self._columns:
            probe = self._shape.table(rows, names, frozenset())
            payload = {c.name for c in lay_out(probe.schema, self._dataset).payload}
            needed = needed_columns(probe.schema, self._dataset)
            self._columns[names] = needed, frozenset(needed) - payload
        needed, bound = self._columns[names]
        return self._shape.table(rows, needed, bound)


def _redacted(
    rows: Sequence[Any], table: pa.Table, made: Outcome, held: Held
) -> Iterator[tuple[int, Any]]:
    """Yield the rows that lost a part: position, and the row without it."""
    decided = made.decided
    (at,) = np.nonzero(decided.decision == Decision.REDACT)
    if not len(at):
        return
    positions = np.cumsum(~made.is_dropped) - 1
    left = outcomes.admitted(table, made, held).take(pa.array(positions[at]))
    before = table.take(pa.array(at))
    for position, was, values in zip(
        at.tolist(), before.to_pylist(), left.to_pylist(), strict=True
    ):
        # Any column may have changed: spans and ids of mentions go with their text.
        changed = {name: v for name, v in values.items() if v != was[name]}
        yield position, replaced(rows[position], changed)


def _always_there(dataset: Dataset) -> Iterator[str]:
    """Yield columns that dicts have even where none of a batch says so.

    What becomes of a dict must not depend on the others it is decided with: without
    a subject, say, it is dropped, alone or not.
    """
    values = [getattr(dataset, name).column for name in REQUIRED]
    subjects = dataset.subjects or ()
    people = [source.name for source in subjects] or [STANDARD_SUBJECTS[1].name]
    for name in [*values, *people]:
        if name is not None and "." not in name:
            yield name


def _record_ids(table: pa.Table, dataset: Dataset) -> pa.Array:
    value = lay_out(table.schema, dataset).values["record_id"]
    return non_blank_text(table, value)


def _tagged(tag: str, table: pa.Table) -> list[Any]:
    return [beam.pvalue.TaggedOutput(tag, batch) for batch in batches_of(table)]


def _tag(tag: str, value: Any) -> Any:
    return beam.pvalue.TaggedOutput(tag, value)


def _row_outputs(
    elements: list[WindowedValue],
    is_dropped: list[bool],
    names: list[str],
    left: dict[int, Any],
) -> Emitted:
    """Yield each row, kept or dropped, with its own time and windows."""
    for at, element in enumerate(elements):
        if is_dropped[at]:
            yield _tag(DROPPED, element.with_value((names[at], element.value)))
        elif at in left:
            yield element.with_value(left[at])
        else:
            yield element  # the very one that came in


def _ledger_outputs(elements: list[WindowedValue], told: pa.Table) -> Emitted:
    """Yield the ledger of rows, a batch for each set of windows they stand in."""
    windows = elements[0].windows
    by_windows: dict[Any, list[int]] = {}
    if any(element.windows != windows for element in elements):
        for at, element in enumerate(elements):
            by_windows.setdefault(tuple(element.windows), []).append(at)
    for positions in by_windows.values() or [None]:
        rows = told if positions is None else told.take(pa.array(positions))
        first = elements[0 if positions is None else positions[0]]
        for batch in batches_of(rows):
            yield _tag(LEDGER, first.with_value(batch))

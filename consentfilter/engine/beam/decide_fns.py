"""The steps that decide: one for record batches, one for rows.

Not Beam's batched DoFns: those lose what `finish_bundle` emits and share one
converter between outputs. Rows are gathered here, up to a number, and come out in
lists of rows that share time and windows; the step after this one unfolds them.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

#: Most rows that come out of a step as one element: Beam measures whole elements
#: now and then, and where it cuts between steps it moves them.
LIST_ROWS: Final = 64

Emitted = Iterator[Any]
#: Shares time and windows with no row.
_NO_ELEMENT: Final = WindowedValue(None, 0, [])


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


@dataclasses.dataclass(slots=True)
class _Gathered:
    """Rows that are decided together.

    Attributes:
        rows: as they came.
        runs: where rows begin that share time and windows, and an element of them.
            (Elements are not kept for each row: what lives on for a while is what
            Python's garbage collector looks through again and again.)
    """

    rows: list[Any] = dataclasses.field(default_factory=list)
    runs: list[tuple[int, WindowedValue]] = dataclasses.field(default_factory=list)

    def part(self, begin: int, end: int) -> _Gathered:
        """Return the rows from `begin` to before `end`."""
        first = bisect.bisect_right(self.runs, begin, key=_start) - 1
        last = bisect.bisect_left(self.runs, end, key=_start)
        runs = [(max(at - begin, 0), each) for at, each in self.runs[first:last]]
        return _Gathered(self.rows[begin:end], runs)

    def pieces(self, at: np.ndarray) -> Iterator[tuple[WindowedValue, slice]]:
        """Cut some rows where time or windows change, or a piece is long enough.

        Args:
            at: positions of the rows, rising.

        Yields:
            An element with the time and windows of a piece, and where in `at` it is.
        """
        starts = [start for start, _ in self.runs[1:]]
        ends = np.searchsorted(at, [*starts, len(self.rows)]).tolist()
        begin = 0
        for (_, element), end in zip(self.runs, ends, strict=True):
            for cut in range(begin, end, LIST_ROWS):
                yield element, slice(cut, min(cut + LIST_ROWS, end))
            begin = end


def _start(run: tuple[int, WindowedValue]) -> int:
    return run[0]


class DecideRows(_Decider):
    """Decides rows, gathered into columns; kept rows are the objects that came.

    Kept and dropped rows come out in lists. Rows must stand in one window each
    (`DecideRowsByWindow`).
    """

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
        self._changes = isinstance(deciding, Pointed)
        self._columns: dict[tuple[str, ...], tuple[list[str], frozenset[str]]] = {}

    def start_bundle(self) -> None:
        """Begin with nothing gathered."""
        self._begin()
        self._gathered_for = None if self._changes else self._held

    def _begin(self) -> None:
        self._gathered = _Gathered()
        self._last = _NO_ELEMENT

    def process(
        self,
        row: Any,
        element: WindowedValue = beam.DoFn.WindowedValueParam,
        readings: Iterable[Any] = (),  # last: Beam drops a default in the middle
    ) -> Emitted | None:
        """Gather one row; decide what was gathered when it is enough."""
        decided = self._turned(readings) if self._changes else None
        gathered, last = self._gathered, self._last
        if (
            element.windows is not last.windows
            or element.timestamp_micros != last.timestamp_micros
            or element.pane_info is not last.pane_info
        ):
            gathered.runs.append((len(gathered.rows), element))
            self._last = element
        gathered.rows.append(row)
        if decided is None and len(gathered.rows) >= self._batch_rows:
            return self._flush()
        return decided

    def finish_bundle(self) -> Emitted:
        """Decide the rest."""
        return self._flush()

    def _turned(self, readings: Iterable[Any]) -> Emitted | None:
        """Decide what was gathered under another pointer than the one of now."""
        held = self._now(readings)
        if held is self._gathered_for:
            return None
        decided = self._flush()
        self._gathered_for = held
        return decided

    def _flush(self) -> Emitted:
        gathered = self._gathered
        self._begin()
        return self._decided(gathered, self._gathered_for)

    def _decided(self, gathered: _Gathered, held: Held | None) -> Emitted:
        """Decide rows; find those that cannot be read by halving."""
        count = len(gathered.rows)
        if not count:
            return iter(())
        try:
            return self._outputs(gathered, held)
        except InputError as error:
            if not self._catches:
                raise
            if count == 1:
                (row,), ((_, element),) = gathered.rows, gathered.runs
                return iter([_tag(ERRORS, element.with_value((str(error), row)))])
        half = count // 2
        return itertools.chain(
            self._decided(gathered.part(0, half), held),
            self._decided(gathered.part(half, count), held),
        )

    def _outputs(self, gathered: _Gathered, held: Held | None) -> Emitted:
        """Return what becomes of rows; what can fail has happened when it returns."""
        rows = gathered.rows
        table = self._table(rows)
        if held is None:
            told = outcomes.ledger_without_snapshot(_record_ids(table, self._dataset))
            is_dropped = np.ones(len(rows), bool)
            names = [outcomes.NO_SNAPSHOT_REASON] * len(rows)
            left: dict[int, Any] = {}
        else:
            made = outcomes.outcome(table, held)
            told = made.ledger
            is_dropped = made.is_dropped
            words = made.reasons.dictionary.to_pylist()
            codes = made.reasons.indices.filter(pa.array(is_dropped)).to_pylist()
            names = [words[code] for code in codes]
            left = dict(_redacted(rows, table, made, held))
        return itertools.chain(
            _kept(gathered, ~is_dropped, left),
            _dropped(gathered, is_dropped, names),
            _ledger_outputs(gathered, told),
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


class DecideRowsByWindow(DecideRows):
    """Decides rows once for each window they stand in.

    Beam multiplies what a step emits with a time of its own by the windows of the
    element that it was given last. Asked for the window, it gives one at a time.
    """

    def process(  # type: ignore[override]  # Beam looks at each parameter's default
        self,
        row: Any,
        element: WindowedValue = beam.DoFn.WindowedValueParam,
        window: Any = beam.DoFn.WindowParam,  # asked for, not read
        readings: Iterable[Any] = (),
    ) -> Emitted | None:
        """Gather one row of one window."""
        return super().process(row, element, readings)


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


def _kept(gathered: _Gathered, is_kept: np.ndarray, left: Mapping[int, Any]) -> Emitted:
    """Yield kept rows, the very ones that came in but for the redacted ones."""
    (at,) = np.nonzero(is_kept)
    rows = list(itertools.compress(gathered.rows, is_kept.tolist()))
    places = np.searchsorted(at, list(left)).tolist()
    for place, row in zip(places, left.values(), strict=True):
        rows[place] = row
    for element, piece in gathered.pieces(at):
        yield element.with_value(rows[piece])


def _dropped(gathered: _Gathered, is_dropped: np.ndarray, names: list[str]) -> Emitted:
    """Yield dropped rows, each with the name of its reason."""
    (at,) = np.nonzero(is_dropped)
    rows = list(itertools.compress(gathered.rows, is_dropped.tolist()))
    for element, piece in gathered.pieces(at):
        pairs = list(zip(names[piece], rows[piece], strict=True))
        yield _tag(DROPPED, element.with_value(pairs))


def _ledger_outputs(gathered: _Gathered, told: pa.Table) -> Emitted:
    """Yield the ledger of rows, a batch for each set of windows they stand in."""
    begins = [begin for begin, _ in gathered.runs]
    ends = [*begins[1:], len(gathered.rows)]
    by_windows: dict[Any, tuple[WindowedValue, list[range]]] = {}
    for begin, end, (_, element) in zip(begins, ends, gathered.runs, strict=True):
        _, ranges = by_windows.setdefault(tuple(element.windows), (element, []))
        ranges.append(range(begin, end))
    for element, ranges in by_windows.values():
        rows = told
        if len(by_windows) > 1:
            rows = told.take(pa.array(itertools.chain(*ranges), pa.int64()))
        for batch in batches_of(rows):
            yield _tag(LEDGER, element.with_value(batch))

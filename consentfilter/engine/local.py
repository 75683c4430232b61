"""The local engine: worker threads in one process that share the compiled index.

pyarrow, numpy and polars release the interpreter's lock, so threads keep all cores
busy and the index is in memory once. Each worker takes a part and goes through it in
pieces. When there are fewer parts than workers, units of a part, or pieces of a large
unit, are decided ahead of the one that is being written, and written in their order:
what comes out does not depend on the number of workers.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Final, TypeAlias

from consentfilter.engine.batch import BatchResult, Run
from consentfilter.engine.duplicates import IdHashes
from consentfilter.engine.footers import Footer
from consentfilter.engine.progress import NoProgress, Progress
from consentfilter.engine.reader import CUT_BYTES, PartReader, Unit, units
from consentfilter.engine.shard import OpenSinks, ShardRecord, ShardWriter

#: Rows in flight may take this much memory for each worker, unless told otherwise.
WORKER_MEMORY_BYTES: Final = 320 << 20
# What decisions, ledger and evidence of a row take, about.
_BYTES_PER_ROW: Final = 600

#: A unit that is being decided, and its share of the memory.
_Flight: TypeAlias = tuple["concurrent.futures.Future[list[BatchResult]]", int]


class Stopped(Exception):  # noqa: N818  (no fault: another worker's error stops this one)
    """The run is being given up; never leaves this module."""


class MemoryBudget:
    """Lets units in while their estimated memory fits; one always fits alone."""

    def __init__(self, total_bytes: int) -> None:
        self._total = total_bytes
        self._used = 0
        self._changed = threading.Condition()

    def enter(self, size_bytes: int, *, wait: bool) -> bool:
        """Take a share; False if it does not fit now and `wait` is False.

        Only a caller that holds no share may wait: that keeps callers from waiting
        for each other.
        """
        with self._changed:
            while self._used and self._used + size_bytes > self._total:
                if not wait:
                    return False
                self._changed.wait(0.1)
            self._used += size_bytes
            return True

    def leave(self, size_bytes: int) -> None:
        """Give a share back."""
        with self._changed:
            self._used -= size_bytes
            self._changed.notify_all()


def run_parts(
    footers: Sequence[Footer],
    run: Run,
    open_sinks: OpenSinks,
    *,
    workers: int,
    memory_bytes: int | None = None,
    ids: IdHashes | None = None,
    progress: Progress | None = None,
    note: Callable[[Footer, ShardRecord], None] | None = None,
) -> list[ShardRecord]:
    """Decide and write all parts.

    Requires workers >= 1.

    Args:
        footers: the parts.
        run: what decides.
        open_sinks: where each part's output goes.
        workers: how many units are decided at a time.
        memory_bytes: how much memory rows in flight may take, None: what is usual
            for so many workers; a single row group that needs more is still taken,
            alone.
        ids: collects the record ids, to find duplicates afterwards.
        progress: told of what is done.
        note: told of each part when its files are finished, by the worker.

    Returns:
        One record per part, in the order of `footers`.

    Raises:
        ConsentFilterError: the first that any worker met; the others are stopped.
    """
    allowed = workers * WORKER_MEMORY_BYTES if memory_bytes is None else memory_bytes
    engine = _Engine(run, open_sinks, workers, allowed, ids, progress, note)
    return engine.run(footers)


class _Engine:
    def __init__(
        self,
        run: Run,
        open_sinks: OpenSinks,
        workers: int,
        memory_bytes: int,
        ids: IdHashes | None,
        progress: Progress | None,
        note: Callable[[Footer, ShardRecord], None] | None,
    ) -> None:
        self._run, self._open_sinks, self._ids = run, open_sinks, ids
        self._workers = workers
        self._memory_bytes = memory_bytes
        self._budget = MemoryBudget(memory_bytes)
        self._progress = progress or NoProgress()
        self._note_part = note
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._parts_left = 0

    def run(self, footers: Sequence[Footer]) -> list[ShardRecord]:
        self._parts_left = len(footers)
        drivers = max(1, min(self._workers, len(footers)))
        with (
            concurrent.futures.ThreadPoolExecutor(self._workers) as deciders,
            concurrent.futures.ThreadPoolExecutor(drivers) as ledgers,
            concurrent.futures.ThreadPoolExecutor(drivers) as parts,
        ):
            self._deciders, self._ledgers = deciders, ledgers
            futures = [parts.submit(self._drive, footer) for footer in footers]
            try:
                for done in concurrent.futures.as_completed(futures):
                    done.result()
            except BaseException:
                self._stop.set()
                parts.shutdown(wait=False, cancel_futures=True)
                raise
            return [future.result() for future in futures]

    def _drive(self, footer: Footer) -> ShardRecord:
        """Decide and write one part."""
        with contextlib.closing(PartReader(footer, self._run)) as reader:
            writer = ShardWriter(reader, self._open_sinks(footer))
            try:
                record = self._write(reader, writer)
            except BaseException:
                writer.abort()
                raise
        with self._lock:
            self._parts_left -= 1
        if self._note_part is not None:
            self._note_part(footer, record)
        self._progress.part_done()
        return record

    def _write(self, reader: PartReader, writer: ShardWriter) -> ShardRecord:
        waiting = collections.deque(units(reader.footer))
        flying: collections.deque[_Flight] = collections.deque()
        try:
            while waiting or flying:
                self._submit(reader, waiting, flying)
                if flying:
                    self._write_decided(writer, flying)
                else:
                    self._write_here(reader, writer, waiting.popleft())
        finally:
            for task, share in flying:
                task.cancel()
                self._budget.leave(share)
        return writer.close()

    def _submit(
        self,
        reader: PartReader,
        waiting: collections.deque[Unit],
        flying: collections.deque[_Flight],
    ) -> None:
        """Start units ahead, while fewer parts are left than there are workers.

        The only unit of a part has nobody to be ahead of, and one that leaves no
        memory for another is taken piece by piece.
        """
        ahead = self._workers_per_part()
        if ahead == 1 or len(waiting) + len(flying) == 1:
            return
        while waiting and len(flying) < ahead:
            share = _share_if_ahead(waiting[0])
            if share > self._memory_bytes // ahead:
                return
            if not self._budget.enter(share, wait=not flying):
                return
            unit = waiting.popleft()
            flying.append((self._deciders.submit(self._decide, reader, unit), share))

    def _write_decided(
        self, writer: ShardWriter, flying: collections.deque[_Flight]
    ) -> None:
        """Write the first unit that was decided ahead, ledger and data side by side."""
        task, share = flying.popleft()
        try:
            results = task.result()

            def write_ledger() -> None:
                for result in results:
                    writer.write_ledger(result)

            entry = self._ledgers.submit(write_ledger)
            try:
                for result in results:
                    writer.write_data(result)
            finally:
                entry.result()
            self._progress.advance(sum(result.rows for result in results))
        finally:
            self._budget.leave(share)

    def _write_here(self, reader: PartReader, writer: ShardWriter, unit: Unit) -> None:
        """Decide and write a unit piece by piece.

        On this thread; with workers to spare, the next piece is decided beside it.
        """
        share = _share_if_here(unit)
        self._budget.enter(share, wait=True)
        try:
            with contextlib.closing(self._one_ahead(reader.decide(unit))) as results:
                for result in results:
                    self._note(result)
                    writer.write(result)
                    self._progress.advance(result.rows)
        finally:
            self._budget.leave(share)

    def _one_ahead(
        self, results: Generator[BatchResult, None, None]
    ) -> Generator[BatchResult, None, None]:
        """Yield results; another thread works on the next one if there is one idle."""
        following: concurrent.futures.Future[BatchResult | None] | None = None
        with contextlib.closing(results):
            try:
                while True:
                    result = following.result() if following else next(results, None)
                    following = None
                    if result is None:
                        return
                    if self._workers_per_part() > 1:
                        following = self._deciders.submit(next, results, None)
                    yield result
            finally:
                if following is not None:
                    concurrent.futures.wait([following])

    def _workers_per_part(self) -> int:
        """Return how many workers there are for each part that is left, at least 1."""
        return -(-self._workers // max(1, self._parts_left))

    def _decide(self, reader: PartReader, unit: Unit) -> list[BatchResult]:
        results = []
        for result in reader.decide(unit):
            self._note(result)
            results.append(result)
        return results

    def _note(self, result: BatchResult) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._ids is not None:
            self._ids.add(result.record_id)


def _share_if_here(unit: Unit) -> int:
    """Estimate the memory of a unit whose pieces are written as they are decided.

    The output's open row group, at most everything; a piece twice, as it was read and
    as it is emitted.
    """
    open_group = min(unit.size_bytes, CUT_BYTES if unit.cut_rows else unit.size_bytes)
    piece_rows = min(unit.rows, unit.piece_rows)
    row_bytes = unit.size_bytes // max(unit.rows, 1)
    return open_group + piece_rows * (2 * row_bytes + _BYTES_PER_ROW)


def _share_if_ahead(unit: Unit) -> int:
    """Estimate the memory of a unit whose results wait for their turn."""
    return unit.size_bytes * 2 + unit.rows * _BYTES_PER_ROW

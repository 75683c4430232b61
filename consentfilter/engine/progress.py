"""Progress of a run, for a person who watches a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Progress(Protocol):
    """What an engine tells while it works; called from several threads."""

    def advance(self, rows: int) -> None:
        """Say that so many more rows were decided and written."""
        ...

    def part_done(self) -> None:
        """Say that one more part is finished."""
        ...


class NoProgress:
    """Tells nobody."""

    def advance(self, rows: int) -> None:
        """Do nothing."""

    def part_done(self) -> None:
        """Do nothing."""


class _Bar:
    """A rich progress bar's task, fed by the engine."""

    def __init__(self, bar: RichProgress, task: TaskID, parts: int) -> None:
        self._bar, self._task, self._parts, self._done = bar, task, parts, 0

    def advance(self, rows: int) -> None:
        self._bar.update(self._task, advance=rows)

    def part_done(self) -> None:
        self._done += 1
        self._bar.update(self._task, parts=f"{self._done}/{self._parts} parts")


@contextlib.contextmanager
def terminal_progress(
    rows: int, parts: int, *, console: Console | None = None
) -> Iterator[Progress]:
    """Show a bar while the block runs: rows, rows/s, parts, time left.

    Args:
        rows: how many rows there are.
        parts: how many parts.
        console: where it is shown; None: stderr.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichBar
    from rich.text import Text

    class RowsColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed or 0
            return Text(f"{int(task.completed):,}/{rows:,} rows  {int(speed):,} rows/s")

    with RichBar(
        TextColumn("filtering"),
        BarColumn(),
        RowsColumn(),
        TextColumn("{task.fields[parts]}"),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
        transient=True,
    ) as bar:
        yield _Bar(bar, bar.add_task("", total=rows, parts=f"0/{parts} parts"), parts)

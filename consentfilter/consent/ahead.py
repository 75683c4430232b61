"""Reading a snapshot while other things are done, such as importing what uses it.

Reading and checking a snapshot is the work of libraries that let other threads run,
and so is little of what a program does in its first half second.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

from consentfilter.consent.model import ConsentSnapshot
from consentfilter.consent.store import read_snapshot

AnyPath: TypeAlias = str | os.PathLike[str]


class SnapshotAhead(os.PathLike[str]):
    """The path of a file that is being read, in case that it is a snapshot.

    A path like any other, for whoever does not know better. What is wrong with the
    file is raised when the snapshot is asked for, or not at all.

    Args:
        path: a file.
        columns: as for `read_snapshot`.
    """

    def __init__(self, path: AnyPath, columns: Collection[str] | None) -> None:
        self._path, self._columns = os.fspath(path), columns
        self._is_given_up = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._reading: Future[ConsentSnapshot] | None = self._pool.submit(
            read_snapshot, self._path, columns, is_given_up=self._is_given_up.is_set
        )

    def __fspath__(self) -> str:
        """Return the path."""
        return self._path

    def read(self, columns: Collection[str] | None) -> ConsentSnapshot:
        """Return the snapshot; it is not kept.

        Args:
            columns: as for `read_snapshot`; there may be more of them.

        Raises:
            InputError, RunRefused: see `read_snapshot`.
        """
        reading, self._reading = self._reading, None
        if reading is None or not _is_within(columns, self._columns):
            return read_snapshot(self._path, columns)
        return reading.result()

    def give_up(self) -> None:
        """Stop reading what nobody has asked for."""
        self._is_given_up.set()
        self._pool.shutdown()


@contextlib.contextmanager
def reading_ahead(
    paths: Sequence[AnyPath], columns: Collection[str] | None
) -> Iterator[Sequence[AnyPath]]:
    """Begin to read consent, if it is one file, until nobody can want it any more.

    Args:
        paths: of consent: event files, directories, globs, or a snapshot.
        columns: as for `read_snapshot`.

    Yields:
        The paths, to be given to `load_consent`.
    """
    if len(paths) != 1 or not os.path.isfile(paths[0]):
        yield paths
        return
    ahead = SnapshotAhead(paths[0], columns)
    try:
        yield [ahead]
    finally:
        ahead.give_up()


def _is_within(some: Collection[str] | None, all_: Collection[str] | None) -> bool:
    """Tell whether columns are among others; None: every column."""
    return all_ is None or (some is not None and set(some) <= set(all_))

"""Output streams that know the digest and size of what went through them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import io
import os
from collections.abc import Callable
from typing import Any, Final

import pyarrow.fs as pafs

#: A local file is flushed to disk in the background every so many bytes, so that
#: the final flush, before the release gets its name, has little left to do.
_FLUSH_EVERY_BYTES: Final = 64 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class FileRecord:
    """One written file.

    Attributes:
        path: relative to the release, or to its `private/`.
        rows: rows it holds; None for files that hold none.
        sha256: hex digest of its bytes.
        size_bytes: its size.
    """

    path: str
    rows: int | None
    sha256: str
    size_bytes: int


class HashingSink(io.RawIOBase):
    """A write-only stream that hashes what passes; closing it makes it durable."""

    def __init__(self, stream: Any, *, sync: Callable[[], None] | None = None) -> None:
        """Wrap a stream with `write` and `close`.

        Args:
            stream: what the bytes go to; None discards them.
            sync: makes what was written durable (fdatasync); None: nothing to do.
        """
        super().__init__()
        self._stream = stream
        self._sync = sync
        self._hash = hashlib.sha256()
        self._written = 0
        self._flushed = 0
        self._is_discarding = False
        self._flusher: concurrent.futures.ThreadPoolExecutor | None = None
        self._flushes: list[concurrent.futures.Future[None]] = []

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._written

    def write(self, data: Any, /) -> int:
        """Write and hash all of `data`; return its length in bytes."""
        view = memoryview(data)
        self._hash.update(view)
        if self._stream is not None and not self._is_discarding:
            done = 0
            while done < len(view):  # a raw file may take less than it is given
                done += self._stream.write(view[done:])
        self._written += len(view)
        if self._sync and self._written - self._flushed >= _FLUSH_EVERY_BYTES:
            self._flush_behind(self._sync)
        return len(view)

    def discard(self) -> None:
        """Let everything from here on go nowhere; what was written is no use."""
        self._is_discarding = True
        self._sync = None

    def _flush_behind(self, sync: Callable[[], None]) -> None:
        self._flushed = self._written
        if self._flusher is None:
            self._flusher = concurrent.futures.ThreadPoolExecutor(1)
        if not self._flushes or self._flushes[-1].done():
            self._flushes.append(self._flusher.submit(sync))

    def close(self) -> None:
        """Make everything durable and close the stream underneath."""
        if self.closed:
            return
        try:
            if not self._is_discarding:
                for flush in self._flushes:
                    flush.result()
            if self._sync:
                self._sync()
        finally:
            if self._flusher:
                self._flusher.shutdown()
            if self._stream is not None:
                self._stream.close()
            super().close()

    def record(self, path: str, rows: int | None = None) -> FileRecord:
        """Return what was written under the name `path`."""
        return FileRecord(path, rows, self._hash.hexdigest(), self._written)


def open_sink(filesystem: pafs.FileSystem, path: str) -> HashingSink:
    """Create a file; missing directories of a local one are made."""
    if not isinstance(filesystem, pafs.LocalFileSystem):
        return HashingSink(filesystem.open_output_stream(path))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    raw = open(path, "xb", buffering=0)  # noqa: SIM115  (the sink closes it)
    return HashingSink(raw, sync=lambda: os.fdatasync(raw.fileno()))


def discarding_sink() -> HashingSink:
    """Return a sink that keeps nothing but digest and size."""
    return HashingSink(None)

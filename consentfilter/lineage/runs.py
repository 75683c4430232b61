"""Runs on disk: rows of one width, each run ordered by the first byte of its rows.

What is too large for memory is written as it comes, one batch a run, and read back
bucket by bucket: the rows of all runs that start with the same bits. A row is a
record of a NumPy dtype without padding whose first field is a path (so its first
bytes are random bits, and buckets of one size); the rows of a run may have a text
each, which stand behind them. Thrown away when the release is done, so never
compressed.

A file is the runs (rows, then texts), then an index, a row per run: where its rows
and its texts start, how many rows there are before each first byte, and how many
bytes of text; then the part's name, and the sizes of both.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consentfilter.errors import StorageError
from consentfilter.kernels.texts import taken

#: A bucket is named by at most so many leading bits of a path.
BUCKET_BITS: Final = 8
#: The field of a row that says how long its text is, where rows have one.
TEXT_SIZE: Final = "text_size"

_BYTES: Final = 1 << BUCKET_BITS
_INDEX: Final = np.dtype(
    [
        ("rows_at", "<i8"),
        ("texts_at", "<i8"),
        ("rows_before", "<i8", _BYTES + 1),
        ("texts_before", "<i8", _BYTES + 1),
    ]
)
_SIZES: Final = struct.Struct("<qq")

Records: TypeAlias = npt.NDArray[np.void]


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """The rows of a bucket, in the order of files and runs.

    Attributes:
        rows: records of the runs' dtype.
        file: int32 per row: the position of its file in `Runs.parts`.
        texts: `large_string`, one per row; None where rows have no text.
    """

    rows: Records
    file: npt.NDArray[np.int32]
    texts: pa.Array | None


#: Reads a bucket.
ReadBucket: TypeAlias = Callable[[], Bucket]


class RunWriter:
    """Writes one file of runs; the file appears under its name when it is closed."""

    def __init__(self, path: str | os.PathLike[str], *, part: str = "") -> None:
        self.path = os.fspath(path)
        self._temporary = f"{self.path}.{os.getpid()}.tmp"
        self._part = part
        self._index: list[tuple[Any, ...]] = []
        self._written = 0
        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self._sink = open(self._temporary, "wb", buffering=0)  # noqa: SIM115
        except OSError as problem:
            raise StorageError(
                f"{self.path}: scratch files cannot be written ({problem.strerror}); "
                "choose a directory with space that may be written"
            ) from problem

    def add(self, rows: Records, texts: pa.Array | None = None) -> None:
        """Write one run, in the order of the rows' first bytes.

        Args:
            rows: records without padding that start with a path.
            texts: `large_string` without nulls, one per row; `TEXT_SIZE` of each row
                is its length.
        """
        if not len(rows):
            return
        first = rows.view(np.uint8).reshape(len(rows), -1)[:, 0]
        order = np.argsort(first, kind="stable")
        rows = rows.take(order)
        before = np.zeros(_BYTES + 1, np.int64)
        np.cumsum(np.bincount(first, minlength=_BYTES), out=before[1:])
        texts_before, data = np.zeros_like(before), b""
        if texts is not None:
            ends = np.zeros(len(rows) + 1, np.int64)
            np.cumsum(rows[TEXT_SIZE], out=ends[1:])
            texts_before = ends[before]
            data = taken(texts, order).buffers()[2] or b""
        rows_at = self._write(rows.view(np.uint8).data)
        texts_at = self._write(memoryview(data)[: int(texts_before[-1])])
        self._index.append((rows_at, texts_at, before, texts_before))

    def _write(self, data: memoryview) -> int:
        """Write bytes; return where they start."""
        start, left = self._written, data
        while left:
            left = left[self._sink.write(left) :]
        self._written += len(data)
        return start

    def close(self) -> None:
        """Finish the file and give it its name; an older one is replaced."""
        index = np.array(self._index, _INDEX).tobytes()
        name = self._part.encode()
        sizes = _SIZES.pack(len(index), len(name))
        self._write(memoryview(index + name + sizes))
        self._sink.close()
        os.replace(self._temporary, self.path)

    def abort(self) -> None:
        """Throw the unfinished file away."""
        self._sink.close()
        os.unlink(self._temporary)


class Runs:
    """The runs of several files, read by bucket.

    Attributes:
        total: number of rows in all runs.
        parts: what each file's writer was told as `part`, sorted.
    """

    def __init__(self, paths: Sequence[str], dtype: np.dtype[np.void]) -> None:
        self._files = sorted((_File(path) for path in paths), key=lambda f: f.part)
        self._dtype = dtype
        self.parts = [file.part for file in self._files]
        self.total = sum(int(f.index["rows_before"][:, -1].sum()) for f in self._files)

    def buckets(self, bits: int) -> Iterator[tuple[int, ReadBucket]]:
        """Yield (bucket, what reads it) for each of 2^bits that has rows.

        Requires 0 <= bits <= 8.
        """
        width = 1 << (BUCKET_BITS - bits)
        for bucket in range(1 << bits):
            low, high = bucket * width, (bucket + 1) * width
            if any(file.count(low, high) for file in self._files):
                yield bucket, functools.partial(self._read, low, high)

    def _read(self, low: int, high: int) -> Bucket:
        counts = [file.count(low, high) for file in self._files]
        rows = np.empty(sum(counts), self._dtype)
        has_texts = TEXT_SIZE in (self._dtype.names or ())
        size = sum(file.text_bytes(low, high) for file in self._files)
        data = np.empty(size, np.uint8)
        into_rows = rows.view(np.uint8).data
        into_data = data.data
        for file in self._files:
            taken, read = file.read(
                low, high, self._dtype.itemsize, into_rows, into_data
            )
            into_rows, into_data = into_rows[taken:], into_data[read:]
        numbers = np.arange(len(self._files), dtype=np.int32)
        texts = None
        if has_texts:
            ends = np.zeros(len(rows) + 1, np.int64)
            np.cumsum(rows[TEXT_SIZE], out=ends[1:])
            buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
            texts = pa.Array.from_buffers(pa.large_string(), len(rows), buffers)
        return Bucket(rows, np.repeat(numbers, counts), texts)


class _File:
    """One file of runs: where its rows and texts lie."""

    def __init__(self, path: str) -> None:
        self._path = path
        with self._opened() as source:
            size = os.fstat(source).st_size
            index_size, name_size = _SIZES.unpack(
                os.pread(source, _SIZES.size, size - _SIZES.size)
            )
            start = size - _SIZES.size - name_size - index_size
            tail = os.pread(source, index_size + name_size, start)
            self.part = tail[index_size:].decode()
            self.index = np.frombuffer(tail[:index_size], _INDEX)

    def count(self, low: int, high: int) -> int:
        """Return how many rows have a first byte in [low, high)."""
        before = self.index["rows_before"]
        return int((before[:, high] - before[:, low]).sum())

    def text_bytes(self, low: int, high: int) -> int:
        """Return how many bytes of text these rows have."""
        before = self.index["texts_before"]
        return int((before[:, high] - before[:, low]).sum())

    def read(
        self, low: int, high: int, width: int, rows: memoryview, texts: memoryview
    ) -> tuple[int, int]:
        """Read these rows, run after run; return how many bytes went into each."""
        row_bytes = text_bytes = 0
        with self._opened() as source:
            for run in self.index:
                start, end = (int(run["rows_before"][at]) * width for at in (low, high))
                to = rows[row_bytes : row_bytes + end - start]
                _read_into(source, to, int(run["rows_at"]) + start)
                row_bytes += end - start
                start, end = (int(run["texts_before"][at]) for at in (low, high))
                to = texts[text_bytes : text_bytes + end - start]
                _read_into(source, to, int(run["texts_at"]) + start)
                text_bytes += end - start
        return row_bytes, text_bytes

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            source = os.open(self._path, os.O_RDONLY)
            try:
                yield source
            finally:
                os.close(source)
        except (OSError, ValueError, struct.error) as problem:
            raise StorageError(
                f"{self._path}: a scratch file of this run is missing or damaged "
                f"({problem}); start the run again"
            ) from problem


def _read_into(source: int, to: memoryview, offset: int) -> None:
    while to:
        size = os.preadv(source, [to], offset)
        if not size:
            raise ValueError("it ends too early")
        to, offset = to[size:], offset + size

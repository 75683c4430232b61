"""Runs on disk: batches of rows, each ordered by the first bits of a number.

What is too large for memory is written as it comes, one batch a run, and read back
bucket by bucket: the rows of all runs whose number starts with the same bits. A run
lies on disk in pieces of a few hundred rows, so that a bucket is read without what
lies beside it, and costs the memory of what it holds. Thrown away when the release
is done, so it is never compressed.

A file is the pieces (Arrow IPC messages), then an index (an Arrow IPC stream: where
each piece lies, which heads it holds; the schema of the pieces and the name of the
part are in its metadata), then the size of the index as 8 bytes.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consentfilter.errors import StorageError

#: A bucket is named by at most so many leading bits of a number.
BUCKET_BITS: Final = 8
HEAD: Final = "head"
FILE: Final = "file"

#: A head is so many leading bits: rows of one bucket are told apart by the rest.
_HEAD_BITS: Final = 12
#: About how many rows a piece has; smaller runs have fewer pieces.
_PIECE_ROWS: Final = 512
_SIZE_BYTES: Final = 8
_INDEX: Final = np.dtype(
    [
        ("offset", "<i8"),
        ("size", "<i8"),
        ("rows", "<i8"),
        ("low", "<i8"),
        ("high", "<i8"),
    ]
)

#: Reads the rows of a bucket.
ReadBucket: TypeAlias = Callable[[], pa.Table]


class RunWriter:
    """Writes one file of runs; the file appears under its name when it is closed."""

    def __init__(
        self, path: str | os.PathLike[str], schema: pa.Schema, *, part: str = ""
    ) -> None:
        self.path = os.fspath(path)
        self._temporary = f"{self.path}.{os.getpid()}.tmp"
        head = pa.field(HEAD, pa.uint16(), nullable=False)
        self._schema = schema.append(head)
        self._part = part
        self._pieces: list[tuple[int, int, int, int, int]] = []
        self._written = 0
        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self._sink = pa.OSFile(self._temporary, "wb")
        except OSError as problem:
            raise StorageError(
                f"{self.path}: scratch files cannot be written ({problem.strerror}); "
                "choose a directory with space that may be written"
            ) from problem

    def add(self, batch: pa.RecordBatch, numbers: npt.NDArray[np.uint64]) -> None:
        """Write one run: the rows of a batch in the order of their heads."""
        if not batch.num_rows:
            return
        heads = (numbers >> np.uint64(64 - _HEAD_BITS)).astype(np.uint16)
        order = np.argsort(heads, kind="stable")
        heads = heads[order]
        run = pa.RecordBatch.from_arrays(
            [*batch.take(pa.array(order)).columns, pa.array(heads)], schema=self._schema
        )
        bits = min(BUCKET_BITS, (batch.num_rows // _PIECE_ROWS).bit_length())
        first_heads = np.arange((1 << bits) + 1) << (_HEAD_BITS - bits)
        edges = np.searchsorted(heads, first_heads).tolist()
        for at, (start, end) in enumerate(zip(edges, edges[1:], strict=False)):
            if start < end:
                low, high = int(first_heads[at]), int(first_heads[at + 1])
                self._write(run.slice(start, end - start), low, high)

    def _write(self, piece: pa.RecordBatch, low: int, high: int) -> None:
        message = piece.serialize()
        place = (self._written, message.size, piece.num_rows, low, high)
        self._pieces.append(place)
        self._sink.write(message)
        self._written += message.size

    def close(self) -> None:
        """Finish the file and give it its name; an older one is replaced."""
        index = np.array(self._pieces, _INDEX)
        metadata = {
            b"part": self._part.encode(),
            b"schema": self._schema.serialize().to_pybytes(),
        }
        columns = {name: index[name] for name in _INDEX.names or ()}
        table = pa.table(columns).replace_schema_metadata(metadata)
        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        written = stream.getvalue()
        self._sink.write(written)
        self._sink.write(written.size.to_bytes(_SIZE_BYTES, "little"))
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

    def __init__(self, paths: Sequence[str]) -> None:
        self._files = sorted((_File(path) for path in paths), key=lambda f: f.part)
        self.parts = [file.part for file in self._files]
        self.total = sum(int(file.index["rows"].sum()) for file in self._files)

    def buckets(self, bits: int) -> Iterator[tuple[int, ReadBucket]]:
        """Yield (bucket, what reads its rows) for each of 2^bits that may hold any.

        Requires 0 <= bits <= 8. The rows come in the order of the runs; `head` is
        replaced by `file`, the position of the row's file in `parts`. A bucket of
        small runs may turn out to be empty.
        """
        for bucket in range(1 << bits):
            low, high = (at << (_HEAD_BITS - bits) for at in (bucket, bucket + 1))
            if any(file.holds(low, high) for file in self._files):
                yield bucket, functools.partial(self._read, low, high)

    def _read(self, low: int, high: int) -> pa.Table:
        return pa.Table.from_batches(
            [
                piece
                for number, file in enumerate(self._files)
                for piece in file.read(low, high, number)
            ]
        )


class _File:
    """One file of runs: where its pieces lie."""

    def __init__(self, path: str) -> None:
        self._path = path
        with _opened(path) as source:
            size = source.size()
            source.seek(size - _SIZE_BYTES)
            index_size = int.from_bytes(source.read(_SIZE_BYTES), "little")
            source.seek(size - _SIZE_BYTES - index_size)
            index = pa.ipc.open_stream(source.read(index_size)).read_all()
        self.part = index.schema.metadata[b"part"].decode()
        self._schema = pa.ipc.read_schema(
            pa.py_buffer(index.schema.metadata[b"schema"])
        )
        self.index = {name: index[name].to_numpy() for name in index.column_names}

    def holds(self, low: int, high: int) -> bool:
        """Tell whether a piece may have rows with a head in [low, high)."""
        return bool(self._overlapping(low, high).any())

    def read(self, low: int, high: int, number: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with a head in [low, high), with `file` for `head`."""
        at = np.flatnonzero(self._overlapping(low, high))
        if not len(at):
            return
        with _opened(self._path) as source:
            for offset, size in zip(
                self.index["offset"][at], self.index["size"][at], strict=True
            ):
                message = source.read_at(int(size), int(offset))
                piece = pa.ipc.read_record_batch(message, self._schema)
                yield _cut(piece, low, high, number)

    def _overlapping(self, low: int, high: int) -> npt.NDArray[np.bool_]:
        overlapping: npt.NDArray[np.bool_] = (self.index["low"] < high) & (
            self.index["high"] > low
        )
        return overlapping


@contextlib.contextmanager
def _opened(path: str) -> Iterator[pa.NativeFile]:
    try:
        with pa.OSFile(path) as source:
            yield source
    except (OSError, pa.ArrowInvalid) as problem:
        raise StorageError(
            f"{path}: a scratch file of this run is missing or damaged "
            f"({problem}); start the run again"
        ) from problem


def _cut(piece: pa.RecordBatch, low: int, high: int, file: int) -> pa.RecordBatch:
    """Return the rows of a piece with a head in [low, high), with `file` for `head`."""
    start, end = np.searchsorted(piece[HEAD].to_numpy(), [low, high])
    rows = piece.slice(start, end - start).drop_columns([HEAD])
    files = pa.array(np.full(end - start, file, np.int32))
    return rows.append_column(pa.field(FILE, pa.int32(), nullable=False), files)

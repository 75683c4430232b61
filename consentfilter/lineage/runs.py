"""Runs on disk: batches of rows, each ordered by the first 12 bits of a number.

What is too large for memory is written as it comes, one batch a run, and read back
bucket by bucket: the rows of all runs whose number starts with the same bits. Runs
are read through a memory map, so that a bucket costs what it holds. Arrow IPC, never
compressed, thrown away when the release is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consentfilter.errors import StorageError

#: Runs are ordered by this many leading bits; a bucket is named by at most as many.
BUCKET_BITS: Final = 12
HEAD: Final = "head"
_EVERY_HEAD: Final = np.arange((1 << BUCKET_BITS) + 1, dtype=np.uint16)
FILE: Final = "file"


class RunWriter:
    """Writes one file of runs; the file appears under its name when it is closed."""

    def __init__(
        self, path: str | os.PathLike[str], schema: pa.Schema, *, part: str = ""
    ) -> None:
        self.path = os.fspath(path)
        self._temporary = f"{self.path}.{os.getpid()}.tmp"
        head = pa.field(HEAD, pa.uint16(), nullable=False)
        self._schema = schema.append(head).with_metadata({b"part": part.encode()})
        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self._sink = pa.OSFile(self._temporary, "wb")
        except OSError as problem:
            raise StorageError(
                f"{self.path}: scratch files cannot be written ({problem.strerror}); "
                "choose a directory with space that may be written"
            ) from problem
        self._writer = pa.ipc.new_file(self._sink, self._schema)

    def add(self, batch: pa.RecordBatch, numbers: npt.NDArray[np.uint64]) -> None:
        """Write one run: the rows of a batch in the order of `numbers >> 52`."""
        if not batch.num_rows:
            return
        heads = (numbers >> np.uint64(64 - BUCKET_BITS)).astype(np.uint16)
        order = np.argsort(heads, kind="stable")
        taken = batch.take(pa.array(order))
        self._writer.write_batch(
            pa.RecordBatch.from_arrays(
                [*taken.columns, pa.array(heads[order])], schema=self._schema
            )
        )

    def close(self) -> None:
        """Finish the file and give it its name; an older one is replaced."""
        self._writer.close()
        self._sink.close()
        os.replace(self._temporary, self.path)

    def abort(self) -> None:
        """Throw the unfinished file away."""
        self._writer.close()
        self._sink.close()
        os.unlink(self._temporary)


class Runs:
    """The runs of several files, read by bucket.

    Attributes:
        total: number of rows in all runs.
        parts: what each file's writer was told as `part`, sorted.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        named = sorted((_part(path), path) for path in paths)
        self.parts = [part for part, _ in named]
        self._paths = [path for _, path in named]
        self.total = 0
        self._edges: list[list[npt.NDArray[np.int32]]] = []
        for path in self._paths:
            reader = _open(path)
            edges = [
                np.searchsorted(reader.get_batch(at)[HEAD].to_numpy(), _EVERY_HEAD)
                for at in range(reader.num_record_batches)
            ]
            self.total += sum(int(each[-1]) for each in edges)
            self._edges.append([each.astype(np.int32) for each in edges])

    def buckets(self, bits: int) -> Iterator[tuple[int, pa.Table]]:
        """Yield (bucket, its rows) for each of 2^bits buckets that holds any.

        Requires 0 <= bits <= 12. The rows come in the order of the runs; `head` is
        replaced by `file`, the position of the row's file in `parts`. A bucket's rows
        lie in maps of their own, so that its memory goes when it does.
        """
        for bucket in range(1 << bits):
            low, high = (at << (BUCKET_BITS - bits) for at in (bucket, bucket + 1))
            pieces = [
                piece
                for file in range(len(self._paths))
                for piece in self._pieces(file, low, high)
            ]
            if pieces:
                yield bucket, pa.Table.from_batches(pieces)

    def _pieces(self, file: int, low: int, high: int) -> Iterator[pa.RecordBatch]:
        wanted = [
            (at, int(edges[low]), int(edges[high]))
            for at, edges in enumerate(self._edges[file])
            if edges[high] > edges[low]
        ]
        if wanted:
            reader = _open(self._paths[file])
            for at, start, end in wanted:
                yield _piece(reader.get_batch(at), start, end, file)


def _part(path: str) -> str:
    return str(_open(path).schema.metadata[b"part"].decode())


def _open(path: str) -> pa.RecordBatchFileReader:
    try:
        return pa.ipc.open_file(pa.memory_map(path))
    except (OSError, pa.ArrowInvalid) as problem:
        raise StorageError(
            f"{path}: a scratch file of this run is missing or damaged "
            f"({problem}); start the run again"
        ) from problem


def _piece(batch: pa.RecordBatch, start: int, end: int, file: int) -> pa.RecordBatch:
    piece = batch.slice(start, end - start).drop_columns([HEAD])
    files = pa.array(np.full(end - start, file, np.int32))
    named = piece.append_column(pa.field(FILE, pa.int32(), nullable=False), files)
    return named.replace_schema_metadata(None)

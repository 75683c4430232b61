"""Runs on disk: batches of rows, each ordered by the first 16 bits of a number.

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
BUCKET_BITS: Final = 16
HEAD: Final = "head"
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
        """Write one run: the rows of a batch in the order of `numbers >> 48`."""
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
        readers = sorted((_open(path) for path in paths), key=lambda found: found[0])
        self.parts = [part for part, _ in readers]
        self._batches: list[tuple[int, pa.RecordBatch]] = [
            (file, reader.get_batch(at))
            for file, (_, reader) in enumerate(readers)
            for at in range(reader.num_record_batches)
        ]
        self.total = sum(batch.num_rows for _, batch in self._batches)

    def buckets(self, bits: int) -> Iterator[tuple[int, pa.Table]]:
        """Yield (bucket, its rows) for each of 2^bits buckets that holds any.

        Requires 0 <= bits <= 16. The rows come in the order of the runs; `head` is
        replaced by `file`, the position of the row's file in `parts`.
        """
        edges = np.arange(1 << bits, dtype=np.uint32) << (BUCKET_BITS - bits)
        bounds = [
            [*np.searchsorted(batch[HEAD].to_numpy(), edges).tolist(), batch.num_rows]
            for _, batch in self._batches
        ]
        for bucket in range(1 << bits):
            pieces = [
                _piece(batch, at[bucket], at[bucket + 1], file)
                for (file, batch), at in zip(self._batches, bounds, strict=True)
                if at[bucket + 1] > at[bucket]
            ]
            if pieces:
                yield bucket, pa.Table.from_batches(pieces)


def _open(path: str) -> tuple[str, pa.RecordBatchFileReader]:
    try:
        reader = pa.ipc.open_file(pa.memory_map(path))
    except (OSError, pa.ArrowInvalid) as problem:
        raise StorageError(
            f"{path}: a scratch file of this run is missing or damaged "
            f"({problem}); start the run again"
        ) from problem
    return reader.schema.metadata[b"part"].decode(), reader


def _piece(batch: pa.RecordBatch, start: int, end: int, file: int) -> pa.RecordBatch:
    piece = batch.slice(start, end - start).drop_columns([HEAD])
    files = pa.array(np.full(end - start, file, np.int32))
    named = piece.append_column(pa.field(FILE, pa.int32(), nullable=False), files)
    return named.replace_schema_metadata(None)

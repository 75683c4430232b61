"""Opening Parquet files of consent, events or a snapshot.

Apart from `consent.files` because reading a snapshot needs no more than this: it
can begin before what reads events, bindings and policies is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.errors import InputError

#: File metadata key that tells a snapshot from a file of events.
SNAPSHOT_KEY: Final = b"snapshot_id"


def open_parquet(path: str, *, words: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file.

    Args:
        path: the file.
        words: columns to read as dictionaries.

    Raises:
        InputError: not Parquet, or truncated.
    """
    try:
        file = pq.ParquetFile(path)
        leaves = {
            column.path for column in map(file.schema.column, range(len(file.schema)))
        }
        known = [word for word in words if word in leaves]
        if not known:
            return file
        metadata = file.metadata
        file.close()
        return pq.ParquetFile(path, metadata=metadata, read_dictionary=known)
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"{path}: not a readable Parquet file ({said}); wanted consent events "
            "(Parquet or CSV) or a consent snapshot; write the file again if it was "
            "cut off"
        ) from error


def row_groups(metadata: pq.FileMetaData, least_rows: int) -> Iterator[list[int]]:
    """Gather row groups to pieces of so many rows or more; the last may have fewer.

    A file without rows is one empty piece.
    """
    groups: list[int] = []
    rows = 0
    for at in range(metadata.num_row_groups):
        groups.append(at)
        rows += metadata.row_group(at).num_rows
        if rows >= least_rows:
            yield groups
            groups, rows = [], 0
    if groups or not metadata.num_row_groups:
        yield groups

"""The files of `private/evidence/`: entries sorted by path, and the tree above them.

`records.parquet` and `subjects.parquet` hold every entry in the order of the pages,
in row groups with statistics on `path`, so that looking one up reads one row group.
`records.tree` and `subjects.tree` hold the hashes, level after level, leaves first,
so that a proof reads b of them. Together with the ledger and `release.key` they are
all that a proof needs, years later.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.errors import EvidenceError
from consentfilter.lineage import columns, ordered, pages, people
from consentfilter.lineage.columns import Bytes2D
from consentfilter.lineage.manifest import SetCommitment
from consentfilter.lineage.runs import BUCKET_BITS, Bucket, ReadBucket, Runs
from consentfilter.lineage.verifier import (
    ENTRY_BYTES,
    HASH_BYTES,
    PATH_BYTES,
    page_bits,
)

#: An admitted record: its entry, and its row in its part.
RECORD: Final = np.dtype(
    [("path", f"V{PATH_BYTES}"), ("value", f"V{HASH_BYTES}"), ("row", "<i8")]
)

#: `private/evidence/records.parquet`: the entry, and its row in `ledger/<part>`.
RECORDS_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.binary(16), nullable=False),
        pa.field("value", pa.binary(32), nullable=False),
        pa.field("part", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
)

ROW_GROUP_ROWS: Final = 1 << 16
#: A bucket of records has 2^11 pages: about a hundred thousand entries.
_BUCKET_PAGE_BITS: Final = 11
#: About so many occurrences of people are folded at a time.
_BUCKET_ROWS: Final = 1 << 17
#: So many entries are read back at a time.
_READ_ROWS: Final = 1 << 16


#: Told the name of a file that is complete.
Note: TypeAlias = Callable[[str], None]


class _Records(NamedTuple):
    number: int
    table: pa.Table
    leaves: Bytes2D


def write_records(
    paths: Sequence[str], directory: Path, *, workers: int, note: Note | None = None
) -> SetCommitment:
    """Write `records.parquet` and `records.tree`; return what the manifest says.

    Args:
        paths: run files of `RECORD`.
        directory: where to.
        workers: threads.
        note: told the name of each file that is complete.

    Raises:
        EvidenceError: two admitted records have one path, which is one id.
    """
    runs = Runs(paths, RECORD)
    parts = pa.array(runs.parts, pa.string())
    depth = page_bits(runs.total)
    bits = min(BUCKET_BITS, max(0, depth - _BUCKET_PAGE_BITS))
    pages_each = 1 << (depth - bits)
    leaves = pages.Leaves(depth).hashes

    def make(item: tuple[int, ReadBucket]) -> _Records:
        number, read = item
        bucket = _sorted(read(), runs.parts)
        matrix = _entries(bucket)
        table = pa.Table.from_arrays(
            [
                columns.fixed_binary(matrix[:, :PATH_BYTES]),
                columns.fixed_binary(matrix[:, PATH_BYTES:]),
                pa.DictionaryArray.from_arrays(pa.array(bucket.file), parts),
                pa.array(np.ascontiguousarray(bucket.rows["row"])),
            ],
            schema=RECORDS_SCHEMA,
        )
        first = number * pages_each
        hashes = pages.leaf_hashes(matrix, depth, first, pages_each)
        return _Records(number, table, hashes)

    target = directory / "records.parquet"
    with (
        _writer(target, RECORDS_SCHEMA, "path", note) as writer,
        ThreadPoolExecutor(workers) as pool,
    ):
        for made in ordered.ordered_map(pool, make, runs.buckets(bits), ahead=workers):
            start = made.number * pages_each
            leaves[start : start + pages_each] = made.leaves
            writer.write_table(made.table, row_group_size=ROW_GROUP_ROWS)
    return _commit(directory, "records", leaves, runs.total, note)


def write_subjects(
    paths: Sequence[str],
    directory: Path,
    *,
    key: bytes,
    scratch: Path,
    workers: int,
    note: Note | None = None,
) -> SetCommitment:
    """Write `subjects.parquet` and `.tree`, and `people.parquet`.

    How many subjects there are, and so how deep their tree is, is known when all of
    them were folded: their entries wait in a scratch file.

    Args:
        paths: run files of `people.OCCURRENCE`.
        directory: where to.
        key: the release key.
        scratch: directory for one more scratch file.
        workers: threads.
        note: told the name of each file that is complete.
    """
    runs = Runs(paths, people.OCCURRENCE)
    parts = pa.array(runs.parts, pa.string())
    bits = min(BUCKET_BITS, (runs.total // _BUCKET_ROWS).bit_length())
    waiting = scratch / "subjects.entries"
    total = 0
    scratch.mkdir(parents=True, exist_ok=True)

    def make(item: tuple[int, ReadBucket]) -> people.Folded:
        return people.folded(item[1](), key, parts)

    with (
        _writer(
            directory / "subjects.parquet", people.SUBJECTS_SCHEMA, "path", note
        ) as writer,
        _writer(
            directory / "people.parquet", people.PEOPLE_SCHEMA, "subject_head", note
        ) as listed,
        waiting.open("wb") as entries,
        ThreadPoolExecutor(workers) as pool,
    ):
        for made in ordered.ordered_map(pool, make, runs.buckets(bits), ahead=workers):
            total += made.subjects.num_rows
            writer.write_table(made.subjects, row_group_size=ROW_GROUP_ROWS)
            listed.write_table(made.listing, row_group_size=ROW_GROUP_ROWS)
            entries.write(entry_matrix(made.subjects).data)
    leaves = pages.Leaves(page_bits(total))
    with waiting.open("rb") as again:
        while data := again.read(_READ_ROWS * ENTRY_BYTES):
            leaves.add(np.frombuffer(data, np.uint8).reshape(-1, ENTRY_BYTES))
    waiting.unlink()
    return _commit(directory, "subjects", leaves.close(), total, note)


@contextlib.contextmanager
def _writer(
    target: Path, schema: pa.Schema, sorted_by: str, note: Note | None
) -> Iterator[pq.ParquetWriter]:
    """Write a file of evidence; it has its name when the block is done.

    Random bytes do not compress; statistics are kept of what is looked up.
    """
    temporary = target.with_name(f"{target.name}.tmp")
    with pq.ParquetWriter(
        temporary,
        schema,
        compression="none",
        use_dictionary=["part"],
        write_statistics=[sorted_by],
    ) as writer:
        yield writer
    _name(temporary, target, note)


def _commit(
    directory: Path, name: str, leaves: Bytes2D, total: int, note: Note | None
) -> SetCommitment:
    tree = pages.Tree(leaves)
    target = directory / f"{name}.tree"
    temporary = directory / f"{name}.tree.tmp"
    temporary.write_bytes(tree.to_bytes())
    _name(temporary, target, note)
    return SetCommitment(tree.root.hex(), total, page_bits(total))


def _name(temporary: Path, target: Path, note: Note | None) -> None:
    os.replace(temporary, target)
    if note is not None:
        note(target.name)


def entry_matrix(table: pa.Table) -> Bytes2D:
    """Return `path ‖ value` of each row, shape (n, 48)."""
    parts = [
        columns.byte_matrix(table[name].combine_chunks()) for name in ("path", "value")
    ]
    return np.hstack(parts)


def _entries(bucket: Bucket) -> Bytes2D:
    parts = [columns.field_matrix(bucket.rows, name) for name in ("path", "value")]
    return np.hstack(parts)


def _sorted(bucket: Bucket, parts: Sequence[str]) -> Bucket:
    paths = columns.field_matrix(bucket.rows, "path")
    order = pages.sort_order(paths)
    twice = pages.first_duplicate(paths[order])
    if twice is not None:
        raise EvidenceError(_duplicate(bucket, order[twice : twice + 2], parts))
    return Bucket(bucket.rows.take(order), bucket.file.take(order), None)


def _duplicate(bucket: Bucket, pair: Any, parts: Sequence[str]) -> str:
    places = [
        f"row {row} of {parts[file]}"
        for row, file in zip(bucket.rows["row"][pair], bucket.file[pair], strict=True)
    ]
    return (
        f"{' and '.join(places)}: two admitted records have the same id; ids must be "
        "unique within a run (or drop duplicates: policy `on_duplicate: drop`)"
    )

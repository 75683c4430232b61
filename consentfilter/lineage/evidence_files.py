"""The files of `private/evidence/`: entries sorted by path, and the tree above them.

`records.parquet` and `subjects.parquet` hold every entry in the order of the pages,
in row groups with statistics on `path`, so that looking one up reads one row group.
`records.tree` and `subjects.tree` hold the hashes, level after level, leaves first,
so that a proof reads b of them. Together with the ledger and `release.key` they are
all that a proof needs, years later.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.errors import EvidenceError
from consentfilter.lineage import columns, ordered, pages, people
from consentfilter.lineage.columns import Bytes2D
from consentfilter.lineage.manifest import SetCommitment
from consentfilter.lineage.runs import BUCKET_BITS, FILE, ReadBucket, Runs
from consentfilter.lineage.verifier import HASH_BYTES, leaf_hash, page_bits

RECORD_RUN_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.binary(16), nullable=False),
        pa.field("value", pa.binary(32), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
)

#: `private/evidence/records.parquet`: the entry, and its row in `ledger/<part>`.
RECORDS_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.binary(16), nullable=False),
        pa.field("value", pa.binary(32), nullable=False),
        pa.field("part", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
)

#: `private/evidence/subjects.parquet`: the entry and the fields of its body.
SUBJECTS_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_key", pa.string(), nullable=False)
        if field.name == "subject_key"
        else field
        for field in people.SUBJECT_SCHEMA
    ]
)

ROW_GROUP_ROWS: Final = 1 << 16
#: A bucket has 2^11 pages: about a hundred thousand entries are sorted at a time.
_BUCKET_PAGE_BITS: Final = 11


class _Bucket(NamedTuple):
    number: int
    table: pa.Table
    leaves: Bytes2D


def write_records(
    runs: Sequence[str], directory: Path, *, workers: int
) -> SetCommitment:
    """Write `records.parquet` and `records.tree`; return what the manifest says.

    Raises:
        EvidenceError: two admitted records have one path, which is one id.
    """
    entries = Runs(runs)
    parts = pa.array(entries.parts, pa.string())

    def finish(table: pa.Table) -> pa.Table:
        part = parts.take(table[FILE].combine_chunks())
        return pa.table(
            [table["path"], table["value"], part, table["row"]], schema=RECORDS_SCHEMA
        )

    return _write(entries, directory, "records", RECORDS_SCHEMA, finish, workers)


def write_subjects(
    runs: Sequence[str], directory: Path, *, workers: int
) -> SetCommitment:
    """Write `subjects.parquet` and `subjects.tree`; return what the manifest says."""

    def finish(table: pa.Table) -> pa.Table:
        return table.drop_columns([FILE]).cast(SUBJECTS_SCHEMA)

    return _write(Runs(runs), directory, "subjects", SUBJECTS_SCHEMA, finish, workers)


def _write(
    entries: Runs,
    directory: Path,
    name: str,
    schema: pa.Schema,
    finish: Callable[[pa.Table], pa.Table],
    workers: int,
) -> SetCommitment:
    depth = page_bits(entries.total)
    bits = min(BUCKET_BITS, max(0, depth - _BUCKET_PAGE_BITS))
    pages_each = 1 << (depth - bits)
    leaves = np.empty((1 << depth, HASH_BYTES), np.uint8)
    leaves[:] = np.frombuffer(leaf_hash(b""), np.uint8)

    def bucket(item: tuple[int, ReadBucket]) -> _Bucket | None:
        number, read = item
        table = read()
        if not table.num_rows:
            return None
        ordered_table = _sorted(table, entries.parts)
        matrix = entry_matrix(ordered_table)
        hashes = pages.leaf_hashes(matrix, depth, number * pages_each, pages_each)
        return _Bucket(number, finish(ordered_table), hashes)

    temporary = directory / f"{name}.parquet.tmp"
    with (
        pq.ParquetWriter(
            temporary, schema, compression="none", use_dictionary=["part"]
        ) as writer,
        ThreadPoolExecutor(workers) as pool,
    ):
        made = ordered.ordered_map(pool, bucket, entries.buckets(bits), ahead=workers)
        for done in filter(None, made):
            start = done.number * pages_each
            leaves[start : start + pages_each] = done.leaves
            writer.write_table(done.table, row_group_size=ROW_GROUP_ROWS)
    tree = pages.Tree(leaves)
    hashes = directory / f"{name}.tree.tmp"
    hashes.write_bytes(tree.to_bytes())
    os.replace(temporary, directory / f"{name}.parquet")
    os.replace(hashes, directory / f"{name}.tree")
    return SetCommitment(tree.root.hex(), entries.total, depth)


def entry_matrix(table: pa.Table) -> Bytes2D:
    """Return `path ‖ value` of each row, shape (n, 48)."""
    parts = [
        columns.byte_matrix(table[name].combine_chunks()) for name in ("path", "value")
    ]
    return np.hstack(parts)


def _sorted(table: pa.Table, parts: Sequence[str]) -> pa.Table:
    paths = columns.byte_matrix(table["path"].combine_chunks())
    order = pages.sort_order(paths)
    taken = table.take(pa.array(order))
    twice = pages.first_duplicate(paths[order])
    if twice is not None:
        raise EvidenceError(_duplicate(taken.slice(twice, 2), parts))
    return taken


def _duplicate(pair: pa.Table, parts: Sequence[str]) -> str:
    if "row" not in pair.column_names:
        return f"subject {pair['subject_key'][0]}: has two entries, wanted one"
    places = [
        f"row {row} of {parts[file]}"
        for row, file in zip(
            pair["row"].to_pylist(), pair[FILE].to_pylist(), strict=True
        )
    ]
    return (
        f"{' and '.join(places)}: two admitted records have the same id; ids must be "
        "unique within a run (or drop duplicates: policy `on_duplicate: drop`)"
    )

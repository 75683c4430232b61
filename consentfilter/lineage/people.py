"""Who is in a release: occurrences of people, folded into one row per subject.

Occurrences are spread over buckets by a hash of the subject key (XXH3-64), so that a
person's occurrences meet whatever part they come from; each subject is then hashed
into its entry once. What a person is in is also written down, sorted by that hash
(`people.parquet`), so that a withdrawal finds its records without a scan.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.lineage import columns, entries, ordered, pages
from consentfilter.lineage.runs import BUCKET_BITS, FILE, Runs, RunWriter
from consentfilter.lineage.verifier import PATH_BYTES

RUN_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_hash", pa.uint64(), nullable=False),
        pa.field("subject_key", pa.large_string(), nullable=False),
        pa.field("record_path", pa.binary(PATH_BYTES), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("is_in", pa.bool_(), nullable=False),
    ]
)

#: `private/evidence/people.parquet`: one row per person and record they are in, by
#: `subject_hash`, then `part` and `row`; these two point into `private/ledger/`.
PEOPLE_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_hash", pa.uint64(), nullable=False),
        pa.field("part", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
)

#: One row per subject, and what is hashed into its entry.
SUBJECT_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.binary(16), nullable=False),
        pa.field("value", pa.binary(32), nullable=False),
        pa.field("subject_key", pa.large_string(), nullable=False),
        pa.field("rows_admitted", pa.int64(), nullable=False),
        pa.field("rows_dropped", pa.int64(), nullable=False),
        pa.field("paths_sha256", pa.binary(32), nullable=False),
    ]
)

ROW_GROUP_ROWS: Final = 1 << 16
_BUCKET_ROWS: Final = 1 << 17

_Numbers: TypeAlias = npt.NDArray[np.uint64]


def subject_hashes(keys: pl.Series) -> _Numbers:
    """Return XXH3-64 (seed 0, of the UTF-8 text) of each subject key."""
    frame = keys.alias("k").to_frame()
    return frame.select(plh.col("k").nchash.xxh3_64(seed=0)).to_series().to_numpy()


def fold(
    paths: Sequence[str],
    target: str | os.PathLike[str],
    listing: str | os.PathLike[str],
    *,
    key: bytes,
    workers: int,
) -> None:
    """Fold the people files of all parts.

    Args:
        paths: the parts' run files (`RUN_SCHEMA`).
        target: run file of subjects to write (`SUBJECT_SCHEMA`).
        listing: `people.parquet` to write (`PEOPLE_SCHEMA`).
        key: the release key.
        workers: threads.
    """
    occurrences = Runs(paths)
    bits = min(BUCKET_BITS, max(0, occurrences.total // _BUCKET_ROWS).bit_length())
    names = pa.array(occurrences.parts, pa.string())
    writer = RunWriter(target, SUBJECT_SCHEMA)
    temporary = f"{os.fspath(listing)}.tmp"
    with (
        pq.ParquetWriter(
            temporary, PEOPLE_SCHEMA, compression="none", use_dictionary=["part"]
        ) as listed,
        ThreadPoolExecutor(workers) as pool,
    ):
        folded = ordered.ordered_map(
            pool,
            lambda item: _folded(item[1](), key, names),
            occurrences.buckets(bits),
            ahead=workers,
        )
        for batch, table in filter(None, folded):
            writer.add(batch, pages.path_heads(columns.byte_matrix(batch["path"])))
            listed.write_table(table, row_group_size=ROW_GROUP_ROWS)
    writer.close()
    os.replace(temporary, listing)


def _folded(
    table: pa.Table, key: bytes, names: pa.Array
) -> tuple[pa.RecordBatch, pa.Table] | None:
    """Return the subjects of a bucket, and the list of what they are in."""
    if not table.num_rows:
        return None
    hashes = table["subject_hash"].to_numpy()
    places = table[FILE].to_numpy().astype(np.int64), table["row"].to_numpy()
    order = np.argsort(hashes, kind="stable")
    if not _is_in_order(hashes[order], *(place[order] for place in places)):
        order = np.lexsort((*places[::-1], hashes))
    table = table.take(pa.array(order))
    is_in = table["is_in"].combine_chunks()
    listed = table.filter(is_in)
    part = names.take(listed[FILE].combine_chunks())
    listing = pa.table(
        [listed["subject_hash"], part, listed["row"]], schema=PEOPLE_SCHEMA
    )
    return _subjects(table, key), listing


def _subjects(table: pa.Table, key: bytes) -> pa.RecordBatch:
    """Return one row per person; `table` is sorted by `subject_hash`."""
    hashes = table["subject_hash"].to_numpy()
    is_new = _starts(table)
    if np.count_nonzero(is_new) != 1 + np.count_nonzero(hashes[1:] != hashes[:-1]):
        table = table.sort_by("subject_key")  # two keys have one hash
        is_new = _starts(table)
    names = pl.Series(table["subject_key"])
    code = np.cumsum(is_new) - 1
    count = int(code[-1]) + 1
    is_in = table["is_in"].to_numpy()
    admitted = np.bincount(code[is_in], minlength=count)
    dropped = np.bincount(code[~is_in], minlength=count)
    matrix = columns.byte_matrix(table["record_path"].combine_chunks())
    paths = _sorted_by_person(matrix[is_in], code[is_in])
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(admitted * PATH_BYTES, out=offsets[1:])
    digests = columns.sha256_array(columns.binary_slices(paths, offsets))
    subject_key = names.filter(pl.Series(is_new)).to_arrow().cast(pa.large_string())
    made = entries.subject_entries(
        key,
        subject_key=subject_key,
        admitted=admitted,
        dropped=dropped,
        paths_sha256=digests,
    )
    return pa.RecordBatch.from_arrays(
        [
            columns.fixed_binary(made.path),
            columns.fixed_binary(made.value),
            subject_key,
            pa.array(admitted),
            pa.array(dropped),
            columns.fixed_binary(digests),
        ],
        schema=SUBJECT_SCHEMA,
    )


def _starts(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Return where another subject key begins than in the row before."""
    keys = pl.Series(table["subject_key"])
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = (keys[1:] != keys[:-1]).to_numpy()
    return is_new


def _is_in_order(
    hashes: _Numbers, files: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> bool:
    """Tell whether rows of one hash ascend by file, then row; hashes are sorted."""
    is_same = hashes[1:] == hashes[:-1]
    is_up = (files[1:] > files[:-1]) | (
        (files[1:] == files[:-1]) & (rows[1:] > rows[:-1])
    )
    return bool(np.all(is_up | ~is_same))


def _sorted_by_person(
    paths: columns.Bytes2D, code: npt.NDArray[np.int64]
) -> columns.Bytes2D:
    """Return the paths ordered by person, then as byte strings."""
    heads = pages.path_heads(paths)
    both = (code.astype(np.uint64) << np.uint64(32)) | (heads >> np.uint64(32))
    order = np.argsort(both)
    in_order = both[order]
    if np.any(in_order[1:] == in_order[:-1]):
        tails = np.ascontiguousarray(paths[:, 8:]).view(">u8").reshape(-1)
        order = np.lexsort((tails.astype(np.uint64), heads, code))
    return np.ascontiguousarray(paths[order])

"""Who is in a release: occurrences of people, folded into one row per subject.

Occurrences are spread over buckets by a hash of the subject key that only has to be
stable during the run, so that a person's occurrences meet whatever part they come
from; each subject is then hashed once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa

from consentfilter.lineage import columns, entries, ordered, pages
from consentfilter.lineage.runs import BUCKET_BITS, Runs, RunWriter
from consentfilter.lineage.verifier import PATH_BYTES

RUN_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_key", pa.large_string(), nullable=False),
        pa.field("record_path", pa.binary(PATH_BYTES), nullable=False),
        pa.field("is_in", pa.bool_(), nullable=False),
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

_BUCKET_ROWS: Final = 1 << 19


def bucket_numbers(keys: pl.Series) -> npt.NDArray[np.uint64]:
    """Return a number per key (XXH3-64, a fixed function) that names its bucket."""
    frame = keys.alias("k").to_frame()
    return frame.select(plh.col("k").nchash.xxh3_64(seed=0)).to_series().to_numpy()


def fold(
    paths: Sequence[str], target: str | os.PathLike[str], *, key: bytes, workers: int
) -> None:
    """Fold the people files of all parts into one run file of subjects."""
    occurrences = Runs(paths)
    bits = min(BUCKET_BITS, max(0, occurrences.total // _BUCKET_ROWS).bit_length())
    writer = RunWriter(target, SUBJECT_SCHEMA)
    with ThreadPoolExecutor(workers) as pool:
        folded = ordered.ordered_map(
            pool,
            lambda item: _subjects(item[1], key),
            occurrences.buckets(bits),
            ahead=workers,
        )
        for batch in folded:
            writer.add(batch, pages.path_heads(columns.byte_matrix(batch["path"])))
    writer.close()


def _subjects(table: pa.Table, key: bytes) -> pa.RecordBatch:
    """Return one row per person of a bucket (all occurrences of each are in it)."""
    names = pl.Series(table["subject_key"])
    code = (names.rank("dense") - 1).to_numpy()
    count = int(code.max()) + 1
    first = np.empty(count, np.int64)
    first[code[::-1]] = np.arange(len(code) - 1, -1, -1)
    is_in = table["is_in"].to_numpy()
    admitted = np.bincount(code[is_in], minlength=count)
    dropped = np.bincount(code[~is_in], minlength=count)
    matrix = columns.byte_matrix(table["record_path"].combine_chunks())
    paths = _sorted_by_person(matrix[is_in], code[is_in])
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(admitted * PATH_BYTES, out=offsets[1:])
    digests = columns.sha256_array(columns.binary_slices(paths, offsets))
    subject_key = names.gather(first).to_arrow().cast(pa.large_string())
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


def _sorted_by_person(
    paths: columns.Bytes2D, code: npt.NDArray[np.uint32]
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

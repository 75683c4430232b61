"""The pass over the record ids alone: which of them occur more than once."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from consentfilter.dataset import Dataset
from consentfilter.engine import duplicates
from consentfilter.engine.duplicates import IdHashes, Occurrence
from consentfilter.engine.footers import Footer, open_parquet
from consentfilter.engine.reader import (
    hive_columns,
    read_columns,
    schema_with_hive,
    units,
)
from consentfilter.errors import InputError
from consentfilter.layout.columns import non_blank_text
from consentfilter.layout.resolve import lay_out

#: Candidate ids that are read again to be named in a message.
_NAMED_CANDIDATES = 64


def read_ids(footer: Footer, dataset: Dataset) -> Iterator[tuple[int, pa.Array]]:
    """Yield (first row, record ids as text) of each row group; reads nothing else."""
    value = lay_out(schema_with_hive(footer, dataset), dataset).values["record_id"]
    column = value.path.column if value.path else ""
    constants = hive_columns(footer, dataset)
    with open_parquet(footer.part) as opened:
        for unit in units(footer):
            if column in constants:
                constant = pa.scalar(constants[column], pa.string())
                table = pa.table({column: pa.repeat(constant, unit.rows)})
            else:
                table = read_columns(opened, unit, [column])
            yield unit.first_row, non_blank_text(table, value)


def collect(
    hashes: IdHashes, footers: Sequence[Footer], dataset: Dataset, *, workers: int
) -> None:
    """Add the ids of whole parts; reads their id column only."""

    def add(footer: Footer) -> None:
        for _, ids in read_ids(footer, dataset):
            hashes.add(ids)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(add, footers))


def refuse_repeated(
    hashes: IdHashes, footers: Sequence[Footer], dataset: Dataset, *, workers: int = 1
) -> None:
    """Check that the ids that were collected while deciding are unique.

    Args:
        hashes: of all ids.
        footers: the parts.
        dataset: the binding.
        workers: threads.

    Raises:
        InputError: some are not; names them and where they stand.
    """
    candidates = hashes.candidates(workers=workers)
    if not len(candidates):
        return
    repeated = duplicates.confirmed(_where(footers, dataset, candidates))
    if repeated:
        raise InputError(duplicates.describe(repeated))


def find_repeated(
    hashes: IdHashes, footers: Sequence[Footer], dataset: Dataset, *, workers: int
) -> pa.Array:
    """Return the ids that occur more than once; reads the id column up to twice.

    Args:
        hashes: an empty collection; it is filled here.
        footers: the parts.
        dataset: the binding.
        workers: how many parts are read at a time.
    """
    collect(hashes, footers, dataset, workers=workers)
    candidates = hashes.candidates(workers=workers)
    if not len(candidates):
        return pa.array([], pa.string())
    hits = [
        duplicates.with_hash(ids, candidates)
        for footer in footers
        for _, ids in read_ids(footer, dataset)
    ]
    return duplicates.repeated(pa.chunked_array(hits, pa.string()))


def _where(
    footers: Sequence[Footer], dataset: Dataset, candidates: np.ndarray
) -> Iterator[Occurrence]:
    """Yield where candidates stand: all of them if few, else of the first few."""
    for start in range(0, len(candidates), _NAMED_CANDIDATES):
        some = candidates[start : start + _NAMED_CANDIDATES]
        found = [
            occurrence
            for footer in footers
            for first_row, ids in read_ids(footer, dataset)
            for occurrence in duplicates.occurrences(
                ids, some, part=footer.part.name, first_row=first_row
            )
        ]
        yield from found
        if duplicates.confirmed(found):
            return

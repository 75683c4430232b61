"""Look one entry or one record up in a release's private files, without a scan.

What is needed of a file is a few hundred rows, so that most of the time of a proof is
the interpreter's start: nothing is imported here but what reads Parquet.
"""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.errors import EvidenceError
from consentfilter.lineage.opened import OpenedRelease, undamaged
from consentfilter.lineage.verifier import HASH_BYTES, PATH_BYTES

PROOF_COLUMNS: Final = (
    "record_id",
    "decision",
    "reason",
    "content_sha256",
    "part",
    "row",
    "out_row",
)


class Page(NamedTuple):
    """One page of a set, from the evidence.

    Attributes:
        table: its rows, sorted by path; columns as in the evidence file.
        entries: `path ‖ value` of each.
        siblings: the hashes beside its way to the root, leaf first.
    """

    table: pa.Table
    entries: list[bytes]
    siblings: list[bytes]


def read_page(release: OpenedRelease, set_name: str, path: bytes) -> Page:
    """Return the page that may hold a path; reads one row group, rarely two.

    Raises:
        EvidenceError: the evidence files are missing or damaged.
    """
    depth = int(release.predicate["commitments"][set_name]["pageBits"])
    shift = 8 * PATH_BYTES - depth
    number = int.from_bytes(path, "big") >> shift
    low = (number << shift).to_bytes(PATH_BYTES, "big")
    high = (((number + 1) << shift) - 1).to_bytes(PATH_BYTES, "big")
    where = release.evidence / f"{set_name}.parquet"
    table = read_between(where, "path", low, high)
    entries = [
        path + value
        for path, value in zip(
            table["path"].to_pylist(), table["value"].to_pylist(), strict=True
        )
    ]
    return Page(table, entries, _siblings(release, set_name, number, depth))


def read_between(where: Path, column: str, low: Any, high: Any) -> pa.Table:
    """Return the rows of a sorted Parquet file with `low <= column <= high`.

    Reads only row groups whose statistics may hold them. If the file is not sorted,
    the rows are others; nobody takes them for the answer who checks them (by the
    signed root, or by the digest that it commits to).

    Raises:
        EvidenceError: the file is missing or damaged.
    """
    with undamaged(where), pq.ParquetFile(where) as file:
        at = file.schema_arrow.get_field_index(column)
        wanted = [
            group
            for group in range(file.num_row_groups)
            if _may_hold(file.metadata.row_group(group).column(at), low, high)
        ]
        table = file.read_row_groups(wanted) if wanted else _none(file)
    if any(each.null_count for each in table.columns):
        raise EvidenceError(
            f"{where}: has rows without a value; the evidence is damaged, so restore "
            "private/ from where the release was made"
        )
    values = table[column].combine_chunks()
    rows, value = range(len(values)), lambda row: values[row].as_py()
    with undamaged(where):
        first = bisect.bisect_left(rows, low, key=value)
        return table.slice(first, bisect.bisect_right(rows, high, key=value) - first)


def ledger_row(
    release: OpenedRelease, part: str, row: int, names: list[str] | None = None
) -> dict[str, Any]:
    """Return one row of a part's ledger; reads one row group.

    Raises:
        EvidenceError: the ledger is missing, damaged, or has no such row.
    """
    where = release.ledger(part)
    with undamaged(where), pq.ParquetFile(where) as file:
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if row < first + count:
                table = file.read_row_group(group, columns=names)
                found: dict[str, Any] = table.slice(row - first, 1).to_pylist()[0]
                return found
            first += count
    raise EvidenceError(f"{where}: has {first} rows, so no row {row}")


def ledger_of_record(release: OpenedRelease, record_id: str) -> list[dict[str, Any]]:
    """Return the ledger rows of a record, admitted or not; scans the ids.

    More than one only where the policy drops duplicate ids.
    """
    import polars as pl  # here: a proof does without it

    files = [str(release.ledger(part)) for part in release.ledger_parts()]
    if not files:
        return []
    with undamaged(release.private / "ledger", pl.exceptions.PolarsError):
        ledger = pl.scan_parquet(files, glob=False, hive_partitioning=False)
        return ledger.filter(pl.col("record_id") == record_id).collect().to_dicts()


def siblings_at(page: int, depth: int) -> list[int]:
    """Return where in a tree file the siblings of a page start, leaf first.

    The file is what `pages.Tree.to_bytes` returns: level after level, leaves first.
    """
    offsets, start = [], 0
    for level in range(depth):
        offsets.append((start + ((page >> level) ^ 1)) * HASH_BYTES)
        start += 1 << (depth - level)
    return offsets


def _may_hold(chunk: pq.ColumnChunkMetaData, low: Any, high: Any) -> bool:
    found = chunk.statistics
    if found is None or not found.has_min_max:
        return True
    return bool(found.min <= high and found.max >= low)


def _none(file: pq.ParquetFile) -> pa.Table:
    return file.schema_arrow.empty_table()


def _siblings(
    release: OpenedRelease, set_name: str, number: int, depth: int
) -> list[bytes]:
    where = release.evidence / f"{set_name}.tree"
    found = []
    try:
        with where.open("rb") as stream:
            for at in siblings_at(number, depth):
                stream.seek(at)
                found.append(stream.read(HASH_BYTES))
    except OSError as problem:
        raise EvidenceError(
            f"{where}: cannot be read ({problem.strerror}); restore private/"
        ) from problem
    return found

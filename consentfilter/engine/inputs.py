"""The records of a run: found, opened, and checked against the binding."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Sequence

import pyarrow as pa

from consentfilter import digest
from consentfilter.binding import check_schema
from consentfilter.dataset import Dataset
from consentfilter.engine.footers import Footer, limited, read_footers
from consentfilter.engine.reader import schema_with_hive
from consentfilter.engine.storage import list_parts
from consentfilter.errors import InputError, StorageError
from consentfilter.lineage.manifest import IndexedFile

#: Columns that a file of consent events has and records do not.
_EVENT_COLUMNS = frozenset({"status", "purpose"})
_SNAPSHOT_KEY = b"snapshot_id"


def open_records(
    records: Sequence[str | os.PathLike[str]],
    dataset: Dataset,
    *,
    limit: int | None = None,
) -> tuple[Footer, ...]:
    """Find the parts that RECORDS name and check that all of them can be bound.

    Args:
        records: files, directories, globs, URLs.
        dataset: the binding.
        limit: take only so many rows, the first ones in the order of the parts'
            names.

    Raises:
        InputError: with every problem of every part.
    """
    footers = read_footers(list_parts(records))
    problems = _consent_problems(footers) or _schema_problems(footers, dataset)
    if not problems and not sum(footer.rows for footer in footers):
        many = f"{len(footers)} parts hold" if len(footers) > 1 else "part holds"
        problems = [
            f"{footers[0].part.shown}: the {many} no rows at all; there is nothing to "
            "filter."
        ]
    if problems:
        raise InputError(problems)
    return footers if limit is None else limited(footers, limit)


def hash_parts(footers: Sequence[Footer], *, workers: int) -> list[IndexedFile]:
    """Return name, rows, digest and size of every input part.

    Raises:
        StorageError: a part cannot be read any more.
    """

    def hashed(footer: Footer) -> IndexedFile:
        try:
            with footer.part.open() as stream:
                sha256, size = digest.sha256_stream(stream)
        except (OSError, pa.ArrowException) as error:
            raise StorageError(f"{footer.part.shown}: cannot be read ({error}).") from (
                error
            )
        return IndexedFile(footer.part.name, sha256, size, footer.rows)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(hashed, footers))


def _consent_problems(footers: Sequence[Footer]) -> list[str]:
    """Say which parts are consent data, given as records by mistake."""
    problems = []
    for footer in footers:
        names = set(footer.schema.names)
        if _SNAPSHOT_KEY in (footer.schema.metadata or {}):
            what = "a consent snapshot"
        elif names >= _EVENT_COLUMNS and "collected_at" not in names:
            what = "consent events (it has the columns status and purpose)"
        else:
            continue
        problems.append(
            f"{footer.part.shown}: this is {what}, wanted records to filter; give it "
            "with --consent and name the records first."
        )
    return problems


def _schema_problems(footers: Sequence[Footer], dataset: Dataset) -> list[str]:
    """Return each problem once, with the parts that have it."""
    checked: dict[pa.Schema, tuple[str, ...]] = {}
    where: dict[str, list[str]] = {}
    for footer in footers:
        schema = schema_with_hive(footer, dataset).remove_metadata()
        if schema not in checked:
            try:
                check_schema(schema, dataset)
                checked[schema] = ()
            except InputError as error:
                checked[schema] = error.problems
        for problem in checked[schema]:
            where.setdefault(problem, []).append(footer.part.shown)
    return [
        f"{parts[0]}{_and_more(len(parts) - 1)}: {problem}"
        for problem, parts in where.items()
    ]


def _and_more(count: int) -> str:
    return f" (and {count:,} more)" if count else ""

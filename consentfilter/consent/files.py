"""Consent files: which paths mean which files, and reading events piece by piece."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv as pacsv

from consentfilter.consent.binding import EventsBinding
from consentfilter.consent.layout import bound_columns
from consentfilter.consent.parquet import SNAPSHOT_KEY, open_parquet, row_groups
from consentfilter.errors import InputError

#: Rows of events that are made standard at a time.
PIECE_ROWS: Final = 1_000_000
#: Columns of snapshots that no file of events has.
_OF_SNAPSHOTS: Final = ("statement_id", "subject_key", "order_in_group")

_SUFFIXES: Final = (".parquet", ".csv")
#: Columns whose text repeats: read as dictionaries, each value once.
_WORDS: Final = frozenset(
    {
        "source_id",
        "channel",
        "subject_ns",
        "status",
        "purpose",
        "category",
        "expression",
        "actor_type",
        "terms_version",
        "notice_id",
        "language",
        "jurisdiction",
        "controller",
        "legal_basis",
        "signal_format",
        "mapping_version",
    }
)


def expand(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return the files that paths, directories and globs name, each once, sorted.

    A directory stands for all `*.parquet` and `*.csv` below it; names that begin
    with `_` or `.` are hidden and not read.

    Raises:
        InputError: with every path that names nothing.
    """
    found: dict[str, None] = {}
    problems = []
    for path in [os.fspath(path) for path in paths]:
        if os.path.isfile(path):
            files = [path]
        elif os.path.isdir(path):
            files = _below(path)
            if not files:
                problems.append(
                    f"{path}: no *.parquet or *.csv file below this directory; give "
                    "the files of consent events, or a snapshot"
                )
        elif files := sorted(glob.glob(path, recursive=True)):
            files = [file for file in files if os.path.isfile(file)]
        if not files and "://" in path:
            problems.append(
                f"{path}: consent is read from files on this machine, found a URL; "
                "copy it here first"
            )
        elif not files and not os.path.isdir(path):
            problems.append(f"{path}: no such file or directory; check the path")
        found |= dict.fromkeys(files)
    if not paths:
        problems.append("no consent file was given; wanted event files or a snapshot")
    if problems:
        raise InputError(problems)
    return sorted(found)


def _below(directory: str) -> list[str]:
    root = Path(directory)
    return sorted(
        str(path)
        for path in root.rglob("*")
        if path.suffix.lower() in _SUFFIXES
        and path.is_file()
        and not any(
            step[0] in "_." and not ("=" in step and step[0] == "_")
            for step in path.relative_to(root).parts
        )
    )


def is_snapshot(path: str) -> bool:
    """Tell by its metadata whether a file is a snapshot.

    Raises:
        InputError: the file is neither CSV nor readable Parquet.
    """
    if path.lower().endswith(".csv"):
        return False
    with open_parquet(path) as file:
        return SNAPSHOT_KEY in (file.metadata.metadata or {})


def pieces(path: str, binding: EventsBinding) -> Iterator[pa.Table]:
    """Yield the events of a file, about a million rows at a time, bound columns only.

    Raises:
        InputError: the file is not readable, or is no file of events.
    """
    if path.lower().endswith(".csv"):
        yield from _csv_pieces(path, binding)
        return
    with open_parquet(path) as file:
        schema = file.schema_arrow.with_metadata(file.metadata.metadata)
    refuse_snapshot(path, schema, binding)
    wanted = _wanted(path, schema.names, binding)
    words = [column for name, column in wanted.items() if name in _WORDS]
    with open_parquet(path, words=words) as file:
        columns = sorted(set(wanted.values()))
        try:
            for groups in row_groups(file.metadata, PIECE_ROWS):
                yield file.read_row_groups(groups, columns=columns)
        except (pa.ArrowException, OSError) as error:
            said = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{path}: cannot be read to the end ({said}); write the file again"
            ) from error


def refuse_snapshot(name: str, schema: pa.Schema, binding: EventsBinding) -> None:
    """Refuse a snapshot where events are wanted: read as events it would say nothing.

    Raises:
        InputError: the metadata are a snapshot's, or the columns are and nothing
            says whose consent it is.
    """
    if SNAPSHOT_KEY in (schema.metadata or {}):
        raise InputError(
            f"{name}: this is a consent snapshot, which was derived from events "
            "already; give the events it was built from"
        )
    is_like_one = set(_OF_SNAPSHOTS) <= set(schema.names)
    if is_like_one and "subject_id" not in bound_columns(schema.names, binding):
        raise InputError(
            f"{name}: this looks like a consent snapshot that lost its metadata (it "
            f"has the columns {', '.join(map(repr, _OF_SNAPSHOTS))}); give the "
            "snapshot as it was written, or the events it was built from"
        )


def _wanted(path: str, names: list[str], binding: EventsBinding) -> dict[str, str]:
    wanted = bound_columns(names, binding)
    if "status" not in wanted and binding.status.constant is None:
        listed = ", ".join(map(repr, names))
        if {"record_id", "collected_at"} & set(names):
            raise InputError(
                f"{path}: this looks like a file of records, not of consent: it has "
                f"no column {binding.status.column!r}, but {listed}; give consent "
                "events or a snapshot here, and the records where records are wanted"
            )
        raise InputError(
            f"{path}: no column {binding.status.column!r} of consent statuses "
            f"(given, withdrawn, …); found {listed}; name the column under "
            "`events: status:` in the dataset file"
        )
    return wanted


def _csv_pieces(path: str, binding: EventsBinding) -> Iterator[pa.Table]:
    """Read all columns of a CSV file as text; blank subject ids stay blank."""
    try:
        with pacsv.open_csv(path) as peek:
            names = peek.schema.names
        wanted = _wanted(path, names, binding)
        convert = pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=sorted(set(wanted.values())),
            strings_can_be_null=False,
        )
        read = pacsv.ReadOptions(block_size=64 << 20)
        with pacsv.open_csv(path, read_options=read, convert_options=convert) as file:
            for batch in file:
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"{path}: not a readable CSV file ({said}); wanted a header line and "
            "one consent event a line"
        ) from error

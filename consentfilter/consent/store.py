"""Snapshots on disk: one Parquet file that is written whole and checked when read.

Statements about a person come first, sorted by subject_key; those about everyone
in an account, a context or an asset come last, in row groups of their own. They
are not a second file: a reader that lost it would silently lose denials.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import datetime as dt
import json
import os
import tempfile
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.consent.arrow import nulls
from consentfilter.consent.assemble import Assembly
from consentfilter.consent.canonical import FEW_VALUES, RowsDigest
from consentfilter.consent.checks import RowChecks
from consentfilter.consent.model import ConsentSnapshot, SnapshotMeta, SourceMark
from consentfilter.consent.parquet import SNAPSHOT_KEY, open_parquet, row_groups
from consentfilter.consent.schema import INSTANT, SCHEMA_VERSION, SNAPSHOT, WORD, WORDS
from consentfilter.errors import InputError, RunRefused, StorageError

ROW_GROUP_ROWS: Final = 262_144
_AGAIN: Final = "build it again with `consentfilter snapshot build`"
_ID: Final = "statement_id"
#: What reading metadata that somebody else wrote may come to.
_NO_SENSE: Final = (
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
_SCOPES: Final = ("account_id", "context_id", "asset_id")
#: Where not all columns are kept, each subject stands there once.
_DECIDING: Final = pa.schema(
    field.with_type(WORD) if field.name == "subject_key" else field
    for field in SNAPSHOT
)
#: Rows that are checked at a time; bounds the memory of the check.
_CHECKED_ROWS: Final = 1 << 19


def write_snapshot(snapshot: ConsentSnapshot, path: str | os.PathLike[str]) -> None:
    """Write a snapshot; under its name there is the whole file or what was before.

    Equal snapshots give equal bytes (of one version of the Parquet library).

    Raises:
        StorageError: the file cannot be written.
    """
    target = Path(path)
    statements = snapshot.statements.replace_schema_metadata(_encoded(snapshot.meta))
    named = len(statements) - statements.column("subject_key").null_count
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".tmp", dir=target.parent
        )
        os.close(handle)
        try:
            with pq.ParquetWriter(
                temporary,
                statements.schema,
                compression="zstd",
                use_dictionary=[*WORDS, *_SCOPES, "recipients.list.element"],
                write_statistics=True,
            ) as writer:
                for part in (statements.slice(0, named), statements.slice(named)):
                    if part.num_rows or not len(statements):
                        writer.write_table(part, row_group_size=ROW_GROUP_ROWS)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise StorageError(
            f"{target}: the snapshot cannot be written ({error.strerror or error}); "
            "check that the directory exists, may be written and has space"
        ) from error


class GivenUp(Exception):  # noqa: N818  (no fault: nobody wants the snapshot any more)
    """Reading was given up."""


def read_snapshot(
    path: str | os.PathLike[str],
    columns: Collection[str] | None = None,
    *,
    is_given_up: Callable[[], bool] | None = None,
) -> ConsentSnapshot:
    """Read a snapshot and check that it is what was written.

    Args:
        path: the file.
        columns: those to keep of the statements, beside statement_id; None: all.
            All of them are read and checked. Of fewer than all the subject_key is
            a dictionary, in which each subject stands once, in order.
        is_given_up: asked now and then; True: nobody wants the snapshot any more.

    Raises:
        GivenUp: nobody does.
        InputError: the file is not readable Parquet, or no snapshot.
        RunRefused: RUN_SNAPSHOT_INVALID: other columns, other rows than the
            snapshot id says, values outside the closed lists, an order or a
            uniqueness key that does not hold.
    """
    name = os.fspath(path)
    with open_parquet(name, words=WORDS) as file:
        metadata = file.metadata.metadata or {}
        if SNAPSHOT_KEY not in metadata:
            raise InputError(
                f"{name}: no consent snapshot (its file metadata has no snapshot_id); "
                "build one from events with `consentfilter snapshot build`"
            )
        meta = _decoded(name, metadata)
        missing = [
            field for field in SNAPSHOT.names if field not in file.schema_arrow.names
        ]
        if missing:
            raise _invalid(name, f"columns are missing: {', '.join(missing)}")
        try:
            checked = _checked(
                name, file, meta.snapshot_id, columns, is_given_up or _never
            )
        except (pa.ArrowException, OSError) as error:
            raise _invalid(name, f"it cannot be read to the end ({error})") from error
    return ConsentSnapshot(checked, meta)


def _checked(
    name: str,
    file: pq.ParquetFile,
    wanted_id: str,
    columns: Collection[str] | None,
    is_given_up: Callable[[], bool],
) -> pa.Table:
    """Read the rows, check them piece by piece and put the columns together.

    While one piece is looked at, its rows are hashed, which may take until the next
    one has been looked at, and the next piece is read.
    Everything has been checked when this returns.
    """
    num_rows = missing = file.metadata.num_rows
    digest = RowsDigest("snapshot", num_rows, FEW_VALUES)
    checks = RowChecks(num_rows)
    kept = SNAPSHOT
    if columns is not None:
        kept = pa.schema(f for f in _DECIDING if f.name in {_ID, *columns})
    assembly = Assembly(kept, num_rows, _text_bytes(file.metadata))
    pieces = contextlib.closing(_pieces(file))
    with concurrent.futures.ThreadPoolExecutor(1) as pool, pieces as read:
        hashed = pool.submit(_nothing)
        for piece in read:
            if is_given_up():
                raise GivenUp
            if (missing := missing - len(piece)) < 0:
                break
            rows = _in_schema(name, piece)
            hashed.result()
            hashed = pool.submit(digest.update, rows)
            checks.add(rows)
            assembly.add(rows)
        hashed.result()
        if missing:
            raise _invalid(name, f"it does not have the {num_rows:,} rows it states")
        ended = pool.submit(digest.hexdigest)
        statements = assembly.table()
        problems = checks.problems(statements.column(_ID))
        found = ended.result()
    if found != wanted_id:
        raise _invalid(name, f"its rows have id {found}, its metadata says {wanted_id}")
    if problems:
        raise RunRefused(
            "RUN_SNAPSHOT_INVALID", [f"{name}: {one}; {_AGAIN}" for one in problems]
        )
    return statements


def _never() -> bool:
    return False


def _nothing() -> None:
    return None


def _pieces(file: pq.ParquetFile) -> Generator[pa.Table]:
    """Yield the rows in order; while one piece is used, the next is read.

    A column without values is not read, it takes next to no memory. That it has none
    is taken from the file's statistics. The snapshot id is computed from what is
    yielded, so a file whose statistics lie is refused.
    """
    empty = _empty_columns(file.metadata)
    names = [name for name in SNAPSHOT.names if name not in empty]

    def read(groups: list[int]) -> pa.Table:
        table = file.read_row_groups(groups, columns=names, use_threads=False)
        columns = [
            nulls(len(table), field.type)
            if field.name in empty
            else table.column(field.name)
            for field in SNAPSHOT
        ]
        return pa.table(columns, names=SNAPSHOT.names)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        ahead: collections.deque[concurrent.futures.Future[pa.Table]]
        ahead = collections.deque()
        for groups in row_groups(file.metadata, ROW_GROUP_ROWS):
            ahead.append(pool.submit(read, groups))
            if len(ahead) > 1:
                yield from _sliced(ahead.popleft().result())
        while ahead:
            yield from _sliced(ahead.popleft().result())


def _sliced(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, len(table), _CHECKED_ROWS):
        yield table.slice(start, _CHECKED_ROWS)


def _text_bytes(metadata: pq.FileMetaData) -> dict[str, int]:
    """Return by column how many bytes its values have in the file, uncompressed."""
    many: collections.Counter[str] = collections.Counter()
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        for at in range(rows.num_columns):
            column = rows.column(at)
            many[column.path_in_schema] += column.total_uncompressed_size
    return many


def _empty_columns(metadata: pq.FileMetaData) -> set[str]:
    """Return the nullable columns that hold nothing but null, by their statistics."""
    empty = {field.name for field in SNAPSHOT if field.nullable}
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        for at in range(rows.num_columns):
            column = rows.column(at)
            stated = column.statistics
            if not (
                stated is not None
                and stated.has_null_count
                and stated.null_count == rows.num_rows == column.num_values
            ):
                empty.discard(column.path_in_schema.partition(".")[0])
    # Of a list without values the statistics do not tell null from empty.
    return empty - {"recipients"}


def _in_schema(name: str, table: pa.Table) -> pa.Table:
    columns, problems = [], []
    for field in SNAPSHOT:
        column = table.column(field.name)
        try:
            if pa.types.is_timestamp(field.type) and column.type != INSTANT:
                raise pa.ArrowInvalid(f"found {column.type}")
            columns.append(column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            problems.append(
                f"column {field.name!r} is of type {column.type}, wanted {field.type} "
                f"({error})"
            )
    if problems:
        raise RunRefused(
            "RUN_SNAPSHOT_INVALID", [f"{name}: {one}; {_AGAIN}" for one in problems]
        )
    # Required columns are checked for nulls with everything else.
    return pa.table(columns, names=SNAPSHOT.names)


def _invalid(name: str, said: str) -> RunRefused:
    return RunRefused("RUN_SNAPSHOT_INVALID", f"{name}: {said}; {_AGAIN}")


def instant_text(instant: dt.datetime) -> str:
    """Return an instant as RFC 3339 text in UTC.

    >>> instant_text(dt.datetime(2026, 1, 31, tzinfo=dt.UTC))
    '2026-01-31T00:00:00Z'
    """
    return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _encoded(meta: SnapshotMeta) -> dict[str, str]:
    sources = [
        {
            "source_id": mark.source_id,
            "watermark": None
            if mark.watermark is None
            else instant_text(mark.watermark),
            "rows": mark.rows,
        }
        for mark in meta.sources
    ]
    encoded = {
        "schema_version": meta.schema_version,
        "snapshot_id": meta.snapshot_id,
        "as_of": instant_text(meta.as_of),
        "built_at": instant_text(meta.built_at),
        "derivation_version": meta.derivation_version,
        "taxonomy_version": meta.taxonomy_version,
        "history": meta.history,
        "sources": _json(sources),
        "quarantine": _json(meta.quarantine),
        "widened": _json(meta.widened),
        "examples": _json(meta.examples),
    }
    if meta.id_key_fingerprint is not None:
        encoded["id_key_fingerprint"] = meta.id_key_fingerprint
    return encoded


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _decoded(name: str, metadata: dict[bytes, bytes]) -> SnapshotMeta:
    try:
        text = {key.decode(): value.decode() for key, value in metadata.items()}
    except UnicodeDecodeError as error:
        raise _invalid(name, f"its file metadata cannot be read ({error})") from error
    if text.get("schema_version") != SCHEMA_VERSION:
        raise _invalid(
            name,
            f"it has schema version {text.get('schema_version')!r}, this program "
            f"reads {SCHEMA_VERSION!r}",
        )
    try:
        history = text["history"]
        if history not in ("full", "compact"):
            raise ValueError(f"history {history!r}")
        return SnapshotMeta(
            schema_version=text["schema_version"],
            snapshot_id=text["snapshot_id"],
            as_of=_instant(text["as_of"]),
            built_at=_instant(text["built_at"]),
            derivation_version=text["derivation_version"],
            taxonomy_version=text["taxonomy_version"],
            history="compact" if history == "compact" else "full",
            sources=tuple(_mark(item) for item in json.loads(text["sources"])),
            quarantine=_counts(text["quarantine"]),
            widened=_counts(text.get("widened", "{}")),
            examples={
                code: tuple(ids)
                for code, ids in json.loads(text.get("examples", "{}")).items()
            },
            id_key_fingerprint=text.get("id_key_fingerprint"),
        )
    except _NO_SENSE as error:
        raise _invalid(name, f"its file metadata cannot be read ({error!r})") from error


def _counts(text: str) -> dict[str, int]:
    return {code: int(many) for code, many in dict(json.loads(text)).items()}


def _mark(item: dict[str, Any]) -> SourceMark:
    watermark = item["watermark"]
    return SourceMark(
        str(item["source_id"]),
        None if watermark is None else _instant(watermark),
        int(item["rows"]),
    )


def _instant(text: str) -> dt.datetime:
    instant = dt.datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return instant.astimezone(dt.UTC)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current

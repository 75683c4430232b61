"""Snapshots on disk: one Parquet file that is written whole and checked when read.

Statements about a person come first, sorted by subject_key; those about everyone
in an account, a context or an asset come last, in row groups of their own. They
are not a second file: a reader that lost it would silently lose denials.
"""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from consentfilter.consent import files
from consentfilter.consent import vocabulary as v
from consentfilter.consent.arrow import nulls
from consentfilter.consent.canonical import snapshot_id
from consentfilter.consent.model import ConsentSnapshot, SnapshotMeta, SourceMark
from consentfilter.consent.schema import INSTANT, SCHEMA_VERSION, SNAPSHOT, WORDS
from consentfilter.errors import InputError, RunRefused, StorageError

ROW_GROUP_ROWS: Final = 262_144
_AGAIN: Final = "build it again with `consentfilter snapshot build`"
_SCOPES: Final = ("account_id", "context_id", "asset_id")
#: Rows that are checked at a time; bounds the memory of the check.
_CHECKED_ROWS: Final = 1 << 19
_SORTED_BY: Final = ("subject_key", "source_id", *_SCOPES)
#: Columns whose values are a closed list.
_ENUMS: Final = {
    "status": v.STATUSES,
    "expression": v.EXPRESSIONS,
    "actor_type": v.ACTOR_TYPES,
}


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


def read_snapshot(path: str | os.PathLike[str]) -> ConsentSnapshot:
    """Read a snapshot and check that it is what was written.

    Raises:
        InputError: the file is not readable Parquet, or no snapshot.
        RunRefused: RUN_SNAPSHOT_INVALID: other columns, other rows than the
            snapshot id says, values outside the closed lists, an order or a
            uniqueness key that does not hold.
    """
    name = os.fspath(path)
    with files.open_parquet(name, words=WORDS) as file:
        metadata = file.metadata.metadata or {}
        if files.SNAPSHOT_KEY not in metadata:
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
            table = _read(file)
        except (pa.ArrowException, OSError) as error:
            raise _invalid(name, f"it cannot be read to the end ({error})") from error
    statements = _in_schema(name, table)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(snapshot_id, statements)
        problem = _statements_problem(statements, name)
        found = hashed.result()
    if found != meta.snapshot_id:
        raise _invalid(
            name, f"its rows have id {found}, its metadata says {meta.snapshot_id}"
        )
    if problem is not None:
        raise problem
    return ConsentSnapshot(statements, meta)


def _read(file: pq.ParquetFile) -> pa.Table:
    """Read the columns of a snapshot; one without values takes next to no memory.

    That a column has no values is taken from the file's statistics. The snapshot id
    is computed from what was read, so a file whose statistics lie is refused.
    """
    empty = _empty_columns(file.metadata)
    names = [name for name in SNAPSHOT.names if name not in empty]
    table = file.read(columns=names)
    nothing = {field.type: nulls(len(table), field.type) for field in SNAPSHOT}
    columns = [
        nothing[field.type] if field.name in empty else table.column(field.name)
        for field in SNAPSHOT
    ]
    return pa.table(columns, names=SNAPSHOT.names)


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


def _statements_problem(statements: pa.Table, name: str) -> RunRefused | None:
    """Return what is wrong with that on which every reader of statements relies.

    A null in a required column, a value outside a closed list, a duplicate
    statement_id, a duplicate order in a group, rows that are not sorted.
    """
    problems = []
    for field in SNAPSHOT:
        column = statements.column(field.name)
        if not field.nullable and column.null_count:
            problems.append(f"column {field.name!r} has {column.null_count:,} nulls")
        if field.name in _ENUMS:
            distinct = set(pc.unique(column.cast(pa.string())).to_pylist()) - {None}
            odd = sorted(distinct - set(_ENUMS[field.name]))
            if odd:
                listed = ", ".join(map(repr, odd))
                problems.append(f"column {field.name!r} holds {listed}")
    twice = _repeated(statements.column("statement_id"))
    if twice:
        listed = ", ".join(map(repr, twice))
        problems.append(f"statement_id is not unique: {listed}")
    problems += _order_problems(statements)
    if not problems:
        return None
    return RunRefused(
        "RUN_SNAPSHOT_INVALID", [f"{name}: {one}; {_AGAIN}" for one in problems]
    )


def _repeated(ids: pa.ChunkedArray) -> list[str]:
    """Return up to three ids that stand there more than once."""
    hashes = np.empty(len(ids), np.uint64)
    for start in range(0, len(ids), _CHECKED_ROWS):
        part = pl.Series(pl.from_arrow(ids.slice(start, _CHECKED_ROWS)))
        hashes[start : start + len(part)] = part.hash().to_numpy()
    ordered = np.sort(hashes)
    candidates = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(candidates):
        return []
    # One hash may be two ids: what counts is the text.
    alike = pl.Series(pl.from_arrow(ids.filter(pa.array(np.isin(hashes, candidates)))))
    return alike.filter(alike.is_duplicated()).unique().sort().head(3).to_list()


def _order_problems(statements: pa.Table) -> list[str]:
    """Rows must ascend by group and order, so that both keys are unique."""
    varying = [name for name in _SORTED_BY if not _is_constant(statements.column(name))]
    chosen = statements.select([*varying, "order_in_group"])
    found: set[str] = set()
    for start in range(0, statements.num_rows - 1, _CHECKED_ROWS):
        # One row more than a step, so that every pair of neighbours is looked at.
        found.update(_pair_problems(chosen.slice(start, _CHECKED_ROWS + 1), varying))
    return sorted(found)


def _pair_problems(rows: pa.Table, varying: list[str]) -> list[str]:
    frame = pl.DataFrame(
        [
            pl.Series(name, pl.from_arrow(_plain(rows.column(name))))
            for name in rows.column_names
        ]
    )
    is_same = pl.lit(True)
    is_after = pl.lit(False)
    for name in varying:
        now, before = pl.col(name), pl.col(name).shift(1)
        later = (now > before).fill_null(now.is_null() & before.is_not_null())
        is_after = is_after | (is_same & later)
        is_same = is_same & now.eq_missing(before)
    order = pl.col("order_in_group")
    flags = frame.select(
        same=is_same, rises=order > order.shift(1), after=is_after
    ).slice(1)
    problems = []
    if not flags.filter(pl.col("same") & ~pl.col("rises")).is_empty():
        problems.append(
            "order_in_group is not unique in a group (source_id, subject_key, "
            "account_id, context_id, asset_id)"
        )
    if not flags.filter(~pl.col("same") & ~pl.col("after")).is_empty():
        problems.append(
            "rows are not sorted by subject_key, source_id, account_id, context_id, "
            "asset_id, so that one group may stand in two places"
        )
    return problems


def _is_constant(column: pa.ChunkedArray) -> bool:
    """Tell, from what is at hand, that all rows have one value (or none)."""
    if column.null_count:
        return bool(column.null_count == len(column))
    if not pa.types.is_dictionary(column.type):
        return False
    values = [chunk.dictionary for chunk in column.chunks]
    return all(len(each) == 1 and each.equals(values[0]) for each in values)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _in_schema(name: str, table: pa.Table) -> pa.Table:
    columns, problems = [], []
    for field in SNAPSHOT:
        column = table.column(field.name)
        try:
            if pa.types.is_timestamp(field.type) and column.type != INSTANT:
                raise pa.ArrowInvalid(f"found {column.type}")
            columns.append(column.cast(field.type).unify_dictionaries())
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
    text = {key.decode(): value.decode() for key, value in metadata.items()}
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
            quarantine=dict(json.loads(text["quarantine"])),
            widened=dict(json.loads(text.get("widened", "{}"))),
            examples={
                code: tuple(ids)
                for code, ids in json.loads(text.get("examples", "{}")).items()
            },
            id_key_fingerprint=text.get("id_key_fingerprint"),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise _invalid(name, f"its file metadata cannot be read ({error!r})") from error


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

"""Building a snapshot: read, make standard, derive, in that order."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import polars as pl
import pyarrow as pa

from consentfilter import ids
from consentfilter.consent import files
from consentfilter.consent.binding import STANDARD, EventsBinding
from consentfilter.consent.canonical import snapshot_id
from consentfilter.consent.derive import DERIVATION_VERSION, Derived, derive
from consentfilter.consent.events import FRAME, standardise
from consentfilter.consent.model import ConsentSnapshot, SnapshotMeta, SourceMark
from consentfilter.consent.problems import BuildNotes, Problem
from consentfilter.consent.schema import SCHEMA_VERSION
from consentfilter.consent.vocabulary import STATUSES
from consentfilter.errors import InputError
from consentfilter.taxonomy import BASE, Taxonomy

#: A table, or the path of a file, a directory or a glob.
Events: TypeAlias = "pa.Table | str | os.PathLike[str]"
_Piece: TypeAlias = "tuple[str, int, pa.Table]"


def build_snapshot(
    events: Events | Sequence[Events],
    *,
    as_of: dt.datetime,
    taxonomy: Taxonomy = BASE,
    binding: EventsBinding | None = None,
    id_key: bytes | None = None,
    compact: bool = False,
    built_at: dt.datetime | None = None,
) -> ConsentSnapshot:
    """Return the snapshot of consent events as known at an instant.

    The same events give the same snapshot, whatever the order or the split of the
    files, and however often an event was delivered.

    Args:
        events: tables, files, directories or globs.
        as_of: the knowledge cut: what was recorded later is unknown.
        taxonomy: the trees; a denial of a node outside them touches everything.
        binding: the layout of the events; None: the standard one.
        id_key: keys the subject ids (HMAC-SHA256).
        compact: leave out grants that a later denial covers whole (only for
            policies of temporal mode `processing`).
        built_at: what to note as the time of building; None: `as_of`.

    Raises:
        InputError: with every problem of the files' columns and every unknown
            status; or `as_of` without a time zone.
    """
    cut = _utc(as_of, "as_of")
    layout = STANDARD if binding is None else binding
    many = [events] if isinstance(events, pa.Table | str | os.PathLike) else events
    frames: list[pl.DataFrame] = []
    starts: list[tuple[int, str, int]] = []
    problems: list[str] = []
    unknown: dict[str, tuple[int, str]] = {}
    num_read = num_known = 0
    for file, first_row, table in _pieces(list(many), layout):
        starts.append((num_read, file, first_row))
        try:
            batch = standardise(
                table,
                layout,
                as_of=cut,
                taxonomy=taxonomy,
                id_key=id_key,
                file=file,
                first_row=num_read,
            )
        except InputError as error:
            problems += [one for one in error.problems if one not in problems]
            continue
        num_read += batch.num_rows
        num_known += batch.frame.height
        frames.append(batch.frame)
        for status, (count, row) in batch.unknown_statuses.items():
            before, place = unknown.get(status, (0, ""))
            place = place or f"{file}: row {first_row + row + 1}"
            unknown[status] = before + count, place
    problems += _unknown_statuses(unknown)
    if problems:
        raise InputError(problems)
    derived = derive(_emptied(frames), is_compact=compact)
    notes = BuildNotes(
        files=tuple(dict.fromkeys(file for _, file, _ in starts)),
        num_read=num_read,
        num_later=num_read - num_known,
        num_duplicates=derived.num_duplicates,
        num_voided=derived.num_voided,
        problems=tuple(_problems(derived.located, starts)),
    )
    stated = cut if built_at is None else _utc(built_at, "built_at")
    return _assembled(derived, cut, stated, taxonomy, id_key, compact, notes)


def _assembled(
    derived: Derived,
    as_of: dt.datetime,
    built_at: dt.datetime,
    taxonomy: Taxonomy,
    id_key: bytes | None,
    is_compact: bool,
    notes: BuildNotes,
) -> ConsentSnapshot:
    meta = SnapshotMeta(
        schema_version=SCHEMA_VERSION,
        snapshot_id=snapshot_id(derived.statements),
        as_of=as_of,
        built_at=built_at,
        derivation_version=DERIVATION_VERSION,
        taxonomy_version=taxonomy.version,
        history="compact" if is_compact else "full",
        sources=tuple(
            SourceMark(source, _in_utc(watermark), rows)
            for source, rows, watermark in derived.sources.iter_rows()
        ),
        quarantine=derived.set_aside,
        widened=derived.widened,
        examples=derived.examples,
        id_key_fingerprint=None if id_key is None else ids.key_fingerprint(id_key),
    )
    return ConsentSnapshot(derived.statements, meta, notes)


def _emptied(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return all frames as one and keep none, so that memory can be given back."""
    whole = pl.concat(frames) if frames else pl.DataFrame(schema=FRAME)
    frames.clear()
    pa.default_memory_pool().release_unused()  # what reading the files took
    return whole


def _pieces(many: Sequence[Events], binding: EventsBinding) -> Iterator[_Piece]:
    """Yield (name, first row, table) of everything given, in pieces."""
    tables = [one for one in many if isinstance(one, pa.Table)]
    paths = [one for one in many if not isinstance(one, pa.Table)]
    for at, table in enumerate(tables, start=1):
        name = "events" if len(tables) == 1 else f"events table {at}"
        files.refuse_snapshot(name, table.schema, binding)
        for start in range(0, max(table.num_rows, 1), files.PIECE_ROWS):
            yield name, start, table.slice(start, files.PIECE_ROWS)
    if paths or not tables:
        for path in files.expand(paths):
            first_row = 0
            for piece in files.pieces(path, binding):
                yield path, first_row, piece
                first_row += piece.num_rows


def _unknown_statuses(unknown: dict[str, tuple[int, str]]) -> list[str]:
    """Refuse what can be read neither as a grant nor as a denial."""
    if not unknown:
        return []
    listed = ", ".join(
        f"{status!r} ({count:,}, first at {place})"
        for status, (count, place) in sorted(unknown.items())
    )
    return [
        f"unknown status values: {listed}; wanted {', '.join(STATUSES)}; say what "
        "each one means under `events: statuses:` in the dataset file, for example "
        f"`statuses: {{{min(unknown) or repr('')}: refused}}`"
    ]


def _problems(
    located: pl.DataFrame, starts: Sequence[tuple[int, str, int]]
) -> Iterator[Problem]:
    """Say in which file and row each located doubt is."""
    if located.is_empty():
        return
    begins = pl.Series([start for start, _, _ in starts], dtype=pl.UInt64)
    piece_of = begins.search_sorted(located["at"], side="right") - 1
    for (code, at, event_id, source_id, is_aside), piece in zip(
        located.iter_rows(), piece_of, strict=True
    ):
        start, file, first_row = starts[piece]
        row = at - start + first_row + 1
        yield Problem(code, file, row, event_id, source_id, is_aside)


def _utc(instant: dt.datetime, name: str) -> dt.datetime:
    if instant.tzinfo is None:
        raise InputError(
            f"{name} is {instant.isoformat()}, a time without a zone; wanted an "
            "instant such as 2026-01-31T12:00:00Z"
        )
    return instant.astimezone(dt.UTC)


def _in_utc(instant: dt.datetime | None) -> dt.datetime | None:
    return None if instant is None else instant.astimezone(dt.UTC)

"""Everything the consent side brings to a run, loaded and checked."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from consentfilter import ids
from consentfilter.consent import files
from consentfilter.consent.ahead import SnapshotAhead
from consentfilter.consent.links import load_links
from consentfilter.consent.sidefiles import SidePath
from consentfilter.consent.snapshot import (
    ConsentSnapshot,
    build_snapshot,
    read_snapshot,
)
from consentfilter.consent.subjects import load_subjects
from consentfilter.errors import InputError
from consentfilter.taxonomy import BASE, Taxonomy

if TYPE_CHECKING:
    from consentfilter.dataset import Dataset

#: When the ledger took an act down.
_RECORDED: Final = "recorded_at"


@dataclasses.dataclass(frozen=True, slots=True)
class Consent:
    """What is known about consent and about the people who gave it.

    Attributes:
        snapshot: the statements known at `snapshot.meta.as_of`.
        subjects: subject_key (unique), birth_date, jurisdiction, lifecycle,
            lifecycle_at; None without a subjects file.
        links: key_a < key_b, distinct pairs; None without a links file.
        subjects_sha256: digest of the rows of `subjects`.
        links_sha256: digest of the rows of `links`.
        notes: things a person should be told, one sentence each.
        asked_at: the instant that the loading asked for, or its own moment: how
            old the consent is, is counted from here. None: from `as_of`.
    """

    snapshot: ConsentSnapshot
    subjects: pa.Table | None = None
    links: pa.Table | None = None
    subjects_sha256: str | None = None
    links_sha256: str | None = None
    notes: tuple[str, ...] = ()
    asked_at: dt.datetime | None = None

    @property
    def as_of(self) -> dt.datetime:
        """The instant of the decision and the knowledge cut."""
        return self.snapshot.meta.as_of


def load_consent(
    paths: pa.Table | SidePath | Sequence[pa.Table | SidePath],
    *,
    as_of: dt.datetime | str | None = None,
    subjects: pa.Table | SidePath | None = None,
    links: pa.Table | SidePath | None = None,
    taxonomy: Taxonomy = BASE,
    dataset: Dataset | SidePath | None = None,
    id_key: bytes | None = None,
    columns: Collection[str] | None = None,
) -> Consent:
    """Load consent from event files, or from one snapshot.

    Args:
        paths: event files (Parquet, CSV), directories, globs or tables; or one
            snapshot. Told apart by the file's metadata.
        as_of: the knowledge cut, as a time or RFC 3339 text; None: the snapshot's,
            or now. A snapshot serves a later instant too (what was recorded in
            between is then not known), and an earlier one if it holds nothing that
            was recorded after it.
        subjects: side file of people.
        links: side file of identity links.
        taxonomy: the trees of the run; the dataset's nodes are added.
        dataset: a binding, or its file; its `events` part says how event files are
            laid out.
        id_key: keys subject ids; must be the snapshot's key.
        columns: those that are wanted of the statements; None: all. A snapshot has no
            others then, although all of them are checked.

    Raises:
        InputError: with every problem of the files.
        RunRefused: RUN_SNAPSHOT_INVALID for a snapshot that does not hold.
    """
    many = [paths] if isinstance(paths, pa.Table | str | os.PathLike) else list(paths)
    as_of = as_instant(as_of)
    if isinstance(dataset, str | os.PathLike):
        from consentfilter.dataset import load_dataset_binding

        dataset = load_dataset_binding(dataset)
    notes: list[str] = []
    trees = taxonomy if dataset is None else dataset.effective_taxonomy(taxonomy)
    snapshots = _snapshots(many)
    now = dt.datetime.now(dt.UTC)
    if snapshots:
        snapshot, notes = _one_snapshot(snapshots, many, as_of, id_key, columns)
    else:
        cut = now if as_of is None else as_of
        binding = None if dataset is None else dataset.events
        snapshot = build_snapshot(
            many, as_of=cut, taxonomy=trees, binding=binding, id_key=id_key
        )
    people = None if subjects is None else load_subjects(subjects, id_key=id_key)
    pairs = None if links is None else load_links(links, id_key=id_key)
    if pairs is not None and pairs.num_ignored:
        notes.append(
            f"{pairs.num_ignored:,} identity links were ignored: one side is a "
            "placeholder, which names nobody"
        )
    return Consent(
        snapshot=snapshot,
        subjects=None if people is None else people.table,
        links=None if pairs is None else pairs.table,
        subjects_sha256=None if people is None else people.sha256,
        links_sha256=None if pairs is None else pairs.sha256,
        notes=tuple(notes),
        asked_at=now if as_of is None else as_of,
    )


def as_instant(given: dt.datetime | str | None) -> dt.datetime | None:
    """Read an instant, given as a time with a zone or as RFC 3339 text.

    Raises:
        InputError: it is none, or has no zone.
    """
    if given is None:
        return None
    found: object = given
    if isinstance(given, str):
        try:
            found = dt.datetime.fromisoformat(given)
        except ValueError:
            found = None
    if not isinstance(found, dt.datetime) or found.tzinfo is None:
        is_time = isinstance(found, dt.datetime)
        shown = found.isoformat() if isinstance(found, dt.datetime) else repr(given)
        raise InputError(
            f"as_of is {shown}, {'a time without a zone' if is_time else 'no instant'}"
            "; wanted an instant such as 2026-01-31T12:00:00Z"
        )
    return found.astimezone(dt.UTC)


def _snapshots(many: Sequence[pa.Table | SidePath]) -> list[str]:
    paths = [one for one in many if not isinstance(one, pa.Table)]
    if not paths:
        return []
    return [path for path in files.expand(paths) if files.is_snapshot(path)]


def _one_snapshot(
    snapshots: list[str],
    many: Sequence[pa.Table | SidePath],
    as_of: dt.datetime | None,
    id_key: bytes | None,
    columns: Collection[str] | None,
) -> tuple[ConsentSnapshot, list[str]]:
    paths = [one for one in many if not isinstance(one, pa.Table)]
    others = len(files.expand(paths)) + len(many) - len(paths) - 1
    if others:
        raise InputError(
            f"{snapshots[0]}: a snapshot was given together with {others} other "
            "consent inputs; a snapshot is complete in itself: give one snapshot, or "
            "event files only"
        )
    if columns is not None and as_of is not None:
        columns = {*columns, _RECORDED}
    ahead = [one for one in many if isinstance(one, SnapshotAhead)]
    if ahead:
        snapshot = ahead[0].read(columns)
    else:
        snapshot = read_snapshot(snapshots[0], columns)
    meta = snapshot.meta
    if as_of is not None and as_of < meta.as_of and _newest(snapshot) > as_of:
        raise InputError(
            f"{snapshots[0]}: the snapshot is as of {_text(meta.as_of)}, the run was "
            f"asked for {_text(as_of)}, which is earlier: it knows of acts that were "
            "recorded after that; leave --as-of out, or build a snapshot as of that "
            "instant"
        )
    wanted = None if id_key is None else ids.key_fingerprint(id_key)
    if wanted != meta.id_key_fingerprint:
        raise InputError(
            f"{snapshots[0]}: its subject ids are {_keyed(meta.id_key_fingerprint)}, "
            f"those of the run are {_keyed(wanted)}, so nobody would be found; give "
            "the id key that the snapshot was built with (--id-key)"
        )
    if as_of is None:
        return snapshot, []
    now = dataclasses.replace(meta, as_of=as_of)
    notes = _late_notes(meta.as_of, as_of)
    return dataclasses.replace(snapshot, meta=now), notes


def _newest(snapshot: ConsentSnapshot) -> dt.datetime:
    """Return when the newest act of a snapshot was recorded."""
    meta = snapshot.meta
    if any(mark.watermark is None for mark in meta.sources):
        return meta.as_of
    marks = [mark.watermark for mark in meta.sources if mark.watermark is not None]
    recorded = pc.max(snapshot.statements[_RECORDED]).as_py()
    return max([*marks, *([] if recorded is None else [recorded])], default=meta.as_of)


def _late_notes(built: dt.datetime, as_of: dt.datetime) -> list[str]:
    if as_of <= built:
        return []
    return [
        f"the snapshot was built as of {_text(built)}; what was recorded between then "
        f"and {_text(as_of)} is not known to this run"
    ]


def _keyed(fingerprint: str | None) -> str:
    return "not keyed" if fingerprint is None else f"keyed with key {fingerprint}"


def _text(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")

"""Everything the consent side brings to a run, loaded and checked."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from consentfilter import ids
from consentfilter.consent import files
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
    """

    snapshot: ConsentSnapshot
    subjects: pa.Table | None = None
    links: pa.Table | None = None
    subjects_sha256: str | None = None
    links_sha256: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def as_of(self) -> dt.datetime:
        """The instant of the decision and the knowledge cut."""
        return self.snapshot.meta.as_of


def load_consent(
    paths: pa.Table | SidePath | Sequence[pa.Table | SidePath],
    *,
    as_of: dt.datetime | None = None,
    subjects: pa.Table | SidePath | None = None,
    links: pa.Table | SidePath | None = None,
    taxonomy: Taxonomy = BASE,
    dataset: Dataset | None = None,
    id_key: bytes | None = None,
) -> Consent:
    """Load consent from event files, or from one snapshot.

    Args:
        paths: event files (Parquet, CSV), directories, globs or tables; or one
            snapshot. Told apart by the file's metadata.
        as_of: the knowledge cut for events; None: now. A snapshot has its own, and
            another one here is refused.
        subjects: side file of people.
        links: side file of identity links.
        taxonomy: the trees of the run; the dataset's nodes are added.
        dataset: its `events` binding says how event files are laid out.
        id_key: keys subject ids; must be the snapshot's key.

    Raises:
        InputError: with every problem of the files.
        RunRefused: RUN_SNAPSHOT_INVALID for a snapshot that does not hold.
    """
    many = [paths] if isinstance(paths, pa.Table | str | os.PathLike) else list(paths)
    if as_of is not None and as_of.tzinfo is None:
        raise InputError(
            f"as_of is {as_of.isoformat()}, a time without a zone; wanted an instant "
            "such as 2026-01-31T12:00:00Z"
        )
    trees = taxonomy if dataset is None else dataset.effective_taxonomy(taxonomy)
    snapshots = _snapshots(many)
    if snapshots:
        snapshot = _one_snapshot(snapshots, many, as_of, id_key)
    else:
        cut = dt.datetime.now(dt.UTC) if as_of is None else as_of
        binding = None if dataset is None else dataset.events
        snapshot = build_snapshot(
            many, as_of=cut, taxonomy=trees, binding=binding, id_key=id_key
        )
    people = None if subjects is None else load_subjects(subjects, id_key=id_key)
    pairs = None if links is None else load_links(links, id_key=id_key)
    notes = []
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
    )


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
) -> ConsentSnapshot:
    paths = [one for one in many if not isinstance(one, pa.Table)]
    others = len(files.expand(paths)) + len(many) - len(paths) - 1
    if others:
        raise InputError(
            f"{snapshots[0]}: a snapshot was given together with {others} other "
            "consent inputs; a snapshot is complete in itself: give one snapshot, or "
            "event files only"
        )
    snapshot = read_snapshot(snapshots[0])
    meta = snapshot.meta
    if as_of is not None and as_of != meta.as_of:
        where = "later" if as_of > meta.as_of else "earlier"
        why = (
            "what was recorded since then is not in it"
            if as_of > meta.as_of
            else "it knows of acts that were recorded after that"
        )
        raise InputError(
            f"{snapshots[0]}: the snapshot is as of {_text(meta.as_of)}, the run was "
            f"asked for {_text(as_of)}, which is {where}: {why}; leave --as-of out, or "
            "build a snapshot as of that instant"
        )
    wanted = None if id_key is None else ids.key_fingerprint(id_key)
    if wanted != meta.id_key_fingerprint:
        raise InputError(
            f"{snapshots[0]}: its subject ids are {_keyed(meta.id_key_fingerprint)}, "
            f"those of the run are {_keyed(wanted)}, so nobody would be found; give "
            "the id key that the snapshot was built with (--id-key)"
        )
    return snapshot


def _keyed(fingerprint: str | None) -> str:
    return "not keyed" if fingerprint is None else f"keyed with key {fingerprint}"


def _text(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")

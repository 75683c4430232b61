"""Filter a dataset: what `consentfilter filter` does, as a function."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from consentfilter.consent import files
from consentfilter.consent.load import Consent
from consentfilter.dataset import Dataset
from consentfilter.engine import inputs, statement
from consentfilter.engine.finish import Naming, finish_release
from consentfilter.engine.footers import Footer
from consentfilter.engine.memory import give_back
from consentfilter.engine.prepare import (
    AnyPath,
    ConsentLike,
    Deciders,
    compile_run,
    load_deciders,
    refuse_empty,
    run_notes,
)
from consentfilter.engine.progress import NoProgress, Progress
from consentfilter.engine.release import (
    KEY_NAME,
    check_target,
    is_inside,
    open_release,
)
from consentfilter.engine.resume import find_stopped, read_plan
from consentfilter.engine.storage import Location
from consentfilter.engine.tally import Tally
from consentfilter.engine.work import ShowProgress, Work
from consentfilter.errors import InputError
from consentfilter.lineage.sign import Signer
from consentfilter.policy import Policy
from consentfilter.reasons import Decision

__all__ = ["Naming", "ShowProgress", "Summary", "filter_dataset"]

ENGINE: Final = "local"


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes:
        release: where the release is; None in a dry run.
        ledger: where a dry run's ledger is, if it was written.
        manifest_sha256: digest of the manifest; None in a dry run.
        is_signed: whether the manifest is signed.
        parts: how many input parts. tally: rows by outcome, reason, category.
        as_of: the instant of the decision.
        snapshot_id, policy_id, policy_version: what decided.
        lint: warnings about the policy.
        seconds: how long it took.
        notes: what a person should know about the consent data.
    """

    release: str | None
    ledger: str | None
    manifest_sha256: str | None
    is_signed: bool
    parts: int
    tally: Tally
    as_of: dt.datetime
    snapshot_id: str
    policy_id: str
    policy_version: str
    lint: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return self.tally.rows()

    @property
    def admitted_rows(self) -> int:
        """How many rows were kept or redacted."""
        return self.rows - self.tally.rows(Decision.DROP)


def filter_dataset(
    records: AnyPath | Sequence[AnyPath],
    consent: ConsentLike,
    policy: Policy | AnyPath,
    *,
    out: AnyPath | None = None,
    dataset: Dataset | AnyPath | None = None,
    as_of: dt.datetime | None = None,
    subjects: AnyPath | None = None,
    links: AnyPath | None = None,
    naming: Naming | None = None,
    release_key: bytes | None = None,
    id_key: bytes | None = None,
    signer: Signer | None = None,
    dry_run: bool = False,
    limit: int | None = None,
    workers: int | None = None,
    memory_bytes: int | None = None,
    resume: bool = False,
    show_progress: ShowProgress | None = None,
    on_start: Callable[[Deciders], None] | None = None,
) -> Summary:
    """Filter records by consent into a release.

    Args:
        records: a Parquet file, a directory, a glob, a URL, or several.
        consent: loaded consent, event files or a snapshot.
        policy: a policy or its file.
        out: the release to make; may be None in a dry run, else the dry run's
            ledger is written there.
        dataset: a binding or its file; None: the standard layout.
        as_of: the instant of the decision; None: the snapshot's, or now.
        subjects: side file of people.
        links: side file of linked identities.
        naming: what the release is called.
        release_key: 32 bytes that key commitments and pseudonyms; None: random.
        id_key: keys subject ids; must be the one the snapshot was built with.
        signer: signs the manifest; None: the release is not signed.
        dry_run: decide and count only.
        limit: take only so many rows.
        workers: threads; None: one per core.
        memory_bytes: how much memory rows in flight may take; None: 320 MiB for
            each worker.
        resume: go on with a run of the same that was stopped, if there is one; and
            keep what is finished, if this one is stopped.
        show_progress: shows progress.
        on_start: told what decides, before the first record is read.

    Raises:
        InputError: with every problem of what was given.
        PolicyError: the policy is not valid.
        RunRefused: the snapshot is stale, incomplete, or does not fit the policy.
        StorageError: reading or writing failed.
    """
    started = dt.datetime.now(dt.UTC)
    places = [records] if isinstance(records, str | os.PathLike) else list(records)
    target = _target(out, places, dry_run=dry_run)
    stopped = find_stopped(target) if resume and target and not dry_run else None
    if stopped:
        as_of = as_of or _planned_as_of(stopped, consent)
        release_key = release_key or _kept_key(stopped)
    parts: list[Footer] = []

    def open_records(binding: Dataset) -> None:
        parts.extend(inputs.open_records(places, binding, limit=limit))

    deciders = load_deciders(
        consent,
        policy,
        dataset=dataset,
        as_of=as_of,
        subjects=subjects,
        links=links,
        id_key=id_key,
        also=open_records,
        only_deciding=True,
    )
    refuse_empty(deciders.consent)
    if on_start is not None:
        on_start(deciders)
    run = compile_run(
        deciders, release_key=release_key, id_key=id_key, emits=not dry_run
    )
    deciders = deciders.without_statements()
    give_back()
    work = Work(
        parts,
        deciders,
        limit,
        workers or os.cpu_count() or 1,
        memory_bytes,
        show_progress or _no_progress,
    )
    lint = statement.lint_texts(deciders)
    if dry_run:
        records_done, ledger = work.look(run, target)
        release = manifest_sha256 = None
    else:
        assert target is not None
        with open_release(target, stopped=stopped, keeps=resume) as builder:
            done = work.write(run, builder)
            key = run.release_key
            del run  # the index: what follows needs memory of its own
            give_back()
            records_done = [part.record for part in done]
            manifest_sha256 = finish_release(
                builder,
                deciders,
                parts,
                records_done,
                release_key=key,
                naming=naming or Naming(),
                signer=signer,
                started_at=started,
                lint=lint,
                engine=ENGINE,
                workers=work.workers,
                inputs_read=[part.source for part in done],
            )
        release, ledger = target.shown, None
    meta = deciders.consent.snapshot.meta
    return Summary(
        release=release,
        ledger=ledger,
        manifest_sha256=manifest_sha256,
        is_signed=signer is not None,
        parts=len(parts),
        tally=sum((record.tally for record in records_done), Tally()),
        as_of=deciders.as_of,
        snapshot_id=meta.snapshot_id,
        policy_id=deciders.policy.id,
        policy_version=deciders.policy.version,
        lint=lint,
        notes=run_notes(deciders.consent),
        seconds=(dt.datetime.now(dt.UTC) - started).total_seconds(),
    )


def _target(
    out: AnyPath | None, places: Sequence[AnyPath], *, dry_run: bool
) -> Location | None:
    """Check where the release goes, before anything else is done."""
    if out is None:
        if dry_run:
            return None
        raise InputError("No place for the release; name one with --out (out=).")
    for place in places:
        if is_inside(os.fspath(out), os.fspath(place)):
            raise InputError(
                f"{os.fspath(out)}: lies inside the records {os.fspath(place)}, where "
                "the next run would read it as records; choose another --out."
            )
    return check_target(os.fspath(out))


def _planned_as_of(stopped: str, consent: ConsentLike) -> dt.datetime | None:
    """Return the instant of the stopped run, where consent does not say its own."""
    if isinstance(consent, Consent):
        return None
    given = [consent] if isinstance(consent, str | os.PathLike) else consent
    paths = [] if isinstance(given, pa.Table) else files.expand(list(given))
    if any(files.is_snapshot(path) for path in paths):
        return None
    return dt.datetime.fromisoformat(read_plan(f"{stopped}/scratch")["asOf"])


def _kept_key(stopped: str) -> bytes:
    return Path(f"{stopped}/private/{KEY_NAME}").read_bytes()


@contextlib.contextmanager
def _no_progress(rows: int, parts: int) -> Iterator[Progress]:
    yield NoProgress()

"""A release on several machines: planned before the pipeline, finished after it.

Both ends are plain functions. The command line calls them around its pipeline, so
that a signing key never leaves the machine it lies on; `FilterParquet` calls the
second one inside the pipeline, as its last step.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import json
import os
import posixpath
import secrets
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from consentfilter.digest import sha256
from consentfilter.engine import repeats, statement
from consentfilter.engine.cluster.attempts import EVIDENCE_SUFFIXES, Plan
from consentfilter.engine.cluster.buckets import Buckets, write_buckets
from consentfilter.engine.cluster.carried import carry
from consentfilter.engine.cluster.committed import DonePart
from consentfilter.engine.cluster.deciding import Deciding
from consentfilter.engine.cluster.files import (
    below,
    beside,
    copy_out,
    is_there,
    read_file,
    remove_tree,
)
from consentfilter.engine.cluster.joins import Join, choose
from consentfilter.engine.cluster.keys import carry_keys
from consentfilter.engine.duplicates import IdHashes
from consentfilter.engine.finish import Naming, finish_release
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import RELEASE_KEY_BYTES, Deciders
from consentfilter.engine.release import MANIFEST_NAME, ReleaseBuilder, evidence_path
from consentfilter.engine.storage import Location
from consentfilter.lineage.sign import Signer


@dataclasses.dataclass(frozen=True, slots=True)
class ReleaseJob:
    """Everything that a run has to know, picklable.

    Attributes:
        target: where the release will be.
        footers: the parts.
        deciding: what decides, as the pipeline carries it.
        plan: where files go.
        buckets: the consent in buckets; None: `deciding` carries it whole.
        slim: what decides, without statements and people: for the manifest.
        naming: what the release is called.
        engine: which engine does the parts.
        run_id, started_at: of the run.
    """

    target: Location
    footers: tuple[Footer, ...]
    deciding: Deciding
    plan: Plan
    buckets: Buckets | None
    slim: Deciders
    naming: Naming
    engine: str
    run_id: str
    started_at: dt.datetime


def plan_release(
    target: Location,
    footers: Sequence[Footer],
    deciders: Deciders,
    *,
    engine: str,
    naming: Naming | None = None,
    release_key: bytes | None = None,
    id_key: bytes | None = None,
    join: Join = "auto",
    emits: bool = True,
    writes_ledger: bool = True,
) -> ReleaseJob:
    """Lay out a run and put what workers need where they find it.

    Args:
        target: where the release will be (for a dry run: its ledger, or any place).
        footers: the parts.
        deciders: what decides.
        engine: which engine does the parts.
        naming: what the release is called.
        release_key: 32 bytes; None: random.
        id_key: keys subject ids.
        join: how records meet consent.
        emits: False for a dry run.
        writes_ledger: False for a dry run that leaves nothing.

    Raises:
        InputError: the release key has another length.
        StorageError: the work directory cannot be written.
    """
    started_at = dt.datetime.now(dt.UTC)
    run_id = str(uuid.uuid4())
    target = _absolute(target)
    name = posixpath.basename(target.path)
    hidden = (
        f".{name}.work-{run_id[:8]}" if target.is_local else f"{name}.work-{run_id}"
    )
    work = beside(target, hidden)
    drops = deciders.policy.on_duplicate == "drop"
    plan = Plan(
        root=below(work, "release") if target.is_local else target,
        work=work,
        parts=len(footers),
        rows=sum(footer.wanted_rows for footer in footers),
        emits=emits,
        writes_ledger=writes_ledger,
        repeated=_repeated(footers, deciders) if drops else None,
    )
    if target.is_local:
        os.mkdir(work.path, 0o700)
        os.makedirs(f"{plan.root.path}/data")
        os.mkdir(f"{plan.root.path}/private", 0o700)
    keys = carry_keys(
        release_key or secrets.token_bytes(RELEASE_KEY_BYTES),
        id_key,
        below(work, "keys"),
    )
    bare = slim(deciders)
    by_keys = choose(join, deciders) == "keys"
    buckets = (
        write_buckets(deciders.consent, below(work, "buckets")) if by_keys else None
    )
    deciding = Deciding(
        deciders.policy,
        deciders.dataset,
        deciders.taxonomy,
        carry(bare.consent if by_keys else deciders.consent, work),
        keys,
    )
    return ReleaseJob(
        target,
        tuple(footers),
        deciding,
        plan,
        buckets,
        bare,
        naming or Naming(),
        engine,
        run_id,
        started_at,
    )


def slim(deciders: Deciders) -> Deciders:
    """Return what decides without statements and people: what a manifest names."""
    consent = deciders.consent
    nothing = consent.snapshot.statements.schema.empty_table()
    snapshot = dataclasses.replace(consent.snapshot, statements=nothing, notes=None)
    bare = dataclasses.replace(consent, snapshot=snapshot, subjects=None, links=None)
    return dataclasses.replace(deciders, consent=bare)


def finish_job(
    job: ReleaseJob,
    done: Sequence[DonePart],
    *,
    signer: Signer | None,
    workers: int = 1,
) -> str:
    """Write evidence and manifest of a run whose parts are committed, and publish.

    Doing it again after it succeeded gives the same answer and changes nothing.

    Returns:
        SHA-256 (hex) of the manifest.

    Raises:
        InputError: record ids occur more than once.
        StorageError: reading or writing failed, or something else took the name.
    """
    published = _published(job)
    if published is not None:
        remove_tree(job.plan.work)
        return published
    _clear_earlier_try(job.plan)
    builder = ReleaseBuilder(job.target, job.plan.root.path)
    release_key, _ = job.deciding.keys.load()
    scratch = builder.make_scratch()
    if job.plan.repeated is None:
        refuse_repeated(job, done, scratch)
    builder.write_key(release_key)
    for part in done:
        assert part.record.data is not None
        assert part.record.ledger is not None
        builder.note_public(part.record.data)
        builder.note_private(part.record.ledger)
        for suffix in EVIDENCE_SUFFIXES:
            name = part.record.name
            copied = evidence_path(scratch, name) + suffix
            copy_out(job.plan.evidence_place(name, suffix), copied)
    manifest_sha256 = finish_release(
        builder,
        job.slim,
        job.footers,
        [part.record for part in done],
        release_key=release_key,
        naming=job.naming,
        signer=signer,
        started_at=job.started_at,
        lint=statement.lint_texts(job.slim),
        engine=job.engine,
        workers=workers,
        inputs_read=[part.source for part in done],
        run_id=job.run_id,
    )
    remove_tree(job.plan.work)
    return manifest_sha256


def refuse_repeated(job: ReleaseJob, done: Sequence[DonePart], scratch: str) -> None:
    """Check in the committed ledgers that record ids are unique within the run.

    Raises:
        InputError: some are not; names them and where they stand.
    """
    with contextlib.closing(IdHashes(Path(scratch))) as hashes:
        for part in done:
            place = below(job.plan.root, f"private/ledger/{part.record.name}")
            with place.filesystem.open_input_file(place.path) as stream:
                opened = pq.ParquetFile(stream)
                for batch in opened.iter_batches(1 << 20, columns=["record_id"]):
                    hashes.add(batch.column(0))
        repeats.refuse_repeated(hashes, job.footers, job.slim.dataset)


@contextlib.contextmanager
def abandoned_on_failure(job: ReleaseJob) -> Iterator[None]:
    """Remove what a run wrote when the block fails."""
    try:
        yield
    except BaseException:
        remove_tree(job.plan.work)
        if not job.target.is_local and _published(job) is None:
            remove_tree(job.target)
        raise


def _repeated(footers: Sequence[Footer], deciders: Deciders) -> pa.Array:
    with (
        tempfile.TemporaryDirectory() as scratch,
        contextlib.closing(IdHashes(Path(scratch))) as hashes,
    ):
        workers = os.cpu_count() or 1
        return repeats.find_repeated(hashes, footers, deciders.dataset, workers=workers)


def _published(job: ReleaseJob) -> str | None:
    """Return the digest of this run's manifest if it is in place already."""
    place = below(job.target, MANIFEST_NAME)
    if not is_there(place):
        return None
    manifest = read_file(place)
    payload = _payload(manifest)
    is_ours = payload["predicate"]["run"]["id"] == job.run_id
    return sha256(manifest) if is_ours else None


def _payload(manifest: bytes) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = json.loads(
        base64.b64decode(json.loads(manifest)["payload"])
    )
    return found


def _clear_earlier_try(plan: Plan) -> None:
    """Remove what a last step that was stopped has left; sinks never overwrite."""
    remove_tree(below(plan.root, "private/evidence"))
    remove_tree(below(plan.root, "scratch"))
    kept = {"data", "private"}
    selector = pafs.FileSelector(plan.root.path, allow_not_found=True)
    private = pafs.FileSelector(f"{plan.root.path}/private", allow_not_found=True)
    for where in (selector, private):
        for info in plan.root.filesystem.get_file_info(where):
            if info.type == pafs.FileType.File and info.base_name not in kept:
                plan.root.filesystem.delete_file(info.path)


def _absolute(target: Location) -> Location:
    if not target.is_local:
        return target
    return dataclasses.replace(target, path=os.path.abspath(target.path))

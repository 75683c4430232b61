"""What `consentfilter filter --engine beam` does."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Callable, Sequence

import apache_beam as beam

from consentfilter.dataset import Dataset
from consentfilter.engine import inputs, statement
from consentfilter.engine.beam.parquet import ENGINE, JobParts
from consentfilter.engine.beam.runners import pipeline_options
from consentfilter.engine.cluster.attempts import read_done
from consentfilter.engine.cluster.files import read_file, remove_tree
from consentfilter.engine.cluster.joins import Join
from consentfilter.engine.cluster.planning import (
    ReleaseJob,
    abandoned_on_failure,
    finish_job,
    plan_release,
)
from consentfilter.engine.filtering import Summary
from consentfilter.engine.finish import Naming
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import (
    AnyPath,
    ConsentLike,
    Deciders,
    load_deciders,
    refuse_empty,
    run_notes,
)
from consentfilter.engine.release import ReleaseBuilder, check_target, is_inside
from consentfilter.engine.tally import Tally
from consentfilter.errors import ConsentFilterError, InputError, StorageError
from consentfilter.lineage.sign import Signer
from consentfilter.policy import Policy


def run_beam(
    records: AnyPath | Sequence[AnyPath],
    consent: ConsentLike,
    policy: Policy | AnyPath,
    *,
    out: AnyPath | None = None,
    beam_options: Sequence[str] = (),
    join: Join = "auto",
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
    on_start: Callable[[Deciders], None] | None = None,
) -> Summary:
    """Filter records by consent into a release, on a Beam runner.

    The pipeline decides and writes; this process plans before it, and signs after
    it, so that the signing key stays here.

    Args:
        records: a Parquet file, a directory, a glob, a URL, or several.
        consent: loaded consent, event files or a snapshot.
        policy: a policy or its file.
        out: the release to make; may be None in a dry run.
        beam_options: Beam's own options; without a runner, `FnApiRunner`.
        join: how records meet consent.
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
        workers: threads of `FnApiRunner`, and of the last step; None: one per core.
        on_start: told what decides, before the first record is read.

    Raises:
        ConsentFilterError: what was given cannot be used; storage or a runner
            failed. What was written is removed.
    """
    threads = workers or os.cpu_count() or 1
    options = pipeline_options(beam_options, threads=threads)
    places = [records] if isinstance(records, str | os.PathLike) else list(records)
    if out is None and not dry_run:
        raise InputError("No place for the release; name one with --out (out=).")
    inside = [p for p in places if out and is_inside(os.fspath(out), os.fspath(p))]
    if inside:
        raise InputError(
            f"{out}: lies inside the records {inside[0]}, where the next run would "
            "read it as records; choose another --out."
        )
    with tempfile.TemporaryDirectory(prefix="consentfilter-") as nowhere:
        target = check_target(os.fspath(out) if out else f"{nowhere}/dry-run")
        footers: list[Footer] = []
        deciders = load_deciders(
            consent,
            policy,
            dataset=dataset,
            as_of=as_of,
            subjects=subjects,
            links=links,
            id_key=id_key,
            also=lambda binding: footers.extend(
                inputs.open_records(places, binding, limit=limit)
            ),
        )
        refuse_empty(deciders.consent)
        if on_start is not None:
            on_start(deciders)
        job = plan_release(
            target,
            footers,
            deciders,
            engine=ENGINE,
            naming=naming,
            release_key=release_key,
            id_key=id_key,
            join=join,
            emits=not dry_run,
            writes_ledger=not dry_run or out is not None,
        )
        notes = run_notes(deciders.consent)
        del deciders  # workers have their own; the statements may go
        with abandoned_on_failure(job):
            _run(job, options)
            done = read_done(read_file(job.plan.done_place))
            manifest_sha256 = None
            if dry_run:
                _publish_ledger(job, is_wanted=out is not None)
                remove_tree(job.plan.work)
            else:
                manifest_sha256 = finish_job(job, done, signer=signer, workers=threads)
    decided, meta = job.slim, job.slim.consent.snapshot.meta
    is_ledger = dry_run and out is not None
    return Summary(
        release=None if dry_run else target.shown,
        ledger=target.shown if is_ledger else None,
        manifest_sha256=manifest_sha256,
        is_signed=signer is not None and not dry_run,
        parts=len(footers),
        tally=sum((each.record.tally for each in done), Tally()),
        as_of=decided.as_of,
        snapshot_id=meta.snapshot_id,
        policy_id=decided.policy.id,
        policy_version=decided.policy.version,
        lint=statement.lint_texts(decided),
        notes=notes,
        seconds=(dt.datetime.now(dt.UTC) - job.started_at).total_seconds(),
    )


def _run(job: ReleaseJob, options: beam.options.PipelineOptions) -> None:
    """Run the pipeline to its end."""
    pipeline = beam.Pipeline(options=options)
    _ = pipeline | "Filter" >> JobParts(job)
    try:
        result = pipeline.run()
        state = result.wait_until_finish()
    except ConsentFilterError:
        raise
    except (RuntimeError, OSError, ValueError) as error:
        raise StorageError(
            f"{ENGINE}: the pipeline failed: {error}; see the runner's log."
        ) from error
    if state != "DONE":
        raise StorageError(f"{ENGINE}: the pipeline ended as {state}; see its log.")


def _publish_ledger(job: ReleaseJob, *, is_wanted: bool) -> None:
    if is_wanted:
        ReleaseBuilder(job.target, job.plan.root.path).publish_ledger()

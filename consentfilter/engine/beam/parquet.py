"""`FilterParquet`: a Parquet dump becomes a release, as one transform."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from typing import Final

import apache_beam as beam
import pyarrow as pa

from consentfilter.dataset import Dataset
from consentfilter.engine import inputs
from consentfilter.engine.beam.join import DecidePartsByKeys
from consentfilter.engine.beam.parts import DecideParts
from consentfilter.engine.beam.runners import refuse_pipeline
from consentfilter.engine.cluster.attempts import read_done
from consentfilter.engine.cluster.joins import Join
from consentfilter.engine.cluster.planning import ReleaseJob, finish_job, plan_release
from consentfilter.engine.finish import Naming
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import (
    AnyPath,
    ConsentLike,
    load_deciders,
    refuse_empty,
)
from consentfilter.engine.release import check_target
from consentfilter.lineage.sign import load_signer
from consentfilter.policy import Policy

#: What a manifest says of who did the parts.
ENGINE: Final = "beam"


class FilterParquet(beam.PTransform):
    """Filters a Parquet dump into a release that appears whole or not at all.

    The same bytes as `consentfilter filter` makes, whatever the runner and however
    often it runs a bundle; only the manifest's `run` section says who ran it.

    Gives one element: the SHA-256 (hex) of the manifest.

    Example::

        with beam.Pipeline(options=options) as pipeline:
            pipeline | FilterParquet(
                ["s3://dump/2026-06"],
                "s3://consent/snapshot.parquet",
                "policy.yaml",
                out="s3://releases/2026-06",
            )

    Input, output and consent must lie where all workers reach them.
    """

    def __init__(
        self,
        records: AnyPath | Sequence[AnyPath],
        consent: ConsentLike,
        policy: Policy | AnyPath,
        *,
        out: AnyPath,
        dataset: Dataset | AnyPath | None = None,
        as_of: dt.datetime | None = None,
        subjects: AnyPath | pa.Table | None = None,
        links: AnyPath | pa.Table | None = None,
        naming: Naming | None = None,
        release_key: bytes | None = None,
        id_key: bytes | None = None,
        sign_key: AnyPath | None = None,
        join: Join = "auto",
    ) -> None:
        """Load and check everything; nothing of the dump but its footers is read.

        Args:
            records: a Parquet file, a directory, a glob, a URL, or several.
            consent: loaded consent, event files or a snapshot.
            policy: a policy or its file.
            out: the release to make.
            dataset: a binding or its file; None: the standard layout.
            as_of: the instant of the decision; None: the snapshot's, or now.
            subjects: side file of people.
            links: side file of linked identities.
            naming: what the release is called.
            release_key: 32 bytes that key commitments and pseudonyms; None: random.
            id_key: keys subject ids; must be the one the snapshot was built with.
            sign_key: private key file (PEM) that the worker of the last step can
                read; None: the release is not signed.
            join: `broadcast` (every worker has the whole index), `keys` (only keys
                travel), or `auto`, which chooses by the size of the consent.

        Raises:
            ConsentFilterError: what was given cannot be used.
        """
        super().__init__()
        places = [records] if isinstance(records, str | os.PathLike) else list(records)
        target = check_target(os.fspath(out))
        footers: list[Footer] = []
        deciders = load_deciders(
            consent,
            policy,
            dataset=dataset,
            as_of=as_of,
            subjects=subjects,
            links=links,
            id_key=id_key,
            also=lambda binding: footers.extend(inputs.open_records(places, binding)),
        )
        refuse_empty(deciders.consent)
        self._job = plan_release(
            target,
            footers,
            deciders,
            engine=ENGINE,
            naming=naming,
            release_key=release_key,
            id_key=id_key,
            join=join,
        )
        self._sign_key = None if sign_key is None else os.fspath(sign_key)

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Return the manifest's digest, as one element."""
        refuse_pipeline(begin.pipeline)
        job, sign_key = self._job, self._sign_key
        return (
            begin
            | "Filter" >> JobParts(job)
            | "Publish"
            >> beam.Map(lambda done: _publish(done, job, sign_key)).with_output_types(
                str
            )
        )


class JobParts(beam.PTransform):
    """The parts of a planned job: decided, written, committed, counted."""

    def __init__(self, job: ReleaseJob) -> None:
        super().__init__()
        self._job = job

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Return the list of all parts, as one element."""
        job = self._job
        if job.buckets is None:
            return begin | "By index" >> DecideParts(
                job.footers, job.deciding, job.plan
            )
        return begin | "By keys" >> DecidePartsByKeys(
            job.footers, job.deciding, job.plan, job.buckets
        )


def _publish(done: bytes, job: ReleaseJob, sign_key: str | None) -> str:
    signer = None if sign_key is None else load_signer(sign_key)
    return finish_job(job, read_done(done), signer=signer)

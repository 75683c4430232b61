"""The last step of a run, whatever engine did the parts: evidence, manifest, name."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence

from consentfilter import digest
from consentfilter.engine import inputs, statement
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import Deciders
from consentfilter.engine.release import ReleaseBuilder, evidence_path
from consentfilter.engine.shard import ShardRecord
from consentfilter.engine.tally import Tally
from consentfilter.lineage import views
from consentfilter.lineage.evidence import write_evidence
from consentfilter.lineage.manifest import IndexedFile, Release
from consentfilter.lineage.sign import Signer, envelope
from consentfilter.report.html import report_html


@dataclasses.dataclass(frozen=True, slots=True)
class Naming:
    """What a release is called.

    Attributes:
        dataset: the data set's name; None: the base name of the release.
        version: the release's version.
        previous: SHA-256 (hex) of the previous release's manifest, or None.
    """

    dataset: str | None = None
    version: str = "1"
    previous: str | None = None


def finish_release(
    builder: ReleaseBuilder,
    deciders: Deciders,
    footers: Sequence[Footer],
    records: Sequence[ShardRecord],
    *,
    release_key: bytes,
    naming: Naming,
    signer: Signer | None,
    started_at: dt.datetime,
    lint: tuple[str, ...],
    engine: str,
    workers: int,
    inputs_read: Sequence[IndexedFile] | None = None,
    run_id: str | None = None,
) -> str:
    """Write evidence, indexes and manifest, and give the release its name.

    Requires that the parts' data and ledgers are in place and noted in `builder`, and
    their evidence in its scratch directory (`evidence_path`).

    Args:
        builder: the release.
        deciders: what decided.
        footers: the parts.
        records: what happened to each part.
        release_key: 32 bytes.
        naming: what the release is called.
        signer: signs the manifest; None: the release is not signed.
        started_at: when the run began.
        lint: the policy's warnings.
        engine: which engine did the parts.
        workers: threads.
        inputs_read: digests of the parts, where the engine took them already.
        run_id: unique to the run; None: a new one.

    Returns:
        SHA-256 (hex) of the manifest.
    """
    scratch = builder.make_scratch()
    with builder.evidence_directory() as (directory, note):
        commitments = write_evidence(
            [evidence_path(scratch, record.name) for record in records],
            directory,
            key=release_key,
            scratch=scratch,
            workers=workers,
            note=note,
        )
    if inputs_read is None:
        inputs_read = inputs.hash_parts(footers, workers=workers)
    _keep_deciders(builder, deciders)
    made = statement.statement(
        deciders,
        footers,
        inputs_read,
        sum((record.tally for record in records), Tally()),
        commitments,
        release=Release(
            naming.dataset or builder.name, naming.version, naming.previous
        ),
        run_id=run_id or str(uuid.uuid4()),
        started_at=started_at,
        engine=engine,
        index_sha256=builder.write_index(),
        evidence_sha256=builder.write_private_index(),
        lint=lint,
    )
    manifest = envelope(made, signer)
    _write_views(builder, manifest, records)
    builder.publish(manifest)
    return digest.sha256(manifest)


def _keep_deciders(builder: ReleaseBuilder, deciders: Deciders) -> None:
    """Write policy and binding into `private/`: a re-check decides by them again.

    The binding as it was stated: what it leaves out is looked for under its standard
    name, what it states must be there.
    """
    policy = digest.canonical_json(deciders.policy.effective())
    binding = digest.canonical_json(
        deciders.dataset.model_dump(mode="json", exclude_unset=True)
    )
    for name, content in (("policy.json", policy), ("dataset.json", binding)):
        with builder.private_sink(name) as sink:
            sink.write(content)
        builder.note_private(sink.record(name))


def _write_views(
    builder: ReleaseBuilder, manifest: bytes, records: Sequence[ShardRecord]
) -> None:
    """Write what other tools and people read; unsigned, each names the manifest."""
    files = [
        IndexedFile(data.path, data.sha256, data.size_bytes, data.rows)
        for data in sorted(
            (record.data for record in records if record.data is not None),
            key=lambda data: data.path,
        )
    ]
    event = views.view_json(views.openlineage(manifest, files))
    described = views.view_json(views.croissant(manifest, files))
    for name, content in (
        ("openlineage.json", event),
        ("croissant.json", described),
        ("report.html", report_html(manifest, files)),
    ):
        builder.write(name, content, is_listed=False)

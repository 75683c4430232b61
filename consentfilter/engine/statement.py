"""What a finished run says about itself: the values of the signed statement."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from consentfilter import __version__, digest
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import Deciders
from consentfilter.engine.tally import Tally
from consentfilter.lineage import manifest
from consentfilter.lineage.manifest import IndexedFile
from consentfilter.lineage.rows import schema_fingerprint
from consentfilter.policy.lint import lint
from consentfilter.reasons import Decision

_OUTCOME = {
    Decision.KEEP: "kept",
    Decision.REDACT: "redacted",
    Decision.DROP: "dropped",
}


def lint_texts(deciders: Deciders) -> tuple[str, ...]:
    """Return the policy's warnings, without the name of the file it came from.

    What is signed must not depend on where a file lay.
    """
    findings = lint(deciders.policy, taxonomy=deciders.taxonomy)
    return tuple(
        f"{found.code} {found.path}: {found.message}" if found.path else found.message
        for found in findings
    )


def counts(tally: Tally) -> manifest.Counts:
    """Return a tally as the statement's counts."""
    by_reason: collections.Counter[str] = collections.Counter()
    for (_, reason), rows in tally.by_reason.items():
        by_reason[reason] += rows
    by_category: dict[str, dict[str, int]] = {}
    for (category, decision), rows in tally.by_category.items():
        each = by_category.setdefault(category, dict.fromkeys(_OUTCOME.values(), 0))
        each[_OUTCOME[decision]] += rows
    return manifest.Counts(
        read=tally.rows(),
        kept=tally.rows(Decision.KEEP),
        redacted=tally.rows(Decision.REDACT),
        dropped=tally.rows(Decision.DROP),
        by_reason=dict(sorted(by_reason.items())),
        by_category=dict(sorted(by_category.items())),
    )


def statement(
    deciders: Deciders,
    footers: Sequence[Footer],
    inputs: Sequence[IndexedFile],
    tally: Tally,
    commitments: manifest.Commitments,
    *,
    release: manifest.Release,
    run_id: str,
    started_at: dt.datetime,
    engine: str,
    index_sha256: str,
    evidence_sha256: str,
    lint: Sequence[str],
) -> dict[str, Any]:
    """Return the in-toto statement of a finished run.

    Args:
        deciders: what decided.
        footers: the parts.
        inputs: their digests.
        tally: what was decided.
        commitments: the evidence's roots.
        release: what the release is called.
        run_id: unique to the run.
        started_at: when it began.
        engine: which engine ran it.
        index_sha256: digest of `release-index.json`.
        evidence_sha256: digest of `private/private-index.json`.
        lint: the policy's warnings.

    Raises:
        InputError: the counts do not add up.
    """
    policy = deciders.policy
    return manifest.build_statement(
        index_sha256=index_sha256,
        release=release,
        run=manifest.Run(
            run_id, started_at, dt.datetime.now(dt.UTC), engine, __version__
        ),
        inputs=manifest.Inputs(
            parts=len(footers),
            rows=sum(footer.wanted_rows for footer in footers),
            index_sha256=digest.sha256(manifest.index_json(inputs)),
            schemas=_schemas(footers),
        ),
        consent=_consent(deciders),
        policy=manifest.PolicyUsed(
            policy.id, policy.version, policy.sha256, policy.purposes, policy.recipient
        ),
        counts=counts(tally),
        commitments=commitments,
        evidence_sha256=evidence_sha256,
        taxonomy_version=deciders.taxonomy.version,
        dataset_sha256=deciders.dataset.sha256,
        lint=lint,
    )


def _schemas(footers: Sequence[Footer]) -> Mapping[str, int]:
    by_schema = {id(footer.schema): footer.schema for footer in footers}
    names = {key: schema_fingerprint(schema) for key, schema in by_schema.items()}
    return collections.Counter(names[id(footer.schema)] for footer in footers)


def _consent(deciders: Deciders) -> manifest.ConsentUsed:
    meta = deciders.consent.snapshot.meta
    return manifest.ConsentUsed(
        snapshot_id=meta.snapshot_id,
        as_of=meta.as_of,
        history=meta.history,
        sources=[
            manifest.ConsentSource(source.source_id, source.watermark, source.rows)
            for source in meta.sources
        ],
        max_staleness=deciders.policy.snapshot.max_staleness,
        subjects_sha256=deciders.consent.subjects_sha256,
        links_sha256=deciders.consent.links_sha256,
    )

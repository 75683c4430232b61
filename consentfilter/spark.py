"""Consent filtering on Spark 4, by `mapInArrow`: the same decision, the same release.

    from consentfilter import spark as consent_spark

    kept = consent_spark.keep(records, "policy.yaml", "snapshot.parquet")
    consent_spark.filter_parquet(session, ["s3://dump"], ..., out="s3://release")

Beam for Python runs on Spark 3 only, so this is an adapter of its own, and a thin
one: what decides and what writes a part are the functions that every engine calls.
Needs the extra `consentfilter[spark]`; executors need this package installed.
"""

from __future__ import annotations

import collections
import datetime as dt
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from consentfilter.dataset import Dataset
from consentfilter.engine import inputs
from consentfilter.engine.cluster import outcome as outcomes
from consentfilter.engine.cluster.attempts import (
    commit_part,
    list_done,
    read_done,
    write_attempt,
)
from consentfilter.engine.cluster.carried import carry
from consentfilter.engine.cluster.deciding import Deciding
from consentfilter.engine.cluster.keys import carry_keys
from consentfilter.engine.cluster.planning import (
    ReleaseJob,
    abandoned_on_failure,
    finish_job,
    plan_release,
)
from consentfilter.engine.finish import Naming
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import (
    RELEASE_KEY_BYTES,
    AnyPath,
    ConsentLike,
    load_deciders,
    refuse_empty,
)
from consentfilter.engine.release import check_target
from consentfilter.engine.storage import locate
from consentfilter.errors import InputError
from consentfilter.lineage.sign import Signer
from consentfilter.policy import Policy

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ENGINE: Final = "spark"
_LEDGER_DDL: Final = (
    "record_id string, decision string, reason string, redacted array<string>, "
    "rule string, subject_key string, grant_id string, denial_id string, "
    "snapshot_id string, as_of timestamp"
)
_DONE_DDL: Final = "name string, done binary"


def keep(
    records: DataFrame,
    policy: Policy | AnyPath,
    consent: ConsentLike,
    **options: object,
) -> DataFrame:
    """Return the rows that may train a model, redacted where the policy redacts.

    Lazy, like every DataFrame; rows keep the schema of `records`.

    Args:
        records: in the standard layout, or as `dataset` says.
        policy: a policy or its file.
        consent: loaded consent, event files or a snapshot, or a table of events.
        options: `dataset`, `as_of`, `subjects`, `links`, `release_key`, `id_key`,
            `staging`, as `prepare` takes them.

    Raises:
        ConsentFilterError: what was given cannot be used.
    """
    deciding = prepare(policy, consent, **options)  # type: ignore[arg-type]
    kept: DataFrame = records.mapInArrow(_kept(deciding), records.schema)
    return kept


def drop_with_reason(
    records: DataFrame,
    policy: Policy | AnyPath,
    consent: ConsentLike,
    **options: object,
) -> DataFrame:
    """Return the other rows, each with the column `consentfilter_reason`.

    Args:
        records: in the standard layout, or as `dataset` says.
        policy: a policy or its file.
        consent: loaded consent, event files or a snapshot, or a table of events.
        options: see `keep`.

    Raises:
        ConsentFilterError: what was given cannot be used.
    """
    if outcomes.REASON_COLUMN in records.columns:
        raise InputError(
            f"records: there is a column {outcomes.REASON_COLUMN!r} already; it is "
            "where dropped records get their reason: rename yours."
        )
    deciding = prepare(policy, consent, **options)  # type: ignore[arg-type]
    # `add` changes its schema in place; the input's must stay as it is.
    schema = type(records.schema)(list(records.schema.fields))
    schema = schema.add(outcomes.REASON_COLUMN, "string")
    dropped: DataFrame = records.mapInArrow(_dropped(deciding), schema)
    return dropped


def ledger(
    records: DataFrame,
    policy: Policy | AnyPath,
    consent: ConsentLike,
    **options: object,
) -> DataFrame:
    """Return one row per record that says what happened to it and why.

    Args:
        records: in the standard layout, or as `dataset` says.
        policy: a policy or its file.
        consent: loaded consent, event files or a snapshot, or a table of events.
        options: see `keep`.

    Raises:
        ConsentFilterError: what was given cannot be used.
    """
    deciding = prepare(policy, consent, **options)  # type: ignore[arg-type]
    told: DataFrame = records.mapInArrow(_ledger(deciding), _LEDGER_DDL)
    return told


def prepare(
    policy: Policy | AnyPath,
    consent: ConsentLike,
    *,
    dataset: Dataset | AnyPath | None = None,
    as_of: dt.datetime | None = None,
    subjects: AnyPath | pa.Table | None = None,
    links: AnyPath | pa.Table | None = None,
    release_key: bytes | None = None,
    id_key: bytes | None = None,
    staging: str | None = None,
) -> Deciding:
    """Load what decides, as it travels to the executors.

    Args:
        policy: a policy or its file.
        consent: loaded consent, event files or a snapshot, or a table of events.
        dataset: a binding or its file; None: the standard layout.
        as_of: the instant of the decision (consent that is not loaded yet).
        subjects: side file of people (likewise).
        links: side file of linked identities (likewise).
        release_key: 32 bytes that key pseudonyms; None: random.
        id_key: keys subject ids; must be the snapshot's.
        staging: a place that all executors read, for consent of more than 1 MiB.

    Raises:
        ConsentFilterError: what was given cannot be used.
    """
    deciders = load_deciders(
        consent,
        policy,
        dataset=dataset,
        as_of=as_of,
        subjects=subjects,
        links=links,
        id_key=id_key,
    )
    return Deciding(
        deciders.policy,
        deciders.dataset,
        deciders.taxonomy,
        carry(
            deciders.consent,
            None if staging is None else locate(staging),
            is_remote=True,
        ),
        carry_keys(release_key or secrets.token_bytes(RELEASE_KEY_BYTES), id_key),
    )


def filter_parquet(
    session: SparkSession,
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
    signer: Signer | None = None,
) -> str:
    """Filter a Parquet dump into a release: the bytes of the local engine's.

    A task writes a part under a name of its own; only what Spark reports as done is
    renamed into the release, so tasks may be retried or run twice.

    Args:
        session: whose executors do the parts; all of them reach all places.
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
        signer: signs the manifest, here; None: the release is not signed.

    Returns:
        SHA-256 (hex) of the manifest.

    Raises:
        ConsentFilterError: what was given cannot be used, or storage failed. What
            was written is removed.
    """
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
    job = plan_release(
        target,
        footers,
        deciders,
        engine=ENGINE,
        naming=naming,
        release_key=release_key,
        id_key=id_key,
        join="broadcast",
    )
    with abandoned_on_failure(job):
        numbers = session.range(0, len(footers), 1, numPartitions=len(footers))
        attempts: dict[str, list[bytes]] = collections.defaultdict(list)
        for row in numbers.mapInArrow(_written(job), _DONE_DDL).collect():
            attempts[row["name"]].append(bytes(row["done"]))
        committed = [
            commit_part(name, found, job.plan).to_json()
            for name, found in attempts.items()
        ]
        done = read_done(list_done(committed, job.plan))
        return finish_job(job, done, signer=signer, workers=os.cpu_count() or 1)


_Batches = Iterator[pa.RecordBatch]
_Step = Callable[[_Batches], _Batches]


def _kept(deciding: Deciding) -> _Step:
    def step(batches: _Batches) -> _Batches:
        held = deciding.hold()
        for batch in batches:
            table = pa.Table.from_batches([batch])
            made = outcomes.outcome(table, held)
            yield from outcomes.batches_of(outcomes.admitted(table, made, held))

    return step


def _dropped(deciding: Deciding) -> _Step:
    def step(batches: _Batches) -> _Batches:
        held = deciding.hold()
        for batch in batches:
            table = pa.Table.from_batches([batch])
            made = outcomes.outcome(table, held)
            yield from outcomes.batches_of(_plain(outcomes.dropped(table, made)))

    return step


def _ledger(deciding: Deciding) -> _Step:
    def step(batches: _Batches) -> _Batches:
        held = deciding.hold()
        for batch in batches:
            made = outcomes.outcome(pa.Table.from_batches([batch]), held)
            yield from outcomes.batches_of(_plain(made.ledger))

    return step


def _written(job: ReleaseJob) -> _Step:
    def step(batches: _Batches) -> _Batches:
        held = job.deciding.hold()
        for batch in batches:
            for number in batch.column(0).to_pylist():
                done = write_attempt(job.footers[number], held.run, job.plan)
                yield pa.RecordBatch.from_pydict(
                    {"name": [done.record.name], "done": [done.to_json()]}
                )

    return step


def _plain(table: pa.Table) -> pa.Table:
    """Return dictionary-encoded columns as text, which is what Spark takes."""
    fields = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))

"""The filter as Python functions: decide a table, filter a table, filter a dataset."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from consentfilter.consent.load import as_instant
from consentfilter.dataset import Dataset
from consentfilter.decide.decisions import Decisions
from consentfilter.engine import duplicates, filtering, options
from consentfilter.engine.batch import Run, admit_batch, batch_result, decide_batch
from consentfilter.engine.filtering import Summary
from consentfilter.engine.finish import Naming
from consentfilter.engine.prepare import (
    AnyPath,
    ConsentLike,
    compile_run,
    load_deciders,
)
from consentfilter.errors import InputError
from consentfilter.ids import read_key
from consentfilter.lineage.sign import Signer, load_signer
from consentfilter.policy import Policy
from consentfilter.records import Bound

__all__ = ["Summary", "decide", "filter_dataset", "filter_table"]

#: What `ledger.part` says for a table that came from no file.
TABLE_PART = "table"


def decide(
    table: pa.Table,
    consent: ConsentLike,
    policy: Policy | AnyPath,
    *,
    dataset: Dataset | AnyPath | None = None,
    as_of: dt.datetime | str | None = None,
    subjects: AnyPath | pa.Table | None = None,
    links: AnyPath | pa.Table | None = None,
    id_key: bytes | AnyPath | None = None,
) -> Decisions:
    """Decide every record of a table, in its order; nothing is read from payload.

    Args:
        table: records, in the standard layout or as `dataset` says.
        consent: loaded consent, event files or a snapshot, or a table of events.
        policy: a policy or its file.
        dataset: a binding or its file; None: the standard layout.
        as_of: the instant of the decision, a time or RFC 3339 text (consent that is
            not loaded yet only).
        subjects: side file of people (consent that is not loaded yet only).
        links: side file of linked identities (likewise).
        id_key: keys subject ids (the key or its file); must be the one the snapshot
            was built with.

    Raises:
        InputError: the table does not fit the binding; ids repeat.
        RunRefused: the snapshot does not fit the policy.
    """
    id_key = _id_key(id_key)
    deciders = load_deciders(
        consent,
        policy,
        dataset=dataset,
        as_of=as_of,
        subjects=subjects,
        links=links,
        id_key=id_key,
    )
    return _decide(table, compile_run(deciders, id_key=id_key))[1]


def filter_table(
    table: pa.Table,
    consent: ConsentLike,
    policy: Policy | AnyPath,
    *,
    dataset: Dataset | AnyPath | None = None,
    as_of: dt.datetime | str | None = None,
    subjects: AnyPath | pa.Table | None = None,
    links: AnyPath | pa.Table | None = None,
    id_key: bytes | AnyPath | None = None,
    release_key: bytes | AnyPath | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Return the rows that may train a model, and the ledger with all reasons.

    Args:
        table: records, in the standard layout or as `dataset` says.
        consent: loaded consent, event files or a snapshot, or a table of events.
        policy: a policy or its file.
        dataset: a binding or its file; None: the standard layout.
        as_of: the instant of the decision, a time or RFC 3339 text (consent that is
            not loaded yet only).
        subjects: side file of people (consent that is not loaded yet only).
        links: side file of linked identities (likewise).
        id_key: keys subject ids (the key or its file); must be the one the snapshot
            was built with.
        release_key: 32 bytes that key pseudonyms, or their file; None: random.

    Returns:
        The admitted rows (schema of `table`, redacted where the policy redacts), and
        one ledger row per record of `table`, in its order.

    Raises:
        InputError: the table does not fit the binding; ids repeat.
        RunRefused: the snapshot does not fit the policy.
    """
    id_key = _id_key(id_key)
    deciders = load_deciders(
        consent,
        policy,
        dataset=dataset,
        as_of=as_of,
        subjects=subjects,
        links=links,
        id_key=id_key,
    )
    run = compile_run(deciders, release_key=_release_key(release_key), id_key=id_key)
    bound, decided = _decide(table, run)
    admitted = admit_batch(table, bound, decided, run)
    result = batch_result(bound, decided, admitted, run, part=TABLE_PART, first_row=0)
    return admitted, result.ledger


def filter_dataset(
    records: AnyPath | Sequence[AnyPath],
    consent: ConsentLike,
    policy: Policy | AnyPath,
    *,
    out: AnyPath | None = None,
    dataset: Dataset | AnyPath | None = None,
    as_of: dt.datetime | str | None = None,
    subjects: AnyPath | None = None,
    links: AnyPath | None = None,
    name: str | None = None,
    release_version: str = "1",
    previous: AnyPath | None = None,
    release_key: bytes | AnyPath | None = None,
    id_key: bytes | AnyPath | None = None,
    sign_key: AnyPath | None = None,
    signer: Signer | None = None,
    unsigned: bool | None = None,
    dry_run: bool = False,
    limit: int | None = None,
    workers: int | None = None,
    memory: int | str | None = None,
    resume: bool = False,
) -> Summary:
    """Filter records by consent into a release: what the command does.

    Args:
        records: a Parquet file, a directory, a glob, a URL, or several.
        consent: loaded consent, event files or a snapshot.
        policy: a policy or its file.
        out: the release to make; may be None in a dry run, else the dry run's
            ledger is written there.
        dataset: a binding or its file; None: the standard layout.
        as_of: the instant of the decision, a time or RFC 3339 text; None: the
            snapshot's, or now.
        subjects: side file of people.
        links: side file of linked identities.
        name: name of the data set; None: that of `out`.
        release_version: version of the release.
        previous: the release that this one follows.
        release_key: 32 bytes that key commitments and pseudonyms, or their file;
            None: random.
        id_key: keys subject ids (the key or its file); must be the one the snapshot
            was built with.
        sign_key: private key file (PEM) that signs the manifest.
        signer: signs instead of a key file.
        unsigned: True: not signed, and no key may be given; False: a key has to be;
            None: signed if a key is given.
        dry_run: decide and count only.
        limit: take only so many rows.
        workers: threads; None: one per core.
        memory: how much memory rows in flight may take: bytes, or text like `2G`;
            None: 320 MiB for each worker.
        resume: go on with a run of the same that was stopped, if there is one; and
            keep what is finished, if this one is stopped.

    Raises:
        InputError: with every problem of what was given.
        PolicyError: the policy is not valid.
        RunRefused: the snapshot is stale, incomplete, or does not fit the policy.
        StorageError: reading or writing failed.
    """
    has_key = sign_key is not None or signer is not None
    if unsigned is not None and unsigned == has_key:
        raise InputError(
            "unsigned=True and a key contradict each other; drop one"
            if unsigned
            else "unsigned=False, and no key; give sign_key or signer"
        )
    return filtering.filter_dataset(
        records,
        consent,
        policy,
        out=out,
        dataset=dataset,
        as_of=as_instant(as_of),
        subjects=subjects,
        links=links,
        naming=Naming(
            name,
            release_version,
            None if previous is None else options.previous_sha256(previous),
        ),
        release_key=_release_key(release_key),
        id_key=_id_key(id_key),
        signer=signer if sign_key is None else load_signer(Path(sign_key)),
        dry_run=dry_run,
        limit=limit,
        workers=workers,
        memory_bytes=options.parse_size(memory) if isinstance(memory, str) else memory,
        resume=resume,
    )


def _id_key(given: bytes | AnyPath | None) -> bytes | None:
    if given is None or isinstance(given, bytes):
        return given
    return read_key(Path(given))


def _release_key(given: bytes | AnyPath | None) -> bytes | None:
    if given is None or isinstance(given, bytes):
        return given
    return options.read_release_key(given)


def _decide(table: pa.Table, run: Run) -> tuple[Bound, Decisions]:
    """Bind and decide a whole table; ids that repeat are refused, or all dropped."""
    bound, decided = decide_batch(table, run)
    repeated = duplicates.repeated(pa.chunked_array([bound.record_id.drop_null()]))
    if not len(repeated):
        return bound, decided
    if run.index.policy.on_duplicate == "drop":
        return decide_batch(table, dataclasses.replace(run, repeated=repeated))
    found = duplicates.occurrences(
        bound.record_id,
        duplicates.hash_ids(repeated[: duplicates.SHOWN_IDS + 1]),
        part=TABLE_PART,
        first_row=0,
    )
    raise InputError(duplicates.describe(duplicates.confirmed(found)))

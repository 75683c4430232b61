"""The filter as Python functions: decide a table, filter a table, filter a dataset."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pyarrow as pa

from consentfilter.dataset import Dataset
from consentfilter.decide.decisions import Decisions
from consentfilter.engine import duplicates
from consentfilter.engine.batch import Run, admit_batch, batch_result, decide_batch
from consentfilter.engine.filtering import Summary, filter_dataset
from consentfilter.engine.finish import Naming
from consentfilter.engine.prepare import (
    AnyPath,
    ConsentLike,
    compile_run,
    load_deciders,
)
from consentfilter.errors import InputError
from consentfilter.policy import Policy
from consentfilter.records import Bound

__all__ = ["Naming", "Summary", "decide", "filter_dataset", "filter_table"]

#: What `ledger.part` says for a table that came from no file.
TABLE_PART = "table"


def decide(
    table: pa.Table,
    consent: ConsentLike,
    policy: Policy | AnyPath,
    *,
    dataset: Dataset | AnyPath | None = None,
    as_of: dt.datetime | None = None,
    subjects: AnyPath | pa.Table | None = None,
    links: AnyPath | pa.Table | None = None,
    id_key: bytes | None = None,
) -> Decisions:
    """Decide every record of a table, in its order; nothing is read from payload.

    Args:
        table: records, in the standard layout or as `dataset` says.
        consent: loaded consent, event files or a snapshot, or a table of events.
        policy: a policy or its file.
        dataset: a binding or its file; None: the standard layout.
        as_of: the instant of the decision (consent that is not loaded yet only).
        subjects: side file of people (consent that is not loaded yet only).
        links: side file of linked identities (likewise).
        id_key: keys subject ids; must be the one the snapshot was built with.

    Raises:
        InputError: the table does not fit the binding; ids repeat.
        RunRefused: the snapshot does not fit the policy.
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
    return _decide(table, compile_run(deciders, id_key=id_key))[1]


def filter_table(
    table: pa.Table,
    consent: ConsentLike,
    policy: Policy | AnyPath,
    *,
    dataset: Dataset | AnyPath | None = None,
    as_of: dt.datetime | None = None,
    subjects: AnyPath | pa.Table | None = None,
    links: AnyPath | pa.Table | None = None,
    id_key: bytes | None = None,
    release_key: bytes | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Return the rows that may train a model, and the ledger with all reasons.

    Args:
        table: records, in the standard layout or as `dataset` says.
        consent: loaded consent, event files or a snapshot, or a table of events.
        policy: a policy or its file.
        dataset: a binding or its file; None: the standard layout.
        as_of: the instant of the decision (consent that is not loaded yet only).
        subjects: side file of people (consent that is not loaded yet only).
        links: side file of linked identities (likewise).
        id_key: keys subject ids; must be the one the snapshot was built with.
        release_key: 32 bytes that key pseudonyms; None: random.

    Returns:
        The admitted rows (schema of `table`, redacted where the policy redacts), and
        one ledger row per record of `table`, in its order.

    Raises:
        InputError: the table does not fit the binding; ids repeat.
        RunRefused: the snapshot does not fit the policy.
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
    run = compile_run(deciders, release_key=release_key, id_key=id_key)
    bound, decided = _decide(table, run)
    admitted = admit_batch(table, bound, decided, run)
    result = batch_result(bound, decided, admitted, run, part=TABLE_PART, first_row=0)
    return admitted, result.ledger


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

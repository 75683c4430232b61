"""What was taken from each record, by name: the ledger's `redacted` column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.decide.decisions import Decisions
from consentfilter.decide.plan import Plan
from consentfilter.records import Bound


def redacted_lists(bound: Bound, decisions: Decisions) -> pa.Array:
    """Return the names of what was taken from each record.

    Segment ids (`#3` for the fourth segment where it has none), then column names in
    schema order, then `mention:<id>` (`mention:#3` without an id; each person once).
    Empty where nothing was taken.

    Returns:
        `list<string>`, one entry per record.
    """
    plan = Plan.of(bound, decisions)
    rows: list[np.ndarray] = []
    names: list[pa.Array] = []
    segments = np.flatnonzero(plan.segments)
    rows.append(bound.segments.row[segments])
    names.append(
        _or_ordinal(
            bound.segments.segment_id.take(pa.array(segments)),
            bound.segments.ordinal[segments],
        )
    )
    for at in sorted(plan.columns):
        row = np.flatnonzero(plan.columns[at])
        rows.append(row)
        names.append(pa.repeat(pa.scalar(bound.columns[at].name), len(row)))
    row, name = _mentions(bound, plan)
    rows.append(row)
    names.append(name)
    return _lists(np.concatenate(rows), pa.concat_arrays(names), bound.num_rows)


def _mentions(bound: Bound, plan: Plan) -> tuple[np.ndarray, pa.Array]:
    found = bound.mentions
    entries = np.flatnonzero(plan.mentions)
    for at, goes in plan.columns.items():
        entries = entries[~((found.column[entries] == at) & goes[found.row[entries]])]
    first = np.searchsorted(found.row, found.row[entries])
    ids = _or_ordinal(found.id.take(pa.array(entries)), entries - first)
    texts = pc.binary_join_element_wise("mention", ids, ":")
    row = found.row[entries]
    codes = texts.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    pairs = row.astype(np.int64) * (len(texts) + 1) + codes
    once = np.sort(np.unique(pairs, return_index=True)[1])
    return row[once], texts.take(pa.array(once))


def _or_ordinal(ids: pa.Array, ordinal: np.ndarray) -> pa.Array:
    if not ids.null_count:
        return ids
    numbers = pa.array(ordinal, pa.int64()).cast(pa.string())
    return pc.coalesce(ids, pc.binary_join_element_wise("#", numbers, ""))


def _lists(row: np.ndarray, names: pa.Array, count: int) -> pa.Array:
    order = np.argsort(row, kind="stable")
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(row, minlength=count), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(order)))

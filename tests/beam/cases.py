"""Decision cases that every engine must answer alike, and what `local` answers.

A case is a world by chance (`tests.strategies`) as tables, policy and binding: the
same kind of world on which the kernel is compared with its slow reference.
"""

from __future__ import annotations

import dataclasses
import functools
import random
from typing import Any

import pyarrow as pa

from consentfilter.consent.load import Consent, load_consent
from consentfilter.dataset import Dataset
from consentfilter.engine.api import filter_table
from consentfilter.errors import ConsentFilterError
from consentfilter.policy import Policy
from tests.reference.tables import (
    dataset_mapping,
    events_table,
    links_table,
    records_table,
    subjects_table,
)
from tests.strategies import make_world

KEY = bytes(range(32))
#: Columns of a ledger that every engine has.
TOLD = (
    "record_id",
    "decision",
    "reason",
    "redacted",
    "rule",
    "subject_key",
    "grant_id",
    "denial_id",
)


@dataclasses.dataclass(frozen=True)
class Case:
    """One world, and what the local engine makes of it."""

    records: pa.Table
    consent: Consent
    policy: Policy
    dataset: Dataset
    admitted: pa.Table
    ledger: list[dict[str, Any]]


@functools.cache
def cases(count: int = 40) -> tuple[Case, ...]:
    """Return so many cases in which ids are unique, always the same."""
    found: list[Case] = []
    seed = 0
    while len(found) < count:
        seed += 1
        case = _case(make_world(random.Random(seed)))
        if case is not None:
            found.append(case)
    return tuple(found)


def told(ledger: pa.Table) -> list[dict[str, Any]]:
    """Return a ledger's rows as far as every engine states them, by record."""
    rows: list[dict[str, Any]] = ledger.select(TOLD).to_pylist()
    return sorted(rows, key=repr)


def _case(world: dict[str, Any]) -> Case | None:
    dataset = Dataset.from_dict(dataset_mapping(world))
    policy = Policy.from_dict(world["policy"])
    consent = load_consent(
        events_table(world),
        as_of=world["as_of"],
        subjects=subjects_table(world),
        links=links_table(world),
        dataset=dataset,
    )
    records = records_table(world)
    ids = [each for each in records["record_id"].to_pylist() if each is not None]
    if len(set(map(str, ids))) < len(ids):
        return None  # ids that repeat are the run's matter, not the decision's
    try:
        return decided(records, consent, policy, dataset)
    except ConsentFilterError:
        return None


def decided(
    records: pa.Table, consent: Consent, policy: Policy, dataset: Dataset
) -> Case:
    """Return a case with what the local engine makes of it."""
    admitted, ledger = filter_table(
        records, consent, policy, dataset=dataset, release_key=KEY
    )
    return Case(records, consent, policy, dataset, admitted, told(ledger))

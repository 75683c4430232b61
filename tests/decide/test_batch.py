"""What is said of a category that nobody knows, or in two ways, fails closed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from consentfilter.binding import bind
from consentfilter.consent.load import load_consent
from consentfilter.dataset import Dataset
from consentfilter.decide.index import compile_index
from consentfilter.decide.kernel import decide
from consentfilter.policy.model import Policy
from consentfilter.reasons import NAME
from tests.reference.build import given, policy, record, world
from tests.reference.tables import events_table, records_table


def reasons(made: Any, **fields: Any) -> list[str]:
    dataset = Dataset.from_dict({"fields": fields} if fields else {})
    consent = load_consent(events_table(made), as_of=made["as_of"])
    index = compile_index(Policy.from_dict(made["policy"]), consent)
    decided = decide(bind(records_table(made), dataset), index)
    return [NAME[int(code)] for code in np.asarray(decided.reason)]


def test_a_bound_column_of_unknown_category_is_never_judged_by_the_records() -> None:
    made = world([given()], record(summary="a note"))
    assert reasons(made, summary={"category": "content.post"}) == ["OK_CONSENT"]
    assert reasons(made, summary={"category": "content.pots"}) == ["CATEGORY_UNKNOWN"]


def test_a_column_with_two_categories_has_no_known_one() -> None:
    def said(*categories: str) -> list[str]:
        entries = [{"name": "text", "category": c} for c in categories]
        made = world([given()], record(fields=entries), policy())
        return reasons(made)

    assert said("content.post") == ["OK_CONSENT"]
    assert said("content.post", "content.post") == ["OK_CONSENT"]
    assert said("content.post", "content.file") == ["CATEGORY_UNKNOWN"]


def test_a_record_of_nobody_is_dropped_even_where_nobody_is_known() -> None:
    made = world([], record({"id": None}))
    assert isinstance(events_table(made), pa.Table)
    assert reasons(made) == ["SUBJECT_UNKNOWN"]

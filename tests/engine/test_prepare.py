"""What decides is checked as a whole before the first record is read."""

from __future__ import annotations

import pyarrow as pa
import pytest

from consentfilter.dataset import Dataset
from consentfilter.engine.prepare import load_deciders
from consentfilter.errors import InputError
from consentfilter.policy import Policy


def test_a_category_misspelt_in_the_binding_refuses_the_run(tmp_path):
    events = pa.table(
        {
            "subject_id": ["ann"],
            "status": ["given"],
            "purpose": ["improve.train_ai"],
            "category": ["*"],
            "expression": ["explicit"],
            "occurred_at": pa.array([0], pa.timestamp("us", "UTC")),
        }
    )
    with pytest.raises(InputError) as caught:
        load_deciders(
            events,
            Policy.from_dict({"id": "p", "version": "1"}),
            dataset=Dataset.from_dict({"fields": {"email": "account.profle"}}),
        )
    assert "'account.profle' is not in the category tree" in str(caught.value)
    assert "did you mean 'account.profile'?" in str(caught.value)

"""The id of an earlier snapshot, from a later one that knows more."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentfilter.consent import known
from consentfilter.consent.snapshot import build_snapshot
from tests.consent.conftest import GRANT, MADE, as_table

THEN = MADE + dt.timedelta(days=10)
NOW = MADE + dt.timedelta(days=20)

ACT = st.fixed_dictionaries(
    {
        "subject_id": st.sampled_from(["ann", "ben", None]),
        "source_id": st.sampled_from(["crm", "crm", "web"]),
        "account_id": st.sampled_from([None, None, "acme"]),
        "asset_id": st.sampled_from([None, None, None, "a1", "a2"]),
        "status": st.sampled_from(["given", "refused", "withdrawn"]),
        "purpose": st.sampled_from(["improve.train_ai", "improve"]),
        "category": st.sampled_from(["content", "*"]),
        "recipients": st.sampled_from([None, ["lab"]]),
        "occurred_at": st.integers(0, 4).map(lambda day: MADE + dt.timedelta(day)),
    },
    optional={"valid_until": st.just(NOW)},
)


def numbered(acts: list[dict[str, Any]], when: dt.datetime) -> list[dict[str, Any]]:
    """Make events of acts, all recorded at one instant."""
    day = when.date().isoformat()
    return [
        {**GRANT, **act, "event_id": f"{day}-{at}", "recorded_at": when}
        for at, act in enumerate(acts)
        if act["subject_id"] or act["account_id"] or act["asset_id"]
    ]


@pytest.mark.parametrize("piece_rows", [1, 3, 1 << 18])
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(old=st.lists(ACT, max_size=12), new=st.lists(ACT, max_size=6))
def test_a_later_snapshot_knows_the_id_of_an_earlier_one(
    old: list[dict[str, Any]],
    new: list[dict[str, Any]],
    piece_rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known, "_PIECE_ROWS", piece_rows)
    events = [*numbered(old, THEN), *numbered(new, NOW)]
    earlier = build_snapshot(as_table(*events), as_of=THEN)
    later = build_snapshot(as_table(*events), as_of=NOW)
    found = known.snapshot_id_at(later.statements, THEN)
    assert found == earlier.meta.snapshot_id
    assert known.snapshot_id_at(later.statements, NOW) == later.meta.snapshot_id


def test_an_act_that_came_in_late_gives_another_id() -> None:
    events = numbered([{"subject_id": "ann"}, {"subject_id": "ben"}], THEN)
    late = {**events[0], "event_id": "late", "occurred_at": MADE}
    new = numbered([{"subject_id": "ann", "status": "withdrawn"}], NOW)
    earlier = build_snapshot(as_table(*events), as_of=THEN)
    for extra, is_same in (([], True), ([late], False)):
        later = build_snapshot(as_table(*events, *new, *extra), as_of=NOW)
        found = known.snapshot_id_at(later.statements, THEN)
        assert (found == earlier.meta.snapshot_id) is is_same

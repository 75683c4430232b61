"""Two clocks, two windows: when an act counts, and for which data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.reference.build import (
    AS_OF,
    COLLECTED,
    DAY,
    TICK,
    Engine,
    act,
    ago,
    given,
    outcome,
    policy,
    record,
    world,
)

KEPT = "keep OK_CONSENT"
OUTSIDE = "drop COLLECTED_OUTSIDE_CONSENT"
INTERRUPTED = "drop CONSENT_INTERRUPTED"


def temporal(mode: str, retroactive: str = "explicit", **more: Any) -> Any:
    return policy(temporal={"mode": mode, "retroactive": retroactive, **more})


# -- the order of acts -----------------------------------------------------------


def test_withdrawn_subject_is_dropped(engine: Engine) -> None:
    made = world([given(), act("withdrawn", on=10)])
    assert outcome(engine, made) == "drop CONSENT_WITHDRAWN"


def test_consent_given_again_counts_from_then(engine: Engine) -> None:
    events = [given(), act("withdrawn", on=60), given(on=40)]
    assert outcome(engine, world(events)) == OUTSIDE
    assert outcome(engine, world(events, record(collected_at=ago(40)))) == KEPT


def test_denial_wins_a_tie(engine: Engine) -> None:
    events = [act("withdrawn"), given()]
    assert outcome(engine, world(events)) == "drop CONSENT_WITHDRAWN"


def test_sequence_of_the_source_breaks_a_tie(engine: Engine) -> None:
    events = [act("withdrawn", source_seq=1), given(source_seq=2)]
    assert outcome(engine, world(events)) == KEPT


def test_incomplete_sequence_is_not_used(engine: Engine) -> None:
    events = [
        act("withdrawn", source_seq=1),
        given(source_seq=2),
        act("requested", on=120),
    ]
    assert outcome(engine, world(events)) == "drop CONSENT_WITHDRAWN"


def test_late_withdrawal_counts_from_when_it_was_made(engine: Engine) -> None:
    late = act("withdrawn", on=60, recorded_at=AS_OF)
    assert outcome(engine, world([given(), late])) == "drop CONSENT_WITHDRAWN"


def test_event_recorded_after_the_run_is_unknown_to_it(engine: Engine) -> None:
    unknown = act("withdrawn", on=60, recorded_at=AS_OF + TICK)
    assert outcome(engine, world([given(), unknown])) == KEPT


def test_clock_a_little_ahead_is_believed(engine: Engine) -> None:
    event = given(on=COLLECTED + timedelta(minutes=5), recorded_at=COLLECTED)
    assert outcome(engine, world([event])) == KEPT


def test_clock_far_ahead_sets_a_grant_aside(engine: Engine) -> None:
    far = timedelta(minutes=5) + TICK
    event = given(on=COLLECTED + far, recorded_at=COLLECTED)
    assert outcome(engine, world([event])) == "drop NO_CONSENT_RECORD"


def test_clock_far_ahead_does_not_postpone_a_denial(engine: Engine) -> None:
    event = act("withdrawn", on=AS_OF + 9 * DAY, recorded_at=ago(1))
    assert outcome(engine, world([given(), event])) == "drop CONSENT_WITHDRAWN"


def test_grant_without_a_time_is_unusable(engine: Engine) -> None:
    event = given() | {"occurred_at": None, "recorded_at": ago(100)}
    assert outcome(engine, world([event])) == "drop NO_CONSENT_RECORD"


def test_denial_without_a_time_counts_from_its_recording(engine: Engine) -> None:
    denial = act("withdrawn") | {"occurred_at": None, "recorded_at": ago(60)}
    assert outcome(engine, world([given(), denial])) == "drop CONSENT_WITHDRAWN"
    later = given(on=59)
    made = world([given(), denial, later], record(collected_at=ago(58)))
    assert outcome(engine, made) == KEPT


# -- ends, repeats, corrections ---------------------------------------------------


def test_expired_consent_is_no_denial_of_another_source(engine: Engine) -> None:
    events = [given(), act("expired", on=10)]
    assert outcome(engine, world(events)) == "drop CONSENT_EXPIRED"
    other = given(source_id="crm")
    assert outcome(engine, world([*events, other])) == KEPT


def test_expiry_leaves_the_time_before_it_alone(engine: Engine) -> None:
    events = [given(), act("expired", on=10)]
    assert outcome(engine, world(events, rules=temporal("collection"))) == KEPT


def test_invalidated_consent_never_was(engine: Engine) -> None:
    events = [given(), act("invalidated", on=10)]
    made = world(events, rules=temporal("collection"))
    assert outcome(engine, made) == "drop CONSENT_INVALIDATED"


def test_consent_after_an_invalidation_stands(engine: Engine) -> None:
    events = [given(), act("invalidated", on=90), given(on=80)]
    assert outcome(engine, world(events)) == KEPT


def test_end_at_the_same_instant_comes_after_the_grant(engine: Engine) -> None:
    assert outcome(engine, world([act("expired"), given()])) == "drop CONSENT_EXPIRED"


def test_voided_event_was_never_recorded(engine: Engine) -> None:
    denial = act("withdrawn", on=60) | {"event_id": "oops"}
    void = act("voided", on=5, voids_event_id="oops")
    assert outcome(engine, world([given(), denial, void])) == KEPT
    unknown = void | {"recorded_at": AS_OF + TICK}
    made = world([given(), denial, unknown])
    assert outcome(engine, made) == "drop CONSENT_WITHDRAWN"


def test_repeated_event_counts_once(engine: Engine) -> None:
    twice = given() | {"event_id": "e"}
    assert outcome(engine, world([twice, twice])) == KEPT


def test_conflicting_grants_under_one_id_are_set_aside(engine: Engine) -> None:
    one = given() | {"event_id": "e"}
    other = given(category="content") | {"event_id": "e"}
    assert outcome(engine, world([one, other])) == "drop NO_CONSENT_RECORD"


def test_conflicting_denials_under_one_id_all_count(engine: Engine) -> None:
    one = act("refused", on=90, category="biometric") | {"event_id": "e"}
    other = act("refused", on=90, category="content") | {"event_id": "e"}
    made = world([given(), one, other])
    assert outcome(engine, made) == "drop CONSENT_REFUSED"


# -- windows ----------------------------------------------------------------------


def test_consent_ends_at_its_last_instant(engine: Engine) -> None:
    assert outcome(engine, world([given(valid_until=AS_OF)])) == "drop CONSENT_EXPIRED"
    assert outcome(engine, world([given(valid_until=AS_OF + TICK)])) == KEPT


def test_consent_begins_with_its_first_instant(engine: Engine) -> None:
    assert outcome(engine, world([given(valid_from=COLLECTED)])) == KEPT
    assert outcome(engine, world([given(valid_from=COLLECTED + TICK)])) == OUTSIDE


def test_consent_not_yet_in_force_displaces_nothing(engine: Engine) -> None:
    events = [given(), given(on=90, valid_from=AS_OF + DAY)]
    assert outcome(engine, world(events)) == KEPT


def test_shorter_later_consent_displaces_a_longer_one(engine: Engine) -> None:
    events = [given(), given(on=40, valid_until=ago(1))]
    assert outcome(engine, world(events)) == "drop CONSENT_EXPIRED"


@pytest.mark.parametrize("mode", ["both", "processing", "collection", "continuous"])
def test_data_window_is_closed_at_the_start_and_open_at_the_end(
    engine: Engine, mode: str
) -> None:
    inside = given(data_from=COLLECTED, data_until=COLLECTED + TICK)
    assert outcome(engine, world([inside], rules=temporal(mode))) == KEPT
    late = given(data_from=COLLECTED + TICK)
    assert outcome(engine, world([late], rules=temporal(mode))) == OUTSIDE
    over = given(data_until=COLLECTED)
    assert outcome(engine, world([over], rules=temporal(mode))) == OUTSIDE


# -- modes ------------------------------------------------------------------------

AFTER = [given(on=40)]
LOST = [given(), act("withdrawn", on=10)]
RETURNED = [given(), act("withdrawn", on=40), given(on=30)]


@pytest.mark.parametrize(
    ("mode", "after", "lost", "returned"),
    [
        ("both", OUTSIDE, "drop CONSENT_WITHDRAWN", KEPT),
        ("processing", KEPT, "drop CONSENT_WITHDRAWN", KEPT),
        ("collection", OUTSIDE, KEPT, KEPT),
        ("continuous", OUTSIDE, "drop CONSENT_WITHDRAWN", INTERRUPTED),
    ],
)
def test_mode_says_when_consent_must_be_in_force(
    engine: Engine, mode: str, after: str, lost: str, returned: str
) -> None:
    for events, wanted in ((AFTER, after), (LOST, lost), (RETURNED, returned)):
        assert outcome(engine, world(events, rules=temporal(mode))) == wanted


@pytest.mark.parametrize(
    ("retroactive", "named", "unnamed"),
    [("explicit", KEPT, OUTSIDE), ("deny", OUTSIDE, OUTSIDE), ("allow", KEPT, KEPT)],
)
@pytest.mark.parametrize("mode", ["both", "continuous"])
def test_only_a_consent_that_names_old_data_reaches_back(
    engine: Engine, mode: str, retroactive: str, named: str, unnamed: str
) -> None:
    rules = temporal(mode, retroactive)
    back = given(on=40, data_from=ago(60))
    assert outcome(engine, world([back], rules=rules)) == named
    assert outcome(engine, world(AFTER, rules=rules)) == unnamed


def test_retroactive_consent_lifts_an_interruption(engine: Engine) -> None:
    events = [given(), act("withdrawn", on=40), given(on=30, data_from=ago(100))]
    assert outcome(engine, world(events, rules=temporal("continuous"))) == KEPT
    denied = world(events, rules=temporal("continuous", "deny"))
    assert outcome(engine, denied) == INTERRUPTED


def test_interruption_of_an_instant_is_one(engine: Engine) -> None:
    events = [
        given(valid_until=ago(30)),
        given(on=30, source_id="crm"),
    ]
    assert outcome(engine, world(events, rules=temporal("continuous"))) == KEPT
    late = given(on=ago(30) + TICK, source_id="crm")
    made = world([events[0], late], rules=temporal("continuous"))
    assert outcome(engine, made) == INTERRUPTED


def test_interruption_before_the_collection_does_not_matter(engine: Engine) -> None:
    events = [given(), act("withdrawn", on=60), given(on=COLLECTED)]
    assert outcome(engine, world(events, rules=temporal("continuous"))) == KEPT


def test_withdrawal_at_the_instant_of_collection_counts(engine: Engine) -> None:
    events = [given(), act("withdrawn", on=COLLECTED), given(on=40)]
    assert outcome(engine, world(events)) == OUTSIDE


def test_record_from_before_consent_is_told_so_in_mode_collection(
    engine: Engine,
) -> None:
    rules = temporal("collection")
    assert outcome(engine, world(AFTER, rules=rules)) == OUTSIDE
    refused = [act("refused", on=60), given(on=40)]
    assert outcome(engine, world(refused, rules=rules)) == "drop CONSENT_REFUSED"


# -- age of consent ----------------------------------------------------------------


def test_consent_lapses_after_calendar_months(engine: Engine) -> None:
    rules = temporal("both", max_age_months=13)
    edge = AS_OF.replace(year=2025, month=5)
    assert outcome(engine, world([given(on=edge)], rules=rules)) == (
        "drop CONSENT_EXPIRED"
    )
    assert outcome(engine, world([given(on=edge + TICK)], rules=rules)) == KEPT


def test_month_later_ends_with_a_shorter_month(engine: Engine) -> None:
    rules = temporal("processing", max_age_months=1)
    edge = AS_OF.replace(month=1, day=31)
    made = world([given(on=edge)], rules=rules)
    then = {"as_of": AS_OF.replace(month=2, day=28)}
    old = [record(collected_at=edge)]
    assert outcome(engine, made | then | _named(old)) == "drop CONSENT_EXPIRED"
    before = {"as_of": then["as_of"] - TICK}
    assert outcome(engine, made | before | _named(old)) == KEPT


def _named(records: list[Any]) -> dict[str, Any]:
    return {"records": [{"record_id": f"r{at}", **r} for at, r in enumerate(records)]}


# -- the record's own time -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-04-26T12:00:00Z", KEPT),
        ("2026-04-26T14:00:00.000001+02:00", KEPT),
        ("2026-04-26T12:00:00", "drop RECORD_INVALID"),
        ("2026-04-26", "drop RECORD_INVALID"),
        ("yesterday", "drop RECORD_INVALID"),
        ("", "drop RECORD_INVALID"),
        (None, "drop RECORD_INVALID"),
    ],
)
def test_time_as_text_needs_an_offset(
    engine: Engine, text: str | None, wanted: str
) -> None:
    made = world([given()], record(collected_at=text), collected_as="text")
    assert outcome(engine, made) == wanted


def test_times_are_compared_as_instants(engine: Engine) -> None:
    event = given(on=COLLECTED)
    early = "2026-04-26T13:59:59.999999+02:00"
    made = world([event], record(collected_at=early), collected_as="text")
    assert outcome(engine, made) == OUTSIDE


def test_record_may_be_collected_a_little_after_the_run(engine: Engine) -> None:
    made = world([given()], record(collected_at=AS_OF + 300 * (DAY / 86400)))
    assert outcome(engine, made) == KEPT


@pytest.mark.parametrize("record_id", [None, "", " \u2003"])
def test_blank_record_id_is_invalid(engine: Engine, record_id: str | None) -> None:
    made = world([given()], record(record_id=record_id))
    assert outcome(engine, made) == "drop RECORD_INVALID"

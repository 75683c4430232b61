"""Sources and scopes that disagree: which act stands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference.build import (
    Engine,
    act,
    given,
    outcome,
    policy,
    record,
    world,
)

KEPT = "keep OK_CONSENT"
REFUSED = "drop CONSENT_REFUSED"
OPTED_OUT = "drop OPT_OUT_SIGNAL"


def test_standing_denial_in_any_source_wins(engine: Engine) -> None:
    events = [act("refused", on=200, source_id="crm"), given()]
    assert outcome(engine, world(events)) == REFUSED


def test_later_grant_of_the_same_source_ends_a_denial(engine: Engine) -> None:
    assert outcome(engine, world([act("refused", on=200), given()])) == KEPT


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        ({"account_id": "a"}, REFUSED),
        ({"context_id": "c"}, REFUSED),
        ({"asset_id": "x"}, REFUSED),
        ({"account_id": "a", "context_id": "c"}, REFUSED),
        ({"account_id": "b"}, KEPT),
        ({"account_id": "a", "context_id": "d"}, KEPT),
        ({"asset_id": "r0"}, KEPT),
        ({"account_id": "A"}, KEPT),
    ],
)
@pytest.mark.parametrize("who", ["ann", None])
def test_every_scope_that_is_named_must_be_the_records(
    engine: Engine, who: str | None, scope: dict[str, Any], wanted: str
) -> None:
    events = [given(), act("refused", who, on=90, **scope)]
    made = world(events, record(account_id="a", context_id="c", asset_id="x"))
    assert outcome(engine, made) == wanted


def test_asset_is_the_record_unless_it_says_otherwise(engine: Engine) -> None:
    events = [given(), act("opted_out", None, on=90, asset_id="r0")]
    assert outcome(engine, world(events)) == OPTED_OUT


def test_event_about_nobody_and_nothing_is_rejected(engine: Engine) -> None:
    assert outcome(engine, world([given(), act("refused", None)])) == KEPT


def test_own_grant_in_the_account_does_not_end_a_refusal_outside(
    engine: Engine,
) -> None:
    events = [act("refused"), given(on=90, account_id="a")]
    assert outcome(engine, world(events, record(account_id="a"))) == REFUSED


def test_several_denials_report_the_first_by_precedence(engine: Engine) -> None:
    events = [
        act("refused", on=10),
        act("withdrawn", on=20, source_id="crm"),
        act("revoked", on=30, source_id="dsar"),
    ]
    assert outcome(engine, world(events)) == "drop CONSENT_WITHDRAWN"


# -- conflict: latest ----------------------------------------------------------------

LATEST = policy(conflict="latest")


def test_latest_act_over_all_sources_decides_if_the_policy_says_so(
    engine: Engine,
) -> None:
    events = [act("refused", on=200, source_id="crm"), given()]
    assert outcome(engine, world(events, rules=LATEST)) == KEPT
    back = [given(on=200, source_id="crm"), act("refused")]
    assert outcome(engine, world(back, rules=LATEST)) == REFUSED


def test_denial_wins_a_tie_of_sources(engine: Engine) -> None:
    events = [act("refused", source_id="crm"), given()]
    assert outcome(engine, world(events, rules=LATEST)) == REFUSED


def test_unacceptable_grant_is_not_the_latest_act(engine: Engine) -> None:
    events = [act("refused", source_id="crm"), given(on=90, expression="terms")]
    assert outcome(engine, world(events, rules=LATEST)) == REFUSED


def test_expired_grant_is_not_the_latest_act(engine: Engine) -> None:
    spent = given(on=90, valid_until=world([])["as_of"])
    events = [act("refused", on=200, source_id="crm"), spent]
    assert outcome(engine, world(events, rules=LATEST)) == REFUSED


# -- signals -------------------------------------------------------------------------

LIFTS = policy(signals={"later_explicit_lifts": True})


@pytest.mark.parametrize(
    ("grant", "wanted"),
    [
        (given(), KEPT),
        (given(expression="expressed"), OPTED_OUT),
        (given(on=200), OPTED_OUT),
        (given(on=201), OPTED_OUT),
    ],
)
def test_later_explicit_consent_lifts_a_signal(
    engine: Engine, grant: Any, wanted: str
) -> None:
    signal = act("opted_out", on=200, source_id="edge", actor_type="system")
    assert outcome(engine, world([signal, grant], rules=LIFTS)) == wanted
    assert outcome(engine, world([signal, grant])) == OPTED_OUT


def test_nothing_but_a_signal_is_lifted(engine: Engine) -> None:
    events = [act("objected", on=200, source_id="edge"), given()]
    assert outcome(engine, world(events, rules=LIFTS)) == "drop OBJECTED"


def test_consent_on_behalf_lifts_no_signal(engine: Engine) -> None:
    rules = LIFTS | policy(actors=[{"type": "authorized_agent"}])
    events = [
        act("opted_out", on=200, source_id="edge"),
        given(actor_type="authorized_agent"),
    ]
    assert outcome(engine, world(events, rules=rules)) == OPTED_OUT


# -- allow ---------------------------------------------------------------------------


def test_allowed_category_still_heeds_a_denial(engine: Engine) -> None:
    made = world([act("opted_out")], rules=policy(effect="allow"))
    assert outcome(engine, made) == OPTED_OUT


def test_denials_can_be_ignored_only_by_saying_so(engine: Engine) -> None:
    rules = policy(effect="allow", ignore_denials=True)
    assert outcome(engine, world([act("opted_out")], rules=rules)) == "keep OK_EXEMPT"


def test_allowed_category_needs_no_grant_at_collection(engine: Engine) -> None:
    events = [act("refused"), given(on=1)]
    made = world(events, rules=policy(effect="allow"))
    assert outcome(engine, made) == "keep OK_EXEMPT"

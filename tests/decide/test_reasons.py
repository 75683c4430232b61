"""Each reason: one case where it is the answer, and a near miss where it is not."""

from __future__ import annotations

import pytest

from consentfilter.reasons import FAIL_REASONS, KEEP_REASONS
from tests.reference import words
from tests.reference.build import (
    AS_OF,
    COLLECTED,
    DAY,
    TICK,
    Engine,
    World,
    act,
    given,
    outcome,
    person,
    policy,
    record,
    segment,
    world,
)

CHILD = {"subject_id": "ann", "birth_date": COLLECTED.date(), "lifecycle": "active"}
GUARDED = policy(actors=[{"type": "self"}, {"type": "guardian"}], minors={})
QUORUM = policy(multi_subject={"mode": "quorum", "quorum": 0.5})
OWNER = {"type": "account_owner", "scopes": ["account"], "relations": ["member"]}
PARTLY = policy(multi_subject={"mode": "per_segment", "min_retained": 0.6})
TALK = record(
    segments=[segment("s0", "ann"), segment("s1", "ann"), segment("s2", "bob")]
)
PAIR = TALK | {"segments": TALK["segments"][1:]}


def lifecycle(state: str) -> list[dict[str, str]]:
    return [{"subject_id": "ann", "lifecycle": state}]


#: Reason: (a world where it is the answer, a near miss, the near miss's outcome).
CASES: dict[str, tuple[World, World, str]] = {
    "RECORD_INVALID": (
        world([given()], record(collected_at=AS_OF + 300 * (DAY / 86400) + TICK)),
        world([given()], record(collected_at=AS_OF + 300 * (DAY / 86400))),
        "keep OK_CONSENT",
    ),
    "CATEGORY_UNKNOWN": (
        world([given()], record(category="content.Chat")),
        world([given()], record(category="content")),
        "keep OK_CONSENT",
    ),
    "CATEGORY_PROHIBITED": (
        world([given()], rules=policy(effect="prohibit")),
        world([given()], rules=policy(effect="require")),
        "keep OK_CONSENT",
    ),
    "SOURCE_NOT_ALLOWED": (
        world(
            [given()],
            record(source="third_party:shop"),
            policy(sources=["first_party"]),
        ),
        world([given()], record(), policy(sources=["first_party"])),
        "keep OK_CONSENT",
    ),
    "AGGREGATE_TOO_SMALL": (
        world([], record(group_size=49), policy(aggregate={"allow": True})),
        world([], record(group_size=50), policy(aggregate={"allow": True})),
        "keep OK_ANONYMOUS",
    ),
    "SUBJECT_UNKNOWN": (
        world([given()], record(" Unknown ")),
        world([given("unknown person")], record("unknown person")),
        "keep OK_CONSENT",
    ),
    "SUBJECT_ERASED": (
        world([given()], subjects=lifecycle("deactivated")),
        world([given()], subjects=lifecycle("active")),
        "keep OK_CONSENT",
    ),
    "SUBJECT_DECEASED": (
        world([given()], subjects=lifecycle("deceased")),
        world(
            [given()],
            rules=policy(lifecycle={"deceased": "keep"}),
            subjects=lifecycle("deceased"),
        ),
        "keep OK_CONSENT",
    ),
    "OBJECTED": (
        world([given(), act("objected", on=99)]),
        world([act("objected", on=99), given(on=98)]),
        "keep OK_CONSENT",
    ),
    "OPT_OUT_SIGNAL": (
        world([given(), act("opted_out", on=99)]),
        world([given(), act("opted_out", on=99, category="biometric")]),
        "keep OK_CONSENT",
    ),
    "CONSENT_WITHDRAWN": (
        world([given(), act("withdrawn", on=0)]),
        world([given(), act("withdrawn", on=0, recorded_at=AS_OF + TICK)]),
        "keep OK_CONSENT",
    ),
    "CONSENT_REFUSED": (
        world([act("refused")]),
        world([act("refused", purpose="marketing.email"), given()]),
        "keep OK_CONSENT",
    ),
    "CONSENT_REVOKED": (
        world([given(), act("revoked", on=10, actor_type="authority")]),
        world([given(), act("revoked", "bob", on=10, actor_type="authority")]),
        "keep OK_CONSENT",
    ),
    "CONSENT_INVALIDATED": (
        world([given(), act("invalidated", on=10)]),
        world([given(), act("invalidated", on=101)]),
        "keep OK_CONSENT",
    ),
    "CONSENT_EXPIRED": (
        world([given(valid_until=AS_OF)]),
        world([given(valid_until=AS_OF + TICK)]),
        "keep OK_CONSENT",
    ),
    "NOT_YET_VALID": (
        world([given(valid_from=AS_OF + TICK)]),
        world([given(valid_from=COLLECTED)]),
        "keep OK_CONSENT",
    ),
    "TERMS_VERSION_MISMATCH": (
        world([given(terms_version="v1.0")], rules=policy(terms=["v1"])),
        world([given(terms_version="v1")], rules=policy(terms=["v2", "v1"])),
        "keep OK_CONSENT",
    ),
    "EXPRESSION_INSUFFICIENT": (
        world([given(expression="default_on")]),
        world([given(expression="expressed")]),
        "keep OK_CONSENT",
    ),
    "AGE_UNKNOWN": (
        world([given()], rules=policy(minors={"unknown_age": "minor"})),
        world([given()], rules=policy(minors={"unknown_age": "adult"})),
        "keep OK_CONSENT",
    ),
    "MINOR_REQUIRES_GUARDIAN": (
        world([given()], rules=GUARDED, subjects=[CHILD]),
        world(
            [given(actor_type="guardian", actor_verified=True)],
            rules=GUARDED,
            subjects=[CHILD],
        ),
        "keep OK_GUARDIAN",
    ),
    "ACTOR_NOT_ALLOWED": (
        world([given(actor_type="authorized_agent")]),
        world(
            [given(actor_type="authorized_agent")],
            rules=policy(actors=[{"type": "authorized_agent"}]),
        ),
        "keep OK_ON_BEHALF",
    ),
    "RECIPIENT_NOT_COVERED": (
        world([given(recipients=["shop"])], rules=policy(recipient="lab")),
        world([given(recipients=["shop", "lab"])], rules=policy(recipient="lab")),
        "keep OK_CONSENT",
    ),
    "CATEGORY_NOT_COVERED": (
        world([given(category="content.chat_reaction")]),
        world([given(category="content")]),
        "keep OK_CONSENT",
    ),
    "PURPOSE_NOT_COVERED": (
        world([given(purpose="improve.train_ai.generative")]),
        world([given(purpose="improve")]),
        "keep OK_CONSENT",
    ),
    "COLLECTED_OUTSIDE_CONSENT": (
        world([given(on=COLLECTED + TICK)]),
        world([given(on=COLLECTED)]),
        "keep OK_CONSENT",
    ),
    "CONSENT_INTERRUPTED": (
        world(
            [given(), act("withdrawn", on=40), given(on=30)],
            rules=policy(temporal={"mode": "continuous"}),
        ),
        world(
            [given(), act("withdrawn", on=60), given(on=55)],
            rules=policy(temporal={"mode": "continuous"}),
        ),
        "keep OK_CONSENT",
    ),
    "NOTICE_MISSING": (
        world(
            [given(), act("noticed", on=COLLECTED + TICK)],
            rules=policy(requires_notice=True),
        ),
        world(
            [given(), act("noticed", on=COLLECTED)],
            rules=policy(requires_notice=True),
        ),
        "keep OK_CONSENT",
    ),
    "NO_CONSENT_RECORD": (
        world([given("Ann"), act("requested"), act("unknown")]),
        world([given(), act("requested", on=90), act("unknown", on=90)]),
        "keep OK_CONSENT",
    ),
    "QUORUM_NOT_MET": (
        world([given()], record("ann", "bob", "eve"), QUORUM),
        world([given()], record("ann", "bob"), QUORUM),
        "keep OK_CONSENT",
    ),
    "BELOW_MIN_RETAINED": (
        world([given()], PAIR, PARTLY),
        world([given()], TALK, PARTLY),
        "redact NO_CONSENT_RECORD: s2, text",
    ),
    "OK_ON_BEHALF": (
        world(
            [given(None, account_id="a", actor_type="account_owner")],
            record(person(relation="member"), account_id="a"),
            policy(actors=[OWNER]),
        ),
        world(
            [given(None, account_id="a", actor_type="account_owner")],
            record(person(relation="guest"), account_id="a"),
            policy(actors=[OWNER]),
        ),
        "drop ACTOR_NOT_ALLOWED",
    ),
    "OK_GUARDIAN": (
        world(
            [given(actor_type="guardian", actor_verified=True)],
            rules=GUARDED,
            subjects=[CHILD],
        ),
        world(
            [given(actor_type="guardian", actor_verified=False)],
            rules=GUARDED,
            subjects=[CHILD],
        ),
        "drop MINOR_REQUIRES_GUARDIAN",
    ),
    "OK_CONSENT": (
        world([given()]),
        world([given(on=COLLECTED + DAY)]),
        "drop COLLECTED_OUTSIDE_CONSENT",
    ),
    "OK_LEGAL_BASIS": (
        world([], rules=policy(basis="legitimate_interest")),
        world([act("objected", on=0)], rules=policy(basis="legitimate_interest")),
        "drop OBJECTED",
    ),
    "OK_EXEMPT": (
        world([act("objected")], rules=policy(effect="allow", ignore_denials=True)),
        world([act("objected")], rules=policy(effect="allow")),
        "drop OBJECTED",
    ),
    "OK_ANONYMOUS": (
        world([], record(group_size=50), policy(aggregate={"allow": True})),
        world([], record(group_size=50)),
        "drop SUBJECT_UNKNOWN",
    ),
}


def test_every_reason_has_its_case() -> None:
    assert set(CASES) == {*FAIL_REASONS, *KEEP_REASONS}


def test_reference_knows_the_reasons_in_the_same_order() -> None:
    assert words.FAILURES == FAIL_REASONS
    assert words.KEEPS == KEEP_REASONS


@pytest.mark.parametrize("reason", CASES)
def test_reason_is_given(engine: Engine, reason: str) -> None:
    decision = "keep" if reason.startswith("OK_") else "drop"
    assert outcome(engine, CASES[reason][0]) == f"{decision} {reason}"


@pytest.mark.parametrize("reason", CASES)
def test_near_miss_is_told_apart(engine: Engine, reason: str) -> None:
    _, near_miss, wanted = CASES[reason]
    assert reason not in wanted
    assert outcome(engine, near_miss) == wanted

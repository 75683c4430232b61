"""Who is meant, who may speak for them, of what age, and what they were told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.reference.build import (
    AS_OF,
    COLLECTED,
    TICK,
    Engine,
    act,
    ago,
    given,
    outcome,
    outcomes,
    person,
    policy,
    record,
    world,
)

KEPT = "keep OK_CONSENT"
MINOR = "drop MINOR_REQUIRES_GUARDIAN"
NOT_ALLOWED = "drop ACTOR_NOT_ALLOWED"

# -- ids ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_ledger", "in_record"),
    [
        (("email", "ann@example.org"), ("email", " ANN@Example.ORG\u00a0")),
        (("email", "strasse@example.org"), ("email", "STRAßE@example.org")),
        (("user_id", "e\u0301va"), ("user_id", "\u00e9va")),
        ((None, "ann "), ("user_id", "ann")),
    ],
)
def test_one_person_written_in_two_ways_is_one(
    engine: Engine, in_ledger: Any, in_record: Any
) -> None:
    event = given(in_ledger[1], subject_ns=in_ledger[0])
    made = world([event], record(person(in_record[1], ns=in_record[0])))
    assert outcome(engine, made) == KEPT


@pytest.mark.parametrize(
    ("in_ledger", "in_record"),
    [
        (("user_id", "ann"), ("user_id", "Ann")),
        (("user_id", "ann"), ("device", "ann")),
        (("user_id", "1"), ("user_id", "01")),
        (("user_id", "\u212bnn"), ("user_id", "ann")),
        (("user_id", "\uff41nn"), ("user_id", "ann")),
    ],
)
def test_two_people_are_never_merged(
    engine: Engine, in_ledger: Any, in_record: Any
) -> None:
    event = given(in_ledger[1], subject_ns=in_ledger[0])
    made = world([event], record(person(in_record[1], ns=in_record[0])))
    assert outcome(engine, made) == "drop NO_CONSENT_RECORD"


def test_large_integer_id_is_not_rounded(engine: Engine) -> None:
    made = world(
        [given(9007199254740993)],
        [record(9007199254740993), record(9007199254740992)],
    )
    assert outcomes(engine, made) == [KEPT, "drop NO_CONSENT_RECORD"]


def test_integer_and_text_of_one_id_meet(engine: Engine) -> None:
    assert outcome(engine, world([given(42)], record("42"))) == KEPT


@pytest.mark.parametrize(
    "name", ["", " ", "null", "None", "NaN", "n/a", "UNKNOWN", "anonymous", None]
)
def test_placeholder_is_nobody(engine: Engine, name: str | None) -> None:
    made = world([given(name, account_id="a")], record(name, account_id="a"))
    assert outcome(engine, made) == "drop SUBJECT_UNKNOWN"


def test_grant_of_a_placeholder_is_not_everyones(engine: Engine) -> None:
    made = world([given("unknown", account_id="a")], record(account_id="a"))
    assert outcome(engine, made) == "drop NO_CONSENT_RECORD"


def test_denial_of_a_placeholder_is_everyones_in_its_scope(engine: Engine) -> None:
    denial = act("refused", "unknown", on=90, account_id="a")
    made = world([given(), denial], record(account_id="a"))
    assert outcome(engine, made) == "drop CONSENT_REFUSED"


def test_only_mentioned_people_leave_the_author_unknown(engine: Engine) -> None:
    made = world([given()], record(person(role="mentioned")))
    assert outcome(engine, made) == "drop SUBJECT_UNKNOWN"


# -- lifecycle ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("active", KEPT),
        ("deactivated", "drop SUBJECT_ERASED"),
        ("deleted", "drop SUBJECT_ERASED"),
        ("deceased", "drop SUBJECT_DECEASED"),
    ],
)
def test_lifecycle_goes_before_consent(engine: Engine, state: str, wanted: str) -> None:
    people = [{"subject_id": "ann", "lifecycle": state}]
    assert outcome(engine, world([given()], subjects=people)) == wanted
    kept = policy(lifecycle={state: "keep"}) if state != "active" else policy()
    assert outcome(engine, world([given()], rules=kept, subjects=people)) == KEPT


# -- minors -------------------------------------------------------------------------

BOTH = [{"type": "self"}, {"type": "guardian"}]


def aged(birth: date, jurisdiction: str | None = None) -> list[dict[str, Any]]:
    return [
        {
            "subject_id": "ann",
            "birth_date": birth,
            "jurisdiction": jurisdiction,
            "lifecycle": "active",
        }
    ]


def guarded(**minors: Any) -> Any:
    return policy(actors=BOTH, minors={"ages": {"default": 16}, **minors})


BIRTHDAY = datetime(2026, 3, 1, tzinfo=UTC)


def test_own_consent_counts_from_the_birthday_on(engine: Engine) -> None:
    people = aged(date(2010, 3, 1))
    early = world([given(on=BIRTHDAY - TICK)], rules=guarded(), subjects=people)
    assert outcome(engine, early) == MINOR
    due = world([given(on=BIRTHDAY)], rules=guarded(), subjects=people)
    assert outcome(engine, due) == KEPT


def test_born_on_29_february_comes_of_age_on_1_march(engine: Engine) -> None:
    rules = guarded(ages={"default": 14})
    people = aged(date(2012, 2, 29))
    early = world([given(on=BIRTHDAY - TICK)], rules=rules, subjects=people)
    assert outcome(engine, early) == MINOR
    due = world([given(on=BIRTHDAY)], rules=rules, subjects=people)
    assert outcome(engine, due) == KEPT


def test_born_on_29_february_comes_of_age_that_day_in_a_leap_year(
    engine: Engine,
) -> None:
    rules = guarded(ages={"default": 12})
    leap = datetime(2024, 2, 29, tzinfo=UTC)
    people = aged(date(2012, 2, 29))
    assert outcome(engine, world([given(on=leap)], rules=rules, subjects=people)) == (
        KEPT
    )
    early = world([given(on=leap - TICK)], rules=rules, subjects=people)
    assert outcome(engine, early) == MINOR


@pytest.mark.parametrize(
    ("code", "wanted"), [("US-CA", KEPT), ("US", KEPT), ("FR", MINOR), (None, MINOR)]
)
def test_age_of_consent_is_that_of_the_place(
    engine: Engine, code: str | None, wanted: str
) -> None:
    rules = guarded(ages={"default": 16, "US": 13})
    people = aged(date(2012, 1, 1), code)
    assert outcome(engine, world([given()], rules=rules, subjects=people)) == wanted


def guardian(**more: Any) -> Any:
    return given(actor_type="guardian", actor_verified=True, **more)


def test_verified_guardian_speaks_for_a_minor(engine: Engine) -> None:
    people = aged(date(2015, 1, 1))
    made = world([guardian()], rules=guarded(), subjects=people)
    assert outcome(engine, made) == "keep OK_GUARDIAN"
    unverified = guardian() | {"actor_verified": None}
    made = world([unverified], rules=guarded(), subjects=people)
    assert outcome(engine, made) == MINOR


def test_guardian_does_not_speak_for_an_adult(engine: Engine) -> None:
    people = aged(date(2010, 3, 1))
    due = world([guardian(on=BIRTHDAY)], rules=guarded(), subjects=people)
    assert outcome(engine, due) == NOT_ALLOWED
    early = world([guardian(on=BIRTHDAY - TICK)], rules=guarded(), subjects=people)
    assert outcome(engine, early) == "keep OK_GUARDIAN"


def test_guardians_consent_lapses_at_majority_if_the_policy_says_so(
    engine: Engine,
) -> None:
    rules = guarded(on_majority="lapse")
    for day, wanted in ((15, "drop CONSENT_EXPIRED"), (16, "keep OK_GUARDIAN")):
        people = aged(date(2010, 6, day))
        made = world([guardian()], rules=rules, subjects=people)
        assert outcome(engine, made) == wanted


def test_ages_matter_only_where_the_policy_says_so(engine: Engine) -> None:
    made = world([given()], subjects=aged(date(2020, 1, 1)))
    assert outcome(engine, made) == KEPT


# -- actors ------------------------------------------------------------------------

OWNER = {"type": "account_owner", "scopes": ["account"], "relations": ["member"]}
OWNED = policy(actors=[{"type": "self"}, OWNER])
BY_OWNER = given(None, account_id="a", actor_type="account_owner")


@pytest.mark.parametrize(
    ("relation", "wanted"),
    [("member", "keep OK_ON_BEHALF"), ("guest", NOT_ALLOWED), (None, NOT_ALLOWED)],
)
def test_account_owner_speaks_for_members_not_for_guests(
    engine: Engine, relation: str | None, wanted: str
) -> None:
    who = person(relation=relation)
    made = world([BY_OWNER], record(who, account_id="a"), OWNED)
    assert outcome(engine, made) == wanted


def test_account_owner_speaks_in_the_own_account_only(engine: Engine) -> None:
    who = person(relation="member")
    for account in ("b", None, ""):
        made = world([BY_OWNER], record(who, account_id=account), OWNED)
        assert outcome(engine, made) == "drop NO_CONSENT_RECORD"


def test_scope_of_a_statement_must_be_listed(engine: Engine) -> None:
    who = person(relation="member")
    about_ann = given("ann", account_id="a", actor_type="account_owner")
    made = world([about_ann], record(who, account_id="a"), OWNED)
    assert outcome(engine, made) == NOT_ALLOWED
    meeting = given(None, context_id="c", account_id="a", actor_type="account_owner")
    made = world([meeting], record(who, account_id="a", context_id="c"), OWNED)
    assert outcome(engine, made) == NOT_ALLOWED


def test_own_consent_goes_before_the_owners(engine: Engine) -> None:
    who = person(relation="member")
    made = world([BY_OWNER, given()], record(who, account_id="a"), OWNED)
    assert outcome(engine, made) == KEPT


def test_own_refusal_goes_before_the_owners_consent(engine: Engine) -> None:
    who = person(relation="member")
    made = world([BY_OWNER, act("refused")], record(who, account_id="a"), OWNED)
    assert outcome(engine, made) == "drop CONSENT_REFUSED"


# -- links -------------------------------------------------------------------------


def linked(*pairs: str) -> list[dict[str, Any]]:
    return [
        {"ns_a": None, "id_a": a, "ns_b": None, "id_b": b}
        for a, b in (pair.split("-") for pair in pairs)
    ]


def test_denials_travel_along_links_grants_do_not(engine: Engine) -> None:
    denied = world(
        [given(), act("opted_out", "phone", on=90)], links=linked("phone-ann")
    )
    assert outcome(engine, denied) == "drop OPT_OUT_SIGNAL"
    granted = world([given("phone")], links=linked("phone-ann"))
    assert outcome(engine, granted) == "drop NO_CONSENT_RECORD"


def test_links_lead_on(engine: Engine) -> None:
    made = world(
        [given(), act("opted_out", "tablet", on=90)],
        links=linked("ann-phone", "tablet-phone"),
    )
    assert outcome(engine, made) == "drop OPT_OUT_SIGNAL"


def test_later_grant_of_the_linked_identity_ends_its_denial(engine: Engine) -> None:
    events = [given(), act("opted_out", "phone", on=90), given("phone", on=80)]
    assert outcome(engine, world(events, links=linked("phone-ann"))) == KEPT


# -- notices, expression, terms -----------------------------------------------------

TOLD = policy(requires_notice=True)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, KEPT),
        ({"on": COLLECTED + TICK}, "drop NOTICE_MISSING"),
        ({"purpose": "*", "category": "content"}, KEPT),
        ({"purpose": "improve.train_ai.generative"}, "drop NOTICE_MISSING"),
        ({"category": "content.audio"}, "drop NOTICE_MISSING"),
        ({"category": None}, "drop NOTICE_MISSING"),
        ({"purpose": None}, "drop NOTICE_MISSING"),
        ({"who": "bob"}, "drop NOTICE_MISSING"),
        ({"who": None, "context_id": "c"}, KEPT),
        ({"who": None, "context_id": "d"}, "drop NOTICE_MISSING"),
        ({"source_id": "screen"}, KEPT),
    ],
)
def test_notice_must_precede_the_collection_and_cover_it(
    engine: Engine, change: dict[str, Any], wanted: str
) -> None:
    notice = act("noticed", change.get("who", "ann"), on=change.get("on", COLLECTED))
    notice |= {k: v for k, v in change.items() if k not in ("who", "on")}
    made = world([given(), notice], record(context_id="c"), TOLD)
    assert outcome(engine, made) == wanted


def test_notice_to_a_linked_identity_is_none(engine: Engine) -> None:
    made = world(
        [given(), act("noticed", "phone")], rules=TOLD, links=linked("ann-phone")
    )
    assert outcome(engine, made) == "drop NOTICE_MISSING"


def test_notice_is_asked_of_other_legal_bases_too(engine: Engine) -> None:
    rules = policy(basis="legitimate_interest", requires_notice=True)
    assert outcome(engine, world([], rules=rules)) == "drop NOTICE_MISSING"
    told = world([act("noticed")], rules=rules)
    assert outcome(engine, told) == "keep OK_LEGAL_BASIS"


@pytest.mark.parametrize("basis", ["legitimate_interest", "contract"])
def test_standing_objection_excludes_whenever_it_was_collected(
    engine: Engine, basis: str
) -> None:
    made = world([act("objected", on=AS_OF)], rules=policy(basis=basis))
    assert outcome(engine, made) == "drop OBJECTED"


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("explicit", KEPT),
        ("expressed", KEPT),
        *((e, "drop EXPRESSION_INSUFFICIENT") for e in ("default_on", "notice")),
        *((e, "drop EXPRESSION_INSUFFICIENT") for e in ("terms", "implied", None)),
    ],
)
def test_default_box_and_got_it_are_no_consent(
    engine: Engine, expression: str | None, wanted: str
) -> None:
    assert outcome(engine, world([given(expression=expression)])) == wanted


def test_unacceptable_grant_lifts_nothing(engine: Engine) -> None:
    events = [act("refused", on=90), given(on=80, expression="default_on")]
    assert outcome(engine, world(events)) == "drop CONSENT_REFUSED"


def test_unacceptable_grant_displaces_nothing(engine: Engine) -> None:
    events = [given(), given(on=80, expression="notice")]
    assert outcome(engine, world(events)) == KEPT


def test_denials_are_judged_on_nothing_but_scope(engine: Engine) -> None:
    denial = act(
        "refused",
        on=90,
        expression="implied",
        actor_type="unknown",
        terms_version="other",
        recipients=["other"],
    )
    rules = policy(terms=["v1"], recipient="lab", expression=["explicit"])
    grant = given(terms_version="v1", recipients=["lab"])
    made = world([grant, denial], rules=rules)
    assert outcome(engine, made) == "drop CONSENT_REFUSED"


def test_terms_are_compared_exactly(engine: Engine) -> None:
    rules = policy(terms=["2023-08-07", "2023-08-11"])
    for version, wanted in (
        ("2023-08-11", KEPT),
        ("2023-08-7", "drop TERMS_VERSION_MISMATCH"),
        (None, "drop TERMS_VERSION_MISMATCH"),
    ):
        made = world([given(terms_version=version)], rules=rules)
        assert outcome(engine, made) == wanted


@pytest.mark.parametrize(
    ("recipients", "wanted"),
    [
        (["lab"], KEPT),
        (["*"], KEPT),
        (["other"], "drop RECIPIENT_NOT_COVERED"),
        ([], "drop RECIPIENT_NOT_COVERED"),
        (None, "drop RECIPIENT_NOT_COVERED"),
    ],
)
def test_recipient_must_be_named(
    engine: Engine, recipients: list[str] | None, wanted: str
) -> None:
    made = world([given(recipients=recipients)], rules=policy(recipient="lab"))
    assert outcome(engine, made) == wanted
    inside = world([given(recipients=recipients)])
    assert outcome(engine, inside) == KEPT


def test_first_failed_test_is_reported(engine: Engine) -> None:
    event = given(
        purpose="improve.service", expression="default_on", actor_type="guardian"
    )
    assert outcome(engine, world([event])) == "drop PURPOSE_NOT_COVERED"
    nearer = given(on=90, expression="default_on")
    made = world([event, nearer])
    assert outcome(engine, made) == "drop EXPRESSION_INSUFFICIENT"


def test_expired_is_reported_before_wrong_purpose(engine: Engine) -> None:
    events = [given(purpose="improve.service"), given(valid_until=ago(5))]
    assert outcome(engine, world(events)) == "drop CONSENT_EXPIRED"

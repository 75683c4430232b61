"""Several people, parts of a record, several policies: what is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference.build import (
    Engine,
    act,
    given,
    outcome,
    outcomes,
    person,
    policy,
    record,
    segment,
    world,
)

KEPT = "keep OK_CONSENT"
NOBODY_ASKED = "drop NO_CONSENT_RECORD"

# -- everybody, or enough ------------------------------------------------------------


def test_everybody_must_permit(engine: Engine) -> None:
    pair = record("ann", "bob")
    assert outcome(engine, world([given()], pair)) == NOBODY_ASKED
    assert outcome(engine, world([given(), given("bob")], pair)) == KEPT


def test_first_reason_of_all_the_people_is_reported(engine: Engine) -> None:
    events = [act("refused", "ann"), act("objected", "bob")]
    assert outcome(engine, world(events, record("ann", "bob"))) == "drop OBJECTED"


def test_weakest_keep_reason_of_all_the_people_is_reported(engine: Engine) -> None:
    rules = policy(actors=[{"type": "self"}, {"type": "authorized_agent"}])
    events = [given(), given("bob", actor_type="authorized_agent")]
    made = world(events, record("ann", "bob"), rules)
    assert outcome(engine, made) == "keep OK_ON_BEHALF"


def test_only_the_listed_roles_are_asked(engine: Engine) -> None:
    cast = record("ann", person("bob", role="depicted"))
    rules = policy(multi_subject={"roles": ["author"]})
    assert outcome(engine, world([given()], cast, rules)) == KEPT
    assert outcome(engine, world([given()], cast)) == NOBODY_ASKED


def test_mentioned_people_are_not_asked(engine: Engine) -> None:
    cast = record("ann", person("bob", role="mentioned"))
    assert outcome(engine, world([given()], cast)) == KEPT


def quorum(share: float) -> Any:
    return policy(multi_subject={"mode": "quorum", "quorum": share})


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(0.5, KEPT), (0.66, KEPT), (0.67, "drop QUORUM_NOT_MET"), (1.0, None)],
)
def test_share_of_the_people_that_permit_is_a_quorum(
    engine: Engine, share: float, wanted: str | None
) -> None:
    trio = record("ann", "bob", "eve")
    made = world([given(), given("bob")], trio, quorum(share))
    assert outcome(engine, made) == (wanted or "drop QUORUM_NOT_MET")


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("objected", "drop OBJECTED"),
        ("opted_out", "drop OPT_OUT_SIGNAL"),
        ("withdrawn", "drop CONSENT_WITHDRAWN"),
        ("refused", "drop CONSENT_REFUSED"),
        ("revoked", "drop CONSENT_REVOKED"),
        ("expired", KEPT),
        ("invalidated", KEPT),
    ],
)
def test_denial_is_never_outvoted(engine: Engine, status: str, wanted: str) -> None:
    trio = record("ann", "bob", "eve")
    events = [given(), given("bob"), act(status, "eve")]
    assert outcome(engine, world(events, trio, quorum(0.5))) == wanted


def test_person_named_twice_counts_once(engine: Engine) -> None:
    made = world([given()], record("ann", "ann", "bob"), quorum(0.6))
    assert outcome(engine, made) == "drop QUORUM_NOT_MET"


def test_person_named_twice_must_pass_each_time(engine: Engine) -> None:
    owner = {"type": "account_owner", "relations": ["member"]}
    rules = quorum(0.5) | policy(actors=[owner])
    event = given(None, account_id="a", actor_type="account_owner")
    member, guest = person(relation="member"), person(relation="guest")
    twice = record(member, guest, account_id="a")
    assert outcome(engine, world([event], twice, rules)) == "drop QUORUM_NOT_MET"


def test_nameless_people_each_count(engine: Engine) -> None:
    crowd = record("ann", "unknown", person(None))
    assert outcome(engine, world([given()], crowd, quorum(0.4))) == (
        "drop QUORUM_NOT_MET"
    )
    assert outcome(engine, world([given()], crowd, quorum(0.33))) == KEPT


# -- segments ------------------------------------------------------------------------


def per_segment(**keys: Any) -> Any:
    return policy(multi_subject={"mode": "per_segment", **keys})


TALK = [segment("s0", "ann"), segment("s1", "bob"), segment("s2", "ann")]


def talk(*segments: Any, **more: Any) -> Any:
    return record(segments=list(segments or TALK), **more) | {"subjects": []}


def test_segment_of_who_does_not_permit_goes(engine: Engine) -> None:
    made = world([given()], talk(), per_segment())
    assert outcome(engine, made) == "redact NO_CONSENT_RECORD: s1, text"


def test_nothing_goes_if_everybody_permits(engine: Engine) -> None:
    made = world([given(), given("bob")], talk(), per_segment())
    assert outcome(engine, made) == KEPT


def test_record_without_any_permitted_segment_is_dropped(engine: Engine) -> None:
    made = world([act("objected", "bob")], talk(), per_segment())
    assert outcome(engine, made) == "drop OBJECTED"


def test_record_with_segments_is_judged_as_a_whole_in_other_modes(
    engine: Engine,
) -> None:
    assert outcome(engine, world([given()], talk())) == NOBODY_ASKED
    assert outcome(engine, world([given(), given("bob")], talk())) == KEPT


def test_record_without_segments_is_judged_as_a_whole(engine: Engine) -> None:
    made = world([given()], record("ann", "bob"), per_segment())
    assert outcome(engine, made) == NOBODY_ASKED


def test_segment_by_nobody_has_an_unknown_subject(engine: Engine) -> None:
    pair = talk(segment("s0", "ann"), segment("s1"))
    made = world([given()], pair, per_segment())
    assert outcome(engine, made) == "redact SUBJECT_UNKNOWN: s1, text"
    assert outcome(engine, world([given()], pair)) == "drop SUBJECT_UNKNOWN"


def test_summary_beside_the_segments_is_everybodys(engine: Engine) -> None:
    notes = talk(summary="Bob agreed", text=None)
    made = world([given()], notes, per_segment())
    assert outcome(engine, made) == "redact NO_CONSENT_RECORD: s1, summary"


def test_null_column_counts_for_nothing(engine: Engine) -> None:
    made = world([given()], talk(text=None, summary=None), per_segment())
    assert outcome(engine, made) == "redact NO_CONSENT_RECORD: s1"


def test_kept_column_stays_beside_a_segment_that_goes(engine: Engine) -> None:
    rules = per_segment() | {
        "rules": [
            {"id": "all", "categories": ["*"]},
            {"id": "usage", "categories": ["service_generated"], "effect": "allow"},
        ]
    }
    fields = [{"name": "n", "category": "service_generated.usage", "required": False}]
    made = world([given()], talk(n=17, fields=fields), rules, keep=["n"])
    assert outcome(engine, made) == "redact NO_CONSENT_RECORD: s1, text"
    lost = world([given()], talk(n=17, fields=fields), rules)
    assert outcome(engine, lost) == "redact NO_CONSENT_RECORD: n, s1, text"


def test_column_of_the_record_needs_all_its_people(engine: Engine) -> None:
    mine = talk(segment("s0", "ann")) | {"subjects": [person("eve")]}
    made = world([given()], mine, per_segment())
    assert outcome(engine, made) == "redact NO_CONSENT_RECORD: text"
    made = world([given()], mine | {"text": None}, per_segment())
    assert outcome(engine, made) == KEPT


def test_segment_may_have_a_category_of_its_own(engine: Engine) -> None:
    parts = talk(segment("s0", "ann"), segment("s1", "ann", category="content.audio"))
    made = world([given(category="content.chat")], parts, per_segment())
    assert outcome(engine, made) == "redact CATEGORY_NOT_COVERED: s1, text"


def test_share_that_is_left_must_be_enough(engine: Engine) -> None:
    for least, wanted in (
        (0.66, "redact NO_CONSENT_RECORD: s1, text"),
        (0.67, "drop BELOW_MIN_RETAINED"),
    ):
        made = world([given()], talk(), per_segment(min_retained=least))
        assert outcome(engine, made) == wanted


def test_required_column_beside_segments_drops_the_record(engine: Engine) -> None:
    fields = [{"name": "text", "category": None, "required": True}]
    made = world([given()], talk(fields=fields), per_segment())
    assert outcome(engine, made) == NOBODY_ASKED


# -- fields --------------------------------------------------------------------------

PARTS = policy(on_fail="redact_fields")
NOTED = record(summary="short", n=3)


def named(name: str, category: str | None, required: bool = False) -> dict[str, Any]:
    return {"name": name, "category": category, "required": required}


CHAT_ONLY = [given(category="content.chat")]


def test_column_of_another_category_goes_alone(engine: Engine) -> None:
    made = NOTED | {"fields": [named("summary", "content.ai_output")]}
    assert outcome(engine, world(CHAT_ONLY, made, PARTS)) == (
        "redact CATEGORY_NOT_COVERED: summary"
    )
    assert outcome(engine, world(CHAT_ONLY, made)) == "drop CATEGORY_NOT_COVERED"


def test_null_field_counts_for_nothing(engine: Engine) -> None:
    fields = [named("summary", "content.ai_output", required=True)]
    made = record(summary=None, fields=fields)
    assert outcome(engine, world(CHAT_ONLY, made, PARTS)) == KEPT
    assert outcome(engine, world(CHAT_ONLY, made)) == KEPT


def test_required_column_that_goes_drops_the_record(engine: Engine) -> None:
    made = NOTED | {"fields": [named("summary", "content.ai_output", required=True)]}
    assert outcome(engine, world(CHAT_ONLY, made, PARTS)) == (
        "drop CATEGORY_NOT_COVERED"
    )


def test_column_that_cannot_be_null_is_required(engine: Engine) -> None:
    made = NOTED | {"fields": [named("summary", "content.ai_output")]}
    world_ = world(CHAT_ONLY, made, PARTS, non_nullable=["summary"])
    assert outcome(engine, world_) == "drop CATEGORY_NOT_COVERED"


def test_record_without_a_permitted_column_is_dropped(engine: Engine) -> None:
    assert outcome(engine, world([], NOTED, PARTS)) == NOBODY_ASKED


def test_unknown_category_of_a_column_drops_the_record(engine: Engine) -> None:
    made = NOTED | {"fields": [named("summary", "content.unheard_of")]}
    assert outcome(engine, world([given()], made, PARTS)) == "drop CATEGORY_UNKNOWN"
    empty = made | {"summary": None}
    assert outcome(engine, world([given()], empty, PARTS)) == "drop CATEGORY_UNKNOWN"


def test_columns_declared_once_hold_for_every_record(engine: Engine) -> None:
    declared = {"summary": {"category": "content.ai_output", "required": False}}
    made = world(CHAT_ONLY, [NOTED, record()], PARTS, fields=declared)
    assert outcomes(engine, made) == ["redact CATEGORY_NOT_COVERED: summary", KEPT]


def test_quorum_is_asked_for_every_column(engine: Engine) -> None:
    rules = quorum(0.5) | {"on_fail": "redact_fields"}
    events = [given(), given("bob", category="content.chat")]
    made = record(
        "ann",
        "bob",
        "eve",
        summary="short",
        fields=[named("summary", "content.ai_output")],
    )
    assert outcome(engine, world(events, made, rules)) == (
        "redact QUORUM_NOT_MET: summary"
    )


# -- mentions ------------------------------------------------------------------------

HIDING = policy(multi_subject={"mentions": "pseudonymise"})


def mention(who: str, field: str | None = "text", start: int = 6, end: int = 9) -> Any:
    span = {"field": field, "start": start, "end": end} if field else {}
    return {"ns": None, "id": who, **span}


def test_mention_of_who_does_not_permit_is_replaced(engine: Engine) -> None:
    made = record(mentions=[mention("bob"), mention("ann", start=19, end=22)])
    assert outcome(engine, world([given()], made, HIDING)) == (
        "redact NO_CONSENT_RECORD: mention:bob"
    )
    assert outcome(engine, world([given()], made)) == KEPT


def test_mentioned_subject_without_a_span_is_listed(engine: Engine) -> None:
    made = record("ann", person("bob", role="mentioned"))
    assert outcome(engine, world([given()], made, HIDING)) == (
        "redact NO_CONSENT_RECORD: mention:bob"
    )


def test_mention_outside_its_text_takes_the_column_along(engine: Engine) -> None:
    made = record(summary="hi", mentions=[mention("bob", "summary", 0, 99)])
    assert outcome(engine, world([given()], made, HIDING)) == (
        "redact NO_CONSENT_RECORD: summary"
    )
    fields = [named("summary", None, required=True)]
    needed = made | {"fields": fields}
    assert outcome(engine, world([given()], needed, HIDING)) == NOBODY_ASKED


def test_mention_in_a_column_that_goes_is_not_listed(engine: Engine) -> None:
    rules = PARTS | HIDING
    made = NOTED | {
        "fields": [named("summary", "content.ai_output")],
        "mentions": [mention("bob", "summary", 0, 2)],
    }
    assert outcome(engine, world(CHAT_ONLY, made, rules)) == (
        "redact CATEGORY_NOT_COVERED: summary"
    )


def test_mention_is_judged_for_its_column(engine: Engine) -> None:
    made = NOTED | {
        "fields": [named("summary", "content.ai_output")],
        "mentions": [mention("bob", "summary", 0, 2), mention("bob")],
    }
    events = [given(), given("bob", category="content.ai_output")]
    assert outcome(engine, world(events, made, HIDING)) == (
        "redact CATEGORY_NOT_COVERED: mention:bob"
    )


def test_mentions_count_beside_segments(engine: Engine) -> None:
    rules = per_segment(mentions="pseudonymise")
    lone = talk(segment("s0", "ann"), mentions=[mention("bob")])
    assert outcome(engine, world([given()], lone, rules)) == (
        "redact NO_CONSENT_RECORD: mention:bob"
    )


# -- several policies ----------------------------------------------------------------


def all_of(*members: Any) -> Any:
    named = [{**member, "id": f"p{at}"} for at, member in enumerate(members)]
    return {"id": "both", "version": "1", "all_of": named}


def test_strictest_policy_wins(engine: Engine) -> None:
    rules = all_of(policy(effect="allow"), policy())
    assert outcome(engine, world([], rules=rules)) == NOBODY_ASKED
    assert outcome(engine, world([given()], rules=rules)) == KEPT


def test_first_reason_of_all_the_policies_is_reported(engine: Engine) -> None:
    rules = all_of(policy(terms=["v1"]), policy(effect="prohibit"))
    assert outcome(engine, world([given()], rules=rules)) == "drop CATEGORY_PROHIBITED"


def test_everything_that_any_policy_removes_is_removed(engine: Engine) -> None:
    fields = [named("summary", "content.ai_output"), named("n", "content.file")]
    made = NOTED | {"fields": fields}
    chat = policy(
        on_fail="redact_fields",
        rules=[
            {"id": "all", "categories": ["*"], "effect": "allow"},
            {"id": "ai", "categories": ["content.ai_output"]},
        ],
    )
    file = policy(
        on_fail="redact_fields",
        rules=[
            {"id": "all", "categories": ["*"], "effect": "allow"},
            {"id": "file", "categories": ["content.file"], "effect": "prohibit"},
        ],
    )
    assert outcome(engine, world([], made, all_of(chat, file))) == (
        "redact CATEGORY_PROHIBITED: n, summary"
    )


def only(*kept: str) -> Any:
    """Return a policy that permits nothing but some categories, by column."""
    rules = [{"id": "none", "categories": ["*"]}]
    rules += [{"id": k, "categories": [k], "effect": "allow"} for k in kept]
    return policy(on_fail="redact_fields", rules=rules)


def test_nothing_left_under_several_policies_is_dropped(engine: Engine) -> None:
    fields = [named("text", "content.chat"), named("summary", "content.ai_output")]
    made = record(summary="short", fields=fields)
    rules = all_of(only("content.chat"), only("content.ai_output"))
    assert outcome(engine, world([], made, rules)) == NOBODY_ASKED


def test_largest_share_applies_to_what_all_the_policies_leave(engine: Engine) -> None:
    parts = talk(
        segment("s0", "ann", category="content.chat"),
        segment("s1", "ann", category="content.audio"),
        segment("s2", "ann", category="content.file"),
        segment("s3", "ann", category="content.post"),
        text=None,
    )

    def without(category: str, least: float) -> Any:
        return per_segment(min_retained=least) | {
            "rules": [
                {"id": "all", "categories": ["*"], "effect": "allow"},
                {"id": "no", "categories": [category], "effect": "prohibit"},
            ]
        }

    enough = all_of(without("content.chat", 0.5), without("content.audio", 0.0))
    assert outcome(engine, world([], parts, enough)) == (
        "redact CATEGORY_PROHIBITED: s0, s1"
    )
    less = all_of(without("content.chat", 0.51), without("content.audio", 0.0))
    assert outcome(engine, world([], parts, less)) == "drop BELOW_MIN_RETAINED"

"""Purposes, categories, places: which rule answers, and what a statement covers."""

from __future__ import annotations

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


@pytest.mark.parametrize("node", ["*", "content", "content.chat"])
def test_grant_covers_its_category_and_those_below(engine: Engine, node: str) -> None:
    assert outcome(engine, world([given(category=node)])) == KEPT


@pytest.mark.parametrize("node", ["content.chat.thread", "content.chat_reaction"])
def test_grant_does_not_cover_what_is_above_or_beside(
    engine: Engine, node: str
) -> None:
    made = world([given(category=node)])
    assert outcome(engine, made) == "drop CATEGORY_NOT_COVERED"


@pytest.mark.parametrize("node", ["*", "content", "content.chat"])
def test_denial_touches_from_above(engine: Engine, node: str) -> None:
    made = world([given(), act("refused", on=90, category=node)])
    assert outcome(engine, made) == "drop CONSENT_REFUSED"


def test_denial_of_a_part_touches_the_whole(engine: Engine) -> None:
    events = [given(), act("refused", on=90, category="content.chat")]
    made = world(events, record(category="content"))
    assert outcome(engine, made) == "drop CONSENT_REFUSED"


def test_refused_voiceprint_does_not_touch_audio(engine: Engine) -> None:
    events = [given(), act("refused", on=90, category="biometric.voiceprint")]
    assert outcome(engine, world(events, record(category="content.audio"))) == KEPT


def test_refused_generative_training_touches_all_training(engine: Engine) -> None:
    events = [given(), act("refused", on=90, purpose="improve.train_ai.generative")]
    assert outcome(engine, world(events)) == "drop CONSENT_REFUSED"


def test_consent_to_improve_the_service_is_no_consent_to_training(
    engine: Engine,
) -> None:
    made = world([given(purpose="improve.service")])
    assert outcome(engine, made) == "drop PURPOSE_NOT_COVERED"


def test_category_names_are_case_sensitive(engine: Engine) -> None:
    made = world([given()], record(category="Content.chat"))
    assert outcome(engine, made) == "drop CATEGORY_UNKNOWN"


@pytest.mark.parametrize("category", [None, "", "content.", "chat", "*"])
def test_category_outside_the_tree_is_dropped(
    engine: Engine, category: str | None
) -> None:
    made = world([given()], record(category=category))
    assert outcome(engine, made) == "drop CATEGORY_UNKNOWN"


@pytest.mark.parametrize("key", ["purpose", "category"])
@pytest.mark.parametrize("value", [None, "shopping.unheard_of"])
def test_broken_denial_is_honoured_for_everything(
    engine: Engine, key: str, value: str | None
) -> None:
    made = world([given(), act("objected", on=90) | {key: value}])
    assert outcome(engine, made) == "drop OBJECTED"


@pytest.mark.parametrize("key", ["purpose", "category"])
def test_broken_grant_is_ignored(engine: Engine, key: str) -> None:
    assert outcome(engine, world([given() | {key: None}])) == "drop NO_CONSENT_RECORD"


def test_grant_for_an_unknown_node_covers_nothing(engine: Engine) -> None:
    made = world([given(category="content.unheard_of")])
    assert outcome(engine, made) == "drop CATEGORY_NOT_COVERED"


def test_unknown_enum_in_a_grant_sets_it_aside(engine: Engine) -> None:
    made = world([given(actor_type="martian")])
    assert outcome(engine, made) == "drop NO_CONSENT_RECORD"


def test_unknown_enum_in_a_denial_widens_it(engine: Engine) -> None:
    odd = act("refused", on=90, category="content.audio", actor_type="martian")
    assert outcome(engine, world([given(), odd])) == "drop CONSENT_REFUSED"


def test_grant_on_another_legal_basis_is_no_consent(engine: Engine) -> None:
    made = world([given(legal_basis="contract")])
    assert outcome(engine, made) == "drop NO_CONSENT_RECORD"


def test_all_purposes_must_be_permitted(engine: Engine) -> None:
    both = policy(purposes=["improve.train_ai", "research.academic"])
    one = world([given()], rules=both)
    assert outcome(engine, one) == "drop PURPOSE_NOT_COVERED"
    two = world([given(), given(purpose="research", source_id="crm")], rules=both)
    assert outcome(engine, two) == KEPT


def test_later_grant_of_another_purpose_displaces_nothing(engine: Engine) -> None:
    both = policy(purposes=["improve.train_ai", "research.academic"])
    made = world([given(), given(purpose="research", on=90)], rules=both)
    assert outcome(engine, made) == KEPT


@pytest.mark.parametrize("purpose", ["*", "improve"])
def test_consent_must_name_the_purpose_where_it_is_not_inherited(
    engine: Engine, purpose: str
) -> None:
    made = world([given(purpose=purpose)], rules=policy(inherit_purpose=False))
    assert outcome(engine, made) == "drop PURPOSE_NOT_COVERED"
    named = world([given()], rules=policy(inherit_purpose=False))
    assert outcome(engine, named) == KEPT


# -- which rule ------------------------------------------------------------------

NEAR = [
    {"id": "all", "categories": ["*"], "effect": "prohibit"},
    {"id": "content", "categories": ["content"]},
    {"id": "audio", "categories": ["content.audio"], "effect": "allow"},
]


@pytest.mark.parametrize(
    ("category", "wanted"),
    [
        ("content.chat", KEPT),
        ("content.audio", "keep OK_EXEMPT"),
        ("content", KEPT),
        ("account.profile", "drop CATEGORY_PROHIBITED"),
    ],
)
def test_nearest_rule_answers(engine: Engine, category: str, wanted: str) -> None:
    made = world([given()], record(category=category), policy(rules=NEAR))
    assert outcome(engine, made) == wanted


def test_category_without_a_rule_is_not_permitted(engine: Engine) -> None:
    rules = policy(rules=NEAR[1:2])
    made = world([given()], record(category="account.profile"), rules)
    assert outcome(engine, made) == "drop NO_CONSENT_RECORD"


STRICT = [{"id": "eu", "categories": ["*"], "expression": ["explicit"]}]
LOOSE = [{"id": "us", "categories": ["*"], "effect": "allow"}]
PLACES = policy(
    rules=[{"id": "audio", "categories": ["content.chat"], "effect": "prohibit"}],
    jurisdictions={"EU": STRICT, "US": LOOSE},
)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("DE", "drop EXPRESSION_INSUFFICIENT"),
        ("de-by ", "drop EXPRESSION_INSUFFICIENT"),
        ("US-CA", "keep OK_EXEMPT"),
        ("BR", "drop CATEGORY_PROHIBITED"),
        (None, "drop CATEGORY_PROHIBITED"),
        ("GB", "drop CATEGORY_PROHIBITED"),
    ],
)
def test_list_of_the_place_goes_before_the_default_list(
    engine: Engine, code: str | None, wanted: str
) -> None:
    made = world([given(expression="expressed")], record(jurisdiction=code), PLACES)
    assert outcome(engine, made) == wanted


def test_own_jurisdiction_goes_before_the_record_and_the_default(
    engine: Engine,
) -> None:
    rules = PLACES | {"jurisdiction_default": "US"}
    people = [{"subject_id": "ann", "jurisdiction": "FR", "lifecycle": "active"}]
    event = given(expression="expressed")
    own = world([event], record(jurisdiction="BR"), rules, subjects=people)
    assert outcome(engine, own) == "drop EXPRESSION_INSUFFICIENT"
    of_record = world([event], record(jurisdiction="BR"), rules)
    assert outcome(engine, of_record) == "drop CATEGORY_PROHIBITED"
    default = world([event], record(jurisdiction=" "), rules)
    assert outcome(engine, default) == "keep OK_EXEMPT"


def test_nearest_place_with_a_rule_for_the_category_answers(engine: Engine) -> None:
    audio = [{"id": "de", "categories": ["content.audio"], "effect": "prohibit"}]
    rules = policy(jurisdictions={"EU": STRICT, "DE": audio})
    made = world([given(expression="expressed")], record(jurisdiction="DE"), rules)
    assert outcome(engine, made) == "drop EXPRESSION_INSUFFICIENT"


# -- derived rows ----------------------------------------------------------------


def test_derived_row_needs_permission_for_its_origin(engine: Engine) -> None:
    rules = policy(
        rules=[
            {"id": "all", "categories": ["*"]},
            {"id": "usage", "categories": ["service_generated"], "effect": "allow"},
        ]
    )
    usage = record(category="service_generated.usage")
    assert outcome(engine, world([], usage, rules)) == "keep OK_EXEMPT"
    derived = usage | {"derived_from": ["content.chat"]}
    assert outcome(engine, world([], derived, rules)) == "drop NO_CONSENT_RECORD"
    assert outcome(engine, world([given()], derived, rules)) == KEPT


def test_unknown_origin_is_dropped(engine: Engine) -> None:
    made = world([given()], record(derived_from=["content.chat", "elsewhere"]))
    assert outcome(engine, made) == "drop CATEGORY_UNKNOWN"

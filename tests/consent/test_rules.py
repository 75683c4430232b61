"""Each rule about a single event: defaults, doubts, widening, times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from consentfilter.consent.binding import EventsBinding
from consentfilter.consent.doubts import BIT, CODES, SENTENCES
from consentfilter.consent.model import ConsentSnapshot
from consentfilter.consent.snapshot import build_snapshot
from consentfilter.errors import InputError
from consentfilter.taxonomy import BASE
from tests.consent.conftest import AS_OF, MADE, as_table

Make = Callable[..., dict[str, Any]]
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def built(*events: dict[str, Any], **options: Any) -> ConsentSnapshot:
    return build_snapshot(as_table(*events), as_of=AS_OF, **options)


def rows(*events: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = built(*events, **options).statements.to_pylist()
    return found


def only(*events: dict[str, Any], **options: Any) -> dict[str, Any]:
    found = rows(*events, **options)
    assert len(found) == 1
    return found[0]


BROKEN_GRANTS: dict[str, dict[str, Any]] = {
    "no_purpose": {"purpose": None},
    "no_category": {"category": "  "},
    "no_time": {"occurred_at": None},
    "unknown_expression": {"expression": "Explicit"},
    "unknown_actor_type": {"actor_type": "cat"},
    "unknown_legal_basis": {"legal_basis": "whim"},
    "grant_not_consent": {"legal_basis": "contract"},
    "placeholder_subject": {"subject_id": "NULL", "account_id": "acme"},
    "names_nobody": {"subject_id": None},
    "from_the_future": {"occurred_at": MADE + HOUR},
}


@pytest.mark.parametrize("status", ["given", "renewed"])
@pytest.mark.parametrize("code", BROKEN_GRANTS)
def test_a_broken_grant_is_set_aside_and_counted(
    code: str, status: str, grant: Make
) -> None:
    snapshot = built(grant(status=status, **BROKEN_GRANTS[code]))
    assert snapshot.statements.num_rows == 0
    assert snapshot.meta.quarantine == {code: 1}
    assert snapshot.meta.examples == {code: ("e1",)}
    assert snapshot.meta.sources[0].rows == 1


@pytest.mark.parametrize("code", BROKEN_GRANTS)
def test_a_broken_grant_is_located_in_one_sentence(code: str, grant: Make) -> None:
    sound = [grant(event_id=f"s{n}") for n in range(4)]
    notes = built(*sound, grant(**BROKEN_GRANTS[code])).notes
    assert notes is not None
    assert [str(problem) for problem in notes.problems] == [
        f"events: row 5: event 'e1' of source 'crm' {SENTENCES[code][0]}; set aside "
        f"({code})"
    ]


def test_what_one_event_does_not_state_has_the_default_of_an_absent_column(
    grant: Make,
) -> None:
    stated = grant(event_id="stated")
    sparse = grant(event_id="sparse", actor_type=None, recorded_at=None)
    for row in rows(stated, sparse):
        assert row["actor_type"] == "self"
        assert row["recorded_at"] == row["effective_at"] == MADE


def test_a_recorded_at_that_cannot_be_read_is_a_doubt_about_a_grant(
    grant: Make,
) -> None:
    table = as_table(grant())
    at = table.schema.get_field_index("recorded_at")
    table = table.set_column(at, "recorded_at", pa.array(["soon"]))
    snapshot = build_snapshot(table, as_of=AS_OF)
    assert snapshot.meta.quarantine == {"no_recorded_at": 1}


def test_an_act_without_effect_is_set_aside_like_a_grant(grant: Make) -> None:
    broken = grant(status="noticed", expression="loud")
    assert built(broken).meta.quarantine == {"unknown_expression": 1}


def test_several_doubts_of_one_event_are_all_counted(grant: Make) -> None:
    snapshot = built(grant(purpose=None, category=None, occurred_at=None))
    assert snapshot.meta.quarantine == {"no_purpose": 1, "no_category": 1, "no_time": 1}


#: Change of a denial -> (code or "", what the kept statement says).
BROKEN_DENIALS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "purpose null": ({"purpose": None}, "", {"purpose": "*", "category": "content"}),
    "category blank": ({"category": ""}, "", {"category": "*"}),
    "purpose unknown": ({"purpose": "zzz"}, "unknown_purpose", {"purpose": "*"}),
    "category unknown": (
        {"category": "content.zzz"},
        "unknown_category",
        {"category": "*", "purpose": "improve.train_ai"},
    ),
    "expression unknown": (
        {"expression": "zzz"},
        "unknown_expression",
        {"purpose": "*", "category": "*", "expression": None},
    ),
    "actor unknown": (
        {"actor_type": "zzz"},
        "unknown_actor_type",
        {"purpose": "*", "category": "*", "actor_type": "unknown"},
    ),
    "actor missing": (
        {"actor_type": None},
        "",
        {"purpose": "improve.train_ai", "actor_type": "self"},
    ),
    "basis unknown": (
        {"legal_basis": "zzz"},
        "unknown_legal_basis",
        {"purpose": "*", "category": "*"},
    ),
    "basis contract": (
        {"legal_basis": "contract"},
        "",
        {"purpose": "improve.train_ai"},
    ),
    "occurred_at missing": (
        {"occurred_at": None},
        "no_time",
        {"effective_at": MADE},
    ),
    "recorded_at missing": (
        {"recorded_at": None},
        "",
        {"effective_at": MADE, "recorded_at": MADE},
    ),
    "placeholder with scope": (
        {"subject_id": " N/A ", "account_id": "acme"},
        "placeholder_subject",
        {"subject_key": None, "account_id": "acme"},
    ),
    "from the future": (
        {"occurred_at": MADE + HOUR},
        "from_the_future",
        {"effective_at": MADE},
    ),
}


@pytest.mark.parametrize(
    "status",
    ["refused", "withdrawn", "revoked", "objected", "opted_out", "expired"]
    + ["invalidated"],
)
@pytest.mark.parametrize("name", BROKEN_DENIALS)
def test_a_broken_denial_or_end_is_kept_wide(
    name: str, status: str, denial: Make
) -> None:
    changed, code, said = BROKEN_DENIALS[name]
    snapshot = built(denial(status=status, **changed))
    (row,) = snapshot.statements.to_pylist()
    assert {column: row[column] for column in said} == said
    assert row["status"] == status
    assert snapshot.meta.widened == ({code: 1} if code else {})
    assert snapshot.meta.quarantine == {}


def test_a_denial_kept_wide_is_located(denial: Make) -> None:
    notes = built(denial(purpose="zzz")).notes
    assert notes is not None
    assert [str(problem) for problem in notes.problems] == [
        "events: row 1: event 'e1' of source 'crm' names a purpose that is not in the "
        "tree; kept for every purpose (unknown_purpose)"
    ]


def test_a_denial_without_any_time_stands_from_the_cut_on(
    denial: Make, grant: Make
) -> None:
    lost = denial(event_id="d", occurred_at=None, recorded_at=None)
    found = rows(grant(occurred_at=AS_OF, recorded_at=AS_OF), lost)
    assert [row["status"] for row in found] == ["given", "withdrawn"]
    assert found[1]["effective_at"] == AS_OF


def test_times_that_were_filled_in_are_no_watermark(denial: Make) -> None:
    snapshot = built(denial(occurred_at=None, recorded_at=None))
    assert snapshot.meta.sources[0].watermark is None


@pytest.mark.parametrize("subject", [None, "null"])
def test_a_denial_that_names_nobody_is_counted_loudly(
    subject: str | None, denial: Make
) -> None:
    snapshot = built(denial(subject_id=subject))
    assert snapshot.statements.num_rows == 0
    assert snapshot.meta.quarantine == {"denial_names_nobody": 1}
    assert snapshot.notes is not None
    assert "find out whose it is" in str(snapshot.notes.problems[0])


def test_an_absent_subject_with_a_scope_speaks_for_everyone(grant: Make) -> None:
    row = only(grant(subject_id=None, account_id="acme"))
    assert row["subject_key"] is None
    assert row["account_id"] == "acme"


def test_blank_scopes_are_no_scopes(grant: Make) -> None:
    row = only(grant(account_id="", context_id="  ", asset_id=" a "))
    assert (row["account_id"], row["context_id"], row["asset_id"]) == (
        None,
        None,
        " a ",
    )


def test_unknown_nodes_of_a_grant_are_kept_as_text(grant: Make) -> None:
    row = only(grant(purpose="zzz", category=" content.zzz "))
    assert (row["purpose"], row["category"]) == ("zzz", "content.zzz")


def test_an_act_without_effect_that_names_nothing_covers_nothing(grant: Make) -> None:
    row = only(grant(status="noticed", purpose=None, category=None))
    assert (row["purpose"], row["category"]) == ("", "")


def test_an_extended_tree_knows_more_nodes(denial: Make) -> None:
    event = denial(category="content.sticker")
    assert only(event)["category"] == "*"
    wider = BASE.extended(categories=["content.sticker"])
    snapshot = built(event, taxonomy=wider)
    assert snapshot.statements.column("category").to_pylist() == ["content.sticker"]
    assert snapshot.meta.taxonomy_version == wider.version


def test_windows_of_a_denial_are_not_kept(denial: Make) -> None:
    row = only(denial(valid_from=MADE, valid_until=AS_OF, data_from=MADE))
    assert (row["valid_from"], row["valid_until"], row["data_from"]) == (None,) * 3


def test_what_a_grant_says_is_kept(grant: Make) -> None:
    said = {
        "valid_from": MADE,
        "valid_until": AS_OF,
        "data_from": MADE - DAY,
        "data_until": MADE,
        "terms_version": " v1",
        "actor_verified": True,
    }
    row = only(
        grant(recipients=["lab", " acme", "lab", ""], jurisdiction=" us-ca ", **said)
    )
    assert {name: row[name] for name in said} == said
    assert row["recipients"] == ["acme", "lab"]
    assert row["jurisdiction"] == "US-CA"


def test_absent_columns_take_their_defaults() -> None:
    events = pa.table(
        {
            "subject_id": ["ann"],
            "status": ["given"],
            "purpose": ["improve"],
            "category": ["*"],
            "occurred_at": pa.array([MADE], pa.timestamp("us", "UTC")),
        }
    )
    (row,) = build_snapshot(events, as_of=AS_OF).statements.to_pylist()
    assert row["statement_id"].startswith("derived:")
    assert row["source_id"] == "default"
    assert row["subject_key"] == "user_id\x1fann"
    assert row["actor_type"] == "self"
    assert row["actor_verified"] is False
    assert row["recorded_at"] == MADE
    assert row["expression"] == "unspecified"


def test_derived_ids_follow_from_what_the_event_says(grant: Make) -> None:
    def derived(**changed: Any) -> str:
        return str(only(grant(event_id=None, **changed))["statement_id"])

    assert derived() == derived(channel="web")
    assert len({derived(), derived(subject_id="b"), derived(category="*")}) == 3
    assert derived(account_id="a", context_id=None) != derived(context_id="a")


def test_ids_are_derived_only_where_none_is_given(grant: Make) -> None:
    events = [grant(event_id=None), grant(subject_id="ben"), grant(event_id=" ")]
    events[2]["subject_id"] = "cy"
    ids = [str(row["statement_id"]) for row in rows(*events)]
    assert [one.startswith("derived:") for one in ids] == [True, False, True]
    assert ids[0] != ids[2]


def test_events_that_differ_beyond_their_derived_id_are_in_conflict(
    grant: Make,
) -> None:
    one = grant(event_id=None)
    assert len(rows(one, one)) == 1
    snapshot = built(one, grant(event_id=None, expression="expressed"))
    assert snapshot.meta.quarantine == {"event_id_conflict": 2}


@pytest.mark.parametrize(
    ("ahead", "effective"),
    [
        (-HOUR, MADE - HOUR),
        (dt.timedelta(0), MADE),
        (dt.timedelta(minutes=5), MADE),
    ],
)
@pytest.mark.parametrize("status", ["given", "withdrawn", "noticed"])
def test_a_clock_may_be_five_minutes_ahead(
    status: str, ahead: dt.timedelta, effective: dt.datetime, grant: Make
) -> None:
    row = only(grant(status=status, occurred_at=MADE + ahead))
    assert row["effective_at"] == effective


def test_five_minutes_and_a_bit_are_too_far_ahead(grant: Make) -> None:
    late = MADE + dt.timedelta(minutes=5, microseconds=1)
    assert built(grant(occurred_at=late)).meta.quarantine == {"from_the_future": 1}


def test_a_late_withdrawal_counts_from_when_it_was_made(
    grant: Make, denial: Make
) -> None:
    late = denial(event_id="w", occurred_at=MADE + HOUR, recorded_at=MADE + 30 * DAY)
    found = rows(late, grant(event_id="g", occurred_at=MADE))
    assert [row["effective_at"] for row in found] == [MADE, MADE + HOUR]
    assert found[0]["superseded_at"] == MADE + HOUR
    assert found[1]["superseded_at"] is None


def test_the_knowledge_cut_includes_its_own_instant(grant: Make) -> None:
    exact = grant(recorded_at=AS_OF)
    beyond = grant(event_id="e2", recorded_at=AS_OF + dt.timedelta(microseconds=1))
    snapshot = built(exact, beyond)
    assert snapshot.statements.column("statement_id").to_pylist() == ["e1"]
    assert snapshot.notes is not None
    assert snapshot.notes.num_later == 1


def test_a_naive_as_of_is_refused(grant: Make) -> None:
    with pytest.raises(InputError, match="a time without a zone"):
        build_snapshot(as_table(grant()), as_of=dt.datetime(2025, 1, 1))


# --- order in a group -------------------------------------------------------


def order(*events: dict[str, Any]) -> list[str]:
    found = rows(*events)
    assert [row["order_in_group"] for row in found] == list(range(len(found)))
    return [str(row["statement_id"]) for row in found]


def test_at_one_instant_a_denial_comes_last_and_an_end_before_it(grant: Make) -> None:
    events = [
        grant(event_id="a", status="withdrawn"),
        grant(event_id="b", status="expired"),
        grant(event_id="c", status="given"),
        grant(event_id="d", status="noticed"),
    ]
    assert order(*events) == ["c", "d", "b", "a"]


def test_source_seq_orders_when_the_group_has_it_complete(grant: Make) -> None:
    complete = [
        grant(event_id="a", status="withdrawn", source_seq=1),
        grant(event_id="b", source_seq=2),
    ]
    assert order(*complete) == ["a", "b"]
    assert order(complete[0], {**complete[1], "source_seq": None}) == ["b", "a"]


def test_source_seq_does_not_outrank_time(grant: Make) -> None:
    events = [
        grant(event_id="a", source_seq=1, occurred_at=MADE),
        grant(event_id="b", source_seq=0, occurred_at=MADE - HOUR),
        grant(event_id="c", source_seq=None, subject_id="ben"),
    ]
    found = rows(*events)
    assert [row["statement_id"] for row in found] == ["b", "a", "c"]


def test_then_recording_time_and_id_decide(grant: Make) -> None:
    events = [
        grant(event_id="z", recorded_at=MADE + HOUR),
        grant(event_id="b", recorded_at=MADE + DAY),
        grant(event_id="a", recorded_at=MADE + DAY),
    ]
    assert order(*events) == ["z", "a", "b"]


def test_groups_are_apart_by_source_and_scope(grant: Make) -> None:
    events = [
        grant(event_id="1"),
        grant(event_id="2", source_id="web"),
        grant(event_id="3", account_id="acme"),
        grant(event_id="4", subject_id=None, account_id="acme"),
        grant(event_id="5", subject_id="Ann"),
    ]
    found = rows(*events)
    assert [row["order_in_group"] for row in found] == [0] * 5
    assert [row["statement_id"] for row in found] == ["5", "3", "1", "2", "4"]


# --- duplicates and conflicts -----------------------------------------------


def test_a_repeated_event_counts_once(grant: Make, denial: Make) -> None:
    snapshot = built(grant(), grant(), denial(event_id="d"), grant())
    assert snapshot.statements.num_rows == 2
    assert snapshot.meta.sources[0].rows == 2
    assert snapshot.notes is not None
    assert snapshot.notes.num_duplicates == 2


def test_of_events_in_conflict_denials_are_kept_and_grants_set_aside(
    grant: Make, denial: Make
) -> None:
    events = [
        grant(),
        grant(category="*"),
        denial(),
        denial(purpose="improve"),
        denial(status="expired"),
        grant(status="noticed"),
    ]
    snapshot = built(*events)
    found = snapshot.statements.to_pylist()
    assert {(row["statement_id"], row["status"]) for row in found} == {
        ("e1", "withdrawn"),
        ("e1#2", "withdrawn"),
        ("e1#3", "expired"),
    }
    assert snapshot.meta.quarantine == {"event_id_conflict": 3}
    assert snapshot.meta.widened == {"event_id_conflict": 3}
    assert built(*reversed(events)).meta == snapshot.meta


def test_a_made_up_statement_id_never_takes_a_given_one(denial: Make) -> None:
    events = [denial(), denial(category="*"), denial(event_id="e1#2", purpose=None)]
    ids = sorted(row["statement_id"] for row in rows(*events))
    assert ids == ["e1", "e1##2", "e1#2"]


def test_columns_that_decide_nothing_still_tell_a_conflict(grant: Make) -> None:
    snapshot = built(grant(), grant(evidence_uri="s3://x"))
    assert snapshot.meta.quarantine == {"event_id_conflict": 2}


def test_the_same_event_in_other_types_is_a_duplicate() -> None:
    made = pa.array([MADE], pa.timestamp("us", "UTC"))
    common = {"event_id": ["e"], "status": ["given"], "purpose": ["*"]}
    numbers = pa.table({**common, "category": ["*"], "subject_id": [7]})
    texts = pa.table({**common, "category": [" * "], "subject_id": ["7 "]})
    both = [
        numbers.append_column("occurred_at", made),
        texts.append_column("occurred_at", pa.array([MADE.isoformat()])),
    ]
    assert build_snapshot(both, as_of=AS_OF).statements.num_rows == 1


# --- voided -----------------------------------------------------------------


def void(event_id: str, target: str | None, **changed: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "source_id": "crm",
        "status": "voided",
        "voids_event_id": target,
        "actor_type": "controller",
        "occurred_at": MADE,
        "recorded_at": MADE,
        **changed,
    }


def kept(*events: dict[str, Any]) -> set[str]:
    return {str(row["statement_id"]) for row in rows(*events)}


def test_a_voided_event_is_treated_as_never_recorded(grant: Make, denial: Make) -> None:
    events = [grant(event_id="g"), denial(event_id="d")]
    assert kept(*events, void("v", "d")) == {"g"}
    assert kept(*events, void("v", "g")) == {"d"}
    snapshot = built(*events, void("v", "d"))
    assert snapshot.notes is not None
    assert snapshot.notes.num_voided == 1


def test_a_voided_broken_event_is_not_counted_as_set_aside(grant: Make) -> None:
    snapshot = built(grant(event_id="g", purpose=None), void("v", "g"))
    assert snapshot.meta.quarantine == {}


def test_a_void_that_is_recorded_later_is_unknown(denial: Make) -> None:
    late = void("v", "d", recorded_at=AS_OF + HOUR)
    assert kept(denial(event_id="d"), late) == {"d"}


def test_a_voided_void_voids_nothing(denial: Make) -> None:
    d = denial(event_id="d")
    assert kept(d, void("v1", "d"), void("v2", "v1")) == {"d"}
    assert kept(d, void("v1", "d"), void("v2", "v1"), void("v3", "v2")) == set()


def test_voids_in_a_circle_take_grants_but_no_denials(
    grant: Make, denial: Make
) -> None:
    circle = [void("v1", "v2"), void("v2", "v1")]
    both = [grant(event_id="x"), denial(event_id="x")]
    assert kept(*both, *circle, void("v1", "x")) == {"x"}
    assert [row["status"] for row in rows(*both, *circle)] == ["withdrawn"]


def test_a_void_that_voids_itself_changes_nothing(denial: Make) -> None:
    assert kept(denial(event_id="d"), void("v", "v")) == {"d"}


def test_a_void_in_conflict_takes_a_grant_but_no_denial(
    grant: Make, denial: Make
) -> None:
    odd = [void("v", "g"), void("v", "d")]
    assert kept(grant(event_id="g"), denial(event_id="d"), *odd) == {"d"}


def test_a_void_without_or_with_an_unknown_target_is_counted(grant: Make) -> None:
    assert built(grant(), void("v", None)).meta.quarantine == {"void_without_target": 1}
    astray = built(grant(), void("v", "nothing"))
    assert astray.meta.quarantine == {"void_of_unknown_event": 1}
    assert astray.statements.num_rows == 1


# --- statuses ---------------------------------------------------------------


def test_unknown_statuses_refuse_the_build(grant: Make) -> None:
    events = [grant(), grant(status="Given"), grant(status="OK"), grant(status="OK")]
    with pytest.raises(InputError) as caught:
        built(*events, grant(status=None))
    assert str(caught.value) == (
        "unknown status values: '' (1, first at events: row 5), 'Given' (1, first at "
        "events: row 2), 'OK' (2, first at events: row 3); wanted given, renewed, "
        "refused, withdrawn, revoked, objected, opted_out, expired, invalidated, "
        "requested, deferred, noticed, unknown, voided; say what each one means under "
        "`events: statuses:` in the dataset file, for example `statuses: {'': refused}`"
    )


def test_unknown_statuses_beyond_the_cut_are_unknown_too(grant: Make) -> None:
    later = grant(event_id="e2", status="OK", recorded_at=AS_OF + DAY)
    assert len(rows(grant(), later)) == 1


def test_the_statuses_map_settles_them(grant: Make) -> None:
    binding = EventsBinding.model_validate({"statuses": {"OK": "given", "": "refused"}})
    events = [grant(status="OK"), grant(event_id="e2", status=" ")]
    found = rows(*events, binding=binding)
    assert [row["status"] for row in found] == ["given", "refused"]


def test_every_doubt_has_a_bit_and_a_sentence() -> None:
    assert len({BIT[code] for code in CODES}) == len(CODES) <= 32
    assert all(any(sentences) for sentences in SENTENCES.values())

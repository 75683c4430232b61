"""Exports of any layout: physical types, bindings, local times, day precision."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from consentfilter.consent.binding import EVENT_COLUMNS, EventsBinding
from consentfilter.consent.schema import EVENTS
from consentfilter.consent.snapshot import build_snapshot
from consentfilter.errors import InputError
from tests.consent.conftest import AS_OF, GRANT, MADE, as_table

US = pa.timestamp("us", "UTC")
BERLIN = {"assume_timezone": "Europe/Berlin"}


def rows(table: pa.Table, **binding: Any) -> list[dict[str, Any]]:
    bound = EventsBinding.model_validate(binding)
    snapshot = build_snapshot(table, as_of=AS_OF, binding=bound)
    found: list[dict[str, Any]] = snapshot.statements.to_pylist()
    return found


def refusal(table: pa.Table, **binding: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        rows(table, **binding)
    return list(caught.value.problems)


def with_column(name: str, values: pa.Array) -> pa.Table:
    table = as_table(GRANT)
    at = table.column_names.index(name)
    return table.set_column(at, name, values)


# --- physical types ---------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_text_may_be_of_any_arrow_type(kind: pa.DataType) -> None:
    plain = as_table(GRANT)
    columns = [
        column.cast(kind) if column.type == pa.string() else column
        for column in plain.columns
    ]
    other = pa.table(columns, names=plain.column_names)
    assert rows(other) == rows(plain)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "+02:00", "Asia/Kolkata"])
def test_times_may_have_any_unit_and_zone(unit: str, zone: str) -> None:
    made = pa.array([MADE], US).cast(pa.timestamp(unit, zone))
    assert rows(with_column("occurred_at", made))[0]["effective_at"] == MADE


def test_nanoseconds_before_1970_are_rounded_down() -> None:
    value = pa.array([-1], pa.timestamp("ns", "UTC"))
    found = rows(with_column("occurred_at", value))[0]["effective_at"]
    assert found == dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)


@pytest.mark.parametrize("unit", ["s", "ms"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_time_beyond_all_times_cannot_be_read(unit: str, sign: int) -> None:
    value = pa.array([sign * 2**62], pa.timestamp(unit, "UTC"))
    snapshot = build_snapshot(with_column("occurred_at", value), as_of=AS_OF)
    assert snapshot.meta.quarantine == {"no_time": 1}


@pytest.mark.parametrize(
    "text",
    [
        "2024-06-01T12:00:00Z",
        "2024-06-01 14:00:00+02:00",
        "2024-06-01t12:00:00.000000z",
        " 2024-06-01T07:00:00-05:00 ",
    ],
)
def test_times_may_be_text_with_an_offset(text: str) -> None:
    found = rows(with_column("occurred_at", pa.array([text])))
    assert found[0]["effective_at"] == MADE


def test_text_that_is_no_time_is_a_doubt_of_its_event() -> None:
    table = with_column("occurred_at", pa.array(["yesterday"]))
    snapshot = build_snapshot(table, as_of=AS_OF)
    assert snapshot.meta.quarantine == {"no_time": 1}


def test_a_window_that_is_no_time_is_a_doubt_about_a_grant() -> None:
    table = with_column("valid_until", pa.array(["soon"]))
    snapshot = build_snapshot(table, as_of=AS_OF)
    assert snapshot.meta.quarantine == {"window_unreadable": 1}


def test_times_may_be_repeated_text_or_dates() -> None:
    text = pa.array(["2024-06-01T12:00:00Z"]).dictionary_encode()
    assert rows(with_column("occurred_at", text))[0]["effective_at"] == MADE
    days = pa.array([dt.date(2024, 6, 1)])
    (row,) = rows(with_column("occurred_at", days), assume_timezone="UTC")
    assert row["effective_at"] == dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
    (problem,) = refusal(with_column("occurred_at", days))
    assert "without a time zone" in problem


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("event_id", 1),
        ("account_id", 1),
        ("source_seq", 1),
        ("recipients", 1),
        ("terms_version", 1),
        ("valid_until", 1),
        ("subject_ns", 1),
        ("purpose", 0),
        ("occurred_at", 0),
    ],
)
def test_a_column_of_nothing_is_a_column_of_nulls(name: str, kept: int) -> None:
    assert len(rows(with_column(name, pa.nulls(1)))) == kept


def test_a_namespace_must_be_text() -> None:
    (problem,) = refusal(with_column("subject_ns", pa.array([1])))
    assert problem.endswith("a namespace is of type int64, wanted text")


def test_ids_may_be_integers() -> None:
    table = with_column("subject_id", pa.array([9007199254740993]))
    assert rows(table)[0]["subject_key"] == "user_id\x1f9007199254740993"
    assert rows(with_column("account_id", pa.array([7])))[0]["account_id"] == "7"


@pytest.mark.parametrize(
    ("value", "verified"),
    [(True, True), ("TRUE", True), (1, True), ("no", False), ("?", False), (0, False)],
)
def test_verified_may_be_a_word_or_a_number(value: object, verified: bool) -> None:
    table = with_column("actor_verified", pa.array([value]))
    assert rows(table)[0]["actor_verified"] is verified


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["lab"]),
        pa.array([["lab", None]]),
        pa.array([["lab"]], pa.large_list(pa.large_string())),
        pa.array([["lab"]], pa.list_(pa.string(), 1)),
        pa.array([["lab"]], pa.list_view(pa.string_view())),
        pa.array([["lab"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    ],
)
def test_recipients_may_be_any_list_or_one_name(values: pa.Array) -> None:
    assert rows(with_column("recipients", values))[0]["recipients"] == ["lab"]


@pytest.mark.parametrize("values", [[[]], [[None]], [[" "]]])
def test_empty_recipients_are_none(values: list[Any]) -> None:
    table = with_column("recipients", pa.array(values, pa.list_(pa.string())))
    assert rows(table)[0]["recipients"] is None


def test_list_views_with_nulls_are_read() -> None:
    values = pa.array([["b"], None, ["a", "c"]], pa.list_view(pa.string()))
    table = as_table(*[{**GRANT, "event_id": f"e{n}"} for n in range(3)])
    at = table.column_names.index("recipients")
    found = rows(table.set_column(at, "recipients", values))
    assert [row["recipients"] for row in found] == [["b"], None, ["a", "c"]]


def test_source_seq_may_be_text() -> None:
    assert len(rows(with_column("source_seq", pa.array(["12"])))) == 1
    assert refusal(with_column("source_seq", pa.array(["x"]))) == [
        "events: column 'source_seq' is of type string, wanted whole numbers"
    ]


# --- what is refused, all together ------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("source_id", "status", "purpose", "category", "expression", "actor_type"),
        *("actor_verified", "terms_version", "jurisdiction", "legal_basis"),
    ],
)
@pytest.mark.parametrize("values", [[["x"]], [{"a": "x"}]])
def test_nested_columns_are_no_words(name: str, values: list[Any]) -> None:
    odd = pa.array(values)
    (problem,) = refusal(with_column(name, odd))
    assert problem == f"events: column {name!r} is of type {odd.type}, wanted text"


def test_recipients_are_no_structs() -> None:
    (problem,) = refusal(with_column("recipients", pa.array([{"a": "x"}])))
    assert problem.startswith("events: column 'recipients' is of type struct")


def test_a_sequence_number_that_int64_cannot_hold_is_refused() -> None:
    (problem,) = refusal(with_column("source_seq", pa.array([2**63], pa.uint64())))
    assert problem.startswith("events: column 'source_seq' is of type uint64 and holds")


def test_a_mapped_subject_id_of_a_wrong_type_is_refused_where_it_is() -> None:
    table = with_column("subject_id", pa.array([1.5]))
    assert refusal(table, subject_id={"column": "subject_id", "map": {"a": "b"}}) == [
        "events: column 'subject_id' is of type double, wanted text"
    ]


def test_naive_times_are_refused_with_the_next_step() -> None:
    naive = pa.array([MADE.replace(tzinfo=None)], pa.timestamp("us"))
    assert refusal(with_column("occurred_at", naive)) == [
        "events: column 'occurred_at' is of type timestamp[us] without a time zone, "
        "wanted instants; give every time an offset, or state `assume_timezone` under "
        "`events:` in the dataset file"
    ]


def test_naive_text_is_refused_with_count_and_first_row() -> None:
    values = pa.array([None, "2024-06-01T12:00:00Z", "2024-06-01 12:00", "2024-06-01"])
    table = as_table(*[{**GRANT, "event_id": f"e{n}"} for n in range(4)])
    at = table.column_names.index("recorded_at")
    assert refusal(table.set_column(at, "recorded_at", values)) == [
        "events: column 'recorded_at' holds 2 times without an offset (first in row 3: "
        "'2024-06-01 12:00'), wanted RFC 3339 instants such as '2026-01-31T12:00:00Z'; "
        "give every time an offset, or state `assume_timezone` under `events:` in the "
        "dataset file"
    ]


def test_all_problems_of_all_tables_come_together() -> None:
    bad = pa.table(
        {
            "subject_id": pa.array([1.5]),
            "status": pa.array([dt.date(2024, 1, 1)]),
            "occurred_at": pa.array([3.5]),
            "recipients": pa.array([[1]]),
            "actor_verified": pa.array([1.5]),
        }
    )
    with pytest.raises(InputError) as caught:
        build_snapshot([bad, pa.table({"x": [1]})], as_of=AS_OF)
    first = "events table 1: column "
    assert list(caught.value.problems) == [
        f"{first}'status' is of type date32[day], wanted text",
        f"{first}'subject_id' subject ids are of type double, wanted text or integers; "
        "a float cannot hold an id exactly: write the ids as integers or text",
        f"{first}'recipients' is of type list<item: int64>, wanted a list of text",
        f"{first}'actor_verified' is of type double, wanted text",
        f"{first}'occurred_at' is of type double, wanted timestamps with a time zone "
        "or RFC 3339 text",
        "events table 2: no column of statuses; wanted 'status' (given, withdrawn, …) "
        "or `status:` under `events:` in the dataset file; found 'x'",
        "events table 2: no column says whose consent it is; wanted 'subject_id', "
        "'account_id', 'context_id' or 'asset_id', or a column bound to one of them "
        "under `events:` in the dataset file; found 'x'",
    ]


def test_text_that_is_no_utf8_is_refused() -> None:
    raw = pa.array([b"\xff\xfe"])
    text = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
    (problem,) = refusal(with_column("account_id", text))
    assert problem.startswith(
        "events: column 'account_id' holds text that is not valid"
    )


def test_two_columns_of_one_name_are_refused() -> None:
    table = pa.table(
        [["a"], ["b"], ["given"]], names=["subject_id", "subject_id", "status"]
    )
    assert refusal(table) == ["events: 2 columns are called 'subject_id'"]


def test_a_namespace_with_the_separator_is_refused() -> None:
    (problem,) = refusal(with_column("subject_ns", pa.array(["a\x1fb"])))
    assert "contains the character 0x1F" in problem


# --- bindings ---------------------------------------------------------------


def test_the_binding_knows_every_column_of_the_schema() -> None:
    assert tuple(EVENTS.names) == EVENT_COLUMNS


def test_a_two_column_export_states_what_it_cannot_know() -> None:
    export = pa.table({"user": [1, 2], "opted_in": [True, False]})
    found = rows(
        export,
        subject_id="user",
        status={"column": "opted_in", "map": {True: "given", False: "refused"}},
        occurred_at={"constant": "2024-06-01T12:00:00Z"},
        purpose={"constant": "improve.train_ai"},
        category={"constant": "*"},
        expression={"constant": "explicit"},
    )
    assert [
        (row["subject_key"], row["status"], row["effective_at"], row["expression"])
        for row in found
    ] == [
        ("user_id\x1f1", "given", MADE, "explicit"),
        ("user_id\x1f2", "refused", MADE, "explicit"),
    ]


def test_booleans_without_a_map_are_unknown_statuses() -> None:
    (problem,) = refusal(pa.table({"subject_id": [1], "optin": [True]}), status="optin")
    assert problem.startswith(
        "unknown status values: 'true' (1, first at events: row 1)"
    )


def test_maps_leave_unlisted_values_as_they_are() -> None:
    table = as_table(
        {**GRANT, "purpose": "AI"},
        {**GRANT, "event_id": "e2", "purpose": "improve"},
        {**GRANT, "event_id": "e3", "purpose": None},
    )
    ours = {"AI": "improve.train_ai", "": "marketing"}
    found = rows(table, purpose={"column": "purpose", "map": ours})
    assert [row["purpose"] for row in found] == [
        "improve.train_ai",
        "improve",
        "marketing",
    ]


def test_maps_work_on_subject_ids_and_namespaces_may_be_constant() -> None:
    table = with_column("subject_id", pa.array(["-"]))
    found = rows(
        table,
        subject_id={"column": "subject_id", "map": {"-": "ANN@x"}},
        subject_ns={"constant": "email"},
    )
    assert found[0]["subject_key"] == "email\x1fann@x"


def test_a_path_reaches_into_structs() -> None:
    table = pa.table({"who": [{"id": "ann"}], "what": [{"state": {"s": "refused"}}]})
    (row,) = rows(table, subject_id="who.id", status="what.state.s")
    assert (row["subject_key"], row["status"]) == ("user_id\x1fann", "refused")


@pytest.mark.parametrize("path", ["who.name", "user.id", "who.id.more"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    table = pa.table({"who": [{"id": "ann"}], "user": ["ann"], "status": ["refused"]})
    (problem, *_) = refusal(table, subject_id=path)
    assert problem == (
        f"events: events.subject_id: the binding names column {path!r}, which is not "
        "there; found 'who', 'user', 'status'"
    )


def test_a_bound_column_that_is_missing_is_refused() -> None:
    assert refusal(as_table(GRANT).select(["subject_id", "status"]), purpose="why") == [
        "events: events.purpose: the binding names column 'why', which is not there; "
        "found 'subject_id', 'status'"
    ]


def test_a_column_that_is_switched_off_is_not_read() -> None:
    (row,) = rows(as_table({**GRANT, "account_id": "acme"}), account_id=None)
    assert row["account_id"] is None


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        ({"statuses": {"Y": "yes"}}, "'yes': not a status; wanted one of given"),
        ({"assume_timezone": "Mars"}, "'Mars' is no time zone"),
        (
            {"status": {"column": "a", "constant": "given"}},
            "one of column and constant",
        ),
        (
            {"status": {"constant": "given", "map": {"a": "b"}}},
            "a map needs the column",
        ),
        ({"status": 7}, "Input should be a valid dictionary"),
        ({"stauts": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_bindings_that_make_no_sense_are_refused(
    binding: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        EventsBinding.model_validate(binding)


# --- local times and days ---------------------------------------------------


def local(*values: str, status: str = "given", **binding: Any) -> list[dt.datetime]:
    table = as_table(
        *[{**GRANT, "event_id": f"e{n}", "status": status} for n in range(len(values))]
    )
    at = table.column_names.index("occurred_at")
    bound = table.set_column(at, "occurred_at", pa.array(values))
    return [row["effective_at"] for row in rows(bound, **(BERLIN | binding))]


def test_assume_timezone_places_local_times() -> None:
    assert local("2024-05-01 12:00") == [dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)]
    naive = pa.array([dt.datetime(2024, 5, 1, 12)], pa.timestamp("ns"))
    (row,) = rows(with_column("occurred_at", naive), **BERLIN)
    assert row["effective_at"] == dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)


def test_assume_timezone_leaves_offsets_alone() -> None:
    assert local("2024-05-01T12:00:00Z") == [dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)]


@pytest.mark.parametrize(
    ("status", "hour"), [("given", 1), ("noticed", 1), ("withdrawn", 0), ("expired", 0)]
)
def test_an_hour_shown_twice_is_read_against_the_act(status: str, hour: int) -> None:
    want = dt.datetime(2023, 10, 29, hour, 30, tzinfo=dt.UTC)
    assert local("2023-10-29 02:30:00", status=status) == [want]


@pytest.mark.parametrize(
    ("status", "want"),
    [
        ("given", dt.datetime(2024, 5, 2, tzinfo=dt.UTC)),
        ("noticed", dt.datetime(2024, 5, 2, tzinfo=dt.UTC)),
        ("withdrawn", dt.datetime(2024, 5, 1, tzinfo=dt.UTC)),
        ("invalidated", dt.datetime(2024, 5, 1, tzinfo=dt.UTC)),
    ],
)
@pytest.mark.parametrize("text", ["2024-05-01T00:00:00Z", "2024-05-01T17:30:00Z"])
@pytest.mark.parametrize("has_recorded_at", [True, False])
def test_days_count_against_the_act(
    status: str, want: dt.datetime, text: str, has_recorded_at: bool
) -> None:
    binding: dict[str, Any] = {} if has_recorded_at else {"recorded_at": None}
    assert local(
        text, status=status, day_precision=True, assume_timezone=None, **binding
    ) == [want]


def test_days_are_those_of_the_stated_zone() -> None:
    assert local("2024-05-01", day_precision=True) == [
        dt.datetime(2024, 5, 1, 22, tzinfo=dt.UTC)
    ]


def test_a_grant_recorded_on_its_own_day_counts_from_the_end_of_that_day() -> None:
    event = {**GRANT, "occurred_at": MADE, "recorded_at": MADE}
    (row,) = rows(as_table(event), day_precision=True)
    assert row["effective_at"] == dt.datetime(2024, 6, 2, tzinfo=dt.UTC)


def test_a_day_that_begins_after_it_was_recorded_is_from_the_future() -> None:
    event = {**GRANT, "occurred_at": MADE + dt.timedelta(days=1)}
    binding = EventsBinding(day_precision=True)
    snapshot = build_snapshot(as_table(event), as_of=AS_OF, binding=binding)
    assert snapshot.meta.quarantine == {"from_the_future": 1}

"""Redaction: what goes, what stays, and that nothing of what went is left."""

from __future__ import annotations

import datetime as dt
import hmac
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.binding import bind
from consentfilter.dataset import Dataset
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.redact import redact, redacted_lists
from consentfilter.errors import InputError
from consentfilter.reasons import Decision
from consentfilter.records import Bound

KEY = b"k" * 32
DROP, REDACT, KEEP = (int(d) for d in Decision)
TIME = pa.timestamp("us", "UTC")
NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
MARKER = "MARKER-of-something-that-must-go"


def records(count: int, **columns: Any) -> pa.Table:
    standard = {
        "record_id": pa.array([f"r{at}" for at in range(count)]),
        "category": pa.array(["content.chat"] * count),
        "collected_at": pa.array([NOON] * count, TIME),
        "subject_id": pa.array([f"u{at}" for at in range(count)]),
    }
    return pa.table({**standard, **columns})


def decisions(
    bound: Bound,
    decision: list[int],
    *,
    segments: list[int] = (),  # type: ignore[assignment]
    columns: dict[str, list[int]] | None = None,
    mentions: list[int] = (),  # type: ignore[assignment]
) -> Decisions:
    """Return decisions; parts that go are given by their positions."""

    def mask(size: int, chosen: Any) -> np.ndarray:
        return np.isin(np.arange(size), list(chosen))

    names = [column.name for column in bound.columns]
    nothing = pa.nulls(bound.num_rows, pa.string())
    return Decisions(
        decision=np.array(decision, np.uint8),
        reason=np.ones(bound.num_rows, np.uint8),
        rule=nothing,
        subject_key=nothing,
        grant_id=nothing,
        denial_id=nothing,
        segments=mask(len(bound.segments), segments),
        columns={
            names.index(name): mask(bound.num_rows, rows)
            for name, rows in (columns or {}).items()
        },
        mentions=mask(len(bound.mentions), mentions),
    )


def redacted(
    table: pa.Table, binding: dict[str, Any], decision: list[int], **parts: Any
) -> pa.Table:
    dataset = Dataset.from_dict(binding)
    bound = bind(table, dataset)
    made = decisions(bound, decision, **parts)
    found = redact(table, bound, made, dataset, release_key=KEY)
    found.validate(full=True)
    assert found.schema.equals(table.schema, check_metadata=True)
    return found


def written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    parquet = pa.BufferOutputStream()
    pq.write_table(table, parquet, compression="none")
    return bytes(sink.getvalue().to_pybytes() + parquet.getvalue().to_pybytes())


def pseudonym(key: str) -> str:
    label = b"consentfilter/mention/v1\x00" + key.encode()
    return "@p_" + hmac.digest(KEY, label, "sha256").hex()[:16]


# --- rows ---


def test_dropped_rows_go_and_the_others_stay_in_order() -> None:
    table = records(4, text=pa.array(["a", MARKER, "c", "d"])).replace_schema_metadata(
        {"pandas": "{}"}
    )
    found = redacted(table, {}, [KEEP, DROP, REDACT, KEEP])
    assert found["record_id"].to_pylist() == ["r0", "r2", "r3"]
    assert MARKER.encode() not in written(found)


def test_a_batch_that_stays_whole_is_the_same_memory() -> None:
    table = records(3, text=pa.array(["a", "b", "c"]))
    found = redacted(table, {}, [KEEP] * 3)
    for name in table.column_names:
        before, after = (t[name].chunk(0).buffers()[-1].address for t in (table, found))
        assert before == after, name


def test_payload_that_was_not_read_to_decide_is_filtered_all_the_same() -> None:
    table = records(2, text=pa.array(["a", MARKER]))
    dataset = Dataset()
    bound = bind(table.drop(["text"]), dataset)
    found = redact(
        table, bound, decisions(bound, [KEEP, DROP]), dataset, release_key=KEY
    )
    assert found["text"].to_pylist() == ["a"]


def test_decisions_of_another_batch_are_refused() -> None:
    table = records(2)
    bound = bind(table, Dataset())
    made = decisions(bound, [KEEP, KEEP])
    with pytest.raises(ValueError, match="1 rows, 2 bound, 2 decided"):
        redact(table[:1], bound, made, Dataset(), release_key=KEY)


# --- fields ---

TEXT_TYPES = {
    "string": pa.string(),
    "large": pa.large_string(),
    "view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "json": pa.json_(pa.string()),
}


def text_column(values: list[str | None], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values).dictionary_encode().cast(kind)
    return pa.array(values, kind)


@pytest.mark.parametrize("kind", TEXT_TYPES.values(), ids=TEXT_TYPES)
@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("account", None),
        ({"category": "account", "redaction": None}, None),
        ({"category": "account", "redaction": "mask"}, "[redacted]"),
        ({"category": "account", "redaction": "mask", "mask": ""}, ""),
        ({"category": "account", "redaction": "pseudonymise"}, "p_"),
    ],
    ids=["default", "null", "mask", "own token", "pseudonym"],
)
def test_a_field_becomes_what_its_binding_says(
    kind: pa.DataType, field: Any, wanted: str | None
) -> None:
    values = ["ann@x.org", MARKER, None, "bob@x.org", MARKER]
    table = records(5, email=text_column(values, kind))
    found = redacted(
        table,
        {"fields": {"email": field}},
        [KEEP, REDACT, REDACT, REDACT, REDACT],
        columns={"email": [1, 2, 4]},
    )
    out = found["email"].to_pylist()
    assert (out[0], out[2], out[3]) == ("ann@x.org", None, "bob@x.org")
    if wanted == "p_":
        label = b"consentfilter/field/v1\x00email\x00" + MARKER.encode()
        name = "p_" + hmac.digest(KEY, label, "sha256").hex()[:32]
        assert out[1] == out[4] == name
    else:
        assert out[1] == out[4] == wanted
    assert MARKER.encode() not in written(found)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[MARKER], ["b"]]),
        pa.array([{"a": MARKER}, {"a": "b"}]),
        pa.array([MARKER.encode(), b"b"]),
        pa.array([1, 2]),
        pa.array([[MARKER], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    ],
    ids=lambda value: str(value.type),
)
def test_a_column_of_any_type_can_become_null(values: pa.Array) -> None:
    table = records(2, x=values)
    binding = {"fields": {"x": "account"}}
    found = redacted(table, binding, [REDACT, KEEP], columns={"x": [0]})
    assert found["x"].to_pylist() == [None, values.to_pylist()[1]]
    assert MARKER.encode() not in written(found)


def test_only_redacted_records_lose_columns() -> None:
    table = records(2, x=pa.array(["a", "b"]))
    binding = {"fields": {"x": "account"}}
    found = redacted(table, binding, [KEEP, REDACT], columns={"x": [0, 1]})
    assert found["x"].to_pylist() == ["a", None]


def test_a_value_that_cannot_be_null_cannot_go() -> None:
    field = pa.field("x", pa.string(), nullable=False)
    table = records(1).append_column(field, pa.array(["a"]))
    with pytest.raises(ValueError, match="column 'x' cannot be null"):
        redacted(table, {"fields": {"x": "account"}}, [REDACT], columns={"x": [0]})


def test_where_a_dictionary_has_no_room_the_value_becomes_null() -> None:
    values = [f"v{at}" for at in range(128)] + ["v0"]
    column = pa.array(values).dictionary_encode().cast(TEXT_TYPES["dictionary"])
    binding = {"fields": {"x": {"category": "account", "redaction": "mask"}}}
    table = records(129, x=column)
    decision = [REDACT] + [KEEP] * 128
    found = redacted(table, binding, decision, columns={"x": [0]})
    assert found["x"].to_pylist() == [None, *values[1:]]


def test_chunks_make_no_difference_to_fields() -> None:
    whole = records(4, x=pa.array(["a", "b", "c", "d"]))
    table = pa.concat_tables([whole[:1], whole[1:1], whole[1:]])
    binding = {"fields": {"x": {"category": "account", "redaction": "mask"}}}
    found = redacted(
        table, binding, [REDACT, DROP, KEEP, REDACT], columns={"x": [0, 3]}
    )
    assert found["x"].to_pylist() == ["[redacted]", "c", "[redacted]"]


# --- segments ---


def segment(at: str | None, who: str | None, text: str | None) -> dict[str, Any]:
    return {"segment_id": at, "category": "content.audio", "subject_id": who,
            "text": text, "n": 1}  # fmt: skip


TURNS = [
    [segment("s1", "ann", "hello"), segment(None, MARKER, MARKER), None],
    None,
    [],
    [segment("s4", "bob", MARKER), segment("s5", "ann", "bye")],
]
LIST_TYPES = {
    "list": pa.list_,
    "large list": pa.large_list,
    "list view": pa.list_view,
    "large list view": pa.large_list_view,
}


def turns(make: Any = pa.list_, **fields: pa.DataType) -> pa.Array:
    names = {
        "segment_id": pa.string(),
        "category": pa.string(),
        "subject_id": pa.string(),
        "text": pa.string(),
        "n": pa.int64(),
        **fields,
    }
    return pa.array(TURNS, make(pa.struct(list(names.items()))))


@pytest.mark.parametrize("make", LIST_TYPES.values(), ids=LIST_TYPES)
def test_a_masked_segment_keeps_its_id_and_its_category(make: Any) -> None:
    table = records(4, segments=turns(make))
    found = redacted(table, {}, [REDACT, KEEP, KEEP, REDACT], segments=[1, 3])
    gone = {"category": "content.audio", "subject_id": None, "text": None, "n": None}
    assert found["segments"].to_pylist() == [
        [TURNS[0][0], {"segment_id": None, **gone}, None],  # type: ignore[index]
        None,
        [],
        [{"segment_id": "s4", **gone}, TURNS[3][1]],  # type: ignore[index]
    ]
    assert MARKER.encode() not in written(found)


@pytest.mark.parametrize("make", LIST_TYPES.values(), ids=LIST_TYPES)
@pytest.mark.parametrize(
    "binding",
    [
        {"segments": {"redaction": "remove"}},
        {"redaction": {"segments": "remove"}},
    ],
    ids=["of the segments", "default"],
)
def test_a_removed_segment_is_not_there(make: Any, binding: dict[str, Any]) -> None:
    table = records(4, segments=turns(make))
    found = redacted(table, binding, [REDACT, KEEP, DROP, REDACT], segments=[1, 3])
    assert found["segments"].to_pylist() == [
        [TURNS[0][0], None],  # type: ignore[index]
        None,
        [TURNS[3][1]],  # type: ignore[index]
    ]
    assert MARKER.encode() not in written(found)


def test_a_segment_whose_payload_cannot_be_null_is_removed() -> None:
    struct = pa.struct(
        [
            ("segment_id", pa.string()),
            ("subject_id", pa.string()),
            pa.field("text", pa.string(), nullable=False),
        ]
    )
    values = [[{"segment_id": "a", "subject_id": "x", "text": MARKER},
               {"segment_id": "b", "subject_id": "y", "text": "stays"}]]  # fmt: skip
    table = records(1, segments=pa.array(values, pa.list_(struct)))
    found = redacted(table, {}, [REDACT], segments=[0])
    assert found["segments"].to_pylist() == [values[0][1:]]
    assert MARKER.encode() not in written(found)


@pytest.mark.parametrize("is_nullable", [True, False])
@pytest.mark.parametrize("is_inside", [True, False])
def test_a_segment_whose_payload_holds_a_list_of_fixed_size_is_removed(
    is_nullable: bool, is_inside: bool
) -> None:
    """Arrow would write the null to Parquet, and not read it back."""
    kind: pa.DataType = pa.list_(pa.int8(), 2)
    value: Any = [1, 2]
    if is_inside:
        kind, value = pa.struct([("of", kind)]), {"of": value}
    struct = pa.struct(
        [
            ("segment_id", pa.string()),
            ("subject_id", pa.string()),
            pa.field("vector", kind, nullable=is_nullable),
        ]
    )
    values = [[{"segment_id": name, "subject_id": name, "vector": value}
               for name in "ab"]]  # fmt: skip
    table = records(1, segments=pa.array(values, pa.list_(struct)))
    found = redacted(table, {}, [REDACT], segments=[0])
    assert found["segments"].to_pylist() == [values[0][1:]]
    sink = pa.BufferOutputStream()
    pq.write_table(found, sink)
    assert pq.read_table(sink.getvalue()).equals(found)


def test_subjects_of_a_masked_segment_are_emptied_even_if_never_null() -> None:
    person = pa.struct([("id", pa.string())])
    struct = pa.struct(
        [
            pa.field("segment_id", pa.string(), nullable=False),
            pa.field("subjects", pa.list_(person), nullable=False),
            ("text", pa.string()),
        ]
    )
    values = [
        [
            {"segment_id": "a", "subjects": [{"id": MARKER}], "text": MARKER},
            {"segment_id": "b", "subjects": [{"id": "y"}], "text": "t"},
        ]
    ]
    table = records(1, segments=pa.array(values, pa.list_(struct)))
    found = redacted(table, {}, [REDACT], segments=[0])
    assert found["segments"].to_pylist() == [
        [{"segment_id": "a", "subjects": [], "text": None}, values[0][1]]
    ]
    assert MARKER.encode() not in written(found)


def test_dictionaries_inside_segments_leave_nothing() -> None:
    word = pa.dictionary(pa.int8(), pa.string())
    table = records(4, segments=turns(text=word, subject_id=word))
    found = redacted(table, {}, [REDACT, KEEP, KEEP, REDACT], segments=[1, 3])
    assert MARKER.encode() not in written(found)


def test_columns_beside_the_segments_can_go_with_them() -> None:
    table = records(4, segments=turns(), summary=pa.array([MARKER, "b", "c", "d"]))
    found = redacted(
        table,
        {},
        [REDACT, KEEP, KEEP, REDACT],
        segments=[1, 3],
        columns={"summary": [0]},
    )
    assert found["summary"].to_pylist() == [None, "b", "c", "d"]
    assert MARKER.encode() not in written(found)


# --- mentions ---


def mention(who: str, start: int, end: int, field: str = "text") -> dict[str, Any]:
    return {"ns": None, "id": who, "field": field, "start": start, "end": end}


MENTION = pa.struct(
    [
        ("ns", pa.string()),
        ("id", pa.string()),
        ("field", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int64()),
    ]
)


@pytest.mark.parametrize("kind", TEXT_TYPES.values(), ids=TEXT_TYPES)
def test_a_name_becomes_a_pseudonym_and_the_others_move(kind: pa.DataType) -> None:
    texts = ["é MARKER and bob", "no names", None]
    names = [[mention("MARKER", 2, 8), mention("bob", 13, 16)], None, []]
    table = records(
        3, text=text_column(texts, kind), mentions=pa.array(names, pa.list_(MENTION))
    )
    found = redacted(table, {}, [REDACT, KEEP, KEEP], mentions=[0])
    name = pseudonym("user_id\x1fMARKER")
    text = f"é {name} and bob"
    assert found["text"].to_pylist() == [text, "no names", None]
    assert found["mentions"].to_pylist() == [
        [
            {**mention(name, 2, 21), "ns": "pseudonym"},
            mention("bob", 26, 29),
        ],
        None,
        [],
    ]
    assert text[2:21] == name
    assert text[26:29] == "bob"
    assert b"MARKER" not in written(found)


def test_spans_that_overlap_become_one_pseudonym() -> None:
    names = [[mention("bob", 4, 9), mention("ann", 0, 5), mention("cy", 9, 11)]]
    table = records(
        1, text=pa.array(["0123456789abc"]), mentions=pa.array(names, pa.list_(MENTION))
    )
    found = redacted(table, {}, [REDACT], mentions=[0, 1, 2])
    first, last = pseudonym("user_id\x1fann"), pseudonym("user_id\x1fcy")
    assert found["text"].to_pylist() == [f"{first}{last}bc"]
    places = [(m["start"], m["end"]) for m in found["mentions"][0].as_py()]
    assert places == [(0, 19), (0, 19), (19, 38)]


def test_the_same_person_has_the_same_pseudonym_everywhere() -> None:
    names = [[mention("ann", 0, 3)], [mention(" ann", 0, 3, "other")]]
    texts = pa.array(["ann", "ann"])
    table = records(
        2, text=texts, other=texts, mentions=pa.array(names, pa.list_(MENTION))
    )
    found = redacted(table, {}, [REDACT, REDACT], mentions=[0, 1])
    assert found["text"][0].as_py() == found["other"][1].as_py()
    assert found["text"][1].as_py() == "ann", "only the field that is named"


def test_a_person_without_a_key_is_told_apart_by_the_id_as_written() -> None:
    names = [[mention("unknown", 0, 1), mention("none", 1, 2)]]
    table = records(
        1, text=pa.array(["xy"]), mentions=pa.array(names, pa.list_(MENTION))
    )
    found = redacted(table, {}, [REDACT], mentions=[0, 1])
    assert found["text"].to_pylist() == [pseudonym("unknown") + pseudonym("none")]


def test_mentions_of_a_column_that_goes_go_with_it() -> None:
    names = [[mention(MARKER, 0, 3), mention("bob", 0, 1, "other")]]
    table = records(
        1,
        text=pa.array(["ann"]),
        other=pa.array(["b"]),
        mentions=pa.array(names, pa.list_(MENTION)),
    )
    found = redacted(table, {}, [REDACT], columns={"text": [0]})
    assert found["text"].to_pylist() == [None]
    assert found["mentions"].to_pylist() == [names[0][1:]]
    assert MARKER.encode() not in written(found)


def test_a_span_that_does_not_fit_takes_its_column_with_it() -> None:
    names = [[mention("ann", 0, 99)]]
    table = records(
        1, text=pa.array([MARKER]), mentions=pa.array(names, pa.list_(MENTION))
    )
    found = redacted(table, {}, [REDACT], mentions=[0])
    assert found["text"].to_pylist() == [None]
    assert found["mentions"].to_pylist() == [[]]
    assert MARKER.encode() not in written(found)


def test_ids_that_hold_no_text_become_null_and_other_fields_go() -> None:
    struct = pa.struct(
        [
            ("id", pa.int64()),
            ("field", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("full_name", pa.string()),
        ]
    )
    names = [[{"id": 7, "field": "text", "start": 0, "end": 3, "full_name": MARKER}]]
    table = records(
        1, text=pa.array(["ann!"]), mentions=pa.array(names, pa.list_(struct))
    )
    found = redacted(table, {}, [REDACT], mentions=[0])
    assert found["mentions"].to_pylist() == [
        [{"id": None, "field": "text", "start": 0, "end": 19, "full_name": None}]
    ]
    assert found["text"].to_pylist() == [pseudonym("user_id\x1f7") + "!"]
    assert MARKER.encode() not in written(found)


@pytest.mark.parametrize(
    ("name", "kind", "value", "is_nullable"),
    [
        ("id", pa.int64(), 7, False),
        ("full_name", pa.string(), MARKER, False),
        ("full_name", pa.list_(pa.string(), 1), [MARKER], True),
    ],
)
def test_a_mention_that_cannot_be_emptied_is_removed(
    name: str, kind: pa.DataType, value: Any, is_nullable: bool
) -> None:
    fields = [("id", pa.string()), ("field", pa.string()), ("start", pa.int32()),
              ("end", pa.int32())]  # fmt: skip
    struct = pa.struct(
        [*(f for f in fields if f[0] != name), pa.field(name, kind, is_nullable)]
    )
    names = [[{"id": "7", "field": "text", "start": 0, "end": 3, name: value}]]
    table = records(
        1, text=pa.array(["ann"]), mentions=pa.array(names, pa.list_(struct))
    )
    found = redacted(table, {}, [REDACT], mentions=[0])
    assert found["mentions"].to_pylist() == [[]]


def test_a_mention_whose_new_place_does_not_fit_its_type_is_removed() -> None:
    struct = pa.struct(
        [("id", pa.string()), ("field", pa.string()), ("start", pa.int8()),
         ("end", pa.int8())]
    )  # fmt: skip
    names = [[{"id": "a", "field": "text", "start": 120, "end": 121},
              {"id": "b", "field": "text", "start": 0, "end": 1}]]  # fmt: skip
    table = records(
        1, text=pa.array(["x" * 130]), mentions=pa.array(names, pa.list_(struct))
    )
    found = redacted(table, {}, [REDACT], mentions=[0, 1])
    assert [m["start"] for m in found["mentions"][0].as_py()] == [0]


def test_a_mention_without_a_span_cuts_nothing() -> None:
    names = [[{"ns": None, "id": "ann", "field": None, "start": None, "end": None}]]
    subjects = pa.array([[{"id": "u"}, {"id": "bob", "role": "mentioned"}]])
    table = records(
        1,
        text=pa.array(["ann"]),
        subjects=subjects,
        mentions=pa.array(names, pa.list_(MENTION)),
    )
    found = redacted(table, {}, [REDACT], mentions=[0, 1])
    assert found["text"].to_pylist() == ["ann"]
    assert found["subjects"].to_pylist() == subjects.to_pylist()
    entry = found["mentions"][0].as_py()[0]
    assert (entry["id"], entry["start"]) == (pseudonym("user_id\x1fann"), None)


def test_chunks_make_no_difference_to_mentions() -> None:
    names = [[mention("ann", 0, 3)], None, [mention("ann", 0, 3), mention("b", 4, 5)]]
    whole = records(
        3,
        text=pa.array(["ann b"] * 3),
        mentions=pa.array(names, pa.list_(MENTION)),
    )
    table = pa.concat_tables([whole[:2], whole[2:2], whole[2:]])
    for given in (whole, table):
        found = redacted(given, {}, [DROP, KEEP, REDACT], mentions=[0, 1])
        name = pseudonym("user_id\x1fann")
        assert found["text"].to_pylist() == ["ann b", f"{name} b"]
        assert found["mentions"][1].as_py()[1] == mention("b", 20, 21)


def test_a_dictionary_that_is_never_null_and_has_no_room_is_an_error() -> None:
    values = [f"v{at}" for at in range(128)] + ["v0"]
    column = pa.array(values).dictionary_encode().cast(TEXT_TYPES["dictionary"])
    names = [[mention("ann", 0, 1)]] + [None] * 128
    table = records(129, mentions=pa.array(names, pa.list_(MENTION))).append_column(
        pa.field("text", column.type, nullable=False), column
    )
    with pytest.raises(InputError, match="has no room for redacted values"):
        redacted(table, {}, [REDACT] + [KEEP] * 128, mentions=[0])


# --- the list of what was taken ---


def test_what_was_taken_is_listed_by_name() -> None:
    names = [
        [mention("bob", 0, 1), mention("bob", 1, 2), mention("ann", 0, 1, "b"),
         {**mention("x", 0, 0), "id": None, "field": None}],
        None,
        None,
        None,
    ]  # fmt: skip
    table = records(
        4,
        b=pa.array(["bb"] * 4),
        text=pa.array(["aa"] * 4),
        segments=turns(),
        mentions=pa.array(names, pa.list_(MENTION)),
    )
    bound = bind(table, Dataset())
    made = decisions(
        bound,
        [REDACT, REDACT, KEEP, DROP],
        segments=[0, 1, 3],
        columns={"text": [1, 2], "b": [0]},
        mentions=[0, 1, 2, 3],
    )
    found = redacted_lists(bound, made)
    assert found.type == pa.list_(pa.string())
    assert found.to_pylist() == [
        ["s1", "#1", "b", "mention:bob", "mention:#3"],
        ["text"],
        [],
        [],
    ]


def test_nothing_taken_is_an_empty_list() -> None:
    bound = bind(records(2), Dataset())
    assert redacted_lists(bound, decisions(bound, [KEEP, DROP])).to_pylist() == [[], []]
    none = bind(records(0), Dataset())
    assert redacted_lists(none, decisions(none, [])).to_pylist() == []

"""Binding: what each standard column may be, and what is said when it is not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from consentfilter.binding import (
    bind,
    check_categories,
    check_schema,
    needed_columns,
)
from consentfilter.dataset import Dataset
from consentfilter.errors import InputError
from consentfilter.ids import normalise_ids
from consentfilter.records import ROLES, Bound
from consentfilter.taxonomy import BASE

TIME = pa.timestamp("us", "UTC")
NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
PERSON = pa.struct([(name, pa.string()) for name in ("ns", "id", "role", "relation")])


def records(count: int = 2, /, **columns: Any) -> pa.Table:
    """Return a table in the standard layout; columns add and replace, None removes."""
    standard: dict[str, Any] = {
        "record_id": pa.array([f"r{at}" for at in range(count)]),
        "category": pa.array(["content.chat"] * count),
        "collected_at": pa.array([NOON] * count, TIME),
        "subject_id": pa.array([f"u{at}" for at in range(count)]),
    }
    chosen = {**standard, **columns}
    return pa.table({name: c for name, c in chosen.items() if c is not None})


def bound(dataset: Dataset | dict[str, Any] | None = None, /, **columns: Any) -> Bound:
    count = len(next((c for c in columns.values() if c is not None), [0, 0]))
    if not isinstance(dataset, Dataset):
        dataset = Dataset.from_dict(dataset or {})
    table = records(count, **columns)
    check_schema(table.schema, dataset)
    return bind(table, dataset)


def problems(table: pa.Table, binding: dict[str, Any] | None = None) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        check_schema(table.schema, Dataset.from_dict(binding or {}))
    return caught.value.problems


def people(found: Bound) -> list[tuple[int, int, str | None, str, str | None]]:
    named = found.people
    return list(
        zip(
            named.row.tolist(),
            named.segment.tolist(),
            [key and key.replace("\x1f", ":") for key in named.key.to_pylist()],
            [ROLES[role] for role in named.role.tolist()],
            named.relation.to_pylist(),
            strict=True,
        )
    )


# --- record ids, scopes and other text ---


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (pa.array(["a", " b "]), ["a", " b "]),
        (pa.array(["", " \t"]), [None, None]),
        (pa.array([1, None]), ["1", None]),
        (pa.array([b"\x01\x02", b"\xff\x00"], pa.binary(2)), ["0102", "ff00"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.nulls(2), [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_record_ids_are_text_whole_numbers_or_fixed_binary(
    ids: pa.Array, texts: list[str | None]
) -> None:
    found = bound(record_id=ids)
    assert found.record_id.to_pylist() == texts
    assert found.asset_id.to_pylist() == texts, "asset_id defaults to the record id"


def test_blank_scopes_are_null_and_others_are_as_they_are() -> None:
    found = bound(
        account_id=pa.array(["acme", " "]),
        context_id=pa.array([7, None]),
        asset_id=pa.array(["", "photo"]),
    )
    assert found.account_id.to_pylist() == ["acme", None]
    assert found.context_id.to_pylist() == ["7", None]
    assert found.asset_id.to_pylist() == ["r0", "photo"]


def test_jurisdictions_are_stripped_and_in_upper_case() -> None:
    found = bound(jurisdiction=pa.array([" de-by ", "", None, "US"]))
    assert found.jurisdiction.to_pylist() == ["DE-BY", None, None, "US"]


def test_the_source_is_first_party_unless_said() -> None:
    assert bound().source.to_pylist() == ["first_party"] * 2
    found = bound(source=pa.array(["third_party:acme", None, " "]))
    assert found.source.to_pylist() == [
        "third_party:acme",
        "first_party",
        "first_party",
    ]


def test_a_category_may_be_a_constant_or_mapped() -> None:
    found = bound({"category": {"constant": "content.post"}}, category=None)
    assert found.category.to_pylist() == ["content.post"] * 2
    kinds = pa.array([1, 2, None])
    binding = {"category": {"column": "kind", "map": {1: "content.chat"}}}
    found = bound(binding, category=None, kind=kinds, record_id=pa.array([1, 2, 3]),
                  subject_id=pa.array([1, 2, 3]),
                  collected_at=pa.array([NOON] * 3, TIME))  # fmt: skip
    assert found.category.to_pylist() == ["content.chat", None, None], (
        "what the map does not list is not let through as it is"
    )
    flags = pa.array([True, False])
    binding = {"category": {"column": "kind", "map": {True: "content.chat"}}}
    found = bound(binding, category=None, kind=flags)
    assert found.category.to_pylist() == ["content.chat", None]


def test_the_time_may_be_a_constant() -> None:
    found = bound(
        {"collected_at": {"constant": "2024-05-01T12:00:00Z"}}, collected_at=None
    )
    assert found.is_collected_valid.all()
    assert found.collected_at.tolist() == [int(NOON.timestamp()) * 1_000_000] * 2


def test_text_without_an_offset_makes_that_record_invalid() -> None:
    times = pa.array(["2024-05-01T12:00:00Z", "2024-05-01T12:00:00"])
    assert bound(collected_at=times).is_collected_valid.tolist() == [True, False]


def test_a_stated_zone_makes_naive_times_instants() -> None:
    times = pa.array([dt.datetime(2024, 5, 1, 14)] * 2, pa.timestamp("ms"))
    found = bound({"assume_timezone": "Europe/Berlin"}, collected_at=times)
    assert found.collected_at.tolist() == [int(NOON.timestamp()) * 1_000_000] * 2


# --- aggregates and derived data ---


@pytest.mark.parametrize("kind", [pa.int64(), pa.int8(), pa.decimal128(5, 0)], ids=str)
def test_a_group_size_makes_a_record_an_aggregate(kind: pa.DataType) -> None:
    found = bound(group_size=pa.array([50, None, 0, -3]).cast(pa.int8()).cast(kind))
    assert found.is_aggregate.tolist() == [True, False, True, True]
    assert found.group_size.tolist() == [50, 0, 0, 0]


def test_a_group_larger_than_anybody_can_count_is_still_a_group() -> None:
    sizes = pa.array([2**64 - 1, 3], pa.uint64())
    assert bound(group_size=sizes).group_size.tolist() == [2**63 - 1, 3]


def test_derived_categories_are_flattened_and_null_entries_stay() -> None:
    found = bound(derived_from=pa.array([["content.audio", None], None, [], ["x"]]))
    assert found.derived_row.tolist() == [0, 0, 3]
    assert found.derived_category.to_pylist() == ["content.audio", None, "x"]
    found = bound(derived_from=pa.array(["content.audio", None]))
    assert (found.derived_row.tolist(), found.derived_category.to_pylist()) == (
        [0],
        ["content.audio"],
    )
    found = bound({"derived_from": {"constant": "content.audio"}})
    assert found.derived_row.tolist() == [0, 1]


# --- people ---


def test_a_subject_id_names_its_author() -> None:
    found = bound(subject_id=pa.array(["ann", None, " unknown "]))
    assert people(found) == [
        (0, -1, "user_id:ann", "author", None),
        (2, -1, None, "author", None),
    ], "null names nobody; a placeholder is a person nobody can name"


def test_a_list_entry_is_a_person_even_without_a_name() -> None:
    found = bound(subject_id=None, subject_ids=pa.array([["ann", None], None, []]))
    assert people(found) == [
        (0, -1, "user_id:ann", "author", None),
        (0, -1, None, "author", None),
    ]


def test_subjects_have_namespaces_roles_and_relations() -> None:
    subjects = pa.array(
        [
            [
                {
                    "ns": "email",
                    "id": "A@X.org",
                    "role": "owner",
                    "relation": "guest",
                },
                {"ns": None, "id": "7", "role": None, "relation": " "},
                {"ns": " ", "id": "8", "role": "", "relation": None},
                {"ns": None, "id": None, "role": "owner", "relation": None},
                {"ns": None, "id": "9", "role": "Overlord", "relation": None},
                None,
            ],
            None,
        ],
        pa.list_(PERSON),
    )
    assert people(bound(subject_id=None, subjects=subjects)) == [
        (0, -1, "email:a@x.org", "owner", "guest"),
        (0, -1, "user_id:7", "author", None),
        (0, -1, "user_id:8", "author", None),
        (0, -1, None, "owner", None),
        (0, -1, "user_id:9", "author", None),
        (0, -1, None, "author", None),
    ], "an unknown role decides, a null subject is a nameless author"


def test_several_sources_add_up_in_row_order() -> None:
    found = bound(
        subject_id=pa.array(["ann", "bob"]),
        subject_ids=pa.array([["cy"], ["di"]]),
    )
    assert [person[:3] for person in people(found)] == [
        (0, -1, "user_id:ann"),
        (0, -1, "user_id:cy"),
        (1, -1, "user_id:bob"),
        (1, -1, "user_id:di"),
    ]


def test_a_binding_says_who_is_where() -> None:
    meta = pa.array(
        [{"author": {"id": 7}}, {"author": None}],
        pa.struct([("author", pa.struct([("id", pa.int64())]))]),
    )
    turns = pa.array(
        [[{"who": ["x", "y"]}], [{"who": None}]],
        pa.list_(pa.struct([("who", pa.list_(pa.string()))])),
    )
    binding = {
        "subjects": [
            {"path": "meta.author.id", "ns": "staff", "relation": "member"},
            {"path": "turns.who", "role": "speaker"},
        ]
    }
    found = bound(binding, meta=meta, turns=turns)
    assert people(found) == [
        (0, -1, "staff:7", "author", "member"),
        (0, -1, "user_id:x", "speaker", None),
        (0, -1, "user_id:y", "speaker", None),
    ]
    names = [column.name for column in found.columns]
    assert names == ["subject_id", "meta", "turns"], (
        "what the binding does not name, and what it looks into, is payload"
    )


@pytest.mark.parametrize("binding", [{}, {"subjects": ["subject_id"]}], ids=str)
def test_keys_can_be_keyed(binding: dict[str, Any]) -> None:
    key = b"k" * 32
    found = bind(records(), Dataset.from_dict(binding), id_key=key)
    wanted = normalise_ids("user_id", pa.array(["u0", "u1"]), key=key)
    assert found.people.key.equals(wanted)


def test_uuids_are_ids_in_their_usual_form() -> None:
    ids = pa.array([bytes(16), bytes(15) + b"\x01"], pa.uuid())
    found = bound(subject_id=ids)
    assert people(found)[1][2] == "user_id:00000000-0000-0000-0000-000000000001"


# --- segments ---

SEGMENTS = pa.array(
    [
        [
            {"segment_id": "s1", "category": None, "subject_id": "ann", "text": "hi"},
            None,
            {"segment_id": " ", "category": "content.audio", "subject_id": None,
             "text": None},
        ],
        None,
        [],
    ],
    pa.list_(
        pa.struct(
            [(n, pa.string()) for n in ("segment_id", "category", "subject_id", "text")]
        )
    ),
)  # fmt: skip


def test_segments_have_ids_categories_and_people_of_their_own() -> None:
    found = bound(segments=SEGMENTS, subject_id=pa.array(["x", "y", None]))
    parts = found.segments
    assert parts.row.tolist() == [0, 0, 0]
    assert parts.ordinal.tolist() == [0, 1, 2]
    assert parts.segment_id.to_pylist() == ["s1", None, None]
    assert parts.category.to_pylist() == [
        "content.chat",
        "content.chat",
        "content.audio",
    ]
    assert people(found) == [
        (0, -1, "user_id:x", "author", None),
        (0, 0, "user_id:ann", "author", None),
        (1, -1, "user_id:y", "author", None),
    ]
    assert found.has_parts
    assert [column.name for column in found.columns] == []


def test_a_binding_says_what_segments_are() -> None:
    turns = pa.array(
        [
            [
                {"no": 1, "kind": "a", "who": {"id": 5}},
                {"no": 2, "kind": "z", "who": None},
            ]
        ]
    )
    binding = {
        "segments": {
            "column": "turns",
            "segment_id": "no",
            "category": {"column": "kind", "map": {"a": "content.audio"}},
            "subjects": [{"path": "who.id", "role": "speaker"}],
            "keep": ["seconds"],
        }
    }
    found = bound(binding, turns=turns, seconds=pa.array([3]))
    assert found.segments.segment_id.to_pylist() == ["1", "2"]
    assert found.segments.category.to_pylist() == ["content.audio", ""], (
        "an unmapped category does not fall back to the record's"
    )
    assert people(found)[1:] == [(0, 0, "user_id:5", "speaker", None)]
    assert [(c.name, c.is_kept_with_segments) for c in found.columns] == [
        ("seconds", True)
    ]
    constant = {"segments": {"column": "turns", "category": {"constant": "account"}}}
    found = bound({**constant, "subjects": ["subject_id"]}, turns=turns)
    assert found.segments.category.to_pylist() == ["account"] * 2


# --- fields and payload ---


def test_payload_is_what_nothing_else_is() -> None:
    schema = pa.schema(
        [
            ("record_id", pa.string()),
            ("email", pa.string()),
            ("category", pa.string()),
            pa.field("must", pa.int64(), nullable=False),
            ("collected_at", TIME),
            ("subject_id", pa.string()),
            ("note", pa.string()),
        ]
    )
    dataset = Dataset.from_dict(
        {
            "fields": {
                "email": "account.profile",
                "note": {"required": True},
            }
        }
    )
    found = bind(schema.empty_table(), dataset)
    assert [(c.name, c.category, c.is_required) for c in found.columns] == [
        ("email", "account.profile", False),
        ("must", None, True),
        ("note", None, True),
    ]
    assert found.has_parts
    assert len(found.is_present) == 3


def test_a_layout_without_parts_needs_no_payload() -> None:
    table = records(text=pa.array(["a", None]))
    assert needed_columns(table.schema, Dataset()) == [
        "record_id",
        "category",
        "collected_at",
        "subject_id",
    ]
    found = bind(table, Dataset())
    assert not found.has_parts
    assert found.is_present == ()


@pytest.mark.parametrize(
    ("columns", "binding"),
    [
        ({"segments": SEGMENTS[:2]}, {}),
        ({"mentions": pa.array([[{"id": "a"}], None])}, {}),
        ({"fields": pa.array([[{"name": "a"}], None])}, {}),
        ({}, {"fields": {"text": "account"}}),
    ],
    ids=["segments", "mentions", "fields", "a field of its own category"],
)
def test_a_layout_with_parts_needs_every_column(
    columns: dict[str, Any], binding: dict[str, Any]
) -> None:
    table = records(text=pa.array(["a", None]), **columns)
    dataset = Dataset.from_dict(binding)
    assert needed_columns(table.schema, dataset) == table.column_names
    found = bind(table, dataset)
    assert found.has_parts
    at = [column.name for column in found.columns].index("text")
    assert found.is_present[at].tolist() == [True, False]


def test_a_record_may_give_its_columns_categories() -> None:
    fields = pa.array(
        [
            [
                {"name": "text", "category": "special.health", "required": True},
                {"name": "text", "category": None, "required": None},
                {"name": "zz", "category": "account", "required": False},
                {"name": None, "category": None, "required": None},
            ],
            None,
        ]
    )
    found = bound(
        {"fields": {"text": "content.post"}}, text=pa.array(["a", "b"]), fields=fields
    )
    overrides = found.overrides
    assert overrides.row.tolist() == [0, 0, 0, 0]
    assert overrides.column.tolist() == [0, 0, -1, -1]
    assert overrides.category.to_pylist() == [
        "special.health",
        "content.post",
        "account",
        "content.chat",
    ]
    assert overrides.is_required.tolist() == [True, False, False, False]


# --- mentions ---


def mention(field: str | None, start: int | None, end: int | None) -> dict[str, Any]:
    return {"ns": None, "id": "ann", "field": field, "start": start, "end": end}


@pytest.mark.parametrize(
    ("entry", "column", "is_valid"),
    [
        (mention("text", 0, 4), 0, True),
        (mention("text", 3, 4), 0, True),
        (mention("text", 0, 5), 0, False),
        (mention("text", 2, 2), 0, False),
        (mention("text", 3, 2), 0, False),
        (mention("text", -1, 2), 0, False),
        (mention("text", None, 2), 0, False),
        (mention("text", 0, None), 0, False),
        (mention("n", 0, 1), 1, False),
        (mention("nope", 0, 1), -1, False),
        (mention("category", 0, 1), -1, False),
        (mention(None, None, None), -1, True),
        (mention(" ", 0, 1), -1, True),
    ],
)
def test_a_span_lies_inside_a_text_column_in_characters(
    entry: dict[str, Any], column: int, is_valid: bool
) -> None:
    kind = pa.list_(
        pa.struct(
            [
                ("ns", pa.string()),
                ("id", pa.string()),
                ("field", pa.string()),
                ("start", pa.int32()),
                ("end", pa.int64()),
            ]
        )
    )
    for text in (pa.array(["é漢🙂z"]), pa.array(["é漢🙂z"]).dictionary_encode()):
        found = bound(text=text, n=pa.array([1]), mentions=pa.array([[entry]], kind))
        spans = found.mentions
        assert (spans.column.tolist(), spans.is_span_valid.tolist()) == (
            [column],
            [is_valid],
        )
        has_span = is_valid and column >= 0
        assert spans.start.tolist() == [entry["start"] if has_span else 0]
        assert spans.end.tolist() == [entry["end"] if has_span else 0]


def test_mentioned_subjects_without_a_span_are_mentions_too() -> None:
    subjects = pa.array(
        [[{"id": "ann", "role": "mentioned"}, {"id": " BOB", "role": "mentioned"},
          {"id": None, "role": "mentioned"}, {"id": "cy", "role": "author"}]]
    )  # fmt: skip
    mentions = pa.array([[{"id": "ann ", "field": "text", "start": 0, "end": 3}]])
    found = bound(
        subject_id=None, subjects=subjects, mentions=mentions, text=pa.array(["ann"])
    )
    spans = found.mentions
    assert spans.id.to_pylist() == ["ann ", " BOB", None]
    assert spans.column.tolist() == [0, -1, -1]
    assert spans.is_span_valid.all()
    assert len(found.people) == 4, "they are people as well"


# --- shapes ---


def test_an_empty_table_binds_to_nothing() -> None:
    found = bind(records(0, segments=SEGMENTS[:0]), Dataset())
    assert found.num_rows == 0
    assert len(found.people) == len(found.segments) == len(found.mentions) == 0
    assert found.record_id.type == pa.string()


def test_a_table_without_chunks_binds() -> None:
    table = pa.Table.from_batches([], records().schema)
    assert bind(table, Dataset()).num_rows == 0


def test_parts_may_differ_in_physical_types() -> None:
    keys = [
        bound(subject_id=ids).people.key.to_pylist()
        for ids in (
            pa.array(["7", "8"]),
            pa.array([7, 8], pa.int16()),
            pa.array(["7", "8"], pa.large_string()).dictionary_encode(),
            pa.array([7, 8]).cast(pa.decimal128(19, 0)),
        )
    ]
    assert keys == [keys[0]] * 4


def test_nothing_is_copied_for_the_plain_layout() -> None:
    table = records()
    found = bind(table, Dataset())
    for name in ("record_id", "category"):
        mine = getattr(found, name).buffers()[2].address
        assert mine == table[name].chunk(0).buffers()[2].address, name
    times = table["collected_at"].chunk(0)
    assert found.collected_at.ctypes.data == times.buffers()[1].address


# --- what does not fit ---


COLUMNS = "(columns: record_id, category, collected_at, subject_id)"


@pytest.mark.parametrize(
    ("columns", "binding", "problem"),
    [
        (
            {"record_id": None, "recordid": pa.array([1, 2])},
            {},
            "record_id: there is no column 'record_id' (columns: category, "
            "collected_at, subject_id, recordid); wanted the records' ids (text, whole "
            "numbers or fixed binary); name it in dataset.yaml as 'record_id: COLUMN'; "
            "did you mean 'recordid'?",
        ),
        (
            {},
            {"category": "kind"},
            f"category: there is no column 'kind' {COLUMNS}; wanted the records' "
            "categories (text)",
        ),
        (
            {},
            {"account_id": "org.id"},
            f"account_id: there is no column 'org.id' {COLUMNS}; wanted the records' "
            "account_id (text)",
        ),
        (
            {"record_id": pa.array([1.5, 2.5])},
            {},
            "record_id: column 'record_id' is double; wanted the records' ids (text, "
            "whole numbers or fixed binary)",
        ),
        (
            {"record_id": pa.array([True, False])},
            {},
            "record_id: column 'record_id' is bool; wanted the records' ids (text, "
            "whole numbers or fixed binary)",
        ),
        (
            {"category": pa.array([1, 2])},
            {},
            "category: column 'category' is int64; wanted the records' categories "
            "(text)",
        ),
        (
            {"category": pa.array([["a"], ["b"]])},
            {},
            "category: column 'category' is list<item: string>; wanted one value a "
            "record: the records' categories (text)",
        ),
        (
            {"collected_at": pa.array([NOON.replace(tzinfo=None)] * 2)},
            {},
            "collected_at: column 'collected_at' is timestamp[us], a time without a "
            "zone; state the zone it is in, as 'assume_timezone: UTC' in dataset.yaml",
        ),
        (
            {"collected_at": pa.array([1, 2])},
            {},
            "collected_at: column 'collected_at' is int64; wanted the time of "
            "collection (a timestamp with time zone, or RFC 3339 text with an offset)",
        ),
        (
            {"collected_at": pa.array([NOON.date()] * 2)},
            {},
            "collected_at: column 'collected_at' is date32[day]; wanted the time of "
            "collection (a timestamp with time zone, or RFC 3339 text with an offset)",
        ),
        (
            {"subject_id": None},
            {},
            "subjects: none of the columns 'subjects', 'subject_id', 'subject_ids' is "
            "there, so nobody can be named; name the column of people's ids in "
            "dataset.yaml, as 'subjects: [COLUMN]' (columns: record_id, category, "
            "collected_at)",
        ),
        (
            {"subject_id": pa.array([1.0, 2.0])},
            {},
            "subject_id: column 'subject_id' is double; wanted ids (text or whole "
            "numbers), structs with an 'id', or lists of either",
        ),
        (
            {},
            {"subjects": ["subject_id", "subjectid"]},
            f"subjects[1]: there is no column 'subjectid' {COLUMNS}; wanted people's "
            "ids; did you mean 'subject_id'?",
        ),
        (
            {"subjects": pa.array([[{"name": "a"}], None])},
            {},
            "subjects: 'subjects' holds structs without a field 'id' (fields: name); "
            "name the field, as 'path: subjects.FIELD'",
        ),
        (
            {"subjects": pa.array([[{"id": "a", "role": 1}], None])},
            {},
            "subjects: column 'subjects.role' is int64; wanted text",
        ),
        (
            {"group_size": pa.array([1.5, None])},
            {},
            "group_size: column 'group_size' is double; wanted how many people an "
            "aggregate covers (whole numbers); if it is payload, say "
            "'group_size: null' in dataset.yaml",
        ),
        (
            {"segments": pa.array(["a", "b"])},
            {},
            "segments.column: column 'segments' is string; wanted a list of structs; "
            "if it is payload, say 'segments: null' in dataset.yaml",
        ),
        (
            {"segments": SEGMENTS[:2]},
            {"segments": {"segment_id": "id", "category": "kind"}},
            "segments.segment_id: segments have no field 'id' (fields: segment_id, "
            "category, subject_id, text)",
        ),
        (
            {"segments": SEGMENTS[:2]},
            {"segments": {"keep": ["seconds"]}},
            "segments.keep: there is no column 'seconds' (columns: record_id, "
            "category, collected_at, subject_id, segments); wanted a column outside "
            "the segments",
        ),
        (
            {"fields": pa.array([["text"], None])},
            {},
            "row_fields: column 'fields' is list<item: string>; wanted a list of "
            "structs with 'name'; if it is payload, say 'row_fields: null' in "
            "dataset.yaml",
        ),
        (
            {"mentions": pa.array([[{"id": 1, "start": "0"}], None])},
            {},
            "mentions: column 'mentions.start' is string; wanted whole numbers",
        ),
        (
            {"text": pa.array(["a", "b"])},
            {"fields": {"txet": "account"}},
            "fields.txet: there is no column 'txet'; did you mean 'text'?",
        ),
        (
            {},
            {"fields": {"subject_id": "account"}},
            "fields.subject_id: the column is bound as a standard column, so it is not "
            "payload; name it in one place only",
        ),
        (
            {"n": pa.array([1, 2])},
            {"fields": {"n": {"redaction": "mask"}}},
            "fields.n: redaction 'mask' needs a text column, found int64; use "
            "'redaction: null'",
        ),
    ],
)
def test_what_does_not_fit_is_said(
    columns: dict[str, Any], binding: dict[str, Any], problem: str
) -> None:
    assert problem in problems(records(**columns), binding)


def test_all_problems_come_together() -> None:
    table = records(
        record_id=None, collected_at=pa.array([1, 2]), group_size=pa.array([0.5, 1])
    )
    assert len(problems(table)) == 3
    with pytest.raises(InputError) as caught:
        bind(table, Dataset())
    assert len(caught.value.problems) == 3
    with pytest.raises(InputError):
        needed_columns(table.schema, Dataset())


def test_categories_that_the_binding_names_must_exist() -> None:
    dataset = Dataset.from_dict(
        {
            "category": {"column": "kind", "map": {"a": "content.chat", "b": "contnt"}},
            "derived_from": {"constant": "content.sticker"},
            "segments": {"category": {"constant": "*"}},
            "fields": {"email": "account.profle", "text": {"required": True}},
        }
    )
    with pytest.raises(InputError) as caught:
        check_categories(dataset, BASE)
    end = "; name a node of it, or add the node under taxonomy.categories"
    assert caught.value.problems == (
        "category.map.b: 'contnt' is not in the category tree; "
        f"did you mean 'content'?{end}",
        "derived_from.constant: 'content.sticker' is not in the category tree; did you "
        f"mean 'content.post'?{end}",
        f"segments.category.constant: '*' is not in the category tree{end}",
        "fields.email: 'account.profle' is not in the category tree; did you mean "
        f"'account.profile'?{end}",
    )
    check_categories(Dataset(), BASE)


@pytest.mark.parametrize("name", ["group_size", "segments"])
def test_records_without_subjects_must_be_aggregates_or_segmented(name: str) -> None:
    column = pa.array([5, 6]) if name == "group_size" else SEGMENTS[:2]
    table = records(subject_id=None, **{name: column})
    check_schema(table.schema, Dataset())


def test_a_column_that_stands_twice_is_refused() -> None:
    table = records().append_column("subject_id", pa.array(["a", "b"]))
    assert problems(table) == (
        "column 'subject_id' stands 2 times; wanted once: rename the others",
    )


def test_a_standard_name_can_be_freed_for_payload() -> None:
    table = records(source=pa.array([1.5, 2.5]), fields=pa.array(["a", "b"]))
    dataset = Dataset.from_dict({"source": None, "row_fields": None})
    check_schema(table.schema, dataset)
    found = bind(table, dataset)
    assert [column.name for column in found.columns] == ["source", "fields"]
    assert found.source.to_pylist() == ["first_party"] * 2


def test_the_row_numbers_are_those_of_the_batch() -> None:
    table = records(3, subject_ids=pa.array([["a"], None, ["b", "c"]]), subject_id=None)
    sliced = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    found = bind(sliced, Dataset())
    assert found.people.row.tolist() == [0, 2, 2]
    assert np.array_equal(found.people.segment, [-1, -1, -1])

"""Tables by chance: every standard column in every Arrow type that may hold it."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from consentfilter.dataset import Dataset

TEXTS = (pa.string(), pa.large_string(), pa.string_view())
WHOLES = (pa.int64(), pa.int32(), pa.uint64(), pa.decimal128(20, 0))
TIMES = (
    dt.datetime(2024, 5, 1, 12, 0, 0, 250_000, dt.UTC),
    dt.datetime(1969, 12, 31, 23, 59, 59, 1, dt.UTC),
)
TIME_TEXTS = (
    "2024-05-01T12:00:00Z",
    "2024-05-01t12:00:00.1234567+05:30",
    " 2024-05-01 12:00:00-01:00",
    "2024-05-01T12:00:00",
    "yesterday",
)
IDS = ("ann", " Bob ", "é", "e\u0301", "ANONYMOUS", "", "0", "Straße@X.org")
TEXT = ("hello @ann", "é漢🙂 and bob", "", "x")


def text_types() -> st.SearchStrategy[pa.DataType]:
    return st.sampled_from(
        [
            *TEXTS,
            pa.dictionary(pa.int8(), pa.string()),
            pa.dictionary(pa.int32(), TEXTS[1]),
        ]
    )


@st.composite
def texts(draw: st.DrawFn, values: tuple[str, ...]) -> tuple[pa.DataType, Any]:
    return draw(text_types()), st.none() | st.sampled_from(values)


@st.composite
def ids(draw: st.DrawFn) -> tuple[pa.DataType, Any]:
    if draw(st.booleans()):
        return draw(text_types()), st.none() | st.sampled_from(IDS)
    return draw(st.sampled_from(WHOLES)), st.none() | st.integers(0, 12)


@st.composite
def lists(
    draw: st.DrawFn, entry: tuple[pa.DataType, Any], most: int = 3
) -> tuple[pa.DataType, Any]:
    kind, values = entry
    make = draw(st.sampled_from([pa.list_, pa.large_list, pa.list_view]))
    return make(kind), st.none() | st.lists(values, max_size=most)


@st.composite
def structs(
    draw: st.DrawFn, fields: dict[str, tuple[pa.DataType, Any]], needed: set[str]
) -> tuple[pa.DataType, Any]:
    chosen = {
        name: field
        for name, field in fields.items()
        if name in needed or draw(st.booleans())
    }
    kind = pa.struct([(name, kind) for name, (kind, _) in chosen.items()])
    values = st.fixed_dictionaries({name: value for name, (_, value) in chosen.items()})
    return kind, st.none() | values


@st.composite
def subjects(draw: st.DrawFn) -> tuple[pa.DataType, Any]:
    struct = draw(
        structs(
            {
                "ns": draw(texts(("user_id", "email", " ", " email"))),
                "id": draw(ids()),
                "role": draw(texts(("author", "speaker", "mentioned", "boss", ""))),
                "relation": draw(texts(("member", " "))),
            },
            {"id"},
        )
    )
    return draw(lists(struct))


@st.composite
def columns(draw: st.DrawFn) -> dict[str, tuple[pa.DataType, Any]]:
    """Return name to type and strategy of values; some columns are left out."""
    categories = ("content.chat", "nope", "account.profile")
    if draw(st.booleans()):
        time_kind = draw(text_types())
        time = st.none() | st.sampled_from(TIME_TEXTS)
    else:
        unit = draw(st.sampled_from(["us", "ns"]))
        time_kind = pa.timestamp(unit, draw(st.sampled_from(["UTC", "Asia/Tokyo"])))
        time = st.none() | st.sampled_from(TIMES)
    person = {
        "subjects": draw(subjects()),
        "subject_id": draw(ids()),
        "subject_ids": draw(lists(draw(ids()))),
    }
    segment = draw(
        structs(
            {
                "segment_id": draw(ids()),
                "category": draw(texts(categories)),
                "words": draw(texts(TEXT)),
                **{name: draw(lists(draw(ids()))) for name in ("subject_ids",)},
                "subject_id": draw(ids()),
                "subjects": draw(subjects()),
            },
            {"words"},
        )
    )
    offset = st.none() | st.integers(-1, 12)
    mention = draw(
        structs(
            {
                "ns": draw(texts(("user_id", "email"))),
                "id": draw(ids()),
                "field": draw(texts(("text", "body", "n", "category", "zz", ""))),
                "start": (draw(st.sampled_from([pa.int64(), pa.int16()])), offset),
                "end": (draw(st.sampled_from([pa.int64(), pa.int32()])), offset),
            },
            {"id"},
        )
    )
    field = draw(
        structs(
            {
                "name": draw(texts(("text", "n", "zz", " "))),
                "category": draw(texts(("special.health", " "))),
                "required": (pa.bool_(), st.none() | st.booleans()),
            },
            {"name"},
        )
    )
    size = draw(st.sampled_from([pa.int64(), pa.int8(), pa.decimal128(9, 0)]))
    optional = {
        **person,
        "segments": draw(lists(segment)),
        "mentions": draw(lists(mention)),
        "fields": draw(lists(field)),
        "account_id": draw(ids()),
        "context_id": draw(texts(("m1", " ", ""))),
        "asset_id": draw(texts(("a1", "\t"))),
        "jurisdiction": draw(texts((" de", "us-ca ", "", " "))),
        "source": draw(texts(("third_party:x", " "))),
        "group_size": (size, st.none() | st.integers(-3, 99)),
        "derived_from": draw(
            st.one_of(lists(draw(texts(categories))), texts(categories))
        ),
        "text": draw(texts(TEXT)),
        "body": draw(texts(TEXT)),
        "n": (pa.int32(), st.none() | st.integers(0, 3)),
    }
    chosen = {name: it for name, it in optional.items() if draw(st.booleans())}
    if not {"subjects", "subject_id", "subject_ids"} & set(chosen):
        name = draw(st.sampled_from(sorted(person)))
        chosen[name] = person[name]
    return {
        "record_id": draw(ids()),
        "category": draw(texts(categories)),
        "collected_at": (time_kind, time),
        **dict(sorted(chosen.items())),
    }


@st.composite
def tables(
    draw: st.DrawFn,
) -> tuple[pa.Table, list[dict[str, Any]], Dataset]:
    """Return a table in several chunks, its rows, and a binding for it."""
    kinds = draw(columns())
    row = st.fixed_dictionaries({name: value for name, (_, value) in kinds.items()})
    rows = draw(st.lists(row, max_size=6))
    schema = pa.schema([(name, kind) for name, (kind, _) in kinds.items()])
    junk = draw(st.integers(0, min(2, len(rows))))
    cut = draw(st.integers(0, len(rows)))
    arrays = []
    for name, (kind, _) in kinds.items():
        values = [row[name] for row in rows]
        # A slice of a longer array, so that offsets count.
        long = make([*values[:junk], *values], kind)[junk:]
        arrays.append(pa.chunked_array([long[:cut], long[cut:]], kind))
    table = pa.Table.from_arrays(arrays, schema=schema)
    fields = {"text": {"category": "special.health"}} if "text" in kinds else {}
    binding: dict[str, Any] = {}
    if draw(st.booleans()):
        binding["fields"] = fields
    if draw(st.booleans()):
        binding["category"] = {"column": "category", "map": {"nope": "content"}}
    if draw(st.booleans()) and "segments" in kinds:
        binding["segments"] = {
            "category": {"column": "category", "map": {"content.chat": "content"}}
        }
        if "category" not in schema.field("segments").type.value_type.names:
            del binding["segments"]
    if draw(st.booleans()) and "subjects" in kinds:
        source: dict[str, Any] = {"role": "speaker", "ns": "email", "relation": "guest"}
        binding["subjects"] = [
            {"path": draw(st.sampled_from(["subjects", "subjects.id"])), **source}
        ]
    return table, rows, Dataset.from_dict(binding)


def make(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Return an array of any type; decimals and dictionaries take plain values."""
    if pa.types.is_dictionary(kind):
        plain = pa.array(values, kind.value_type)
        if pa.types.is_large_string(kind.value_type):
            plain = pa.array(values, pa.large_string())
        return plain.dictionary_encode().cast(kind)
    if pa.types.is_struct(kind):
        children = [
            make([None if v is None else v[field.name] for v in values], field.type)
            for field in kind
        ]
        mask = pa.array([v is None for v in values], pa.bool_())
        if not children:
            return pa.array(values, kind)
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=mask)
    if pa.types.is_decimal(kind):
        return pa.array(
            [None if v is None else decimal.Decimal(v) for v in values], kind
        )
    if not (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_list_view(kind)
    ):
        return pa.array(values, kind)
    flat = make([entry for value in values for entry in value or ()], kind.value_type)
    sizes = [len(value or ()) for value in values]
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    mask = pa.array([value is None for value in values], pa.bool_())
    if pa.types.is_list_view(kind):
        return pa.ListViewArray.from_arrays(
            pa.array(starts, pa.int32()), pa.array(sizes, pa.int32()), flat,
            type=kind, mask=mask,
        )  # fmt: skip
    large = pa.types.is_large_list(kind)
    offsets = pa.array([*starts, sum(sizes)], pa.int64() if large else pa.int32())
    build = pa.LargeListArray if large else pa.ListArray
    return build.from_arrays(offsets, flat, type=kind, mask=mask)

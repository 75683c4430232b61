"""Row digests: the vectorised code against the reference, and what must differ."""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentfilter.errors import InputError
from consentfilter.lineage import rows
from tests.lineage import reference_rows

UTC = dt.UTC
D = decimal.Decimal


def digests(*arrays: pa.Array | pa.ChunkedArray) -> list[bytes]:
    table = pa.table(list(arrays), names=[f"c{at}" for at in range(len(arrays))])
    return [value.as_py() for value in rows.row_digests(table)]


def sha(text: str | bytes) -> bytes:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).digest()


def test_example_of_the_docstring() -> None:
    assert digests(pa.array(["r1"]), pa.array([7]), pa.array([None], pa.string())) == [
        sha("2:r1,1:7,~")
    ]


CASES: dict[str, tuple[pa.Array, list[str]]] = {
    "string": (pa.array(["", "a", None, "é\0z"]), ["0:,", "1:a,", "~", "4:é\0z,"]),
    "large": (pa.array(["é"], pa.large_string()), ["2:é,"]),
    "view": (
        pa.array(["a longer text than inline"], pa.string_view()),
        ["25:a longer text than inline,"],
    ),
    "int": (
        pa.array([-1, 0, 2**63 - 1, None]),
        ["2:-1,", "1:0,", "19:9223372036854775807,", "~"],
    ),
    "uint": (pa.array([2**64 - 1], pa.uint64()), ["20:18446744073709551615,"]),
    "bool": (pa.array([True, False, None]), ["4:true,", "5:false,", "~"]),
    "double": (
        pa.array([1.0, -0.0, None, float("nan")]),
        ["16:3ff0000000000000,", "16:8000000000000000,", "~", "16:7ff8000000000000,"],
    ),
    "float": (pa.array([1.5], pa.float32()), ["8:3fc00000,"]),
    "half": (pa.array([np.float16(1.5)], pa.float16()), ["4:3e00,"]),
    "decimal": (
        pa.array([D("1.50"), D("-0.05"), D("0"), None], pa.decimal128(5, 2)),
        ["4:1.50,", "5:-0.05,", "4:0.00,", "~"],
    ),
    "decimal_small": (
        pa.array([D("0.0000000001")], pa.decimal128(12, 10)),
        ["12:0.0000000001,"],
    ),
    "decimal_whole": (pa.array([D("-12")], pa.decimal128(5, 0)), ["3:-12,"]),
    "decimal_coarse": (
        pa.array([D("1200"), D("0")], pa.decimal128(3, -2)),
        ["4:1200,", "1:0,"],
    ),
    "decimal256": (pa.array([D("-1.5")], pa.decimal256(60, 1)), ["4:-1.5,"]),
    "decimal32": (pa.array([D("1.5")], pa.decimal32(5, 1)), ["3:1.5,"]),
    "decimal64": (pa.array([D("1.5")], pa.decimal64(12, 1)), ["3:1.5,"]),
    "timestamp": (
        pa.array(
            [dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")
        ),
        ["7:1000000,"],
    ),
    "duration": (pa.array([5], pa.duration("ms")), ["1:5,"]),
    "date32": (pa.array([dt.date(1969, 12, 31)], pa.date32()), ["2:-1,"]),
    "date64": (
        pa.array([dt.date(1969, 12, 31), dt.date(1970, 1, 2)], pa.date64()),
        ["2:-1,", "1:1,"],
    ),
    "time32": (pa.array([dt.time(0, 0, 2)], pa.time32("s")), ["1:2,"]),
    "time64": (pa.array([dt.time(0, 0, 2)], pa.time64("us")), ["7:2000000,"]),
    "binary": (pa.array([b"\0\xff", None]), [f"64:{sha(bytes([0, 255])).hex()},", "~"]),
    "fixed_binary": (pa.array([b"ab"], pa.binary(2)), [f"64:{sha('ab').hex()},"]),
    "binary_view": (pa.array([b"ab"], pa.binary_view()), [f"64:{sha('ab').hex()},"]),
    "null": (pa.nulls(2), ["~", "~"]),
    "list": (
        pa.array([["a", None], [], None, ["bc"]]),
        ["5:1:a,~,", "0:,", "~", "5:2:bc,,"],
    ),
    "large_list": (pa.array([[1], None], pa.large_list(pa.int8())), ["4:1:1,,", "~"]),
    "list_view": (
        pa.array([[1], None, [2, 3]], pa.list_view(pa.int8())),
        ["4:1:1,,", "~", "8:1:2,1:3,,"],
    ),
    "fixed_list": (
        pa.array([[1, 2], None, [3, None]], pa.list_(pa.int8(), 2)),
        ["8:1:1,1:2,,", "~", "5:1:3,~,"],
    ),
    "struct": (
        pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
        ["8:1:1,1:x,,", "~", "5:~1:y,,"],
    ),
    "map": (
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        ["11:8:1:k,1:1,,,", "~", "0:,"],
    ),
    "dictionary": (
        pa.array(["x", None, "x"]).dictionary_encode(),
        ["1:x,", "~", "1:x,"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_text_of_each_type(name: str) -> None:
    array, expected = CASES[name]
    assert digests(array) == [sha(text) for text in expected]


@pytest.mark.parametrize("name", CASES)
def test_slices_hash_as_the_whole(name: str) -> None:
    array, expected = CASES[name]
    padded = pa.concat_arrays([array, array, array])
    size = len(array)
    assert digests(padded.slice(1, 2 * size)) == [
        sha(text) for text in (expected * 3)[1 : 1 + 2 * size]
    ]


def test_ways_of_holding_one_value_do_not_count() -> None:
    texts = ["a", None, "bb", "a", "a"]
    plain = pa.array(texts)
    held = [
        plain.cast(pa.large_string()),
        plain.cast(pa.string_view()),
        plain.dictionary_encode(),
        pa.array(texts).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
        pa.DictionaryArray.from_arrays(
            pa.array([0, 1, 2, 0, 0], pa.uint8()), pa.array(["a", None, "bb"])
        ),
        pa.chunked_array([texts[:2], texts[2:]], pa.string()),
    ]
    for variant in held:
        assert digests(variant) == digests(plain)
        assert rows.schema_fingerprint(
            pa.schema([("x", variant.type)])
        ) == rows.schema_fingerprint(pa.schema([("x", pa.string())]))
    runs = pa.RunEndEncodedArray.from_arrays([3, 5], pa.array(["a", "b"]))
    assert digests(runs) == digests(pa.array(["a", "a", "a", "b", "b"]))


def test_moving_a_border_between_columns_changes_the_digest() -> None:
    assert digests(pa.array(["ab"]), pa.array(["c"])) != digests(
        pa.array(["a"]), pa.array(["bc"])
    )
    assert digests(pa.array([None], pa.string())) != digests(pa.array(["~"]))
    assert digests(pa.array([""]), pa.nulls(1)) != digests(pa.nulls(1), pa.array([""]))


def test_bytes_that_are_not_utf8_in_a_text_column_hash_as_they_are() -> None:
    raw = pa.array([b"\xff\xfe", b"ok"])
    array = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    assert digests(array)[0] == sha(b"2:\xff\xfe,")


def test_long_values() -> None:
    long = "é" * 70_000
    assert digests(pa.array(["a", long, None]), pa.array([1, 2, 3])) == [
        sha("1:a,1:1,"),
        sha(f"140000:{long},1:2,"),
        sha("~1:3,"),
    ]
    assert digests(pa.array(["a", long]), pa.array([long, "b"])) == [
        sha(f"1:a,140000:{long},"),
        sha(f"140000:{long},1:b,"),
    ]


def test_empty_tables() -> None:
    assert digests(pa.array([], pa.string())) == []
    no_columns = pa.table({"a": [1, 2]}).select([])
    assert [v.as_py() for v in rows.row_digests(no_columns)] == [sha("")] * 2
    empty_lists = pa.array([[], []], pa.list_(pa.struct([("a", pa.string())])))
    assert digests(empty_lists) == [sha("0:,")] * 2


def test_many_batches_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"a": list(range(100)), "b": [str(x) for x in range(100)]})
    whole = rows.row_digests(table)
    monkeypatch.setattr(rows, "_BATCH_ROWS", 7)
    assert rows.row_digests(table).equals(whole)
    assert rows.row_digests(table.to_batches()[0]).equals(whole)
    monkeypatch.setattr(rows, "_BATCH_BYTES", 1)
    assert rows.row_digests(table).equals(whole)


def test_a_type_without_text_is_refused_by_name() -> None:
    array = pa.array([pa.MonthDayNano([1, 2, 3])])
    with pytest.raises(InputError, match="column c0: values of type month_day_nano"):
        digests(array)


LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.text(max_size=6)),
    (pa.large_string(), st.text(max_size=3)),
    (pa.string_view(), st.text(max_size=20)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.binary(), st.binary(max_size=5)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.date32(), st.dates()),
    (pa.date64(), st.dates()),
    (pa.timestamp("ms"), st.integers(-(10**12), 10**12)),
    (pa.duration("ns"), st.integers(-(10**12), 10**12)),
    (pa.decimal128(9, 4), st.decimals("-99999", "99999", places=4)),
    (pa.decimal128(9, 9), st.decimals("-0.99", "0.99", places=9)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", "é"])),
]


def nested(depth: int) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    leaf = st.sampled_from(LEAVES)
    if depth == 0:
        return leaf
    inner = nested(depth - 1)

    def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.none() | values

    def listed(pair: tuple[pa.DataType, Any]) -> tuple[pa.DataType, Any]:
        return pa.list_(pair[0]), st.lists(maybe(pair[1]), max_size=3)

    def large(pair: tuple[pa.DataType, Any]) -> tuple[pa.DataType, Any]:
        return pa.large_list(pair[0]), st.lists(maybe(pair[1]), max_size=3)

    def fixed(pair: tuple[pa.DataType, Any]) -> tuple[pa.DataType, Any]:
        return pa.list_(pair[0], 2), st.lists(maybe(pair[1]), min_size=2, max_size=2)

    def struct(pairs: list[tuple[pa.DataType, Any]]) -> tuple[pa.DataType, Any]:
        names = [f"f{at}" for at in range(len(pairs))]
        kind = pa.struct([(n, p[0]) for n, p in zip(names, pairs, strict=True)])
        return kind, st.fixed_dictionaries(
            {n: maybe(p[1]) for n, p in zip(names, pairs, strict=True)}
        )

    def mapped(pair: tuple[pa.DataType, Any]) -> tuple[pa.DataType, Any]:
        kind = pa.map_(pa.string(), pair[0])
        pairs = st.tuples(st.text(max_size=2), maybe(pair[1]))
        return kind, st.lists(pairs, max_size=3)

    return st.one_of(
        leaf,
        inner.map(listed),
        inner.map(large),
        inner.map(fixed),
        st.lists(inner, min_size=1, max_size=3).map(struct),
        inner.map(mapped),
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_vectorised_code_agrees_with_the_reference(data: st.DataObject) -> None:
    pairs = data.draw(st.lists(nested(2), min_size=1, max_size=4))
    count = data.draw(st.integers(0, 6))
    arrays = []
    for kind, values in pairs:
        cells = data.draw(st.lists(st.none() | values, min_size=count, max_size=count))
        arrays.append(pa.array(cells, kind))
    table = pa.table(arrays, names=[f"c{at}" for at in range(len(arrays))])
    start = data.draw(st.integers(0, count))
    for part in (table, table.slice(start)):
        got = [value.as_py() for value in rows.row_digests(part)]
        assert got == reference_rows.digests(part)


def test_schema_fingerprint_sees_names_types_order_and_nullability() -> None:
    base = [pa.field("a", pa.int64()), pa.field("b", pa.list_(pa.string()))]
    variants = [
        base[::-1],
        [pa.field("A", pa.int64()), base[1]],
        [pa.field("a", pa.int32()), base[1]],
        [pa.field("a", pa.int64(), nullable=False), base[1]],
        [base[0], pa.field("b", pa.list_(pa.field("item", pa.string(), False)))],
        base[:1],
        [base[0], pa.field("b", pa.map_(pa.string(), pa.string()))],
        [base[0], pa.field("b", pa.struct([("x", pa.string())]))],
        [base[0], pa.field("b", pa.decimal128(5, 2))],
        [base[0], pa.field("b", pa.binary())],
        [base[0], pa.field("b", pa.timestamp("us", "UTC"))],
    ]
    prints = {
        rows.schema_fingerprint(pa.schema(fields)) for fields in [base, *variants]
    }
    assert len(prints) == len(variants) + 1
    with_metadata = pa.schema(base, metadata={b"x": b"y"})
    assert rows.schema_fingerprint(with_metadata) == rows.schema_fingerprint(
        pa.schema(base)
    )

"""Reading nested columns: paths, lists of every layout, text forms."""

from __future__ import annotations

import decimal
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from consentfilter.layout.nested import (
    find_below,
    find_path,
    follow,
    has_text_form,
    is_blank,
    is_present,
    one_array,
    open_list,
    plain_text,
    struct_child,
)

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("a.b", pa.string()),
        pa.field(
            "meta",
            pa.struct(
                [
                    pa.field("author", pa.struct([pa.field("id", pa.int32(), False)])),
                    pa.field("x.y", pa.string()),
                ]
            ),
            nullable=False,
        ),
        pa.field("turns", pa.list_(pa.struct([("who", pa.list_(pa.string()))]))),
    ]
)


@pytest.mark.parametrize(
    ("name", "column", "fields", "in_list"),
    [
        ("id", "id", (), False),
        ("a.b", "a.b", (), False),
        ("meta.author.id", "meta", ("author", "id"), False),
        ("meta.x.y", "meta", ("x.y",), False),
        ("turns.who", "turns", ("who",), True),
    ],
)
def test_a_path_goes_through_structs_lists_and_dotted_names(
    name: str, column: str, fields: tuple[str, ...], in_list: bool
) -> None:
    path = find_path(SCHEMA, name)
    assert path is not None
    assert (path.column, path.fields, path.in_list) == (column, fields, in_list)


@pytest.mark.parametrize("name", ["nope", "meta.nope", "meta.author.id.more", "a.c"])
def test_a_path_that_leads_nowhere_is_not_found(name: str) -> None:
    assert find_path(SCHEMA, name) is None


def test_a_path_below_a_type_has_no_column() -> None:
    path = find_below(SCHEMA.field("turns").type, "who")
    assert path is not None
    assert (path.column, path.fields) == ("", ("who",))
    assert find_below(pa.int64(), "who") is None


LISTS = [
    pa.list_(pa.int64()),
    pa.large_list(pa.int64()),
    pa.list_view(pa.int64()),
    pa.large_list_view(pa.int64()),
]


@pytest.mark.parametrize("kind", LISTS, ids=str)
def test_lists_of_every_layout_are_flattened(kind: pa.DataType) -> None:
    values = pa.array([[9], [1, 2], None, [], [3, None]], kind)[1:]
    flat = open_list(values)
    assert flat.row.tolist() == [0, 0, 3, 3]
    assert flat.values.to_pylist() == [1, 2, 3, None]
    assert flat.in_list


def test_fixed_size_lists_are_flattened() -> None:
    values = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2))
    flat = open_list(values)
    assert (flat.row.tolist(), flat.values.to_pylist()) == ([0, 0, 2, 2], [1, 2, 3, 4])


def test_entries_hidden_below_a_null_list_stay_hidden() -> None:
    values = pa.ListArray.from_arrays(
        pa.array([0, 2, 4, 5]),
        pa.array([1, 2, 3, 4, 5]),
        mask=pa.array([False, True, False]),
    )
    assert open_list(values).values.to_pylist() == [1, 2, 5]


def test_a_null_struct_has_null_fields_whatever_its_children_hold() -> None:
    values = pa.StructArray.from_arrays(
        [pa.array([1, 2, 3])], ["a"], mask=pa.array([False, True, False])
    )
    child = struct_child(values[1:], "a")
    assert child is not None
    assert child.to_pylist() == [None, 3]
    assert struct_child(values, "b") is None
    assert struct_child(pa.array([1]), "a") is None


def test_a_path_through_several_lists_keeps_the_row() -> None:
    values = pa.array(
        [
            [{"who": ["a", "b"]}, None, {"who": None}],
            None,
            [{"who": []}, {"who": ["c", None]}],
        ],
        pa.list_(pa.struct([("who", pa.list_(pa.string()))])),
    )
    flat = follow(values, ("who",))
    assert flat.row.tolist() == [0, 0, 2, 2]
    assert flat.values.to_pylist() == ["a", "b", "c", None]


UUID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array(["a", None]), ["a", None]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array([7, None], pa.uint64()), ["7", None]),
        (pa.array([9007199254740993]), ["9007199254740993"]),
        (pa.array([-3], pa.int8()), ["-3"]),
        (pa.array([7, 7]).dictionary_encode(), ["7", "7"]),
        (pa.array([decimal.Decimal(10**20)], pa.decimal128(38, 0)), [str(10**20)]),
        (pa.array([True, None]), ["true", None]),
        (
            pa.array([b"\x00\xff", None, b"\xab\x12"], pa.binary(2)),
            ["00ff", None, "ab12"],
        ),
        (pa.array([UUID.bytes, None], pa.uuid()), [str(UUID), None]),
        (pa.nulls(2), [None, None]),
        (pa.RunEndEncodedArray.from_arrays([2], pa.array(["a"])), ["a", "a"]),
        (pa.array(["{}"], pa.json_(pa.string())), ["{}"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_value_has_one_text_form(
    values: pa.Array, texts: list[str | None]
) -> None:
    assert has_text_form(values.type)
    found = plain_text(values)
    assert found.type == pa.string()
    assert found.to_pylist() == texts
    found.validate(full=True)
    if not pa.types.is_run_end_encoded(values.type):
        assert plain_text(values[1:]).to_pylist() == texts[1:]


@pytest.mark.parametrize(
    "values", [pa.array([1.5]), pa.array([b"x"]), pa.array([[1]])], ids=str
)
def test_values_without_a_text_form_are_refused(values: pa.Array) -> None:
    assert not has_text_form(values.type)
    with pytest.raises(TypeError, match="no text form"):
        plain_text(values)


def test_text_that_is_not_utf8_is_null() -> None:
    raw = pa.array([b"ok", b"\xff\xfe", None, "é".encode()])
    texts = pa.Array.from_buffers(pa.string(), 4, raw.buffers())
    assert plain_text(texts).to_pylist() == ["ok", None, None, "é"]


def test_presence_looks_through_encodings() -> None:
    dictionary = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None]), pa.array(["x", None])
    )
    assert is_present(dictionary).tolist() == [True, False, False]
    assert is_present(pa.nulls(2)).tolist() == [False, False]
    runs = pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(["a", None]))
    assert is_present(runs).tolist() == [True, False]
    assert is_present(pa.array([1.0, float("nan")])).tolist() == [True, True]
    chunks = pa.chunked_array([[1, None], [3]])
    assert is_present(chunks).tolist() == [True, False, True]


def test_blank_is_null_empty_or_white_space() -> None:
    texts = pa.array([None, "", " \t\u00a0", "x", " x "])
    assert is_blank(texts).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_blank_is_the_same_for_every_character(kind: pa.DataType) -> None:
    characters = [chr(code) for code in (*range(0x500), 0x2003, 0x3000, 0xFEFF)]
    texts = [each for c in characters for each in (c, f" {c}", f"{c} ", f"x{c}", None)]
    values = pa.array(["y", "", *texts], kind)[1:]
    empty = pc.equal(pc.binary_length(values), 0)
    blank = pc.fill_null(pc.or_(empty, pc.utf8_is_space(values)), True)
    assert is_blank(values).tolist() == blank.to_pylist()
    assert is_blank(values[:0]).tolist() == []


def test_a_single_chunk_is_not_copied() -> None:
    column = pa.chunked_array([pa.array(np.arange(10))])
    found = one_array(column)
    assert found.buffers()[1].address == column.chunk(0).buffers()[1].address

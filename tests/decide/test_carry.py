"""Rows carried out of a table: same schema, right values, nothing of the others."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.decide.carry import is_loose, keep_rows, keep_values
from consentfilter.errors import InputError

MARKER = "MARKER-of-a-value-that-must-go"
MARKER_BYTES = MARKER.encode()[:16]
TEXTS = ["kept-value-that-is-long-enough", MARKER, "another-kept-and-long-value", None]
RAW = [text and text.encode() for text in TEXTS]
ONE = [None if text is None else [text] for text in TEXTS]
WORD = pa.dictionary(pa.int8(), pa.string())
PAIR = [None if text is None else {"a": text, "b": [text]} for text in TEXTS]


def words(kind: pa.DataType = WORD) -> pa.Array:
    return pa.array(TEXTS).dictionary_encode().cast(kind)


COLUMNS: dict[str, pa.Array] = {
    "string": pa.array(TEXTS),
    "large string": pa.array(TEXTS, pa.large_string()),
    "string view": pa.array(TEXTS, pa.string_view()),
    "binary": pa.array(RAW),
    "binary view": pa.array(RAW, pa.binary_view()),
    "dictionary": words(),
    "dictionary of large": words(pa.dictionary(pa.int32(), pa.large_string())),
    "ordered dictionary": pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, None], pa.int16()), pa.array(TEXTS[:3]), ordered=True
    ),
    "list": pa.array(ONE),
    "large list": pa.array(ONE, pa.large_list(pa.string())),
    "list view": pa.array(ONE, pa.list_view(pa.string())),
    "large list view": pa.array(ONE, pa.large_list_view(pa.string())),
    "fixed size list": pa.array(ONE, pa.list_(pa.string(), 1)),
    "fixed size list of views": pa.array(ONE, pa.list_(pa.string_view(), 1)),
    "list of views": pa.array(ONE, pa.list_(pa.string_view())),
    "list of dictionaries": pa.array(ONE, pa.list_(WORD)),
    "large list of dictionaries": pa.array(ONE, pa.large_list(WORD)),
    "list view of dictionaries": pa.array(ONE, pa.list_view(WORD)),
    "large list view of views": pa.array(ONE, pa.large_list_view(pa.string_view())),
    "struct": pa.array(PAIR),
    "struct of loose": pa.array(
        PAIR, pa.struct([("a", WORD), ("b", pa.list_(pa.string_view()))])
    ),
    "map": pa.array(
        [None if text is None else [(text, text)] for text in TEXTS],
        pa.map_(pa.string(), pa.string()),
    ),
    "map of views": pa.array(
        [None if text is None else [(text, text)] for text in TEXTS],
        pa.map_(pa.string(), pa.string_view()),
    ),
    "run ends": pa.RunEndEncodedArray.from_arrays([1, 2, 4], pa.array(TEXTS[:3])),
    "json": pa.array(TEXTS, pa.json_(pa.string())),
    "uuid": pa.array([raw and raw[:16] for raw in RAW], pa.uuid()),
    "integer": pa.array([1, 2, 3, None]),
    "decimal": pa.array([decimal.Decimal(at) for at in range(4)], pa.decimal128(9, 2)),
    "time": pa.array([1, 2, 3, None], pa.timestamp("ns", "UTC")),
    "null": pa.nulls(4),
}
CASES = pytest.mark.parametrize("name", COLUMNS)


def written(table: pa.Table) -> bytes:
    """Return all bytes of a table, as a stream that keeps every buffer."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def one(values: Any, nullable: bool = True) -> pa.Table:
    field = pa.field("x", values.type, nullable, metadata={"k": "v"})
    return pa.table([values], schema=pa.schema([field], metadata={"of": "table"}))


@CASES
def test_only_the_chosen_rows_come_out(name: str) -> None:
    column = COLUMNS[name]
    mask = np.array([True, False, True, True])
    table = one(column)
    kept = keep_rows(table, mask)
    kept.validate(full=True)
    assert kept.schema.equals(table.schema, check_metadata=True)
    assert kept["x"].to_pylist() == [
        value
        for value, is_kept in zip(column.to_pylist(), mask, strict=True)
        if is_kept
    ]
    assert MARKER_BYTES not in written(kept)


@CASES
def test_nulled_values_leave_nothing_behind(name: str) -> None:
    column = COLUMNS[name]
    mask, nulls = np.ones(4, bool), np.array([False, True, False, False])
    kept = keep_values(pa.chunked_array([column]), mask, nulls)
    kept.validate(full=True)
    assert kept.type == column.type
    wanted = column.to_pylist()
    wanted[1] = None
    assert kept.to_pylist() == wanted
    assert MARKER_BYTES not in written(one(kept))


@CASES
def test_slices_and_chunks_make_no_difference(name: str) -> None:
    column = COLUMNS[name]
    if "view" in name or name == "run ends":
        chunks = pa.chunked_array([column, column.slice(1, 2)])
    else:
        chunks = pa.chunked_array([pa.concat_arrays([column, column])[4:], column[1:3]])
    mask = np.array([True, False, True, False, False, True])
    kept = keep_values(chunks, mask)
    kept.validate(full=True)
    values = column.to_pylist()
    assert kept.to_pylist() == [values[0], values[2], values[2]]
    assert MARKER_BYTES not in written(one(kept))


@CASES
def test_no_rows_and_no_chunks_keep_the_type(name: str) -> None:
    column = COLUMNS[name]
    none = keep_values(pa.chunked_array([column]), np.zeros(4, bool))
    assert (len(none), none.type) == (0, column.type)
    assert MARKER_BYTES not in written(one(none))
    empty = keep_values(pa.chunked_array([], column.type), np.zeros(0, bool))
    assert (len(empty), empty.type) == (0, column.type)


def test_a_parquet_file_does_not_hold_the_dictionary_of_dropped_rows() -> None:
    table = one(words())
    sink = pa.BufferOutputStream()
    pq.write_table(keep_rows(table, np.array([True, False, True, True])), sink)
    assert MARKER_BYTES not in sink.getvalue().to_pybytes()
    # What the plain filter would have written:
    sink = pa.BufferOutputStream()
    pq.write_table(table.filter(pa.array([True, False, True, True])), sink)
    assert MARKER_BYTES in sink.getvalue().to_pybytes()


def test_values_of_other_batches_in_a_shared_dictionary_do_not_come_along() -> None:
    table = one(words()[:1])
    assert MARKER_BYTES in written(table)
    assert MARKER_BYTES not in written(keep_rows(table, np.ones(1, bool)))


def test_plain_columns_that_stay_whole_are_not_copied() -> None:
    table = one(pa.array(TEXTS))
    kept = keep_rows(table, np.ones(4, bool))
    before, after = (t["x"].chunk(0).buffers()[2].address for t in (table, kept))
    assert before == after


def test_a_null_list_of_fixed_size_stays_null() -> None:
    column = pa.array([["a"], None, ["b"]], pa.list_(pa.string_view(), 1))
    kept = keep_values(pa.chunked_array([column]), np.array([False, True, True]))
    assert kept.to_pylist() == [None, ["b"]]


def test_a_union_of_loose_types_is_refused() -> None:
    union = pa.UnionArray.from_dense(
        pa.array([0], pa.int8()), pa.array([0], pa.int32()), [words()[:1]]
    )
    assert is_loose(union.type)
    with pytest.raises(InputError, match="cannot be filtered without leaving"):
        keep_rows(one(union), np.ones(1, bool))


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a mask of 3 for 4 rows"):
        keep_rows(one(pa.array(TEXTS)), np.ones(3, bool))

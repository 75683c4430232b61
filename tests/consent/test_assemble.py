"""A table put together from pieces is the table that was cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.consent import assemble
from consentfilter.consent.assemble import Assembly
from consentfilter.consent.schema import INSTANT, WORD

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("word", WORD),
        ("small", pa.int32()),
        ("instant", INSTANT),
        ("flag", pa.bool_()),
        ("list", pa.list_(pa.string())),
    ]
)
TEXTS = st.sampled_from(["", "a", "bé", "a longer one"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "word": TEXTS,
    "small": st.integers(-3, 3),
    "instant": st.integers(-3, 3),
    "flag": st.booleans(),
    "list": st.lists(TEXTS, max_size=2),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | each for name, each in VALUES.items()}),
    max_size=12,
)


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    columns = []
    for field in SCHEMA:
        values = [row[field.name] for row in rows]
        if field.type == WORD:
            columns.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=SCHEMA)


def assembled(rows: list[dict[str, Any]], cuts: list[int]) -> pa.Table:
    """Cut rows, each piece with a dictionary of its own, and put them together."""
    assembly = Assembly(SCHEMA, len(rows), {"text": 3})
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for start, stop in pairwise(bounds):
        # Two rows more than asked for: a piece may begin anywhere in its memory.
        around = as_table([*rows[start - 1 : start], *rows[start:stop], *rows[:1]])
        first = len(rows[start - 1 : start]) if start else 0
        assembly.add(around.slice(first, stop - start))
    return assembly.table()


@given(ROWS, st.lists(st.integers(0, 12), max_size=4))
def test_the_pieces_make_the_whole(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    whole = assembled(rows, cuts)
    whole.validate(full=True)
    assert whole.schema == SCHEMA
    assert whole.to_pylist() == as_table(rows).to_pylist()


def test_a_column_is_one_array_with_one_dictionary() -> None:
    row = {"text": "t", "small": 1, "instant": 1, "flag": True, "list": []}
    rows = [{**row, "word": word} for word in ("b", "a", None, "b", "c", "a")]
    whole = assembled(rows, [1, 2, 3, 4])
    assert [whole.column(at).num_chunks for at in range(4)] == [1, 1, 1, 1]
    assert whole.column("word").chunk(0).dictionary.to_pylist() == ["b", "a", "c"]


def test_text_beyond_what_offsets_reach_is_several_arrays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(assemble, "_TEXT_BYTES", 10)
    row = {"word": "w", "small": 1, "instant": 1, "flag": True, "list": []}
    rows = [{**row, "text": text} for text in ("abcdef", None, "ghij", "k", "lmnop")]
    whole = assembled(rows, [1, 2, 3, 4])
    assert whole.to_pylist() == as_table(rows).to_pylist()
    assert [len(chunk) for chunk in whole.column("text").chunks] == [3, 2]


SORTED = pa.schema([("text", WORD)])


@given(st.lists(TEXTS | st.none(), max_size=12), st.lists(st.integers(0, 12)))
def test_sorted_text_becomes_the_numbers_of_its_runs(
    texts: list[str | None], cuts: list[int]
) -> None:
    texts.sort(key=lambda text: (text is None, text))
    assembly = Assembly(SORTED, len(texts), {"text": 3})
    bounds = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    for start, stop in pairwise(bounds):
        around = pa.table({"text": pa.array(["x", *texts[start:stop]], pa.string())})
        assembly.add(around.slice(1))
    whole = assembly.table()
    whole.validate(full=True)
    assert whole.schema == SORTED
    assert whole["text"].to_pylist() == texts
    stated = sorted({text for text in texts if text is not None})
    if stated:
        assert whole["text"].chunk(0).dictionary.to_pylist() == stated


def test_sorted_text_beyond_what_offsets_reach_has_one_dictionary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(assemble, "_TEXT_BYTES", 10)
    assembly = Assembly(SORTED, 5, {})
    texts = ["abcdef", "ghijk", "ghijk", "lmnop", None]
    for text in texts:
        assembly.add(pa.table({"text": pa.array([text], pa.string())}))
    column = assembly.table()["text"]
    assert column.to_pylist() == texts
    assert column.num_chunks == 1
    assert column.type == pa.dictionary(pa.int32(), pa.large_string())

"""Cutting spans out of texts, beside a slow reference."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.decide.spans import merged, moved, placed, replace_spans

SIZE = 19


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, int, int]]]:
    texts = draw(st.lists(st.text("aé漢🙂 \u0301", max_size=8), max_size=4))
    spans = []
    for row, text in enumerate(texts):
        for _ in range(draw(st.integers(0, 3))):
            start = draw(st.integers(0, len(text)))
            spans.append((row, start, draw(st.integers(start, len(text)))))
    return texts, draw(st.permutations(spans))


def token(entry: int) -> str:
    return f"@p_{entry:016x}"


def slow(texts: list[str], entries: list[tuple[int, int, int]]) -> list[str]:
    found = []
    for row, text in enumerate(texts):
        mine = sorted(
            (start, end, at) for at, (r, start, end) in enumerate(entries) if r == row
        )
        cuts: list[list[int]] = []
        for start, end, at in mine:
            if cuts and start < cuts[-1][1]:
                cuts[-1][1] = max(cuts[-1][1], end)
            else:
                cuts.append([start, end, at])
        out, place = "", 0
        for start, end, at in cuts:
            out += text[place:start] + token(at)
            place = end
        found.append(out + text[place:])
    return found


def arrays(entries: list[tuple[int, int, int]]) -> tuple[np.ndarray, ...]:
    return tuple(np.array([e[at] for e in entries], np.int64) for at in range(3))


@given(cut_texts())
def test_every_span_becomes_its_token(
    case: tuple[list[str], list[tuple[int, int, int]]],
) -> None:
    texts, entries = case
    spans = merged(*arrays(entries))
    tokens = pa.array([token(at) for at in spans.first.tolist()], pa.string())
    # A slice, so that offsets do not start at zero.
    values = pa.array(["before", *texts, "after"], pa.large_string())[1:-1]
    found = replace_spans(values, spans, tokens)
    found.validate(full=True)
    assert found.to_pylist() == slow(texts, entries)
    start, end = placed(spans, SIZE)
    for at, row in enumerate(spans.row.tolist()):
        assert found[row].as_py()[start[at] : end[at]] == tokens[at].as_py()
    for at, (row, begin, stop) in enumerate(entries):
        group = spans.group[at]
        assert spans.row[group] == row
        assert spans.start[group] <= begin <= stop <= spans.end[group]


@given(cut_texts())
def test_every_other_span_moves_with_its_text(
    case: tuple[list[str], list[tuple[int, int, int]]],
) -> None:
    texts, entries = case
    spans = merged(*arrays(entries))
    after = slow(texts, entries)
    for row, text in enumerate(texts):
        for start in range(len(text) + 1):
            for end in range(start, len(text) + 1):
                at = [np.array([value], np.int64) for value in (row, start, end)]
                found = [int(value[0]) for value in moved(spans, SIZE, *at)]
                assert 0 <= found[0] <= found[1] <= len(after[row])
                touched = any(
                    r == row and s < end and (start < e or start < s)
                    for r, s, e in entries
                )
                if start < end and not touched:
                    assert after[row][slice(*found)] == text[start:end]


def test_long_texts_are_counted_block_by_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = ["é" * 7, "", "abc", "漢字" * 5, "🙂x"]
    entries = [(0, 1, 3), (0, 6, 7), (2, 0, 3), (3, 9, 10), (4, 1, 2)]
    for size in (1, 5, 16, 1000):
        monkeypatch.setattr("consentfilter.decide.spans._BLOCK_BYTES", size)
        found_spans = merged(*arrays(entries))
        tokens = pa.array([token(at) for at in found_spans.first.tolist()])
        values = pa.array(texts, pa.large_string())
        found = replace_spans(values, found_spans, tokens)
        assert found.to_pylist() == slow(texts, entries)


def test_what_overlaps_a_cut_keeps_its_own_rest() -> None:
    spans = merged(np.array([0]), np.array([5]), np.array([10]))
    start, end = moved(
        spans,
        SIZE,
        np.array([0, 0, 0, 0, 1]),
        np.array([3, 7, 6, 2, 5]),
        np.array([7, 12, 8, 14, 10]),
    )
    assert list(zip(start.tolist(), end.tolist(), strict=True)) == [
        (3, 5),  # ends in it: ends where the token begins
        (24, 26),  # starts in it: starts where the token ends
        (5, 5),  # lies in it: nothing is left
        (2, 28),  # surrounds it: surrounds the token
        (5, 10),  # in another text: stays
    ]


def test_spans_that_only_touch_stay_two() -> None:
    spans = merged(np.array([0, 0]), np.array([2, 0]), np.array([4, 2]))
    assert (spans.start.tolist(), spans.end.tolist()) == ([0, 2], [2, 4])
    assert spans.first.tolist() == [1, 0]
    assert spans.group.tolist() == [1, 0]

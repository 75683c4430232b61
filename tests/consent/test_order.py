"""The order by packed bytes is the order by text, whatever the text."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentfilter.consent import order

GROUP = ("subject_key", "source_id", "account_id", "context_id", "asset_id")
#: Long shared beginnings, bytes that look like filling, and text beyond ASCII.
TEXTS = st.one_of(
    st.none(),
    st.text("ab\x00é", max_size=4),
    st.text("ab\x00", max_size=3).map(lambda end: "user_id\x1f" + "x" * 40 + end),
    st.text("ab", max_size=40),
)
ROW = st.tuples(
    TEXTS,
    st.sampled_from(["crm", "web", "Web"]),
    TEXTS,
    st.sampled_from(["given", "withdrawn", "expired", "noticed"]),
    st.integers(-2, 2),
    st.integers(-1, 1),
    st.sampled_from([None, 1, 2]),
)


def frame(rows: list[tuple[object, ...]], ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "statement_id": ids,
            "subject_key": pl.Series([row[0] for row in rows], dtype=pl.String),
            "source_id": pl.Series([row[1] for row in rows], dtype=pl.Categorical),
            "account_id": pl.Series([row[2] for row in rows], dtype=pl.String),
            "context_id": pl.Series([None] * len(rows), dtype=pl.String),
            "asset_id": pl.Series([None] * len(rows), dtype=pl.String),
            "status": [row[3] for row in rows],
            "effective_at": [row[4] for row in rows],
            "recorded_at": [row[5] for row in rows],
            "source_seq": pl.Series([row[6] for row in rows], dtype=pl.Int64),
        }
    )


def place(
    row: dict[str, object], complete: set[tuple[object, ...]]
) -> tuple[object, ...]:
    group = tuple((row[name] is None, str(row[name] or "").encode()) for name in GROUP)
    severity = {"withdrawn": 2, "expired": 1}.get(str(row["status"]), 0)
    key = tuple(row[name] for name in GROUP)
    return (
        group,
        row["effective_at"],
        row["source_seq"] if key in complete else 0,
        severity,
        row["recorded_at"],
        str(row["statement_id"]).encode(),
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_rows_are_in_the_order_of_their_text(
    rows: list[tuple[object, ...]], shuffle: random.Random
) -> None:
    ids = [f"{'i' * 40 * (at % 2)}{at}" for at in range(len(rows))]
    shuffle.shuffle(ids)
    given_rows = frame(rows, ids)
    placed = order.in_order(given_rows, GROUP)
    ids_found = given_rows["statement_id"].gather(placed["row"])
    found = placed.with_columns(ids_found).to_dicts()
    members: dict[tuple[object, ...], list[object]] = {}
    for row in given_rows.to_dicts():
        key = tuple(row[name] for name in GROUP)
        members.setdefault(key, []).append(row["source_seq"])
    complete = {key for key, seqs in members.items() if None not in seqs}
    want = sorted(given_rows.to_dicts(), key=lambda row: place(row, complete))
    assert [row["statement_id"] for row in found] == [
        row["statement_id"] for row in want
    ]
    seen: dict[int, int] = {}
    for row in found:
        assert row["order_in_group"] == seen.get(row["group"], 0)
        seen[row["group"]] = row["order_in_group"] + 1
    assert sorted(seen) == list(range(1, len(members) + 1))


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_packed_words_never_contradict_the_text(texts: list[str | None]) -> None:
    series = pl.Series(texts, dtype=pl.String)
    words, is_exact = order.packed(series)
    packed = [tuple(word[at] for word in words) for at in range(len(texts))]
    for a, key_a in zip(texts, packed, strict=True):
        assert (a is None) == (key_a[0] is None)
        for b, key_b in zip(texts, packed, strict=True):
            if a is None or b is None:
                continue
            if key_a < key_b:
                assert a.encode() < b.encode()
            if is_exact and key_a == key_b:
                assert a == b


@pytest.mark.parametrize(
    ("texts", "is_exact"),
    [
        (["user-1", "user-22"], True),
        (["a" * 40, "b" * 32], False),
        (["x" * 100 + "a", "x" * 100 + "b"], True),
        (["a\x00", "a"], False),
        ([None, None], True),
    ],
)
def test_words_know_whether_they_are_exact(
    texts: list[str | None], is_exact: bool
) -> None:
    assert order.packed(pl.Series(texts, dtype=pl.String))[1] is is_exact

"""Ragged helpers agree with plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.decide import ragged
from consentfilter.decide.ragged import FAR


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5))))
def test_expand_lists_every_index_of_every_range(ranges):
    starts = np.array([start for start, _ in ranges], np.int64)
    counts = np.array([count for _, count in ranges], np.int64)
    owner, index = ragged.expand(starts, counts)
    expected = [
        (at, start + step)
        for at, (start, count) in enumerate(ranges)
        for step in range(count)
    ]
    assert list(zip(owner.tolist(), index.tolist(), strict=True)) == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-5, 5), st.booleans())))
def test_reductions_by_owner_agree_with_loops(entries):
    entries.sort(key=lambda entry: entry[0])
    owner = np.array([entry[0] for entry in entries], np.int64)
    values = np.array([entry[1] for entry in entries], np.int64)
    flags = np.array([entry[2] for entry in entries], bool)
    groups = [[e for e in entries if e[0] == at] for at in range(10)]
    least = [min((e[1] for e in group), default=FAR) for group in groups]
    most = [max((e[1] for e in group), default=-1) for group in groups]
    assert ragged.min_by(owner, values, 10).tolist() == least
    assert ragged.max_by(owner, values, 10).tolist() == most
    assert ragged.any_by(owner, flags, 10).tolist() == [
        any(e[2] for e in group) for group in groups
    ]
    assert ragged.count_by(owner, 10).tolist() == [len(group) for group in groups]

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
    flagged = [[e[1] for e in group if e[2]] for group in groups]
    assert ragged.Runs(owner, 10).least_where(flags, values).tolist() == [
        min(group, default=FAR) for group in flagged
    ]
    places = [
        [at for at, e in enumerate(entries) if e[2] and e[0] == o] for o in range(10)
    ]
    assert ragged.last_by(owner, flags, 10).tolist() == [
        max(group, default=-1) for group in places
    ]
    assert ragged.any_by(owner, flags, 10).tolist() == [
        any(e[2] for e in group) for group in groups
    ]
    assert ragged.count_by(owner, 10).tolist() == [len(group) for group in groups]


@given(st.sets(st.integers(0, 9)), st.data())
def test_reductions_of_one_value_an_owner_are_that_value(owners, data):
    owner = np.array(sorted(owners), np.int64)
    values = data.draw(
        st.lists(st.integers(-5, 5), min_size=len(owner), max_size=len(owner))
    )
    expected = dict(zip(owner.tolist(), values, strict=True))
    runs = ragged.Runs(owner, 10)
    assert runs.is_single
    given = np.array(values, np.int64)
    assert runs.least(given).tolist() == [expected.get(at, FAR) for at in range(10)]
    assert runs.greatest(given).tolist() == [expected.get(at, -1) for at in range(10)]


@given(st.lists(st.integers(0, 4)))
def test_what_is_taken_of_one_value_is_that_value(index):
    constant = ragged.same(7, 5, np.int32)
    assert ragged.is_same(constant)
    assert not ragged.is_same(np.full(5, 7))
    at = np.array(index, np.int64)
    assert ragged.taken(constant, at).tolist() == [7] * len(index)
    assert ragged.taken(np.arange(5), at).tolist() == index


def test_only_codes_made_to_be_none_are_absent():
    assert ragged.is_absent(ragged.same(-1, 3, np.int32))
    assert not ragged.is_absent(ragged.same(0, 3, np.int32))
    assert not ragged.is_absent(np.array([-1, 4, -1], np.int32))


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 255), st.integers(0, 255)), max_size=20
    ),
    st.sampled_from([np.uint8, np.int64]),
)
def test_where_is_that_of_numpy(entries, kind):
    mask = np.array([entry[0] for entry in entries], bool)
    yes, no = (np.array([entry[at] for entry in entries], kind) for at in (1, 2))
    for chosen, other in ((yes, no), (yes, 7), (7, no)):
        found = ragged.where(mask, chosen, other)
        assert found.dtype == kind
        assert found.tolist() == np.where(mask, chosen, other).tolist()


def test_where_takes_what_is_negative():
    values = np.array([-(2**63), -1, 2**63 - 1])
    mask = np.array([True, False, True])
    assert ragged.where(mask, -1, values).tolist() == [-1, -1, -1]
    assert ragged.where(mask, values, -1).tolist() == values.tolist()

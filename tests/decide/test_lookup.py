"""Finding strings in a fixed set never mistakes one for another."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.decide import lookup
from consentfilter.decide.lookup import KeyTable
from consentfilter.kernels import native

TEXTS = st.text(max_size=4)


@given(st.lists(TEXTS, unique=True, max_size=40), st.lists(st.none() | TEXTS))
def test_find_is_the_position_in_the_keys(keys, wanted):
    expected = [keys.index(text) if text in keys else -1 for text in wanted]
    found = KeyTable(pa.array(keys, pa.string())).find(pa.array(wanted, pa.string()))
    assert found.tolist() == expected


def test_a_stranger_with_the_hash_of_a_key_is_still_a_stranger(monkeypatch):
    keys = pa.array([f"user_id\x1f{number}" for number in range(50)], pa.string())
    with native.without_library():  # tests/kernels has the same of the library
        table = KeyTable(keys)
    real = lookup._hashes(keys)
    monkeypatch.setattr(
        lookup, "_hashes", lambda strings: np.resize(real, len(strings))
    )
    strangers = pa.array([f"user_id\x1fstranger {n}" for n in range(50)], pa.string())
    assert (table.find(strangers) == -1).all()
    assert table.find(keys).tolist() == list(range(50))


@given(
    st.lists(TEXTS, unique=True, max_size=40),
    st.lists(st.none() | TEXTS),
    st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    st.integers(1, 5),
)
def test_strings_are_told_apart_where_hashes_do_not(keys, wanted, hashed, several):
    def few_hashes(strings):
        return np.array(
            [hashed ^ (len(text or "") % several) for text in strings.to_pylist()],
            np.uint64,
        )

    expected = [keys.index(text) if text in keys else -1 for text in wanted]
    with mock.patch.object(lookup, "_hashes", few_hashes), native.without_library():
        table = KeyTable(pa.array(keys, pa.string()))
        found = table.find(pa.array(wanted, pa.string()))
    assert found.tolist() == expected


def test_many_keys_are_all_found():
    keys = pa.array([f"k{number}" for number in range(100_000)], pa.string())
    table = KeyTable(keys)
    assert (table.find(keys) == np.arange(100_000)).all()
    assert (table.find(pa.array(["k100000", "", None], pa.string())) == -1).all()


def test_keys_and_wanted_may_differ_in_the_width_of_their_offsets():
    table = KeyTable(pa.array(["a", "bé", ""], pa.large_string()))
    assert table.find(pa.array(["", "bé", "b", None], pa.string())).tolist() == [
        2,
        1,
        -1,
        -1,
    ]

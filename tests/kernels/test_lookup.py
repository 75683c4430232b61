"""The compiled table finds what its twin finds, whatever the hashes are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.decide.lookup import KeyTable
from consentfilter.kernels import native

LIBRARY = native.library()
pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason=f"no compiled loops: {native.why_not()}"
)

#: Of all sizes that the hash and the comparison treat in their own way.
TEXTS = st.one_of(
    st.text(max_size=5),
    st.text("ab", max_size=40),
    st.integers(0, 300).map(lambda size: "é" * size),
)
KINDS = st.sampled_from([pa.string(), pa.large_string()])
_WORD = 2**64 - 1


def both(keys: pa.Array, wanted: pa.Array) -> list[int]:
    """Find by the library; it must be what the twin finds."""
    found = KeyTable(keys).find(wanted)
    assert found.dtype == np.int32
    with native.without_library():
        twin = KeyTable(keys).find(wanted)
    assert found.tolist() == twin.tolist()
    return found.tolist()


@given(
    keys=st.lists(TEXTS, unique=True, max_size=100),
    wanted=st.lists(st.none() | TEXTS, max_size=100),
    kinds=st.tuples(KINDS, KINDS),
    starts=st.tuples(st.integers(0, 3), st.integers(0, 9)),
)
def test_it_finds_what_the_twin_finds(
    keys: list[str],
    wanted: list[str | None],
    kinds: tuple[pa.DataType, pa.DataType],
    starts: tuple[int, int],
) -> None:
    given_keys = pa.array(keys, kinds[0])[starts[0] :]
    given_wanted = pa.array([*wanted, *keys], kinds[1])[starts[1] :]
    position = {key: at for at, key in enumerate(keys[starts[0] :])}
    expected = [position.get(text, -1) for text in given_wanted.to_pylist()]
    assert both(given_keys, given_wanted) == expected


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1000])
def test_blocks_of_every_size(size: int) -> None:
    keys = pa.array([f"user_id\x1f{number}" for number in range(size)], pa.string())
    wanted = pa.concat_arrays([keys, pa.array(["", None, "user_id\x1f"], pa.string())])
    assert both(keys, wanted) == [*range(size), -1, -1, -1]
    assert both(keys[1:], keys) == [-1, *range(size - 1)][:size]


def test_texts_that_differ_in_one_byte_are_told_apart() -> None:
    keys = [
        "x" * at + "y" + "x" * (size - at - 1)
        for size in range(1, 40)
        for at in range(size)
    ]
    assert both(pa.array(keys), pa.array(keys)) == list(range(len(keys)))
    others = [key.replace("y", "z") for key in keys]
    assert set(both(pa.array(keys), pa.array(others))) == {-1}


def of_one_hash(count: int) -> pa.Array:
    """Return texts of 16 bytes, all different, with one hash.

    Each step of the hash is undone by what the second word is chosen to be.
    """
    assert LIBRARY is not None
    seed = LIBRARY.cf_seed(0)
    LIBRARY.cf_seed(seed)

    def mixed(state: int, word: int) -> int:
        product = (state ^ word) * (seed ^ 0x9E3779B97F4A7C15 | 1)
        return product & _WORD ^ product >> 64

    start = 16 * 0xD6E8FEB86659FD93 & _WORD
    texts = [
        first.to_bytes(8, "little") + mixed(start, first).to_bytes(8, "little")
        for first in range(count)
    ]
    assert len({LIBRARY.cf_hash(text, 16) for text in texts}) == 1
    # Bytes as they come: the table does not ask whether a text is valid.
    offsets = np.arange(count + 1, dtype=np.int32) * 16
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), count, buffers)


@pytest.mark.parametrize("count", [2, 10, 200])
def test_strangers_with_the_hash_of_a_key_stay_strangers(count: int) -> None:
    texts = of_one_hash(2 * count)
    table = KeyTable(texts[:count])
    assert table.find(texts).tolist() == [*range(count), *[-1] * count]
    other = KeyTable(pa.concat_arrays([pa.array(["", "a"]), texts[count:]]))
    assert other.find(texts).tolist() == [*[-1] * count, *range(2, 2 + count)]


def test_a_table_whose_slots_begin_again_at_the_first() -> None:
    # A table of few keys has 16 slots: some seven keys fall into the last ones.
    assert LIBRARY is not None
    texts = [str(number) for number in range(3000)]
    last = [
        text for text in texts if LIBRARY.cf_hash(text.encode(), len(text)) >> 60 > 13
    ]
    for start in range(0, 70, 7):
        keys, strangers = pa.array(last[start : start + 7]), pa.array(last[start + 7 :])
        assert both(keys, keys) == list(range(7))
        assert set(both(keys, strangers)) == {-1}


def test_a_table_outlives_the_arrays_it_was_made_of() -> None:
    table = KeyTable(pa.array(["a" * 100, "b" * 100]))
    assert table.find(pa.array(["b" * 100])).tolist() == [1]


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="int64: wanted string or large_string"):
        KeyTable(pa.array(["1"])).find(pa.array([1]))


def test_hashes_hang_on_the_seed() -> None:
    assert LIBRARY is not None
    before = LIBRARY.cf_seed(1)
    first = LIBRARY.cf_hash(b"ann", 3)
    LIBRARY.cf_seed(2)
    second = LIBRARY.cf_hash(b"ann", 3)
    LIBRARY.cf_seed(before)
    assert first != second

"""Strings are taken as Arrow takes them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.kernels import native, strings

LIBRARY = native.library()
pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason=f"no compiled loops: {native.why_not()}"
)

#: Of all sizes that are copied in their own way.
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 1000)
TEXTS = st.none() | st.text(max_size=3) | st.sampled_from(SIZES).map("abcdefg".__mul__)


def both(values: pa.Array, positions: np.ndarray) -> pa.Array:
    """Take by the library; it must be what the twin takes."""
    taken = strings.take(values, positions)
    taken.validate(full=True)
    with native.without_library():
        twin = strings.take(values, positions)
    assert taken.type == twin.type == pa.string()
    assert taken.equals(twin)
    assert taken.null_count == twin.null_count
    return taken


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=60),
    picked=st.lists(st.integers(-3, 2**31), max_size=100),
    kind=st.sampled_from([pa.string(), pa.large_string()]),
    width=st.sampled_from([np.int32, np.int64]),
    start=st.integers(0, 9),
)
def test_it_takes_what_the_twin_takes(
    texts: list[str | None],
    picked: list[int],
    kind: pa.DataType,
    width: type,
    start: int,
) -> None:
    values = pa.array([*[None] * start, *texts], kind)[start:]
    positions = [at if at < 0 else at % len(texts) for at in picked]
    taken = both(values, np.array(positions, width))
    assert taken.to_pylist() == [None if at < 0 else texts[at] for at in positions]


@pytest.mark.parametrize("size", SIZES)
def test_texts_of_every_size(size: int) -> None:
    texts = [chr(97 + at) * size for at in range(26)] * 3
    positions = np.arange(len(texts))[::-1]
    taken = both(pa.array(texts), positions)
    assert taken.to_pylist() == texts[::-1]
    assert taken.buffers()[0] is None


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 32, 33, 65])
def test_nothing_but_nulls(count: int) -> None:
    for values in (
        pa.array([], pa.string()),
        pa.array(["a"]),
        pa.nulls(3, pa.string()),
    ):
        assert both(values, np.full(count, -1)).null_count == count


def test_positions_may_lie_apart() -> None:
    positions = np.array([[0, 9], [2, 9], [-1, 9]])[:, 0]
    assert both(pa.array(["a", "b", "c"]), positions).to_pylist() == ["a", "c", None]


@pytest.mark.parametrize("place", [0, 31, 32, 99])
@pytest.mark.parametrize("beyond", [3, 2**40])
def test_a_position_beyond_the_values_is_refused(place: int, beyond: int) -> None:
    positions = np.zeros(100, np.int64)
    positions[place] = beyond
    values = pa.array(["a", "b", "c", "d"])[:3]
    with pytest.raises(IndexError):
        strings.take(values, positions)
    with native.without_library(), pytest.raises(IndexError):
        strings.take(values, positions)


def test_more_than_32_bits_of_text_is_left_to_arrow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A megabyte, 2048 times: the sizes are added up, nothing is copied.
    values = pa.array(["x" * (1 << 20)])
    positions = np.zeros(2048, np.int64)
    asked: list[int] = []

    def taken(values: pa.Array, positions: np.ndarray) -> pa.Array:
        asked.append(len(positions))
        return pa.nulls(len(positions), pa.string())

    monkeypatch.setattr(strings, "_taken", taken)
    strings.take(values, positions)
    assert asked == [2048]
    assert strings.take(values, positions[:2]).to_pylist() == ["x" * (1 << 20)] * 2
    assert asked == [2048]


def test_other_types_are_left_to_arrow() -> None:
    values = pa.array(["a", "b"]).dictionary_encode()
    assert both(values, np.array([1, -1])).to_pylist() == ["b", None]


def test_sizes_are_those_of_a_slice() -> None:
    for kind in (pa.string(), pa.large_string()):
        values = pa.array(["ab", "cde", None, "f"], kind)
        assert strings.size(values) == 6
        assert strings.size(values[1:3]) == 3
        assert strings.size(values[4:]) == 0


@given(
    texts=st.lists(TEXTS.filter(lambda text: text is not None)),
    start=st.integers(0, 9),
)
def test_equal_texts_have_one_hash_whatever_type_they_come_in(
    texts: list[str], start: int
) -> None:
    assert LIBRARY is not None
    whole = pa.array(["x"] * start + texts, pa.string())
    wanted = [LIBRARY.cf_hash(each, len(each)) for each in map(str.encode, texts)]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert strings.hashes(whole.cast(kind)[start:]).tolist() == wanted


def test_the_twin_gives_texts_that_differ_hashes_that_differ() -> None:
    values = pa.array([str(at) for at in range(1000)])
    for given_values in (values, values.cast(pa.large_string())):
        with native.without_library():
            found = strings.hashes(given_values)
        assert len(set(found.tolist())) == len(values)
        assert found.dtype == np.uint64

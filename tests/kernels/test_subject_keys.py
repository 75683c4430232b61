"""Subject keys by the library are those of the twin, in every detail."""

from __future__ import annotations

from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter import ids
from consentfilter.ids import PLACEHOLDERS, normalise_ids
from consentfilter.kernels import native

LIBRARY = native.library()
pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason=f"no compiled loops: {native.why_not()}"
)

ASCII = st.characters(max_codepoint=127)
SPACED = st.tuples(
    st.text(" \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x00\x08\x0e\x7f", max_size=3),
    st.sampled_from(PLACEHOLDERS).flatmap(
        lambda name: st.sampled_from([name, name.upper(), name.title(), name + "0"])
    )
    | st.text(ASCII, max_size=12),
    st.text(" \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x00\x08\x0e\x7f", max_size=3),
).map("".join)
TEXTS = st.none() | SPACED
NAMESPACES = st.sampled_from(
    ["user_id", "email", " email ", "", "n", "réseau", "x" * 30]
)


def both(
    namespace: str, values: pa.Array, *, compiled: bool = True
) -> list[str | None]:
    """Make keys by the library; they must be what the twin makes."""
    with mock.patch.object(ids, "_join", side_effect=ids._join) as twin:
        keys = normalise_ids(namespace, values)
    assert twin.called is not compiled
    keys.validate(full=True)
    with native.without_library():
        twins = normalise_ids(namespace, values)
    assert keys.type == twins.type == pa.string()
    assert keys.equals(twins)
    assert keys.null_count == twins.null_count
    return keys.to_pylist()


@given(
    namespace=NAMESPACES,
    texts=st.lists(TEXTS, max_size=40),
    kind=st.sampled_from([pa.string(), pa.large_string()]),
    start=st.integers(0, 9),
)
def test_keys_are_those_of_the_twin(
    namespace: str, texts: list[str | None], kind: pa.DataType, start: int
) -> None:
    both(namespace, pa.array([*["é"] * start, *texts], kind)[start:])


def test_every_character_is_trimmed_and_folded_as_by_the_twin() -> None:
    every = [chr(code) for code in range(128)]
    texts = [f"{before}{inside}{before}" for before in every for inside in ("", "Id")]
    for namespace in ("user_id", "email"):
        both(namespace, pa.array([*every, *texts]))


def test_placeholders_name_nobody() -> None:
    texts = [" " + name.upper() + "\t" for name in PLACEHOLDERS]
    assert both("user_id", pa.array(texts)) == [None] * len(PLACEHOLDERS)
    near = [name + "x" for name in PLACEHOLDERS]
    assert both("email", pa.array(near)) == [f"email\x1f{name}" for name in near]


def test_text_beyond_ascii_is_left_to_the_twin() -> None:
    texts = pa.array(["a", "É", None, "b"])
    assert both("email", texts, compiled=False) == [
        "email\x1fa",
        "email\x1fé",
        None,
        "email\x1fb",
    ]
    # Beside a slice it does not matter.
    assert both("email", texts[2:]) == [None, "email\x1fb"]


def test_more_than_32_bits_of_text_is_left_to_the_twin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ids, "_MOST_BYTES", 18)
    assert both("user_id", pa.array(["a", "b"])) == ["user_id\x1fa", "user_id\x1fb"]
    both("user_id", pa.array(["a", "bc"]), compiled=False)


def test_other_types_are_left_to_the_twin() -> None:
    assert both("n", pa.array([1, None]), compiled=False) == ["n\x1f1", None]
    views = pa.array(["a", "null"], pa.string_view())
    assert both("n", views, compiled=False) == ["n\x1fa", None]


def test_keyed_ids_are_those_of_the_twin() -> None:
    texts = pa.array([" a", "b", None, "None"])
    keyed = normalise_ids("email", texts, key=b"k" * 16)
    with native.without_library():
        assert keyed.equals(normalise_ids("email", texts, key=b"k" * 16))

"""Subject keys: what is merged, what is not, and what names nobody."""

from __future__ import annotations

import decimal
import hashlib
import hmac
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter import ids
from consentfilter.errors import InputError
from consentfilter.ids import normalise_ids


def keys(ns: object, values: object, kind: pa.DataType | None = None) -> list[object]:
    array = values if isinstance(values, pa.Array) else pa.array(values, kind)
    return normalise_ids(ns, array).to_pylist()  # type: ignore[arg-type]


def reference(ns: str | None, text: str | None) -> str | None:
    """The rules of the model, one value at a time."""
    space = unicodedata.normalize("NFC", ns or "").strip() or "user_id"
    if text is None:
        return None
    value = unicodedata.normalize("NFC", text).strip()
    if space == "email":
        value = unicodedata.normalize("NFD", value).casefold()
        value = unicodedata.normalize("NFC", value)
    if value.lower() in ids.PLACEHOLDERS:
        return None
    return f"{space}\x1f{value}"


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.int64(), pa.uint64(), pa.int32(), pa.decimal128(12, 0)],
)
def test_integers_of_any_width_become_decimal_text(kind: pa.DataType) -> None:
    assert keys("user_id", [7, None, 100], kind) == [
        "user_id\x1f7",
        None,
        "user_id\x1f100",
    ]


def test_large_integers_never_pass_through_a_float() -> None:
    assert keys("user_id", [9007199254740993]) == ["user_id\x1f9007199254740993"]
    assert keys("u", [2**64 - 1], pa.uint64()) == ["u\x1f18446744073709551615"]
    wide = pa.array([decimal.Decimal(10**30 + 1)], pa.decimal128(38, 0))
    assert keys("u", wide) == [f"u\x1f{10**30 + 1}"]


def test_integer_and_text_ids_meet() -> None:
    assert keys("user_id", [42]) == keys("user_id", ["42"])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.0, 2.0]),
        pa.array([True, False]),
        pa.array([0], pa.timestamp("us")),
        pa.array([b"raw"]),
        pa.array([decimal.Decimal("1.5")]),
        pa.array([["1"]]),
        pa.array([1.5]).dictionary_encode(),
    ],
)
def test_types_that_cannot_hold_an_id_are_refused(values: pa.Array) -> None:
    with pytest.raises(InputError, match=r"subject ids are of type .*, wanted text or"):
        normalise_ids("user_id", values)


def test_a_float_id_is_refused_with_the_next_step() -> None:
    with pytest.raises(InputError, match="write the ids as integers or text"):
        normalise_ids("user_id", pa.array([1.0]))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str
)
@pytest.mark.parametrize("encoded", [False, True])
def test_every_text_type_gives_the_same_key(kind: pa.DataType, encoded: bool) -> None:
    values = pa.array([" Ann ", None, "Zoé", "null"]).cast(kind)
    if encoded and kind != pa.string_view():
        values = values.dictionary_encode()
    assert keys("user_id", values) == ["user_id\x1fAnn", None, "user_id\x1fZoé", None]


def test_null_type_names_nobody() -> None:
    assert keys("user_id", pa.nulls(2)) == [None, None]


@pytest.mark.parametrize("word", ids.PLACEHOLDERS)
@pytest.mark.parametrize("around", ["{}", " {}\t", "\u00a0{}\u3000"])
@pytest.mark.parametrize("ns", ["user_id", "email"])
def test_placeholders_name_nobody(word: str, around: str, ns: str) -> None:
    texts = [around.format(word), around.format(word.upper()), "real"]
    assert keys(ns, texts) == [None, None, f"{ns}\x1freal"]


@pytest.mark.parametrize("text", ["nul", "none1", "na", "nobody", "0", "-"])
def test_near_placeholders_are_ids(text: str) -> None:
    assert keys("user_id", [text]) == [f"user_id\x1f{text}"]


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u3000", "\u2028", "\t", "\x85"])
def test_surrounding_unicode_white_space_is_stripped(space: str) -> None:
    assert keys("user_id", [f"{space}a{space}b{space}"]) == [f"user_id\x1fa{space}b"]


def test_zero_width_characters_are_not_white_space() -> None:
    assert keys("user_id", ["\u200ba"]) == ["user_id\x1f\u200ba"]


def test_composed_and_decomposed_spellings_meet() -> None:
    assert keys("user_id", ["Zoe\u0301"]) == keys("user_id", ["Zoé"])


def test_compatibility_forms_and_homoglyphs_stay_apart() -> None:
    apart = keys("user_id", ["ﬁn", "fin", "а", "a", "Ａ"])
    assert len(set(apart)) == 5


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Ann@Example.ORG", "ann@example.org"),
        ("STRASSE@x.de", "straße@x.de"),
        ("ΣΟΦΟΣ@x.gr", "σοφος@x.gr"),
        ("ǰ@x", "J\u030c@x"),
        ("\u1fb3@x", "\u03b1\u0345@x"),
    ],
)
def test_emails_are_fully_case_folded(left: str, right: str) -> None:
    assert keys("email", [left]) == keys("email", [right])


def test_other_namespaces_are_case_sensitive() -> None:
    assert keys("user_id", ["Ann"]) != keys("user_id", ["ann"])
    assert keys("Email", ["Ann"]) == ["Email\x1fAnn"]


def test_namespaces_are_stripped_and_default_to_user_id() -> None:
    spaces = pa.array([" email ", "", None, "\u00a0", "crm"])
    assert keys(spaces, ["A", "B", "C", "D", "E"]) == [
        "email\x1fa",
        "user_id\x1fB",
        "user_id\x1fC",
        "user_id\x1fD",
        "crm\x1fE",
    ]
    assert keys(" ", ["A"]) == ["user_id\x1fA"]


def test_a_namespace_with_the_separator_is_refused() -> None:
    for ns in ("a\x1fb", pa.array(["a\x1fb"])):
        with pytest.raises(InputError, match="contains the character 0x1F"):
            normalise_ids(ns, pa.array(["x"]))


def test_an_id_with_the_separator_cannot_reach_another_namespace() -> None:
    assert keys("a", ["b\x1fc"]) == ["a\x1fb\x1fc"]
    # Only a namespace `a\x1fb` could collide with it, and that one is refused.


def test_invalid_utf8_names_nobody() -> None:
    raw = pa.array([b"\xff\xfe", b"\xed\xa0\x80", "é".encode(), b"ok"])
    assert keys("user_id", pa.Array.from_buffers(pa.string(), 4, raw.buffers())) == [
        None,
        None,
        "user_id\x1fé",
        "user_id\x1fok",
    ]


def test_slices_and_chunks_are_read_in_place() -> None:
    whole = pa.array(["x", "É", None, "b", "null"])
    assert normalise_ids("email", whole.slice(1, 3)).to_pylist() == [
        "email\x1fé",
        None,
        "email\x1fb",
    ]
    chunked = pa.chunked_array([whole.slice(0, 1), whole.slice(3, 2)])
    assert normalise_ids("u", chunked).to_pylist() == ["u\x1fx", "u\x1fb", None]
    assert len(normalise_ids("u", whole.slice(5))) == 0


def test_namespaces_of_another_length_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="2 namespaces for 1 ids"):
        normalise_ids(pa.array(["a", "b"]), pa.array(["x"]))


def test_keyed_ids_are_the_hmac_of_the_readable_key() -> None:
    key = b"0123456789abcdef"
    got = normalise_ids("email", pa.array(["A@x", "a@x", None, "null"]), key=key)
    want = hmac.new(key, b"email\x1fa@x", hashlib.sha256).hexdigest()
    assert got.to_pylist() == [want, want, None, None]


@pytest.mark.parametrize("size", [16, 64, 65, 200])
def test_keyed_ids_agree_with_hmac_for_any_key_length(size: int) -> None:
    key = bytes(range(256))[:size]
    texts = ["a", "Zoé", "x" * 300]
    want = [
        hmac.new(key, f"u\x1f{text}".encode(), hashlib.sha256).hexdigest()
        for text in texts
    ]
    assert normalise_ids("u", pa.array(texts), key=key).to_pylist() == want


def test_a_fingerprint_tells_keys_apart_and_is_no_subject_key() -> None:
    one, other = ids.key_fingerprint(b"a" * 16), ids.key_fingerprint(b"b" * 16)
    assert one != other
    assert len(one) == 16
    assert one == ids.key_fingerprint(b"a" * 16)


def test_a_key_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "id.key"
    path.write_bytes(b"0123456789abcdef\n")
    assert ids.read_key(path) == b"0123456789abcdef\n"


def test_a_missing_or_short_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the id key cannot be read"):
        ids.read_key(tmp_path / "absent")
    short = tmp_path / "short"
    short.write_bytes(b"abc")
    with pytest.raises(InputError, match="has 3 bytes, at least 16 are needed"):
        ids.read_key(short)


NAMES = st.one_of(st.none(), st.sampled_from(["email", " email", "crm", "", "é"]))
TEXTS = st.one_of(
    st.none(),
    st.sampled_from([*ids.PLACEHOLDERS, "UnKnown", " NaN\u3000", "Un\u212anown"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.text("aAbB@ \u00a0éÉe\u0301ßΣςſİı", max_size=6),
)


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=20))
def test_columns_agree_with_one_value_at_a_time(
    rows: list[tuple[str | None, str | None]],
) -> None:
    spaces = pa.array([ns for ns, _ in rows], pa.string())
    values = pa.array([text for _, text in rows], pa.string())
    want = [reference(ns, text) for ns, text in rows]
    assert normalise_ids(spaces, values).to_pylist() == want
    for ns in ("email", "user_id"):
        assert keys(ns, values) == [reference(ns, text) for _, text in rows]


@given(st.lists(TEXTS, max_size=10))
def test_normalising_twice_changes_nothing(values: list[str | None]) -> None:
    once = normalise_ids("email", pa.array(values, pa.string()))
    bare = [
        None if key is None else key.split("\x1f", 1)[1] for key in once.to_pylist()
    ]
    assert normalise_ids("email", pa.array(bare, pa.string())).equals(once)


def test_a_million_ids_stay_columns() -> None:
    numbers = np.arange(1_000_000) % 1000
    got = normalise_ids("user_id", pa.array(numbers))
    assert got.type == pa.string()
    assert got[999].as_py() == "user_id\x1f999"

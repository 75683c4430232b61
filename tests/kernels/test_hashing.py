"""The compiled digests are those of hashlib, and of their twins."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.kernels import native
from consentfilter.lineage import columns, netstrings

LIBRARY = native.library()
pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason=f"no compiled loops: {native.why_not()}"
)

TEXTS = st.one_of(st.none(), st.text(max_size=80), st.just("x" * 700))


@pytest.fixture(params=["plain", "instructions"])
def compression(request: pytest.FixtureRequest) -> Iterator[str]:
    """Compute SHA-256 in plain C, and by the processor's instructions."""
    assert LIBRARY is not None
    wanted = int(request.param == "instructions")
    LIBRARY.cf_start(wanted)
    if LIBRARY.cf_uses_instructions() != wanted:
        LIBRARY.cf_start(1)
        pytest.skip("this processor has no SHA-256 instructions")
    yield request.param
    LIBRARY.cf_start(1)


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            b"a" * 1_000_000,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ],
)
def test_published_digests_of_sha256(
    compression: str, message: bytes, digest: str
) -> None:
    """The examples of FIPS 180-2, appendix B, and the empty message."""
    found = columns.sha256_array(pa.array([message]))
    assert found[0].tobytes().hex() == digest


@pytest.mark.parametrize("lead", [b"", b"\0", b"y" * 64])
def test_every_length_is_padded_right(compression: str, lead: bytes) -> None:
    data = np.frombuffer(bytes(at % 251 for at in range(40_000)), np.uint8)
    offsets = np.concatenate([[0], np.cumsum(np.arange(260))]).astype(np.int64)
    found = columns.sha256_slices(data, offsets, lead=lead)
    for at, (start, end) in enumerate(zip(offsets, offsets[1:], strict=False)):
        wanted = hashlib.sha256(lead + data[start:end].tobytes()).digest()
        assert found[at].tobytes() == wanted, f"{at} bytes after {lead!r}"


@pytest.mark.parametrize("key", [b"", b"k" * 32, b"k" * 64, b"k" * 65])
def test_hmac_is_that_of_the_standard_library(compression: str, key: bytes) -> None:
    texts = ["", "a", "ü" * 30, "b" * 55, "c" * 56, "d" * 64, "e" * 1000]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        found = columns.hmac_sha256_array(key, b"label\0", pa.array(texts, kind))
        for at, text in enumerate(texts):
            message = b"label\0" + text.encode()
            assert found[at].tobytes() == hmac.digest(key, message, "sha256")


def arrays(texts: list[str | None], numbers: list[int | None]) -> list[pa.Array]:
    size = min(len(texts), len(numbers))
    text = pa.array(texts[:size], pa.string())
    digits = pa.array([(n or 0) % 256 for n in numbers[:size]], pa.uint8())
    fixed = pa.array(
        [None if n is None else n.to_bytes(9, "big", signed=True) for n in numbers],
        pa.binary(9),
    )[:size]
    return [
        text,
        text.cast(pa.large_string()),
        text.dictionary_encode(),
        pa.array(numbers[:size], pa.int64()),
        fixed,
        digits.cast(pa.int64()),
    ]


@given(
    texts=st.lists(TEXTS, min_size=0, max_size=20),
    numbers=st.lists(
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=20
    ),
    start=st.integers(0, 5),
    salt_size=st.sampled_from([0, 16]),
)
def test_rows_are_those_of_the_twin(
    texts: list[str | None], numbers: list[int | None], start: int, salt_size: int
) -> None:
    values = [array[start:] for array in arrays(texts, numbers)]
    count = len(values[0])
    salts = np.arange(count * salt_size, dtype=np.int64).astype(np.uint8)
    given_salts = salts.reshape(count, salt_size) if salt_size else None
    joined = netstrings.joined(values, count)
    digests = netstrings.row_digests(values, count, salts=given_salts)
    with native.without_library():
        assert joined.equals(netstrings.joined(values, count))
        twins = netstrings.row_digests(values, count, salts=given_salts)
    assert np.array_equal(digests, twins)
    for at, text in enumerate(joined.to_pylist()):
        salt = b"" if given_salts is None else given_salts[at].tobytes()
        assert digests[at].tobytes() == hashlib.sha256(salt + text.encode()).digest()


def test_a_row_without_columns_is_empty() -> None:
    found = netstrings.row_digests([], 2)
    assert [each.tobytes() for each in found] == [hashlib.sha256(b"").digest()] * 2


def test_a_library_of_another_version_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "_VERSION", -1)
    library, why = native._load(native.PATH)
    assert library is None
    assert why == "_kernels.so is of another version; install the package again"


def test_a_damaged_library_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "_kernels.so"
    path.write_bytes(b"no library")
    library, why = native._load(path)
    assert library is None
    assert why.startswith("_kernels.so cannot be loaded")


def test_no_library_says_why(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "_kernels.so"
    assert "no C compiler" in native._load(path)[1]
    monkeypatch.setenv(native.SWITCH, "1")
    assert native._load(native.PATH)[0] is None


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="float: no column"):
        native.Columns([pa.array([1.0], pa.float32())])

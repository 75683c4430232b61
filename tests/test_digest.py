"""Digests of bytes, files and JSON."""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path

import pytest

from consentfilter import digest
from consentfilter.errors import InputError, StorageError


def test_sha256_of_bytes_streams_and_files_agree(tmp_path: Path) -> None:
    data = b"abc" * 1_000_000
    expected = hashlib.sha256(data).hexdigest()
    (tmp_path / "x").write_bytes(data)
    assert digest.sha256(data) == expected
    assert digest.sha256_file(tmp_path / "x") == (expected, len(data))
    assert digest.sha256_stream(io.BytesIO(data)) == (expected, len(data))
    with pytest.raises(StorageError, match="gone: cannot be read .No such file"):
        digest.sha256_file(tmp_path / "gone")


def test_netstrings_count_bytes() -> None:
    assert digest.netstring("") == b"0:,"
    assert digest.netstrings(["é", b"\0"]) == b"2:\xc3\xa9,1:\0,"
    with pytest.raises(InputError, match="lone surrogate"):
        digest.netstring("\ud800")


def test_numbers_are_written_as_in_rfc_8785_appendix_b() -> None:
    for number, text in [
        (0.0, "0"),
        (-0.0, "0"),
        (333333333.33333329, "333333333.3333333"),
        (1e30, "1e+30"),
        (4.50, "4.5"),
        (2e-3, "0.002"),
        (0.000000000000000000000000001, "1e-27"),
        (9007199254740991, "9007199254740991"),
        (5e-324, "5e-324"),
    ]:
        assert digest.canonical_json(number) == text.encode()


def test_what_has_no_canonical_form_is_refused_in_words() -> None:
    for value, message in [
        ({"a": "\ud800"}, "no lone surrogates"),
        ({"\ud800": 1}, "no lone surrogates"),
        ([2**53], "beyond 2\\^53 - 1"),
        (math.nan, "cannot be written as canonical JSON"),
        ({1: 2}, "cannot be written as canonical JSON"),
        ({"a": object()}, "cannot be written as canonical JSON"),
        ({"a": b""}, "cannot be written as canonical JSON"),
    ]:
        with pytest.raises(InputError, match=message):
            digest.canonical_json(value)

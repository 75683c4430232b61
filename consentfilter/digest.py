"""Bytes to digests: SHA-256 of bytes and files, RFC 8785 JSON, netstrings.

The only module that calls `rfc8785`. Everything that is signed or hashed as JSON
goes through `canonical_json`, so that one value has one spelling.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, Final, Protocol

from consentfilter.errors import InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How much of a file is in memory at a time while it is hashed, in bytes.
READ_SIZE_BYTES: Final = 1 << 20


class Readable(Protocol):
    """Anything with a binary `read`, for example a file or a pyarrow stream."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; empty at the end."""
        ...


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_stream(stream: Readable) -> tuple[str, int]:
    """Return the SHA-256 (hex) and the size in bytes of what a stream still holds."""
    state = hashlib.sha256()
    size_bytes = 0
    while chunk := stream.read(READ_SIZE_BYTES):
        state.update(chunk)
        size_bytes += len(chunk)
    return state.hexdigest(), size_bytes


def sha256_file(path: str | os.PathLike[str]) -> tuple[str, int]:
    """Return the SHA-256 (hex) and the size in bytes of a file, read in pieces.

    Raises:
        StorageError: the file cannot be opened or read.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            return sha256_stream(stream)
    except OSError as problem:
        raise StorageError(
            f"{os.fspath(path)}: cannot be read ({problem.strerror or problem}); "
            "check that it exists and may be read"
        ) from problem


def netstring(text: str | bytes) -> bytes:
    r"""Return `len:text,` with the length in bytes, decimal.

    >>> netstring("é")
    b'2:\xc3\xa9,'

    Raises:
        InputError: the text has a lone surrogate and so no UTF-8 form.
    """
    data = text if isinstance(text, bytes) else _utf8(text)
    return b"%d:%b," % (len(data), data)


def netstrings(texts: Iterable[str | bytes]) -> bytes:
    """Return the netstrings of several texts, one after the other."""
    return b"".join(netstring(text) for text in texts)


def canonical_json(value: Any) -> bytes:
    """Return a value as RFC 8785 (JCS) bytes: one spelling for one value.

    Keys are sorted by UTF-16 code units, no space, numbers as ECMAScript prints
    them. Counts belong in strings: integers beyond 2^53 - 1 have no safe form.

    Raises:
        InputError: the value holds something RFC 8785 cannot express: an integer
            beyond 2^53 - 1, a float that is no number, a lone surrogate, a key
            that is not text, or a type that is not JSON.
    """
    import rfc8785

    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as problem:
        raise InputError(
            f"cannot be written as canonical JSON: {problem}; wanted JSON types, "
            "valid Unicode text (no lone surrogates), and text for integers beyond "
            "2^53 - 1"
        ) from problem


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise InputError(
            f"{text!r} holds a lone surrogate and so has no UTF-8 form; "
            "only valid Unicode text can be hashed"
        ) from problem

"""SHA-256 and HMAC-SHA256 over whole columns: one call, one matrix of digests.

Hashing a value in Python costs an object and two calls; here a column goes through
one compiled loop. Its twin is polars-hash, whose hex output is decoded as one buffer.
The results are plain SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104) of each value.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.kernels import native

#: A matrix of bytes: one row per value.
Bytes2D: TypeAlias = npt.NDArray[np.uint8]

DIGEST_SIZE: Final = 32
_BLOCK_SIZE: Final = 64
_HEX_SIZE: Final = 2 * DIGEST_SIZE


def sha256_array(values: pa.Array) -> Bytes2D:
    """Return the digests of a string or binary array without nulls, shape (n, 32)."""
    values = as_large_binary(values)
    if native.library() is None or not len(values):
        return _by_polars(values)
    _, offsets, data = values.buffers()
    at = np.frombuffer(offsets, np.int64)[values.offset :][: len(values) + 1]
    return sha256_slices(np.frombuffer(data or b"", np.uint8), at)


def sha256_matrix(rows: Bytes2D) -> Bytes2D:
    """Return the digest of each row of a byte matrix, shape (n, 32)."""
    return sha256_array(binary_rows(rows))


def sha256_slices(
    data: Bytes2D, offsets: npt.NDArray[np.int64], *, lead: bytes = b""
) -> Bytes2D:
    """Return the digest of `lead ‖ data[offsets[i]:offsets[i + 1]]` for each i.

    Requires ascending offsets within `data`, and at most 64 bytes of `lead`.
    """
    count = len(offsets) - 1
    library = native.library()
    if library is None:
        whole = data.data
        hashes = bytearray()
        start = hashlib.sha256(lead)
        at = offsets.tolist()
        for first, end in zip(at, at[1:], strict=False):
            state = start.copy()
            state.update(whole[first:end])
            hashes += state.digest()
        return np.frombuffer(bytes(hashes), np.uint8).reshape(count, DIGEST_SIZE)
    made = native.digests(count)
    native.refuse_failure(
        library.cf_digest_slices(
            lead,
            len(lead),
            data.ctypes.data,
            native.address(offsets),
            count,
            native.address(made),
        )
    )
    return made


def hmac_sha256_array(key: bytes, prefix: bytes, values: pa.Array) -> Bytes2D:
    """Return HMAC-SHA256(key, prefix ‖ value) of each value, shape (n, 32).

    Args:
        key: the secret, of any length.
        prefix: what every message starts with.
        values: string or binary, of any variant, without nulls.
    """
    if len(key) > _BLOCK_SIZE:
        key = hashlib.sha256(key).digest()
    library = native.library()
    if library is not None and len(values):
        made = native.digests(len(values))
        given = native.Columns([as_large_binary(values)])
        native.refuse_failure(
            library.cf_hmac(
                key.ljust(_BLOCK_SIZE, b"\0"),
                prefix,
                len(prefix),
                given.pointer,
                len(values),
                native.address(made),
            )
        )
        return made
    padded = np.frombuffer(key.ljust(_BLOCK_SIZE, b"\0"), np.uint8)
    start = pa.scalar((padded ^ 0x36).tobytes() + prefix, pa.large_binary())
    messages = pc.binary_join_element_wise(
        start, as_large_binary(values), pa.scalar(b"", pa.large_binary())
    )
    outer = np.empty((len(values), _BLOCK_SIZE + DIGEST_SIZE), np.uint8)
    outer[:, :_BLOCK_SIZE] = padded ^ 0x5C
    outer[:, _BLOCK_SIZE:] = sha256_array(messages)
    return sha256_matrix(outer)


def as_large_binary(values: pa.Array) -> pa.Array:
    """Return a string or binary array of any variant as `large_binary`."""
    if pa.types.is_large_binary(values.type):
        return values
    if pa.types.is_string_view(values.type) or pa.types.is_string(values.type):
        values = values.cast(pa.large_string())
    return values.cast(pa.large_binary())


def binary_rows(rows: Bytes2D) -> pa.Array:
    """Return a byte matrix as `large_binary`, one value per row, without a copy."""
    count, width = rows.shape
    return binary_slices(
        np.ascontiguousarray(rows), np.arange(count + 1, dtype=np.int64) * width
    )


def binary_slices(data: Bytes2D, offsets: npt.NDArray[np.int64]) -> pa.Array:
    """Return `data[offsets[i]:offsets[i + 1]]` as `large_binary`, without a copy."""
    return pa.Array.from_buffers(
        pa.large_binary(),
        len(offsets) - 1,
        [None, pa.py_buffer(offsets), pa.py_buffer(data)],
    )


def fixed_binary(rows: Bytes2D, validity: pa.Buffer | None = None) -> pa.Array:
    """Return a byte matrix as `fixed_size_binary(width)`, without a copy."""
    count, width = rows.shape
    return pa.Array.from_buffers(
        pa.binary(width),
        count,
        [validity, pa.py_buffer(np.ascontiguousarray(rows))],
    )


def byte_matrix(values: pa.Array) -> Bytes2D:
    """Return a `fixed_size_binary` array as a matrix of its bytes (nulls: any)."""
    width = values.type.byte_width
    if len(values) == 0:
        return np.empty((0, width), np.uint8)
    data = np.frombuffer(values.buffers()[1], np.uint8)
    start = values.offset * width
    return data[start : start + len(values) * width].reshape(-1, width)


def put(records: npt.NDArray[np.void], name: str, rows: Bytes2D) -> None:
    """Write a byte matrix into a field of raw bytes (`V…`) of records."""
    kind = records.dtype[name]
    records[name] = np.ascontiguousarray(rows).view(kind).reshape(-1)


def field_matrix(records: npt.NDArray[np.void], name: str) -> Bytes2D:
    """Return a field of raw bytes (`V…`) of records as a matrix: a copy."""
    width = records.dtype[name].itemsize
    return np.ascontiguousarray(records[name]).view(np.uint8).reshape(-1, width)


def hex_array(rows: Bytes2D) -> pa.Array:
    """Return each row of a byte matrix as lower-case hex text (`large_string`)."""
    count, width = rows.shape
    return pa.Array.from_buffers(
        pa.large_string(),
        count,
        [
            None,
            pa.py_buffer(np.arange(count + 1, dtype=np.int64) * (2 * width)),
            pa.py_buffer(binascii.hexlify(np.ascontiguousarray(rows).data)),
        ],
    )


def _by_polars(values: pa.Array) -> Bytes2D:
    frame = pl.DataFrame({"v": pl.from_arrow(values)})
    return _unhex(frame.select(plh.col("v").chash.sha2_256()).to_series())


def _unhex(hexed: pl.Series) -> Bytes2D:
    if not len(hexed):
        return np.empty((0, DIGEST_SIZE), np.uint8)
    array = hexed.to_arrow().cast(pa.large_string())
    text = array.buffers()[2]
    start = array.offset * _HEX_SIZE
    decoded = binascii.unhexlify(text[start : start + len(array) * _HEX_SIZE])
    return np.frombuffer(decoded, np.uint8).reshape(-1, DIGEST_SIZE)

"""The row digest once more, value by value, from the text of the scheme alone."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import struct
from typing import Any

import pyarrow as pa

_EPOCH = datetime.date(1970, 1, 1)
_FLOATS = {16: ">e", 32: ">f", 64: ">d"}


def row_digest(row: dict[int, Any], schema: pa.Schema) -> bytes:
    parts = [encoded(row[at], field.type) for at, field in enumerate(schema)]
    return hashlib.sha256(b"".join(parts)).digest()


def digests(table: pa.Table) -> list[bytes]:
    lists = [scalars(column) for column in table.columns]
    return [
        row_digest({at: values[row] for at, values in enumerate(lists)}, table.schema)
        for row in range(table.num_rows)
    ]


def scalars(column: pa.ChunkedArray) -> list[Any]:
    return [scalar for chunk in column.chunks for scalar in chunk]


def encoded(scalar: pa.Scalar, kind: pa.DataType) -> bytes:
    if not scalar.is_valid:
        return b"~"
    written = text(scalar, kind)
    return str(len(written)).encode() + b":" + written + b","


def text(scalar: pa.Scalar, kind: pa.DataType) -> bytes:
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return text(scalar.value, kind.storage_type)
    if types.is_dictionary(kind):
        return text(scalar.dictionary[scalar.index.as_py()], kind.value_type)
    if types.is_run_end_encoded(kind):
        return text(pa.scalar(scalar.as_py(), kind.value_type), kind.value_type)
    if types.is_boolean(kind):
        return b"true" if scalar.as_py() else b"false"
    if types.is_integer(kind):
        return str(scalar.as_py()).encode()
    if types.is_floating(kind):
        return (
            struct.pack(_FLOATS[kind.bit_width], float(scalar.as_py())).hex().encode()
        )
    if types.is_decimal(kind):
        return decimal_text(scalar.as_py(), kind.scale).encode()
    if types.is_date(kind):
        return str((scalar.as_py() - _EPOCH).days).encode()
    if types.is_temporal(kind):
        return str(scalar.value).encode()
    if types.is_struct(kind):
        return b"".join(
            encoded(scalar[at], field.type) for at, field in enumerate(kind)
        )
    if types.is_map(kind):
        out = b""
        for pair in scalar.values:
            both = encoded(pair[0], kind.key_type) + encoded(pair[1], kind.item_type)
            out += str(len(both)).encode() + b":" + both + b","
        return out
    if types.is_nested(kind):
        return b"".join(encoded(item, kind.value_type) for item in scalar.values)
    value = scalar.as_py()
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest().encode()
    return str(value).encode()


def decimal_text(value: decimal.Decimal, scale: int) -> str:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    unscaled = int("".join(map(str, digits))) * 10 ** max(exponent + max(scale, 0), 0)
    if scale > 0:
        written = str(unscaled).zfill(scale + 1)
        out = f"{written[:-scale]}.{written[-scale:]}"
    else:
        out = str(unscaled)
    return f"-{out}" if sign and unscaled else out

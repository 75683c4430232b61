"""The digest of a row (`row-sha256/v1`) and the fingerprint of a schema.

A row's digest is the SHA-256 of its columns' texts, each a netstring, in schema
order: `enc(null) = "~"`, `enc(v) = len ":" text ","`. It depends on values only,
not on how Arrow happens to hold them, and it is one-to-one: rows of one schema
that differ in a value differ in what is hashed.

Example, a row `("r1", 7, null)`: the digest of `2:r1,1:7,~`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter import digest
from consentfilter.errors import InputError
from consentfilter.lineage import columns, netstrings

SCHEME: Final = "row-sha256/v1"

#: Rows and bytes that are turned into text at a time; bounds the memory.
_BATCH_ROWS: Final = 65_536
_BATCH_BYTES: Final = 64 << 20

_Integers: TypeAlias = npt.NDArray[np.int64]


def row_digests(table: pa.Table | pa.RecordBatch) -> pa.Array:
    """Return the SHA-256 of each row as `fixed_size_binary(32)`.

    Args:
        table: any columns that Parquet can hold; the column order counts, the
            names do not (they are in the schema's fingerprint).

    Raises:
        InputError: a column has a type without a text form (an interval, a union).
    """
    digests = np.empty((table.num_rows, columns.DIGEST_SIZE), np.uint8)
    row_bytes = table.nbytes // max(table.num_rows, 1) + 1
    batch_rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // row_bytes))
    whole = pa.Table.from_batches([table]) if _is_batch(table) else table
    at = 0
    for batch in whole.to_batches(max_chunksize=batch_rows):
        values = [
            _values(column, name)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        made = netstrings.row_digests(values, batch.num_rows)
        digests[at : at + batch.num_rows] = made
        at += batch.num_rows
    return columns.fixed_binary(digests)


def schema_fingerprint(schema: pa.Schema) -> str:
    """Return the SHA-256 (hex) of names, value types and nullability, in order.

    How a value is held does not count: dictionary-encoded, large, view and
    run-end-encoded variants have the fingerprint of their value type, as their
    rows have its digests. Metadata does not count.
    """
    described = [_described(field) for field in schema]
    return digest.sha256(digest.canonical_json(described))


def _described(field: pa.Field) -> dict[str, object]:
    return {
        "name": field.name,
        "nullable": field.nullable,
        "type": _logical(field.type),
    }


def _logical(kind: pa.DataType) -> object:
    if isinstance(kind, pa.BaseExtensionType):
        return _logical(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _logical(kind.value_type)
    if pa.types.is_map(kind):
        return {"map": [_described(kind.key_field), _described(kind.item_field)]}
    if _is_list(kind):
        return {"list": _described(kind.value_field.with_name("item"))}
    if pa.types.is_struct(kind):
        return {"struct": [_described(field) for field in kind]}
    if _is_string(kind):
        return "string"
    if _is_binary(kind):
        return "binary"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return str(kind)


def _values(array: pa.Array, where: str) -> pa.Array:
    """Return the values as a column of `netstrings`, null where the value is null."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _values(array.storage, where)
    if pa.types.is_dictionary(kind):
        return _from_dictionary(_values(array.dictionary, where), array.indices)
    if pa.types.is_run_end_encoded(kind):
        return _values(pc.run_end_decode(array), where)
    if pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    if _is_string(kind):
        return array
    if pa.types.is_boolean(kind) or pa.types.is_uint64(kind):
        return array.cast(pa.string())
    if pa.types.is_integer(kind):
        return array.cast(pa.int64())
    if pa.types.is_floating(kind):
        return _float_bits(array)
    if pa.types.is_decimal(kind):
        return _decimal_text(array)
    if pa.types.is_date64(kind):
        milliseconds = _fixed_values(array, np.dtype("<i8"))
        return _masked(pa.array(milliseconds // 86_400_000), array)
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        integers = pa.int32() if kind.bit_width == 32 else pa.int64()
        return array.view(integers).cast(pa.int64())
    if _is_binary(kind):
        return _binary_digests(array)
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    if pa.types.is_struct(kind):
        fields = [
            _values(array.field(at), f"{where}.{kind.field(at).name}")
            for at in range(kind.num_fields)
        ]
        return _masked(netstrings.joined(fields, len(array)), array)
    if pa.types.is_map(kind):
        return _map_text(array, where)
    if _is_list(kind):
        return _list_text(array, where)
    raise InputError(
        f"column {where}: values of type {kind} have no text form in {SCHEME}; "
        "cast the column to a type that Parquet can hold"
    )


def _masked(values: pa.Array, array: pa.Array) -> pa.Array:
    """Return values, null where `array` is."""
    return pc.if_else(array.is_valid(), values, None) if array.null_count else values


def _from_dictionary(values: pa.Array, indices: pa.Array) -> pa.Array:
    if values.null_count or not _is_string(values.type):
        return values.take(indices)
    codes = indices.cast(pa.int32())
    return pa.DictionaryArray.from_arrays(codes, values, safe=False)


def _float_bits(array: pa.Array) -> pa.Array:
    width = array.type.bit_width // 8
    bits = _fixed_values(array, np.dtype(f"<u{width}")).astype(f">u{width}")
    matrix = bits.view(np.uint8).reshape(-1, width)
    return _masked(columns.fixed_binary(matrix), array)


def _fixed_values(array: pa.Array, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the values as they lie in memory; anything where the value is null."""
    if len(array) == 0:
        return np.empty(0, dtype)
    values = np.frombuffer(array.buffers()[1], dtype)
    return values[array.offset : array.offset + len(array)]


def _decimal_text(array: pa.Array) -> pa.Array:
    """Plain notation with exactly `scale` digits after the point, no exponent."""
    if array.type.bit_width < 128:
        array = array.cast(pa.decimal128(array.type.precision, array.type.scale))
    kind = array.type
    make = pa.decimal128 if kind.bit_width == 128 else pa.decimal256
    unscaled = pa.Array.from_buffers(
        make(kind.precision, 0),
        len(array),
        array.buffers(),
        array.null_count,
        array.offset,
    ).cast(pa.string())
    if kind.scale == 0:
        return unscaled
    frame = pl.DataFrame({"v": pl.from_arrow(unscaled)})
    value = pl.col("v")
    if kind.scale < 0:
        zeros = pl.lit("0" * -kind.scale)
        text = pl.when(value == "0").then(value).otherwise(value + zeros)
    else:
        is_negative = value.str.starts_with("-")
        sign = pl.when(is_negative).then(pl.lit("-")).otherwise(pl.lit(""))
        digits = value.str.strip_prefix("-").str.zfill(kind.scale + 1)
        whole, rest = digits.str.head(-kind.scale), digits.str.tail(kind.scale)
        text = pl.concat_str(sign, whole, pl.lit("."), rest)
    return frame.select(text.alias("t")).to_series().to_arrow().cast(pa.large_string())


def _binary_digests(array: pa.Array) -> pa.Array:
    values = array.cast(pa.large_binary())
    if values.null_count:
        values = pc.fill_null(values, b"")
    return _masked(columns.fixed_binary(columns.sha256_array(values)), array)


def _map_text(array: pa.Array, where: str) -> pa.Array:
    offsets = array.offsets.to_numpy().astype(np.int64)
    start, end = int(offsets[0]), int(offsets[-1])
    kind = array.type
    fields = [(array.keys, kind.key_field), (array.items, kind.item_field)]
    texts = [
        _values(values.slice(start, end - start), f"{where}.{field.name}")
        for values, field in fields
    ]
    elements = netstrings.joined([netstrings.joined(texts, end - start)], end - start)
    return _masked(_concatenated(elements, offsets - start), array)


def _list_text(array: pa.Array, where: str) -> pa.Array:
    elements = pc.list_flatten(array)
    sizes = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    if array.null_count:
        sizes = sizes * array.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    encoded = netstrings.joined([_values(elements, f"{where}[]")], len(elements))
    return _masked(_concatenated(encoded, offsets), array)


def _concatenated(elements: pa.Array, offsets: _Integers) -> pa.Array:
    """Return the concatenation of elements per list: the same bytes, re-sliced."""
    if len(elements) == 0:
        return pa.array([""] * (len(offsets) - 1), pa.large_string())
    _, bounds, data = elements.buffers()
    at = np.frombuffer(bounds, np.int64)[elements.offset :][: len(elements) + 1]
    return pa.Array.from_buffers(
        pa.large_string(), len(offsets) - 1, [None, pa.py_buffer(at[offsets]), data]
    )


def _is_batch(table: pa.Table | pa.RecordBatch) -> bool:
    return isinstance(table, pa.RecordBatch)


def _is_string(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )

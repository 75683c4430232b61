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
        texts = [
            _text(column, name)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        joined = netstrings.joined(texts, batch.num_rows)
        digests[at : at + batch.num_rows] = columns.sha256_series(joined)
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


def _text(array: pa.Array, where: str) -> pl.Series:
    """Return the text of each value (String), null where the value is null."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _text(array.storage, where)
    if pa.types.is_dictionary(kind):
        return _text(array.dictionary, where).gather(_series(array.indices))
    if pa.types.is_run_end_encoded(kind):
        return _text(pc.run_end_decode(array), where)
    if _is_string(kind):
        return _series(array)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _series(array).cast(pl.String)
    if pa.types.is_floating(kind):
        return _float_text(array)
    if pa.types.is_decimal(kind):
        return _decimal_text(array)
    if pa.types.is_date64(kind):
        milliseconds = _fixed_values(array, np.dtype("<i8"))
        return _masked(pl.Series(milliseconds // 86_400_000).cast(pl.String), array)
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        integers = pa.int32() if kind.bit_width == 32 else pa.int64()
        return _series(array.view(integers)).cast(pl.String)
    if _is_binary(kind):
        return _binary_text(array)
    if pa.types.is_null(kind):
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(array))
    if pa.types.is_struct(kind):
        fields = [
            _text(array.field(at), f"{where}.{kind.field(at).name}")
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


def _series(array: pa.Array) -> pl.Series:
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series


def _masked(text: pl.Series, array: pa.Array) -> pl.Series:
    if array.null_count == 0:
        return text
    frame = pl.DataFrame({"t": text, "ok": _series(array.is_valid())})
    return frame.select(pl.when("ok").then("t")).to_series()


def _float_text(array: pa.Array) -> pl.Series:
    width = array.type.bit_width // 8
    bits = _fixed_values(array, np.dtype(f"<u{width}")).astype(f">u{width}")
    hexed = columns.hex_array(bits.view(np.uint8).reshape(-1, width))
    return _masked(_series(hexed), array)


def _fixed_values(array: pa.Array, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the values as they lie in memory; anything where the value is null."""
    if len(array) == 0:
        return np.empty(0, dtype)
    values = np.frombuffer(array.buffers()[1], dtype)
    return values[array.offset : array.offset + len(array)]


def _decimal_text(array: pa.Array) -> pl.Series:
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
    )
    frame = _series(unscaled.cast(pa.string())).alias("v").to_frame()
    value = pl.col("v")
    if kind.scale == 0:
        return frame.to_series()
    if kind.scale < 0:
        zeros = pl.lit("0" * -kind.scale)
        return frame.select(
            pl.when(value == "0").then(value).otherwise(value + zeros)
        ).to_series()
    sign = pl.when(value.str.starts_with("-")).then(pl.lit("-")).otherwise(pl.lit(""))
    digits = value.str.strip_prefix("-").str.zfill(kind.scale + 1)
    return frame.select(
        pl.concat_str(
            sign,
            digits.str.head(-kind.scale),
            pl.lit("."),
            digits.str.tail(kind.scale),
        ).alias("t")
    ).to_series()


def _binary_text(array: pa.Array) -> pl.Series:
    values = array.cast(pa.large_binary())
    if values.null_count:
        values = pc.fill_null(values, b"")
    hexed = columns.hex_array(columns.sha256_array(values))
    return _masked(_series(hexed), array)


def _map_text(array: pa.Array, where: str) -> pl.Series:
    offsets = array.offsets.to_numpy().astype(np.int64)
    start, end = int(offsets[0]), int(offsets[-1])
    kind = array.type
    fields = [(array.keys, kind.key_field), (array.items, kind.item_field)]
    texts = [
        _text(values.slice(start, end - start), f"{where}.{field.name}")
        for values, field in fields
    ]
    elements = netstrings.joined([netstrings.joined(texts, end - start)], end - start)
    return _masked(_concatenated(elements, offsets - start), array)


def _list_text(array: pa.Array, where: str) -> pl.Series:
    elements = pc.list_flatten(array)
    sizes = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    if array.null_count:
        sizes = sizes * array.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    encoded = netstrings.joined([_text(elements, f"{where}[]")], len(elements))
    return _masked(_concatenated(encoded, offsets), array)


def _concatenated(elements: pl.Series, offsets: _Integers) -> pl.Series:
    """Return the concatenation of elements per list: the same bytes, re-sliced."""
    array = elements.to_arrow().cast(pa.large_string())
    if len(array) == 0:
        return pl.Series([""], dtype=pl.String).new_from_index(0, len(offsets) - 1)
    _, bounds, data = array.buffers()
    at = np.frombuffer(bounds, np.int64)[array.offset : array.offset + len(array) + 1]
    joined = pa.Array.from_buffers(
        pa.large_string(), len(offsets) - 1, [None, pa.py_buffer(at[offsets]), data]
    )
    return _series(joined)


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

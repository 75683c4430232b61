"""Values out of nested columns: paths, flattened lists, plain text.

A path is a column and the struct fields below it; it goes through lists on the
way. Flattening gives the values and, for each, the row it came from. All layouts
Arrow has for lists and text are read (plain, large, view, fixed-size, dictionary,
run-end-encoded, extension types by their storage).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.ids import is_ascii


@dataclasses.dataclass(frozen=True, slots=True)
class Path:
    """A column, or a part of one.

    Attributes:
        column: name of the top-level column.
        fields: names of the struct fields below it, outermost first.
        type: Arrow type at its end.
        in_list: a list was entered before its end.
    """

    column: str
    fields: tuple[str, ...]
    type: pa.DataType
    in_list: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Flat:
    """Values and where they came from.

    Attributes:
        row: int32, ascending; as long as `values`.
        values: one entry per value.
        in_list: the values are entries of lists (so that a null is an entry too).
    """

    row: np.ndarray
    values: pa.Array
    in_list: bool


def is_list(kind: pa.DataType) -> bool:
    """Tell whether a type is a list of any layout."""
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Tell whether values of a type are text, however they are encoded."""
    kind = storage_type(kind)
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def is_whole(kind: pa.DataType) -> bool:
    """Tell whether values of a type are whole numbers."""
    kind = storage_type(kind)
    return bool(
        pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    )


def is_uuid(kind: pa.DataType) -> bool:
    """Tell whether a type is Arrow's UUID extension type."""
    return getattr(kind, "extension_name", None) == "arrow.uuid"


def storage_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values themselves: no extension, no encoding."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def can_be_null(field: pa.Field) -> bool:
    """Tell whether a value of a field may be taken out by making it null.

    Not where it holds a list of fixed size, itself or in a struct: Arrow writes a null
    one to Parquet without its entries, and then cannot read the file.
    """
    return field.nullable and not _holds_fixed_list(field.type)


def _holds_fixed_list(kind: pa.DataType) -> bool:
    kind = storage_type(kind)
    if pa.types.is_struct(kind):
        return any(_holds_fixed_list(field.type) for field in kind)
    return bool(pa.types.is_fixed_size_list(kind))


def one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array; a single chunk is not copied."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks()


def find_path(schema: pa.Schema, name: str) -> Path | None:
    """Find a column of that name, or else the struct field of that dotted path.

    Returns:
        None if neither is there.
    """
    if name in schema.names:
        field = schema.field(schema.get_field_index(name))
        return Path(name, (), field.type, False)
    for at in range(len(name) - 1, 0, -1):
        head = name[:at]
        if name[at] == "." and head in schema.names:
            kind = schema.field(schema.get_field_index(head)).type
            found = find_below(kind, name[at + 1 :])
            if found is not None:
                return dataclasses.replace(found, column=head)
    return None


def find_below(kind: pa.DataType, name: str) -> Path | None:
    """Find a struct field by its dotted path below a type (`column` is empty)."""
    in_list = False
    while is_list(kind):
        kind, in_list = kind.value_type, True
    if not pa.types.is_struct(kind):
        return None
    for at in [len(name), *(i for i in range(len(name)) if name[i] == ".")]:
        index = kind.get_field_index(name[:at])
        if index < 0:
            continue
        field = kind.field(index)
        if at == len(name):
            return Path("", (name,), field.type, in_list)
        rest = find_below(field.type, name[at + 1 :])
        if rest is not None:
            fields = (name[:at], *rest.fields)
            return Path("", fields, rest.type, in_list or rest.in_list)
    return None


def follow(values: pa.Array, fields: tuple[str, ...]) -> Flat:
    """Flatten the values at the end of a path; lists at its end are opened too."""
    row = np.arange(len(values), dtype=np.int32)
    flat = _open(Flat(row, values, False))
    for name in fields:
        child = pc.struct_field(_storage(flat.values), name)
        flat = _open(Flat(flat.row, child, flat.in_list))
    return flat


def open_list(values: pa.Array) -> Flat:
    """Flatten one level of a list column; null lists have no entries."""
    values = _storage(values)
    lengths = pc.fill_null(pc.list_value_length(values), 0)
    counts = lengths.to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(values), dtype=np.int32), counts)
    return Flat(row, pc.list_flatten(values), True)


def _open(flat: Flat) -> Flat:
    while is_list(storage_type(flat.values.type)):
        deeper = open_list(flat.values)
        flat = Flat(flat.row[deeper.row], deeper.values, True)
    return flat


def _storage(values: pa.Array) -> pa.Array:
    while True:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        elif pa.types.is_run_end_encoded(values.type):
            values = pc.run_end_decode(values)
        else:
            return values


def struct_child(values: pa.Array, name: str) -> pa.Array | None:
    """Return a struct array's field, null where the struct is; None if not there."""
    values = _storage(values)
    if not pa.types.is_struct(values.type) or values.type.get_field_index(name) < 0:
        return None
    return pc.struct_field(values, name)


def is_present(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Tell per row whether there is a value, looking through encodings."""
    values = one_array(column)
    if pa.types.is_null(values.type):
        return np.zeros(len(values), bool)
    if pa.types.is_dictionary(values.type) and values.dictionary.null_count:
        return is_present(values.dictionary_decode())
    if pa.types.is_run_end_encoded(values.type):
        return is_present(pc.run_end_decode(values))
    if not values.null_count and not pa.types.is_union(values.type):
        return np.ones(len(values), bool)
    return np.asarray(pc.is_valid(values).to_numpy(zero_copy_only=False))


def plain_text(values: pa.Array) -> pa.Array:
    """Return values as `pa.string()`.

    Text of any encoding, whole numbers and booleans by their digits and words,
    fixed binary as lower-case hex, UUIDs in their usual form with dashes. Text
    that is not valid UTF-8 becomes null.

    Raises:
        TypeError: values of the type have no such form; `check_schema` refuses it.
    """
    kind = values.type
    if pa.types.is_string(kind):
        return _valid_utf8(values)
    if pa.types.is_dictionary(kind) and not is_list(kind.value_type):
        return plain_text(values.dictionary).take(values.indices)
    if is_uuid(kind):
        return _dashed(_hex(values.storage))
    stored = _storage(values)
    kind = stored.type
    if pa.types.is_null(kind):
        return pa.nulls(len(stored), pa.string())
    if is_text(kind):
        return _valid_utf8(stored.cast(pa.string()))
    if is_whole(kind) or pa.types.is_boolean(kind):
        return stored.cast(pa.string())
    if pa.types.is_fixed_size_binary(kind):
        return _hex(stored)
    raise TypeError(f"no text form for values of type {values.type}")


def has_text_form(kind: pa.DataType) -> bool:
    """Tell whether `plain_text` can read a type."""
    stored = storage_type(kind)
    return bool(
        pa.types.is_null(stored)
        or is_text(stored)
        or is_whole(stored)
        or pa.types.is_boolean(stored)
        or pa.types.is_fixed_size_binary(stored)
    )


def is_blank(texts: pa.Array) -> np.ndarray:
    """Tell per text whether it is null, empty, or white space only.

    Looks closer only at what may be blank: what ends in no plain character.
    """
    blank = np.zeros(len(texts), bool)
    at = np.flatnonzero(_may_be_blank(texts))
    if len(at):
        some = texts.take(pa.array(at))
        empty = pc.equal(pc.binary_length(some), 0)
        found = pc.fill_null(pc.or_(empty, pc.utf8_is_space(some)), True)
        blank[at] = found.to_numpy(zero_copy_only=False)
    return blank


def _may_be_blank(texts: pa.Array) -> np.ndarray:
    """Tell where a text is null, empty, or its last byte is no plain character."""
    _, offsets, data = texts.buffers()
    if not len(texts) or not data or not pa.types.is_string(texts.type):
        return np.ones(len(texts), bool)
    bounds = np.frombuffer(offsets, np.int32)
    bounds = bounds[texts.offset : texts.offset + len(texts) + 1]
    last = np.frombuffer(data, np.uint8).take(bounds[1:] - 1, mode="clip")
    may: np.ndarray = (last <= ord(" ")) | (last >= 0x7F) | (bounds[1:] == bounds[:-1])
    if texts.null_count:
        may |= texts.is_null().to_numpy(zero_copy_only=False)
    return may


def null_where(texts: pa.Array, mask: np.ndarray) -> pa.Array:
    """Return the texts with null where the mask is True; no copy if nowhere."""
    if not mask.any():
        return texts
    return pc.if_else(pa.array(mask), pa.scalar(None, texts.type), texts)


def _valid_utf8(texts: pa.Array) -> pa.Array:
    if is_ascii(texts):
        return texts
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        encoded = texts.cast(pa.binary()).dictionary_encode()
        decoded = [_decoded(raw) for raw in encoded.dictionary.to_pylist()]
        return pa.array(decoded, pa.string()).take(encoded.indices)
    return texts


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def whole_values(values: pa.Array) -> pa.Array:
    """Return ids or offsets in a form that Arrow can take values from.

    UUIDs as their text; no run ends, no extension wrappers, no text views.
    """
    if is_uuid(values.type):
        return plain_text(values)
    if isinstance(values, pa.ExtensionArray) or pa.types.is_run_end_encoded(
        values.type
    ):
        return whole_values(_storage(values))
    if pa.types.is_string_view(values.type):
        return values.cast(pa.large_string())
    return values


def is_null_mask(values: pa.Array) -> np.ndarray:
    """Return which values are null, looking through encodings."""
    return ~is_present(values)


_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def _hex(values: pa.Array) -> pa.Array:
    """Return fixed-size binary values as hex text, nulls kept."""
    width = values.type.byte_width
    raw = np.frombuffer(values.buffers()[1] or b"", np.uint8)
    raw = raw[values.offset * width : (values.offset + len(values)) * width]
    digits = np.empty((len(raw), 2), np.uint8)
    digits[:, 0], digits[:, 1] = _HEX[raw >> 4], _HEX[raw & 15]
    offsets = np.arange(len(values) + 1, dtype=np.int32) * (2 * width)
    texts = pa.StringArray.from_buffers(
        len(values), pa.py_buffer(offsets), pa.py_buffer(digits)
    )
    if not values.null_count:
        return texts
    return null_where(texts, values.is_null().to_numpy(zero_copy_only=False))


def _dashed(texts: pa.Array) -> pa.Array:
    cuts = (0, 8, 12, 16, 20, 32)
    parts = [
        pc.utf8_slice_codeunits(texts, start, stop)
        for start, stop in zip(cuts, cuts[1:], strict=False)
    ]
    return pc.binary_join_element_wise(*parts, "-")

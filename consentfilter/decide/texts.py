"""Text of any encoding as plain text, and back into the very type it had."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def to_text(values: pa.Array) -> pa.Array:
    """Return text values of any encoding as `pa.large_string()`."""
    if isinstance(values, pa.ExtensionArray):
        return to_text(values.storage)
    if pa.types.is_dictionary(values.type):
        return to_text(values.dictionary).take(values.indices)
    if pa.types.is_run_end_encoded(values.type):
        return to_text(pc.run_end_decode(values))
    return values.cast(pa.large_string())


def from_text(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return `pa.large_string()` values as a text type: `to_text` back.

    Raises:
        OverflowError: a dictionary's index type has no room for so many values.
    """
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, from_text(texts, kind.storage_type))
    if pa.types.is_run_end_encoded(kind):
        plain = from_text(texts, kind.value_type)
        return pc.run_end_encode(plain, kind.run_end_type)
    if not pa.types.is_dictionary(kind):
        return texts.cast(kind)
    encoded = texts.dictionary_encode()
    try:
        indices = encoded.indices.cast(kind.index_type)
    except pa.ArrowInvalid as problem:
        raise OverflowError(
            f"{len(encoded.dictionary)} values in a {kind.index_type} dictionary"
        ) from problem
    values = from_text(encoded.dictionary, kind.value_type)
    return pa.DictionaryArray.from_arrays(indices, values, ordered=kind.ordered)

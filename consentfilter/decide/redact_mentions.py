"""The column of mentions after names were cut out of the texts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.decide.carry import (
    carry,
    keep_values,
    make_lists,
    make_struct,
    open_lists,
)
from consentfilter.decide.cuts import Cuts
from consentfilter.decide.pseudonyms import NAMESPACE
from consentfilter.decide.texts import from_text, to_text
from consentfilter.layout.nested import can_be_null, is_text
from consentfilter.records import Mentions

#: Fields whose meaning is known; any other field of a pseudonymised mention goes.
_PLACE = ("field", "start", "end")


def redact_mentions(
    column: pa.ChunkedArray, found: Mentions, cuts: Cuts, is_admitted: np.ndarray
) -> pa.ChunkedArray:
    """Return the admitted rows' mentions, so that they fit the redacted texts.

    A mention that goes gets its pseudonym for an id, the namespace `pseudonym`, and
    nothing else that could name the person. The others are moved with their text.
    A mention of a column that goes, goes with it, and so does one whose type leaves
    no room for what it has to say.

    Args:
        column: the lists of mentions.
        found: the mentions, bound.
        cuts: what happens to them.
        is_admitted: bool per row.
    """
    kept = keep_values(column, is_admitted)
    entries = _own_entries(column, found)
    entries = entries[is_admitted[found.row[entries]]]
    chunks, begin = [], 0
    for chunk in kept.chunks:
        lengths, is_null, structs = open_lists(chunk)
        mine = entries[begin : begin + len(structs)]
        begin += len(structs)
        structs, fits = _rewritten(structs, mine, found, cuts)
        stays = fits & ~cuts.is_gone[mine]
        owner = np.repeat(np.arange(len(lengths)), lengths)
        lengths = np.bincount(owner[stays], minlength=len(lengths))
        structs = carry(structs, pa.array(np.flatnonzero(stays)))
        chunks.append(make_lists(chunk.type, lengths, is_null, structs))
    return pa.chunked_array(chunks, column.type)


def _own_entries(column: pa.ChunkedArray, found: Mentions) -> np.ndarray:
    """Return the entries of the column itself; others come after them in a row."""
    lengths = np.concatenate(
        [open_lists(chunk)[0] for chunk in column.chunks] or [np.zeros(0, np.int64)]
    )
    first = np.searchsorted(found.row, found.row)
    return np.flatnonzero(np.arange(len(found)) - first < lengths[found.row])


def _rewritten(
    structs: pa.Array, entries: np.ndarray, found: Mentions, cuts: Cuts
) -> tuple[pa.Array, np.ndarray]:
    """Return the structs and which of them could be written."""
    kind = structs.type
    fits = np.ones(len(structs), bool)
    names = cuts.pseudonym.take(pa.array(entries))
    is_named = names.is_valid()
    marked = np.asarray(is_named.to_numpy(zero_copy_only=False))
    is_span = found.is_span_valid[entries] & (found.column[entries] >= 0)
    children = []
    for index in range(kind.num_fields):
        field, child = kind.field(index), structs.field(index)
        if field.name in ("start", "end"):
            new = (cuts.start if field.name == "start" else cuts.end)[entries]
            child, room = _numbered(child, new, is_span)
            fits &= room
        elif field.name in ("id", "ns") and is_text(field.type):
            text = names if field.name == "id" else pa.scalar(NAMESPACE)
            child, room = _texted(child, text, is_named)
            fits &= room
        elif field.name not in _PLACE:
            child = _nulled(child, marked)
            fits &= ~marked if not can_be_null(field) else True
        children.append(child)
    is_null = np.asarray(structs.is_null().to_numpy(zero_copy_only=False))
    return make_struct(kind, children, is_null), fits


def _numbered(
    child: pa.Array, new: np.ndarray, is_span: np.ndarray
) -> tuple[pa.Array, np.ndarray]:
    if pa.types.is_null(child.type):
        return child, np.ones(len(child), bool)
    top = 2 ** (child.type.bit_width - pa.types.is_signed_integer(child.type)) - 1
    room = ~is_span | (new <= top)
    value = pa.array(np.where(is_span & room, new, 0)).cast(child.type)
    return pc.if_else(pa.array(is_span & room), value, child), room


def _texted(
    child: pa.Array, text: pa.Array | pa.Scalar, is_named: pa.Array
) -> tuple[pa.Array, np.ndarray]:
    room = np.ones(len(child), bool)
    new = pc.if_else(is_named, text.cast(pa.large_string()), to_text(child))
    try:
        return from_text(new, child.type), room
    except OverflowError:
        marked = np.asarray(is_named.to_numpy(zero_copy_only=False))
        return _nulled(child, marked), ~marked


def _nulled(child: pa.Array, marked: np.ndarray) -> pa.Array:
    at = pc.if_else(
        pa.array(marked), pa.scalar(None, pa.int64()), pa.array(np.arange(len(child)))
    )
    return carry(child, at)

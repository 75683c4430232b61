"""Redacted values of a payload column: null, a token, a pseudonym, a cut text."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.dataset import Dataset
from consentfilter.decide.carry import carry, keep_values
from consentfilter.decide.pseudonyms import field_pseudonyms
from consentfilter.decide.spans import Spans, replace_spans
from consentfilter.decide.texts import from_text, to_text
from consentfilter.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class FieldChange:
    """What happens to one column of a batch.

    Attributes:
        is_admitted: bool per row.
        goes: bool per row: the whole value goes.
        spans: what is cut out of the texts, or None; rows are those of the batch.
        tokens: text per span.
    """

    is_admitted: np.ndarray
    goes: np.ndarray
    spans: Spans | None
    tokens: pa.Array | None


def redact_field(
    column: pa.ChunkedArray,
    field: pa.Field,
    change: FieldChange,
    dataset: Dataset,
    release_key: bytes,
) -> pa.ChunkedArray:
    """Return the admitted values of a column, redacted, in the same type.

    Raises:
        ValueError: a value of a column that cannot be null is to go.
        InputError: a dictionary that cannot be null has no room for the new values.
    """
    if not field.nullable and change.goes.any():
        raise ValueError(
            f"column {field.name!r} cannot be null, so it is required: "
            "a record must be dropped before a value of it can go"
        )
    redaction, mask = dataset.redaction_of(field.name)
    if change.spans is None and redaction == "null":
        return keep_values(column, change.is_admitted, change.goes)
    chunks, begin = [], 0
    for chunk in column.chunks:
        rows = slice(begin, begin + len(chunk))
        begin = rows.stop
        kept = np.flatnonzero(change.is_admitted[rows])
        goes = change.goes[rows][kept]
        texts = to_text(carry(chunk, pa.array(kept)))
        redacted = pc.if_else(pa.array(goes), pa.scalar(None, texts.type), texts)
        if redaction != "null":
            new = _replaced(texts, field.name, redaction, mask, release_key)
            redacted = pc.if_else(pa.array(goes), new, redacted)
        touched = goes
        if change.spans is not None and change.tokens is not None:
            redacted, is_cut = _cut(redacted, begin - len(chunk) + kept, change)
            touched = goes | is_cut
        chunks.append(_retyped(redacted, touched, field))
    return pa.chunked_array(chunks, column.type)


def _replaced(
    texts: pa.Array, name: str, redaction: str, mask: str, release_key: bytes
) -> pa.Array:
    """Return what stands in for each value; null stays null."""
    if redaction == "mask":
        token = pa.scalar(mask, texts.type)
        return pc.if_else(texts.is_valid(), token, pa.scalar(None, texts.type))
    names = field_pseudonyms(name, texts.cast(pa.string()), release_key)
    return names.cast(texts.type)


def _cut(
    texts: pa.Array, rows: np.ndarray, change: FieldChange
) -> tuple[pa.Array, np.ndarray]:
    """Cut the spans out of these texts; `rows` are their rows in the batch."""
    assert change.spans is not None
    assert change.tokens is not None
    spans = change.spans
    place = np.searchsorted(rows, spans.row)
    inside = place < len(rows)
    inside[inside] = rows[place[inside]] == spans.row[inside]
    mine = np.flatnonzero(inside)
    at = np.unique(place[mine])
    is_cut = np.zeros(len(texts), bool)
    is_cut[at] = True
    here = Spans(
        row=np.searchsorted(at, place[mine]),
        start=spans.start[mine],
        end=spans.end[mine],
        first=spans.first[mine],
        group=spans.group[:0],
    )
    cut = replace_spans(
        texts.take(pa.array(at)), here, change.tokens.take(pa.array(mine))
    )
    return pc.replace_with_mask(texts, pa.array(is_cut), cut), is_cut


def _retyped(texts: pa.Array, touched: np.ndarray, field: pa.Field) -> pa.Array:
    try:
        return from_text(texts, field.type)
    except OverflowError as problem:
        if not field.nullable:
            raise InputError(
                f"column {field.name!r} is {field.type} and has no room for redacted "
                f"values ({problem}); write it with a wider index type"
            ) from None
    # No room for a token or pseudonym: the stricter form, null, needs none.
    bare = pc.if_else(pa.array(touched), pa.scalar(None, texts.type), texts)
    return from_text(bare, field.type)

"""Cutting spans out of texts, and where everything else stands afterwards.

Columns in, columns out: the texts are tiled into pieces by their spans, the pieces
inside spans are replaced, and the tiles are read as whole texts again. Offsets count
characters (Unicode code points), texts are UTF-8.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Texts are shorter than this, so that a row and an offset fit one integer.
_BIG = 1 << 32
#: Bytes of text in which characters are counted at a time: bounds scratch memory.
_BLOCK_BYTES = 4 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Spans:
    """Disjoint spans, by row and then by start.

    Attributes:
        row: int64, ascending.
        start, end: int64 character offsets, [start, end).
        first: int64: the entry that a span was made from; where several overlap,
            the one that starts first.
        group: int64 per entry given to `merged`: the span it went into.
    """

    row: np.ndarray
    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    group: np.ndarray


def merged(row: np.ndarray, start: np.ndarray, end: np.ndarray) -> Spans:
    """Merge spans that overlap; spans that only touch stay two.

    Requires 0 <= start <= end < 2^32.
    """
    order = np.lexsort((end, start, row))
    row_key = row[order].astype(np.int64) * _BIG
    begins, stops = row_key + start[order], row_key + end[order]
    reach = np.maximum.accumulate(stops) if len(stops) else stops
    is_first = np.ones(len(order), bool)
    is_first[1:] = (begins[1:] >= reach[:-1]) | (row_key[1:] != row_key[:-1])
    number = np.cumsum(is_first) - 1
    at = np.flatnonzero(is_first)
    group = np.empty(len(order), np.int64)
    group[order] = number
    last = np.append(at[1:], len(order)) - 1
    return Spans(
        row=row[order][at].astype(np.int64),
        start=start[order][at],
        end=reach[last] - row_key[at] if len(at) else start[:0],
        first=order[at],
        group=group,
    )


def replace_spans(texts: pa.Array, spans: Spans, tokens: pa.Array) -> pa.Array:
    """Return the texts with each span replaced by its token.

    Args:
        texts: `pa.large_string()` without nulls; `spans.row` are positions in it.
        spans: inside their texts.
        tokens: text per span.

    Returns:
        `pa.large_string()`.
    """
    raw, bounds = _bytes(texts)
    count = len(spans.row)
    cuts = np.empty(2 * count, np.int64)
    cuts[0::2], cuts[1::2] = spans.start, spans.end
    cuts = _byte_offsets(raw, bounds, np.repeat(spans.row, 2), cuts)
    # Tiles: the start of each text, then a cut and a rest for each of its spans.
    before = np.searchsorted(spans.row, np.arange(len(texts)))
    text_tile = np.arange(len(texts)) + 2 * before
    edges = np.empty(len(texts) + 2 * count + 1, np.int64)
    is_cut_edge = np.ones(len(edges), bool)
    is_cut_edge[text_tile] = is_cut_edge[-1] = False
    edges[text_tile], edges[-1] = bounds[:-1], bounds[-1]
    edges[is_cut_edge] = cuts
    tiles = pa.LargeStringArray.from_buffers(
        len(edges) - 1, pa.py_buffer(edges), pa.py_buffer(raw)
    )
    is_inside = np.zeros(len(tiles), bool)
    is_inside[spans.row + 2 * np.arange(count) + 1] = True
    changed = pc.replace_with_mask(
        tiles, pa.array(is_inside), tokens.cast(pa.large_string())
    )
    new_raw, new_bounds = _bytes(changed)
    ends = np.append(text_tile, len(tiles))
    offsets = new_bounds[ends]
    return pa.LargeStringArray.from_buffers(
        len(texts), pa.py_buffer(offsets), pa.py_buffer(new_raw)
    )


def _byte_offsets(
    raw: np.ndarray, bounds: np.ndarray, row: np.ndarray, character: np.ndarray
) -> np.ndarray:
    """Return where characters begin, as offsets into the bytes of all texts.

    Args:
        raw: the bytes.
        bounds: where each text begins, and the end of the last.
        row: text per character asked for, ascending.
        character: number of the character in its text; its length: the text's end.
    """
    if not len(raw) or raw.max() < 0x80:
        return bounds[row] + character
    found = np.empty(len(row), np.int64)
    begin = 0
    while begin < len(bounds) - 1:
        # As many texts as fit a block, at least one.
        stop = int(np.searchsorted(bounds, bounds[begin] + _BLOCK_BYTES, "right")) - 1
        stop = max(stop, begin + 1)
        block = raw[bounds[begin] : bounds[stop]]
        leads = np.flatnonzero((block & 0xC0) != 0x80)  # first bytes of characters
        leads = np.append(leads, len(block)) + bounds[begin]
        first = np.searchsorted(leads, bounds[begin:stop])
        asked = slice(*np.searchsorted(row, [begin, stop]))
        found[asked] = leads[first[row[asked] - begin] + character[asked]]
        begin = stop
    return found


def _bytes(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of all texts and the offsets of each, from 0."""
    buffers = texts.buffers()
    offsets = np.frombuffer(buffers[1], np.int64)
    offsets = offsets[texts.offset : texts.offset + len(texts) + 1]
    raw = np.frombuffer(buffers[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    return raw, offsets - offsets[0]


def moved(
    spans: Spans,
    token_size: int,
    row: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where other spans of the same texts stand after the replacement.

    What overlaps a replaced span keeps only its own rest: it ends where the token
    begins, or starts where the token ends.

    Args:
        spans: those replaced.
        token_size: characters of every token.
        row: int64 per span asked for.
        start: int64, its first character before the replacement.
        end: int64, the character after its last one.
    """
    key = row.astype(np.int64) * _BIG
    new_start = _moved(spans, token_size, key, start, is_end=False)
    new_end = _moved(spans, token_size, key, end, is_end=True)
    return np.minimum(new_start, new_end), new_end


def _moved(
    spans: Spans, token_size: int, key: np.ndarray, at: np.ndarray, *, is_end: bool
) -> np.ndarray:
    if not len(spans.row):
        return at
    grows = token_size - (spans.end - spans.start)
    total = np.cumsum(grows)
    first = np.searchsorted(spans.row, spans.row)
    before = total - grows  # of all earlier spans, of this row and of rows above
    before = before - before[first]
    starts = spans.row * _BIG + spans.start
    # An end that touches the start of a cut lies before it, a start after it.
    found = np.searchsorted(starts, key + at - is_end, side="right") - 1
    cut = np.maximum(found, 0)
    is_here = (found >= 0) & (spans.row[cut] == key // _BIG)
    is_inside = at < spans.end[cut]
    beside = spans.start[cut] + before[cut] + (0 if is_end else token_size)
    beyond = at + before[cut] + grows[cut]
    return np.where(is_here, np.where(is_inside, beside, beyond), at)


def placed(spans: Spans, token_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return start and end of each token in the new texts."""
    grows = token_size - (spans.end - spans.start)
    total = np.cumsum(grows) - grows
    first = np.searchsorted(spans.row, spans.row)
    start = spans.start + (total - total[first] if len(total) else total)
    return start, start + token_size

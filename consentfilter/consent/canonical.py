r"""The snapshot id: SHA-256 over the sorted rows in one canonical byte form.

The form depends on the values alone, not on row groups, chunks, string widths or
dictionaries. It is written and hashed in blocks of 65,536 rows, column by column,
so that a large snapshot is hashed at the speed of SHA-256 itself::

    "consentfilter snapshot rows 1\n"  number of rows (uint64)
    for each block, for each column in schema order:
        presence: one byte 0 (all null), 1 (none null), or
                  2 and then one byte per row (1 present, 0 null)
        values of the present rows only:
            bool                one byte each
            int32, dates        int32 each (dates: days since 1970)
            timestamps          int64 each (us since 1970 UTC)
            text of many values  length in bytes (uint32) each, then all the bytes
            text of few values   number of distinct values in the block (uint32), these
                                 sorted by bytes as text of many values, then the
                                 position of each row's value among them (uint16)
            list of text         as text of few values, each list written as
                                 netstrings (`4:acme,1:*,`)

All numbers are little-endian. Which columns count as text of few values is fixed:
`FEW_VALUES`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Rows of a block; positions in a block's distinct values fit 16 bits.
BLOCK_ROWS: Final = 65_536
#: Rows whose columns are made ready at a time.
_PREPARED_ROWS: Final = 4 * BLOCK_ROWS
_NONE_PRESENT: Final = b"\x00"
_ALL_PRESENT: Final = b"\x01"
#: Text columns that are hashed as positions among their distinct values.
FEW_VALUES: Final = (
    "source_id",
    "status",
    "purpose",
    "category",
    "expression",
    "actor_type",
    "terms_version",
    "recipients",
    "jurisdiction",
)

#: What can be hashed without a copy.
Buffer: TypeAlias = bytes | memoryview


def snapshot_id(statements: pa.Table) -> str:
    """Return the hex SHA-256 of a snapshot's rows.

    Args:
        statements: the columns of the snapshot schema, in schema order, sorted.
    """
    return rows_digest(statements, "snapshot", FEW_VALUES)


def rows_digest(rows: pa.Table, kind: str, few_values: Collection[str] = ()) -> str:
    """Return the hex SHA-256 of rows in the canonical form.

    Args:
        rows: sorted; the order of rows and columns counts.
        kind: what the rows are; it stands in the first line of what is hashed.
        few_values: text columns hashed as positions among their distinct values.
    """
    digest = RowsDigest(kind, rows.num_rows, few_values)
    digest.update(rows)
    return digest.hexdigest()


class RowsDigest:
    """The SHA-256 of rows that come piece by piece, however they are cut.

    Args:
        kind: what the rows are.
        num_rows: how many there will be; it is hashed before them.
        few_values: text columns hashed as positions among their distinct values.
    """

    def __init__(
        self, kind: str, num_rows: int, few_values: Collection[str] = ()
    ) -> None:
        magic = f"consentfilter {kind} rows 1\n".encode()
        self._state = hashlib.sha256(magic + num_rows.to_bytes(8, "little"))
        self._few_values = few_values
        self._rest: pa.Table | None = None

    def update(self, rows: pa.Table) -> None:
        """Take the next rows; those that fill no block wait for more."""
        if self._rest is not None:
            rows = pa.concat_tables([self._rest, rows])
        whole = rows.num_rows // BLOCK_ROWS * BLOCK_ROWS
        for start in range(0, whole, _PREPARED_ROWS):
            self._hash(rows.slice(start, min(_PREPARED_ROWS, whole - start)))
        self._rest = rows.slice(whole) if whole < rows.num_rows else None

    def hexdigest(self) -> str:
        """Return the digest of everything; nothing can be added after that."""
        if self._rest is not None:
            self._hash(self._rest)
            self._rest = None
        return self._state.hexdigest()

    def _hash(self, rows: pa.Table) -> None:
        columns = [
            _ranked(rows.column(name))
            if name in self._few_values
            else _Plain(rows.column(name))
            for name in rows.column_names
        ]
        for start in range(0, rows.num_rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, rows.num_rows)
            for column in columns:
                for piece in column.block(start, stop):
                    self._state.update(piece)


def netstring_lists(lists: pa.Array) -> pa.Array:
    """Return each list of text as one text of netstrings; null stays null."""
    names = lists.flatten().cast(pa.string())
    sizes = pc.binary_length(names).cast(pa.string())
    items = pc.binary_join_element_wise(
        pc.binary_join_element_wise(sizes, names, ":"), "", ","
    )
    offsets = np.concatenate(
        [[0], np.cumsum(pc.fill_null(pc.list_value_length(lists), 0).to_numpy())]
    )
    joined = pc.binary_join(
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items), ""
    )
    return pc.if_else(lists.is_valid(), joined, None)


class _Absent:
    """A column without values."""

    def block(self, start: int, stop: int) -> Iterator[Buffer]:
        yield _NONE_PRESENT


class _Constant:
    """A column of few values, which has one and the same in every row."""

    def __init__(self, value: bytes) -> None:
        self._said = b"\x01\x00\x00\x00" + len(value).to_bytes(4, "little") + value

    def block(self, start: int, stop: int) -> Iterator[Buffer]:
        yield _ALL_PRESENT
        yield self._said
        yield bytes(2 * (stop - start))


class _Ranked:
    """A column of few values: rank of each row's value among the sorted ones."""

    def __init__(self, ranks: np.ndarray, values: list[bytes]) -> None:
        self._ranks, self._values = ranks, values
        self._is_full = bool(ranks.min() >= 0)

    def block(self, start: int, stop: int) -> Iterator[Buffer]:
        ranks = self._ranks[start:stop]
        if self._is_full:
            yield _ALL_PRESENT
        else:
            is_there = ranks >= 0
            yield from _presence(is_there)
            if not is_there.any():
                return
            ranks = ranks[is_there]
        seen = np.zeros(len(self._values), bool)
        seen[ranks] = True
        distinct = [self._values[at] for at in np.flatnonzero(seen)]
        yield len(distinct).to_bytes(4, "little")
        yield np.array([len(value) for value in distinct], "<u4").tobytes()
        yield b"".join(distinct)
        if len(distinct) == len(self._values):
            yield ranks.astype("<u2").data
        else:
            yield (np.cumsum(seen) - 1).astype("<u2")[ranks].data


class _Plain:
    """A column whose values are written as they are."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column

    def block(self, start: int, stop: int) -> Iterator[Buffer]:
        part = self._column.slice(start, stop - start)
        if part.null_count == len(part):
            yield _NONE_PRESENT
            return
        if part.null_count:
            yield from _presence(part.is_valid().to_numpy())
            part = part.drop_null()
        else:
            yield _ALL_PRESENT
        part = part.chunk(0) if part.num_chunks == 1 else part.combine_chunks()
        if isinstance(part, pa.ChunkedArray):
            part = part.chunk(0)
        if pa.types.is_boolean(part.type):
            yield part.cast(pa.uint8()).to_numpy().data
        elif pa.types.is_timestamp(part.type):
            yield part.cast(pa.int64()).to_numpy().astype("<i8", copy=False).data
        elif pa.types.is_date32(part.type) or pa.types.is_integer(part.type):
            yield part.cast(pa.int32()).to_numpy().astype("<i4", copy=False).data
        else:
            yield from _text(part.cast(pa.string()))


def _text(part: pa.Array) -> Iterator[Buffer]:
    """Yield the lengths of texts without nulls, then their bytes."""
    _, ends, data = part.buffers()
    offsets = np.frombuffer(ends, np.int32)[part.offset : part.offset + len(part) + 1]
    yield np.diff(offsets).astype("<u4").data
    if data is not None:
        yield memoryview(data)[int(offsets[0]) : int(offsets[-1])]


def _presence(is_there: np.ndarray) -> Iterator[Buffer]:
    if is_there.all():
        yield _ALL_PRESENT
    elif not is_there.any():
        yield _NONE_PRESENT
    else:
        yield b"\x02"
        yield is_there.astype(np.uint8).data


def _ranked(column: pa.ChunkedArray) -> _Absent | _Constant | _Ranked:
    if column.null_count == len(column):
        return _Absent()
    if pa.types.is_list(column.type):
        written = [netstring_lists(chunk) for chunk in column.chunks]
        column = pa.chunked_array(written, pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    column = column.unify_dictionaries()
    values = column.chunk(0).dictionary.cast(pa.string()).cast(pa.binary()).to_pylist()
    distinct = sorted(set(values))
    if len(distinct) == 1 and not column.null_count:
        return _Constant(distinct[0])
    rank_of = {value: rank for rank, value in enumerate(distinct)}
    ranks = np.array([rank_of[value] for value in values] + [-1], np.int32)
    codes = [
        pc.fill_null(chunk.indices.cast(pa.int32()), -1).to_numpy()
        for chunk in column.chunks
    ]
    return _Ranked(
        ranks[codes[0] if len(codes) == 1 else np.concatenate(codes)], distinct
    )

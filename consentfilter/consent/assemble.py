"""A table put together from pieces, column by column, each value copied once.

The room of a column is taken when the first piece comes, so that nothing is copied
to grow, and a piece's own memory is free for the next one. Text of few values has
one dictionary; where there is one value only, its codes take no memory at all. Text
that is wanted as a dictionary is numbered by its runs: no value is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.consent.arrow import nulls

#: Bytes of text in one array, which has offsets of 32 bits.
_TEXT_BYTES: Final = (1 << 31) - (1 << 20)


class Assembly:
    """A table in the making.

    Args:
        schema: of the table and of every piece; text of the pieces may be a
            dictionary in the table, which is meant for a sorted column.
        num_rows: how many rows there will be.
        text_bytes: by column, how many bytes its text will about have.
    """

    def __init__(
        self, schema: pa.Schema, num_rows: int, text_bytes: Mapping[str, int]
    ) -> None:
        self._schema, self._num_rows = schema, num_rows
        self._text_bytes = text_bytes
        self._filled = 0
        self._columns: dict[str, _Column] = {}

    def add(self, rows: pa.Table) -> None:
        """Append rows; columns that the schema does not have are left out."""
        for field in self._schema:
            at = self._filled
            for chunk in rows.column(field.name).chunks:
                if len(chunk) > chunk.null_count and field.name not in self._columns:
                    self._columns[field.name] = self._column(field, chunk.type)
                    self._columns[field.name].skip(at)
                column = self._columns.get(field.name)
                if column is not None and chunk.null_count == len(chunk):
                    column.skip(len(chunk))
                elif column is not None:
                    column.add(chunk)
                at += len(chunk)
        self._filled += rows.num_rows

    def table(self) -> pa.Table:
        """Return the whole table, once all its rows are there."""
        columns = [
            self._columns[field.name].whole()
            if field.name in self._columns
            else nulls(self._filled, field.type)
            for field in self._schema
        ]
        # Of more than 2 GB of text the dictionary is another one.
        fields = map(pa.Field.with_type, self._schema, [c.type for c in columns])
        return pa.table(columns, schema=pa.schema(fields))

    def _column(self, field: pa.Field, given: pa.DataType) -> _Column:
        kind, size = field.type, self._num_rows
        if pa.types.is_timestamp(kind) or pa.types.is_integer(kind):
            return _Numbers(kind, size)
        if pa.types.is_string(kind):
            return _Texts(size, self._text_bytes.get(field.name, 0))
        if pa.types.is_dictionary(kind) and pa.types.is_string(given):
            return _Runs(size, self._text_bytes.get(field.name, 0))
        if pa.types.is_dictionary(kind):
            return _Words(kind, size)
        return _Chunks(kind)


class _Column(Protocol):
    """Rows with values are added, rows without are skipped."""

    def add(self, part: pa.Array) -> None: ...

    def skip(self, count: int) -> None: ...

    def whole(self) -> pa.ChunkedArray: ...


class _Chunks:
    """A column that stays in pieces."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._parts: list[pa.Array] = []

    def add(self, part: pa.Array) -> None:
        self._parts.append(part)

    def skip(self, count: int) -> None:
        self._parts += nulls(count, self._kind).chunks

    def whole(self) -> pa.ChunkedArray:
        return pa.chunked_array(self._parts, self._kind)


class _Presence:
    """Which rows have a value; takes no memory while all have one."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._absent: np.ndarray | None = None

    def skip(self, start: int, stop: int, is_null: np.ndarray | bool = True) -> None:
        if self._absent is None and stop > start:
            self._absent = np.zeros(self._size, bool)
        if self._absent is not None:
            self._absent[start:stop] = is_null

    def add(self, start: int, part: pa.Array) -> None:
        if part.null_count:
            is_null = part.is_null().to_numpy(zero_copy_only=False)
            self.skip(start, start + len(part), is_null)

    def bitmap(self, start: int, stop: int) -> pa.Buffer | None:
        if self._absent is None:
            return None
        present = np.packbits(~self._absent[start:stop], bitorder="little")
        return pa.py_buffer(present)


class _Numbers:
    """A column of integers or instants."""

    def __init__(self, kind: pa.DataType, size: int) -> None:
        self._kind = kind
        self._values = np.zeros(size, f"i{kind.bit_width // 8}")
        self._presence = _Presence(size)
        self._filled = 0

    def add(self, part: pa.Array) -> None:
        start, stop = self._filled, self._filled + len(part)
        given = np.frombuffer(part.buffers()[1], self._values.dtype)
        self._values[start:stop] = given[part.offset : part.offset + len(part)]
        self._presence.add(start, part)
        self._filled = stop

    def skip(self, count: int) -> None:
        self._presence.skip(self._filled, self._filled + count)
        self._filled += count

    def whole(self) -> pa.ChunkedArray:
        size = self._filled
        buffers = [self._presence.bitmap(0, size), pa.py_buffer(self._values)]
        return pa.chunked_array([pa.Array.from_buffers(self._kind, size, buffers)])


class _Words:
    """A column of few values: codes into one dictionary."""

    def __init__(self, kind: pa.DataType, size: int) -> None:
        self._kind = kind
        # Zeros that nobody has written to take no memory.
        self._codes = np.zeros(size, np.int32)
        self._code_of: dict[str, int] = {}
        self._presence = _Presence(size)
        self._filled = 0

    def add(self, part: pa.DictionaryArray) -> None:
        start, stop = self._filled, self._filled + len(part)
        self._presence.add(start, part)
        self._filled = stop
        words = part.dictionary.to_pylist()
        for word in words:
            self._code_of.setdefault(word, len(self._code_of))
        codes = np.array([self._code_of[word] for word in words], np.int32)
        if not codes.any():
            return
        given = part.indices.fill_null(0).to_numpy()
        np.take(codes, given, out=self._codes[start:stop])

    def skip(self, count: int) -> None:
        self._presence.skip(self._filled, self._filled + count)
        self._filled += count

    def whole(self) -> pa.ChunkedArray:
        size = self._filled
        buffers = [self._presence.bitmap(0, size), pa.py_buffer(self._codes)]
        codes = pa.Array.from_buffers(self._kind.index_type, size, buffers)
        words = pa.array(self._code_of, self._kind.value_type)
        return _encoded(codes, words)


class _Texts:
    """A column of text: as few arrays as 32-bit offsets allow."""

    def __init__(self, size: int, text_bytes: int) -> None:
        self._size, self._filled = size, 0
        self._presence = _Presence(size)
        self._text_bytes = text_bytes
        self._done: list[pa.Array] = []
        self._open()

    def _open(self) -> None:
        self._start, self._used = self._filled, 0
        self._ends = np.empty(self._size - self._filled + 1, np.int32)
        self._ends[0] = 0
        self._data = np.empty(min(self._text_bytes, _TEXT_BYTES), np.uint8)

    def add(self, part: pa.StringArray) -> None:
        _, ends, data = part.buffers()
        offsets = np.frombuffer(ends, np.int32)[
            part.offset : part.offset + len(part) + 1
        ]
        first, last = int(offsets[0]), int(offsets[-1])
        if self._used + last - first > _TEXT_BYTES:
            self._close()
            self._open()
        at, used = self._filled - self._start, self._used
        np.add(offsets[1:], used - first, out=self._ends[at + 1 : at + 1 + len(part)])
        self._presence.add(self._filled, part)
        self._filled += len(part)
        self._used = used + last - first
        if self._used > len(self._data):
            room = np.empty(max(self._used, 2 * len(self._data)), np.uint8)
            room[:used] = self._data[:used]
            self._data = room
        if last > first:
            self._data[used : self._used] = np.frombuffer(data, np.uint8)[first:last]

    def skip(self, count: int) -> None:
        at = self._filled - self._start
        self._ends[at + 1 : at + 1 + count] = self._used
        self._presence.skip(self._filled, self._filled + count)
        self._filled += count

    def _close(self) -> None:
        buffers = [
            self._presence.bitmap(self._start, self._filled),
            pa.py_buffer(self._ends),
            pa.py_buffer(self._data[: self._used]),
        ]
        size = self._filled - self._start
        self._done.append(pa.Array.from_buffers(pa.string(), size, buffers))

    def whole(self) -> pa.ChunkedArray:
        self._close()
        return pa.chunked_array(self._done)


class _Runs:
    """A column of sorted text: the value of each run once, and its number per row."""

    def __init__(self, size: int, text_bytes: int) -> None:
        self._codes = np.zeros(size, np.int32)
        self._texts = _Texts(size, text_bytes)
        self._presence = _Presence(size)
        self._count = self._filled = 0
        self._last: str | None = None

    def add(self, part: pa.StringArray) -> None:
        start, stop = self._filled, self._filled + len(part)
        self._presence.add(start, part)
        self._filled = stop
        named = part.drop_null() if part.null_count else part
        is_first = np.empty(len(named), bool)
        is_first[0] = named[0].as_py() != self._last
        after, before = named.slice(1), named.slice(0, len(named) - 1)
        is_first[1:] = pc.not_equal(after, before).to_numpy(zero_copy_only=False)
        codes = self._codes[start:stop]
        if part.null_count:
            codes[part.is_valid().to_numpy(zero_copy_only=False)] = (
                np.cumsum(is_first) + self._count - 1
            )
        else:
            np.cumsum(is_first, dtype=np.int32, out=codes)
            codes += self._count - 1
        self._texts.add(named.filter(pa.array(is_first)))
        self._count += int(np.count_nonzero(is_first))
        self._last = named[-1].as_py()

    def skip(self, count: int) -> None:
        self._presence.skip(self._filled, self._filled + count)
        self._filled += count

    def whole(self) -> pa.ChunkedArray:
        size = self._filled
        buffers = [self._presence.bitmap(0, size), pa.py_buffer(self._codes)]
        codes = pa.Array.from_buffers(pa.int32(), size, buffers)
        words = self._texts.whole().chunks
        if len(words) > 1:
            words = [pa.concat_arrays([w.cast(pa.large_string()) for w in words])]
        return _encoded(codes, words[0])


def _encoded(codes: pa.Array, words: pa.Array) -> pa.ChunkedArray:
    """Return codes that were made for these words: they need no check."""
    column = pa.DictionaryArray.from_arrays(codes, words, safe=False)
    return pa.chunked_array([column])

"""How a Parquet file was written, so that its output is written the same way."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.engine.storage import Part
from consentfilter.errors import InputError

#: Encodings that a writer must be told; dictionary, PLAIN and RLE come by default.
_TOLD: Final = frozenset(
    {
        "DELTA_BINARY_PACKED",
        "DELTA_LENGTH_BYTE_ARRAY",
        "DELTA_BYTE_ARRAY",
        "BYTE_STREAM_SPLIT",
    }
)
# A page header begins with its type as a Thrift compact i32: field 1 of type i32
# (0x15), then 3 (DATA_PAGE_V2) in zigzag.
_V2_PAGE_HEADER: Final = b"\x15\x06"
_ARROW_SCHEMA: Final = b"ARROW:schema"
_SIZES: Final = frozenset({"min_chunk_size", "max_chunk_size"})
#: Where Hugging Face `datasets` says that pages were cut by their content.
_CHUNKING: Final = b"content_defined_chunking"
_CHUNKING_OPTIONS: Final = _SIZES | {"norm_level"}


@dataclasses.dataclass(frozen=True, slots=True)
class FileLayout:
    """The options with which a file's output is written.

    Attributes:
        schema: what the output's schema is: the input's, metadata included.
        options: keyword arguments of `pq.ParquetWriter`.
        key_values: metadata of the file that does not come with the schema.
        sorting: the row groups' sorting columns; a promise that only holds while
            no value changes, so it is left out where values may be redacted.
    """

    schema: pa.Schema
    options: dict[str, Any]
    key_values: dict[bytes, bytes]
    sorting: tuple[pq.SortingColumn, ...]

    def writer(self, sink: Any, *, may_redact: bool) -> pq.ParquetWriter:
        """Open a writer on a sink."""
        options = dict(self.options)
        if self.sorting and not may_redact:
            options["sorting_columns"] = self.sorting
        writer = pq.ParquetWriter(sink, self.schema, **options)
        if self.key_values:
            writer.add_key_value_metadata(self.key_values)
        return writer


def read_layout(opened: pq.ParquetFile, part: Part) -> FileLayout:
    """Return how an open part was written.

    Kept: codec, dictionary and other encodings, statistics and Bloom filters of
    each column; format and data page version, page index, INT96 times, decimals
    as integers, names of list elements, sorting columns, whether the Arrow schema
    is stored, and all key-value metadata. Not kept, because Arrow cannot write
    them: two-level lists, the sizes of pages, the name of the writer.

    Raises:
        InputError: INT96 and INT64 timestamps stand side by side in one file,
            which cannot be written back as it was.
    """
    metadata = opened.metadata
    chunks: dict[str, Any] = {}
    for chunk in _chunks(metadata):
        chunks.setdefault(chunk.path_in_schema, chunk)
    schema = opened.schema_arrow
    columns = [opened.schema.column(at) for at in range(len(opened.schema))]
    is_int96 = _is_int96(columns, part)
    dictionary = sorted(p for p, c in chunks.items() if c.has_dictionary_page)
    encoding = {
        path: told[0]
        for path, chunk in chunks.items()
        if path not in dictionary and (told := _told(chunk))
    }
    options: dict[str, Any] = {
        "version": _version(metadata, schema),
        "compression": {p: _codec(c.compression) for p, c in chunks.items()}
        or "snappy",
        "use_dictionary": dictionary if chunks else True,
        "column_encoding": encoding or None,
        "write_statistics": sorted(p for p, c in chunks.items() if c.is_stats_set),
        "use_deprecated_int96_timestamps": is_int96,
        "data_page_version": _data_page_version(opened, part),
        "use_compliant_nested_type": not any(
            path.endswith(".list.item") or ".list.item." in path for path in chunks
        ),
        "store_schema": _ARROW_SCHEMA in (metadata.metadata or {}),
        "write_page_index": any(c.has_column_index for c in chunks.values()),
        "store_decimal_as_integer": any(
            column.logical_type.type == "DECIMAL"
            and column.physical_type in ("INT32", "INT64")
            for column in columns
        ),
    }
    bloom = {
        path: {"ndv": max(1, max(_group_rows(metadata), default=1))}
        for path, chunk in chunks.items()
        if getattr(chunk, "bloom_filter_offset", None) is not None
    }
    if bloom:
        options["bloom_filter_options"] = bloom
    if chunking := _chunking(metadata):
        options["use_content_defined_chunking"] = chunking
    # Without its schema, Arrow writes none of the schema's metadata either.
    known = {_ARROW_SCHEMA}
    known |= set(schema.metadata or {}) if options["store_schema"] else set()
    key_values = {k: v for k, v in (metadata.metadata or {}).items() if k not in known}
    groups = metadata.num_row_groups
    sorting = tuple(metadata.row_group(0).sorting_columns) if groups else ()
    return FileLayout(schema, options, key_values, sorting)


def _chunks(metadata: pq.FileMetaData) -> Iterator[Any]:
    """Yield column chunks, those of row groups that hold rows first."""
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    for group in sorted(groups, key=lambda group: group.num_rows == 0):
        for at in range(group.num_columns):
            yield group.column(at)


def _group_rows(metadata: pq.FileMetaData) -> list[int]:
    return [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]


def _told(chunk: Any) -> list[str]:
    return [name for name in chunk.encodings if name in _TOLD]


def _chunking(metadata: pq.FileMetaData) -> dict[str, int] | None:
    """Return the options of content-defined chunking, if the file states any."""
    stated = (metadata.metadata or {}).get(_CHUNKING)
    if stated is None:
        return None
    try:
        options = json.loads(stated)
    except ValueError:
        return None
    fits = isinstance(options, dict) and options.keys() <= _CHUNKING_OPTIONS
    return options if fits and options.keys() >= _SIZES else None


def _codec(name: str) -> str:
    # Arrow reads Hadoop's framing of LZ4 under no name of its own.
    return {"UNCOMPRESSED": "NONE", "UNKNOWN": "LZ4"}.get(name, name)


def _version(metadata: pq.FileMetaData, schema: pa.Schema) -> str:
    """Return the format version; 1.0 only where Arrow would not change a type."""
    if metadata.format_version != "1.0":
        return str(metadata.format_version)
    # Arrow's version 1.0 has no unsigned 32-bit integers and no nanoseconds.
    is_changed = any(
        str(kind) in ("uint32", "time64[ns]", "duration[ns]")
        or (pa.types.is_timestamp(kind) and kind.unit == "ns")
        for field in schema
        for kind in _leaves(field.type)
    )
    return "2.6" if is_changed else "1.0"


def _leaves(kind: pa.DataType) -> Iterator[pa.DataType]:
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(kind.storage_type)
    elif pa.types.is_dictionary(kind):
        yield from _leaves(kind.value_type)
    elif kind.num_fields:
        for at in range(kind.num_fields):
            yield from _leaves(kind.field(at).type)
    else:
        yield kind


def _is_int96(columns: list[Any], part: Part) -> bool:
    int96 = [c.path for c in columns if c.physical_type == "INT96"]
    int64 = [c.path for c in columns if c.logical_type.type == "TIMESTAMP"]
    if int96 and int64:
        raise InputError(
            f"{part.shown}: {int96[0]!r} is an INT96 time and {int64[0]!r} an INT64 "
            "one; a file that mixes both cannot be written back as it was: write the "
            "dump again with one kind (INT64 microseconds is the better one)."
        )
    return bool(int96)


def _data_page_version(opened: pq.ParquetFile, part: Part) -> str:
    """Look at the first data page's header: footers do not say the page version."""
    for chunk in _chunks(opened.metadata):
        if chunk.num_values:
            with part.open() as stream:
                stream.seek(chunk.data_page_offset)
                is_v2 = stream.read(2) == _V2_PAGE_HEADER
            return "2.0" if is_v2 else "1.0"
    return "1.0"

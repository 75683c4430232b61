"""What the footers of the parts say, read once before anything else happens."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from consentfilter import int96
from consentfilter.engine.storage import Part
from consentfilter.errors import ConsentFilterError, InputError
from consentfilter.layout.nested import storage_type

#: Footers are small: this many are fetched at a time, whatever the worker count.
_CONCURRENT_READS: Final = 16
#: A local column is read by so many bytes, not whole; elsewhere each read takes long.
_LOCAL_BUFFER_BYTES: Final = 1 << 20
_MAGIC: Final = b"PAR1"


@dataclasses.dataclass(frozen=True, slots=True)
class Footer:
    """What one part's footer says.

    Attributes:
        part: the part.
        schema: its Arrow schema with all metadata; equal schemas are one object.
        rows: number of rows.
        row_groups: rows of each row group, in order.
        row_group_bytes: uncompressed size of each row group in bytes.
        limit: only so many of its rows are wanted (`--limit`); None: all.
    """

    part: Part
    schema: pa.Schema
    rows: int
    row_groups: tuple[int, ...]
    row_group_bytes: tuple[int, ...]
    limit: int | None = None

    @property
    def wanted_rows(self) -> int:
        """How many of its rows the run reads."""
        return self.rows if self.limit is None else min(self.rows, self.limit)


def limited(footers: Sequence[Footer], limit: int) -> tuple[Footer, ...]:
    """Return the parts that hold the first `limit` rows, in the order given."""
    left = limit
    found = []
    for footer in footers:
        if left <= 0:
            break
        found.append(
            footer if footer.rows <= left else dataclasses.replace(footer, limit=left)
        )
        left -= footer.rows
    return tuple(found)


def read_footers(parts: Sequence[Part]) -> tuple[Footer, ...]:
    """Read every part's footer.

    Raises:
        InputError: with one problem per part that is no (whole) Parquet file.
    """
    problems: list[str] = []
    found: list[Footer] = []
    schemas: dict[bytes, pa.Schema] = {}
    with concurrent.futures.ThreadPoolExecutor(_CONCURRENT_READS) as pool:
        for outcome in pool.map(_read_footer, parts):
            if isinstance(outcome, str):
                problems.append(outcome)
                continue
            key = bytes(outcome.schema.serialize())
            shared = schemas.setdefault(key, outcome.schema)
            found.append(dataclasses.replace(outcome, schema=shared))
    if problems:
        raise InputError(problems)
    return tuple(found)


def open_parquet(part: Part) -> pq.ParquetFile:
    """Open a part as Parquet.

    INT96 times are read by the rule of `consentfilter.int96`.

    Raises:
        InputError: it is no whole Parquet file.
    """
    try:
        is_local = isinstance(part.filesystem, pafs.LocalFileSystem)
        return int96.open_file(
            part.open(),
            pre_buffer=False,
            buffer_size=_LOCAL_BUFFER_BYTES if is_local else 0,
        )
    except FileNotFoundError:
        raise InputError(f"{part.shown}: the file is gone; run again.") from None
    except PermissionError:
        raise InputError(
            f"{part.shown}: may not be read; check owner and permissions."
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(_why_not_parquet(part, error)) from error


def why_unreadable(
    part: Part, opened: pq.ParquetFile, groups: Sequence[int], error: Exception
) -> str:
    """Say why row groups of an open part cannot be read.

    Arrow writes nulls of lists of fixed size, and then cannot read them.
    """
    for field in opened.schema_arrow:
        if _has_fixed_list(field.type) and not _is_readable(opened, groups, field.name):
            return (
                f"{part.shown}: column {field.name!r} ({field.type}) has a null where "
                "a list of fixed size should be, which Arrow can write to Parquet but "
                "not read; write the dump again with lists of any size (pyarrow: "
                "pa.list_(TYPE), Polars: pl.List), or with values for the nulls"
            )
    said = " ".join(str(error).split()).rstrip(".")
    first = sum(opened.metadata.row_group(at).num_rows for at in range(groups[0]))
    rows = sum(opened.metadata.row_group(at).num_rows for at in groups)
    return (
        f"{part.shown}: row group {'–'.join(map(str, sorted({groups[0], groups[-1]})))}"
        f" (rows {first:,} to {first + rows - 1:,}) cannot be read: {said}; write or "
        "copy the file again."
    )


def _has_fixed_list(kind: pa.DataType) -> bool:
    kind = storage_type(kind)
    inner = (kind.field(at).type for at in range(kind.num_fields))
    return pa.types.is_fixed_size_list(kind) or any(map(_has_fixed_list, inner))


def _is_readable(opened: pq.ParquetFile, groups: Sequence[int], name: str) -> bool:
    try:
        opened.read_row_groups(list(groups), [name], use_threads=False)
    except pa.ArrowInvalid:
        return False
    return True


def _read_footer(part: Part) -> Footer | str:
    try:
        with open_parquet(part) as opened:
            metadata = opened.metadata
            groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
            schema = opened.schema_arrow
            names = schema.names
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                return (
                    f"{part.shown}: more than one column is called {twice[0]!r}; "
                    "columns are known by name, so rename one."
                )
            return Footer(
                part,
                schema,
                metadata.num_rows,
                tuple(group.num_rows for group in groups),
                tuple(group.total_byte_size for group in groups),
            )
    except ConsentFilterError as error:
        return error.problems[0]


def _why_not_parquet(part: Part, error: Exception) -> str:
    """Say what a file that does not open is instead."""
    if part.size_bytes == 0:
        return (
            f"{part.shown}: the file is empty (0 bytes); wanted a Parquet file. A "
            "writer that was interrupted leaves such a file: write it again."
        )
    try:
        with part.open() as stream:
            head = stream.read(4)
            stream.seek(max(0, part.size_bytes - 4))
            tail = stream.read(4)
    except OSError as unreadable:
        return f"{part.shown}: cannot be read ({unreadable})."
    if head == b"PARE" or tail == b"PARE":
        return (
            f"{part.shown}: the Parquet footer is encrypted; wanted a plain one: "
            "decrypt the file first."
        )
    if head != _MAGIC:
        return (
            f"{part.shown}: not a Parquet file (it begins with {head!r}, wanted "
            f"{_MAGIC!r}); convert it to Parquet first."
        )
    if tail != _MAGIC:
        return (
            f"{part.shown}: the Parquet file is truncated (it ends with {tail!r} "
            f"instead of the footer's {_MAGIC!r}, after {part.size_bytes:,} bytes); "
            "copy or write it again."
        )
    return f"{part.shown}: the Parquet footer cannot be read ({error})."

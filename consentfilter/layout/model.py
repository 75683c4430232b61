"""What is where in tables of one schema: the result of laying a binding over it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pyarrow as pa

from consentfilter.dataset import SubjectSource
from consentfilter.layout.nested import Path
from consentfilter.records import PayloadColumn


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """Where a standard column's values come from in this table.

    Attributes:
        path: where they are read; None: they are `constant` everywhere.
        constant: text, or None.
        map: value as text to ours, or None.
    """

    path: Path | None
    constant: str | None = None
    map: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Subjects:
    """One source of subjects in this table: the binding's entry and its path."""

    source: SubjectSource
    path: Path


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentLayout:
    """Where segments are and what their struct fields mean.

    Attributes:
        column: the list column.
        struct: the type of one segment.
        segment_id: struct field, or None.
        category: a value below the struct, or None.
        subjects: sources below the struct.
        named: struct fields that a masked segment keeps: its id and its category.
    """

    column: str
    struct: pa.StructType
    segment_id: str | None
    category: Value | None
    subjects: tuple[Subjects, ...]
    named: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """What is where in tables of one schema.

    Attributes:
        values: standard column to its source; columns that are not there are absent.
        subjects: sources of the record's own subjects.
        segments, mentions, row_fields: the nested standard columns, or None.
        payload: payload columns in schema order, without the segments.
        has_parts: a record may be redacted in part.
        needed: columns a decision reads, in schema order.
        problems: everything that does not fit, one sentence each.
    """

    values: Mapping[str, Value]
    subjects: tuple[Subjects, ...]
    segments: SegmentLayout | None
    mentions: str | None
    row_fields: str | None
    payload: tuple[PayloadColumn, ...]
    has_parts: bool
    needed: tuple[str, ...]
    problems: tuple[str, ...]

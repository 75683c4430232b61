"""Bound records: a batch of any layout, seen as the standard columns.

What the kernel reads. Binding (`consentfilter.binding`) makes it from a table and
a dataset binding; nothing here knows how a column was called in the dump. All
strings are `pa.string()`; every array has one entry per record unless it says
otherwise; entries per person, segment or mention point back with `row` (int32,
ascending) into the batch.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import pyarrow as pa

#: Roles a subject may have in a record; `People.role` indexes this tuple.
ROLES: Final = ("author", "speaker", "depicted", "participant", "owner", "mentioned")
#: Roles whose bearers must permit, unless the policy lists others.
DECIDING_ROLES: Final = ROLES[:-1]


@dataclasses.dataclass(frozen=True, slots=True)
class People:
    """One entry per subject named in a record or in one of its segments.

    Attributes:
        row: int32, ascending: the record.
        segment: int32: position in `Segments`, or -1 for a subject of the record.
        key: subject key, null when nobody can be named.
        role: uint8, an index into `ROLES`.
        relation: the person's relation to the account (`member`, `guest`…), or null.
    """

    row: np.ndarray
    segment: np.ndarray
    key: pa.Array
    role: np.ndarray
    relation: pa.Array

    def __len__(self) -> int:
        return len(self.row)


@dataclasses.dataclass(frozen=True, slots=True)
class Segments:
    """One entry per segment of a record.

    Attributes:
        row: int32, ascending: the record.
        ordinal: int32: position in the record's list of segments, from 0.
        segment_id: its id as text, or null.
        category: its category; the record's where the segment states none.
    """

    row: np.ndarray
    ordinal: np.ndarray
    segment_id: pa.Array
    category: pa.Array

    def __len__(self) -> int:
        return len(self.row)


@dataclasses.dataclass(frozen=True, slots=True)
class Mentions:
    """One entry per span that names somebody, and per `mentioned` subject without one.

    Attributes:
        row: int32, ascending: the record.
        key: subject key, null when nobody can be named.
        id: the id as written (text), for the ledger's `mention:<id>`.
        column: int16: index into `Bound.columns`, -1 for no span.
        start, end: int64 character offsets, [start, end); 0 where there is no span.
        segment: int32: position in `Segments` for a `mentioned` subject of a segment,
            else -1: with the segment the mention goes.
        is_span_valid: False where a span does not lie inside its text column: the
            whole column must go when the person does not permit.
    """

    row: np.ndarray
    key: pa.Array
    id: pa.Array
    column: np.ndarray
    start: np.ndarray
    end: np.ndarray
    segment: np.ndarray
    is_span_valid: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


@dataclasses.dataclass(frozen=True, slots=True)
class PayloadColumn:
    """One payload column of the batch.

    Attributes:
        name: its name in the table.
        category: its own category; None: the record's.
        is_required: declared required, or a value of it cannot be made null.
        is_kept_with_segments: listed under `segments.keep`: it carries nothing
            of what was said.
    """

    name: str
    category: str | None = None
    is_required: bool = False
    is_kept_with_segments: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class FieldOverrides:
    """Categories that a record's own `fields` list gives to its columns.

    Attributes:
        row: int32, ascending. column: int16, index into `Bound.columns`.
        category: its category in this row. is_required: bool.
    """

    row: np.ndarray
    column: np.ndarray
    category: pa.Array
    is_required: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """A batch of records in standard columns.

    Attributes:
        num_rows: how many records.
        record_id: id as text; null when blank.
        category: category name, or null.
        collected_at: int64 microseconds since 1970 UTC; 0 where unusable.
        is_collected_valid: bool: the time was present, had an offset, and parsed.
        source: `first_party`, `third_party:NAME`; never null.
        account_id, context_id, asset_id, jurisdiction: text or null; `asset_id`
            is already defaulted to the record id.
        derived_row, derived_category: flattened `derived_from`.
        is_aggregate: bool: `group_size` is not null. group_size: int64.
        people, segments, mentions, overrides: see there.
        columns: the payload columns, in schema order, without `segments`.
        is_present: bool array per payload column (same order): the value is not
            null. Empty tuple when the binding has no need for it (`has_parts`).
        has_parts: the layout has segments, own-category fields or mentions, so
            that a record may be redacted in part. When False no payload column
            has to be read to decide.
    """

    num_rows: int
    record_id: pa.Array
    category: pa.Array
    collected_at: np.ndarray
    is_collected_valid: np.ndarray
    source: pa.Array
    account_id: pa.Array
    context_id: pa.Array
    asset_id: pa.Array
    jurisdiction: pa.Array
    derived_row: np.ndarray
    derived_category: pa.Array
    is_aggregate: np.ndarray
    group_size: np.ndarray
    people: People
    segments: Segments
    mentions: Mentions
    overrides: FieldOverrides
    columns: tuple[PayloadColumn, ...]
    is_present: tuple[np.ndarray, ...]
    has_parts: bool

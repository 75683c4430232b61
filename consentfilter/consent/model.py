"""A consent snapshot: every statement known at an instant, with what it came from.

Not "the latest status per user": whether a statement helps depends on the policy,
and the state at the time of collection counts too. So a snapshot lists all
surviving statements in their order, and is the same for every policy.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Literal

import pyarrow as pa

from consentfilter.consent.problems import BuildNotes


@dataclasses.dataclass(frozen=True, slots=True)
class SourceMark:
    """How far one source has been heard of.

    Attributes:
        source_id: the authority.
        watermark: the newest `recorded_at` that it stated and that was known at the
            cut; None if none of its events stated one.
        rows: distinct events of it that were known at the cut, used or not.
    """

    source_id: str
    watermark: dt.datetime | None
    rows: int


@dataclasses.dataclass(frozen=True, slots=True)
class SnapshotMeta:
    """What a snapshot says of itself.

    Attributes:
        schema_version: layout of the columns.
        snapshot_id: hex SHA-256 over the sorted rows (`consent.canonical`).
        as_of: the instant up to which events are known, UTC.
        built_at: when it was built, as stated by the builder; `as_of` by default,
            so that one input gives one file.
        derivation_version: rules by which events became statements.
        taxonomy_version: trees against which denials were widened.
        history: `compact` lacks grants that a later denial covers; only a policy of
            temporal mode `processing` may be decided on it.
        sources: per source, sorted by id.
        quarantine: events that were set aside, counted by code.
        widened: denials and ends that were kept in spite of a doubt, by code.
        examples: a few event ids of each of these codes.
        id_key_fingerprint: fingerprint of the key of the subject ids; None: plain.
    """

    schema_version: str
    snapshot_id: str
    as_of: dt.datetime
    built_at: dt.datetime
    derivation_version: str
    taxonomy_version: str
    history: Literal["full", "compact"]
    sources: tuple[SourceMark, ...]
    quarantine: dict[str, int]
    widened: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    id_key_fingerprint: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class ConsentSnapshot:
    """The statements known at an instant.

    Attributes:
        statements: columns of `consent.schema.SNAPSHOT` (all of them, unless fewer
            were asked for; then subject_key is a dictionary), sorted by subject_key,
            source_id, account_id, context_id, asset_id (nulls last in each) and
            order_in_group.
        meta: what is known of them.
        notes: what the build saw; None for a snapshot that was read.
    """

    statements: pa.Table
    meta: SnapshotMeta
    notes: BuildNotes | None = None

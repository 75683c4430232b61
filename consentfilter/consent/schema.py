"""The Arrow schemas of consent events and snapshots, and of what a table must have."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

#: Goes up when a reader of the older layout could misread the newer one.
SCHEMA_VERSION: Final = "1"

INSTANT: Final = pa.timestamp("us", tz="UTC")
#: In memory; in a file this is text with a Parquet dictionary.
WORD: Final = pa.dictionary(pa.int32(), pa.string())


def _field(name: str, kind: pa.DataType, *, is_required: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=not is_required)


#: The standard layout of consent events (`consent_events`).
EVENTS: Final = pa.schema(
    [
        _field("event_id", pa.string(), is_required=True),
        _field("receipt_id", pa.string()),
        _field("source_id", pa.string(), is_required=True),
        _field("source_seq", pa.int64()),
        _field("channel", pa.string()),
        _field("subject_ns", pa.string()),
        _field("subject_id", pa.string()),
        _field("account_id", pa.string()),
        _field("context_id", pa.string()),
        _field("asset_id", pa.string()),
        _field("status", pa.string(), is_required=True),
        _field("voids_event_id", pa.string()),
        _field("purpose", pa.string()),
        _field("category", pa.string()),
        _field("expression", pa.string()),
        _field("actor_type", pa.string(), is_required=True),
        _field("actor_id", pa.string()),
        _field("actor_verified", pa.bool_()),
        _field("occurred_at", INSTANT),
        _field("recorded_at", INSTANT, is_required=True),
        _field("valid_from", INSTANT),
        _field("valid_until", INSTANT),
        _field("data_from", INSTANT),
        _field("data_until", INSTANT),
        _field("terms_version", pa.string()),
        _field("notice_id", pa.string()),
        _field("language", pa.string()),
        _field("jurisdiction", pa.string()),
        _field("controller", pa.string()),
        _field("recipients", pa.list_(pa.string())),
        _field("legal_basis", pa.string()),
        _field("evidence_uri", pa.string()),
        _field("evidence_sha256", pa.string()),
        _field("signal_format", pa.string()),
        _field("signal_raw", pa.string()),
        _field("mapping_version", pa.string()),
    ]
)

#: The rows of a snapshot (`consent_snapshot`), one per surviving statement.
SNAPSHOT: Final = pa.schema(
    [
        _field("statement_id", pa.string(), is_required=True),
        _field("source_id", WORD, is_required=True),
        _field("subject_key", pa.string()),
        _field("account_id", pa.string()),
        _field("context_id", pa.string()),
        _field("asset_id", pa.string()),
        _field("status", WORD, is_required=True),
        _field("purpose", WORD, is_required=True),
        _field("category", WORD, is_required=True),
        _field("expression", WORD),
        _field("actor_type", WORD, is_required=True),
        _field("actor_verified", pa.bool_(), is_required=True),
        _field("effective_at", INSTANT, is_required=True),
        _field("recorded_at", INSTANT, is_required=True),
        _field("order_in_group", pa.int32(), is_required=True),
        _field("valid_from", INSTANT),
        _field("valid_until", INSTANT),
        _field("data_from", INSTANT),
        _field("data_until", INSTANT),
        _field("terms_version", WORD),
        _field("recipients", pa.list_(pa.string())),
        _field("jurisdiction", WORD),
        _field("superseded_at", INSTANT),
    ]
)

#: Snapshot columns that are dictionary-encoded in memory and in files.
WORDS: Final = tuple(field.name for field in SNAPSHOT if field.type == WORD)

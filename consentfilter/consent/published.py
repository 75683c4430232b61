"""The JSON Schemas of a consent event and of a snapshot's row, from the code.

What `schemas/consent_events.schema.json` and `schemas/consent_snapshot.schema.json`
hold. Each column has its Arrow type in `x-arrow`.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from consentfilter.consent import vocabulary as v
from consentfilter.consent.schema import EVENTS, SCHEMA_VERSION, SNAPSHOT

#: Columns that hold one word of a closed list.
ENUMS: Final = {
    "status": v.STATUSES,
    "expression": v.EXPRESSIONS,
    "actor_type": v.ACTOR_TYPES,
    "legal_basis": v.LEGAL_BASES,
}
#: Event columns that may be absent although the standard layout requires them.
DEFAULTS: Final = {
    "event_id": "derived from what the event says",
    "source_id": "default",
    "subject_ns": "user_id",
    "actor_type": "self",
    "actor_verified": "false",
    "recorded_at": "occurred_at",
    "expression": "unspecified",
    "legal_basis": "consent",
}

EVENT_TEXTS: Final[dict[str, str]] = {
    "event_id": "Idempotency key, unique over all sources.",
    "receipt_id": "Groups the rows of one act.",
    "source_id": "The authority (system of record), not the channel.",
    "source_seq": "Order within the source; used if a whole group has it.",
    "channel": "Where it happened: web, ios, admin_console …",
    "subject_ns": "Namespace of the subject id.",
    "subject_id": "The person; null: everyone in the scope.",
    "account_id": "Limits the act to this account.",
    "context_id": "Limits the act to this context, such as a meeting.",
    "asset_id": "Limits the act to this asset.",
    "status": "What was done.",
    "voids_event_id": "With status voided: the event that never was.",
    "purpose": "Node of the purpose tree; * is all of them.",
    "category": "Node of the category tree; * is all of them.",
    "expression": "How consent was expressed.",
    "actor_type": "Who acted.",
    "actor_id": "Which one.",
    "actor_verified": "The actor's right to act was verified.",
    "occurred_at": "When the person acted.",
    "recorded_at": "When the ledger took it down.",
    "valid_from": "The permission runs from here; null: occurred_at.",
    "valid_until": "The permission runs until just before; null: open.",
    "data_from": "Data collected from here on is covered; null: valid_from.",
    "data_until": "Data collected before this is covered; null: open.",
    "terms_version": "Exact id of the terms agreed to.",
    "notice_id": "Exact id of the notice shown.",
    "language": "Language of the notice.",
    "jurisdiction": "ISO 3166-1 or -2 code at the time of the act.",
    "controller": "Who consent was given to.",
    "recipients": "Who else may have the data; null: nobody, *: anybody.",
    "legal_basis": "Why the data may be used.",
    "evidence_uri": "Where the proof lies.",
    "evidence_sha256": "Digest of the proof.",
    "signal_format": "Format of the signal: tcf, gpp, gpc …",
    "signal_raw": "The signal as received.",
    "mapping_version": "Version of the table it was mapped with.",
}
SNAPSHOT_TEXTS: Final[dict[str, str]] = {
    "statement_id": "The event's id; unique.",
    "source_id": "The authority.",
    "subject_key": "Namespace, 0x1F, id; or its HMAC; null: everyone in scope.",
    "account_id": "Scope; null: any account.",
    "context_id": "Scope; null: any context.",
    "asset_id": "Scope; null: any asset.",
    "status": "What was done; never voided.",
    "purpose": "Node; * for a denial of everything, empty: covers nothing.",
    "category": "Node; * for a denial of everything, empty: covers nothing.",
    "expression": "How consent was expressed; null: not one of the list.",
    "actor_type": "Who acted.",
    "actor_verified": "The actor's right to act was verified.",
    "effective_at": "From when the act counts.",
    "recorded_at": "When the ledger took it down.",
    "order_in_group": "From 0, within source, subject and scopes.",
    "valid_from": "The permission runs from here; null: effective_at.",
    "valid_until": "The permission runs until just before; null: open.",
    "data_from": "Data collected from here on is covered; null: valid_from.",
    "data_until": "Data collected before this is covered; null: open.",
    "terms_version": "Exact id of the terms agreed to.",
    "recipients": "Who else may have the data; null: nobody, *: anybody.",
    "jurisdiction": "Code, upper-case.",
    "superseded_at": "When the next act on the same purpose and category counts.",
}


def events_schema() -> dict[str, Any]:
    """Return the JSON Schema of one consent event in the standard layout."""
    return _schema("consent_events", "One consent event.", EVENTS, EVENT_TEXTS)


def snapshot_schema() -> dict[str, Any]:
    """Return the JSON Schema of one row of a consent snapshot."""
    title = "One statement of a consent snapshot."
    return _schema("consent_snapshot", title, SNAPSHOT, SNAPSHOT_TEXTS)


def _schema(
    name: str, title: str, schema: pa.Schema, texts: dict[str, str]
) -> dict[str, Any]:
    is_events = schema is EVENTS
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:consentfilter:{name}:{SCHEMA_VERSION}",
        "title": title,
        "description": "Generated from the code; a test fails when they differ.",
        "type": "object",
        "properties": {
            field.name: _column(field, texts[field.name], is_event=is_events)
            for field in schema
        },
        "required": [
            field.name
            for field in schema
            if not field.nullable and not (is_events and field.name in DEFAULTS)
        ],
        "additionalProperties": is_events,
    }


def _column(field: pa.Field, text: str, *, is_event: bool) -> dict[str, Any]:
    words = ENUMS.get(field.name)
    if words is not None and not is_event:
        words = tuple(word for word in words if word != v.VOIDED)
    column: dict[str, Any] = {"description": text}
    kind = _json_type(field.type)
    column |= kind
    if field.nullable:
        column["type"] = [kind["type"], "null"]
    if words is not None:
        column["enum"] = [*words, None] if field.nullable else list(words)
    if is_event and field.name in DEFAULTS:
        column["x-default"] = DEFAULTS[field.name]
    column["x-arrow"] = _arrow_type(field.type)
    return column


def _json_type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"type": "array", "items": {"type": "string"}}
    if pa.types.is_timestamp(kind):
        return {"type": "string", "format": "date-time"}
    if pa.types.is_boolean(kind):
        return {"type": "boolean"}
    return {"type": "integer" if pa.types.is_integer(kind) else "string"}


def _arrow_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return "list<string>"
    return "string" if pa.types.is_dictionary(kind) else str(kind)

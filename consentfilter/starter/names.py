"""What columns are usually called, and what values of a kind usually mean."""

from __future__ import annotations

import re
from typing import Final

RECORD_IDS: Final = (
    "record_id", "id", "uuid", "guid", "message_id", "msg_id", "event_id", "post_id",
    "document_id", "doc_id", "item_id", "sample_id", "example_id", "utterance_id",
    "recording_id", "transcript_id", "comment_id", "review_id", "row_id", "key",
)  # fmt: skip
TIMES: Final = (
    "collected_at", "created_at", "created", "timestamp", "ts", "event_time",
    "event_timestamp", "occurred_at", "recorded_at", "sent_at", "posted_at",
    "published_at", "started_at", "start_time", "time", "datetime", "date_time",
    "created_time", "creation_date", "inserted_at", "ingested_at", "date",
)  # fmt: skip
SCOPES: Final[dict[str, tuple[str, ...]]] = {
    "account_id": (
        "account_id", "org_id", "organization_id", "organisation_id", "tenant_id",
        "workspace_id", "company_id", "team_id", "org", "tenant", "workspace",
    ),
    "context_id": (
        "context_id", "meeting_id", "conversation_id", "thread_id", "channel_id",
        "session_id", "room_id", "call_id",
    ),
    "asset_id": ("asset_id", "file_id", "url"),
}  # fmt: skip
PLACES: Final = (
    "jurisdiction", "country_code", "country", "region_code", "region", "geo",
)  # fmt: skip
KINDS: Final = (
    "category", "content_type", "data_type", "record_type", "message_type",
    "event_type", "kind", "type", "modality",
)  # fmt: skip
SEGMENT_IDS: Final = (
    "segment_id", "turn_id", "utterance_id", "message_id", "id", "index", "no", "seq",
)  # fmt: skip
TEXTS: Final = (
    "text",
    "content",
    "body",
    "message",
    "words",
    "transcript",
    "utterance",
)

#: Words that stand for a person in a column name, and the role they suggest.
PEOPLE: Final[dict[str, str]] = {
    "subject": "author", "user": "author", "author": "author", "sender": "author",
    "creator": "author", "customer": "author", "person": "author", "patient": "author",
    "student": "author", "employee": "author", "client": "author", "uid": "author",
    "username": "author", "poster": "author", "email": "author", "profile": "author",
    "speaker": "speaker", "caller": "speaker", "agent": "speaker",
    "participant": "participant", "recipient": "participant", "member": "participant",
    "attendee": "participant", "guest": "participant", "host": "participant",
    "owner": "owner", "depicted": "depicted", "mentioned": "mentioned",
}  # fmt: skip

#: Category nodes by the words that values of a kind are made of.
CATEGORIES: Final[dict[str, str]] = {
    **dict.fromkeys(("chat", "message", "msg", "dm", "im", "sms"), "content.chat"),
    **dict.fromkeys(("reaction", "emoji", "like"), "content.chat_reaction"),
    **dict.fromkeys(("audio", "voice", "call", "recording"), "content.audio"),
    **dict.fromkeys(("video", "clip"), "content.video"),
    **dict.fromkeys(
        ("transcript", "utterance", "speech", "caption"), "content.transcript"
    ),
    **dict.fromkeys(("file", "attachment", "document", "image"), "content.file"),
    **dict.fromkeys(("post", "comment", "review", "article"), "content.post"),
    "whiteboard": "content.whiteboard",
    **dict.fromkeys(("completion", "assistant", "summary"), "content.ai_output"),
    **dict.fromkeys(("telemetry", "metric"), "service_generated.telemetry"),
    **dict.fromkeys(
        ("usage", "click", "view", "session", "event"), "service_generated.usage"
    ),
    **dict.fromkeys(
        ("log", "error", "crash", "diagnostic"), "service_generated.diagnostics"
    ),
    **dict.fromkeys(("profile", "account"), "account.profile"),
    "voiceprint": "biometric.voiceprint",
    "faceprint": "biometric.faceprint",
    "health": "special.health",
}

#: Words in the names of payload columns that may deserve a category of their own.
SENSITIVE: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("email", "phone", "address", "name", "birth", "birthday"), "account.profile"
    ),
    **dict.fromkeys(("health", "diagnosis", "medication"), "special.health"),
    "religion": "special.religion",
    "ethnicity": "special.ethnic_origin",
    "voiceprint": "biometric.voiceprint",
    "faceprint": "biometric.faceprint",
    "telemetry": "service_generated.telemetry",
}

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD: Final = re.compile(r"[a-z0-9]+")
_ID: Final = frozenset(("id", "ids", "uuid", "guid", "key", "keys", "ref", "hash"))


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case.

    >>> words("authorUserID")
    ('author', 'user', 'id')
    """
    return tuple(_WORD.findall(_CAMEL.sub("_", name).lower()))


def plain(name: str) -> str:
    """Return a name in the form of the lists above.

    >>> plain("CreatedAt")
    'created_at'
    """
    return "_".join(words(name))


def person_role(name: str) -> str | None:
    """Return the role that a column of this name suggests; None: it names nobody.

    `user_id`, `speakers`, `guestEmail` and `author` name people, `user_agent`,
    `email_count` and `owner_since` do not.
    """
    parts = list(words(name))
    while parts and parts[-1] in _ID:
        parts.pop()
    if not parts:
        return None
    last = parts[-1]
    if last in PEOPLE:
        return None if parts == ["user", "agent"] else PEOPLE[_first_person(parts)]
    if last.endswith("s") and last[:-1] in PEOPLE:
        return PEOPLE[last[:-1]]
    return None


def _first_person(parts: list[str]) -> str:
    """Return the most telling word: of `guest_email` it is `guest`."""
    return next(part for part in parts if part in PEOPLE)


def is_email(name: str) -> bool:
    """Tell whether a column of this name holds addresses."""
    return "email" in words(name) or "mail" in words(name)


def category_of(value: str, nodes: frozenset[str]) -> str | None:
    """Return the category node that a value of a kind suggests."""
    if value in nodes:
        return value
    for word in words(value):
        singular = word[:-1] if word.endswith("s") else word
        if word in CATEGORIES or singular in CATEGORIES:
            return CATEGORIES.get(word) or CATEGORIES[singular]
    return None

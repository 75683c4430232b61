"""What people said and did in the demo: transcripts, chat, recordings, files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.demo import phrases
from consentfilter.demo.cast import Cast
from consentfilter.demo.columns import (
    SUBJECT,
    constant,
    joined,
    lists,
    numbered,
    pick,
    times,
)
from consentfilter.demo.meetings import Meetings

_MENTION = pa.struct(
    [
        ("ns", pa.string()),
        ("id", pa.string()),
        ("field", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
)
_SECOND = 1_000_000


def _subjects(cast: Cast, person: np.ndarray, role: str) -> pa.Array:
    """Return subject structs; a person of -1 dialled in and has no id."""
    who = pa.array(person, mask=person < 0)
    relation = (cast.account[person] < 0).astype(int)
    return pa.StructArray.from_arrays(
        [
            cast.ns.take(who),
            cast.id.take(who),
            constant(role, len(person)),
            pick(("member", "guest"), np.where(person < 0, -1, relation)),
        ],
        fields=list(SUBJECT),
    )


def _attendees(cast: Cast, meetings: Meetings, of: np.ndarray, role: str) -> pa.Array:
    """Return, for each of the meetings given, everybody who attended."""
    count = (meetings.first[1:] - meetings.first[:-1])[of]
    start = np.repeat(meetings.first[of], count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return lists(_subjects(cast, meetings.attendee[start + within], role), count)


def _common(
    cast: Cast,
    meetings: Meetings,
    of: np.ndarray,
    *,
    prefix: str,
    category: pa.Array | str,
    at: np.ndarray,
    subjects: pa.Array,
) -> dict[str, Any]:
    """Return the standard columns of records that belong to meetings."""
    where = pa.array(of)
    account = pa.array(meetings.account[of])
    if isinstance(category, str):
        category = constant(category, len(of))
    return {
        "record_id": numbered(prefix, np.arange(len(of))),
        "category": category,
        "collected_at": times(at),
        "subjects": subjects,
        "account_id": cast.account_id.take(account),
        "context_id": meetings.context_id.take(where),
        "jurisdiction": cast.account_place.take(account),
    }


def _remarks(rng: np.random.Generator, count: int) -> pa.Array:
    opening = rng.integers(0, len(phrases.OPENINGS), count)
    remark = rng.integers(0, len(phrases.REMARKS), count)
    return joined(pick(phrases.OPENINGS, opening), pick(phrases.REMARKS, remark))


def transcripts(
    rng: np.random.Generator, cast: Cast, meetings: Meetings, *, share: float
) -> pa.Table:
    """Return one transcript for some meetings; its segments are utterances."""
    of = np.flatnonzero(rng.random(len(meetings)) < share)
    count = rng.integers(8, 30, len(of))
    meeting = np.repeat(of, count)
    speaker = meetings.somebody(rng, meeting)
    speaker[rng.random(len(speaker)) < 0.01] = -1
    within = np.arange(len(meeting)) - np.repeat(np.cumsum(count) - count, count)
    start = (meetings.length[meeting] // _SECOND * within) // np.repeat(count, count)
    segments = pa.StructArray.from_arrays(
        [
            numbered("u-", within, 3),
            lists(_subjects(cast, speaker, "speaker"), np.ones(len(meeting), int)),
            pa.array(start.astype(np.int32)),
            _remarks(rng, len(meeting)),
        ],
        names=["segment_id", "subjects", "start_s", "text"],
    )
    common = _common(
        cast,
        meetings,
        of,
        prefix="transcript-",
        category="content.transcript",
        at=meetings.start[of],
        subjects=pa.nulls(len(of), pa.list_(SUBJECT)),
    )
    return pa.table(
        {
            **common,
            "title": pick(phrases.TITLES, meetings.title[of]),
            "duration_s": pa.array((meetings.length[of] // _SECOND).astype(np.int32)),
            "segments": lists(segments, count),
        }
    )


def chat(
    rng: np.random.Generator, cast: Cast, meetings: Meetings, *, count: int
) -> pa.Table:
    """Return chat messages; every fifth calls another attendee by name."""
    of = np.sort(rng.integers(0, len(meetings), count))
    author = meetings.somebody(rng, of)
    called = meetings.somebody(rng, of)
    is_call = (rng.random(count) < 0.2) & (called != author)
    said = _remarks(rng, count)
    handle = pc.binary_join_element_wise(
        pa.scalar("@"), cast.name.take(pa.array(called)), ""
    )
    text = pc.if_else(pa.array(is_call), joined(handle, said), said)
    whom = pa.array(called[is_call])
    mention = pa.StructArray.from_arrays(
        [
            cast.ns.take(whom),
            cast.id.take(whom),
            constant("text", int(is_call.sum())),
            pa.array(np.zeros(int(is_call.sum()), np.int32)),
            pc.utf8_length(handle.filter(pa.array(is_call))).cast(pa.int32()),
        ],
        fields=list(_MENTION),
    )
    at = meetings.start[of] + (rng.random(count) * meetings.length[of]).astype(np.int64)
    common = _common(
        cast,
        meetings,
        of,
        prefix="chat-",
        category="content.chat",
        at=at,
        subjects=lists(_subjects(cast, author, "author"), np.ones(count, int)),
    )
    return pa.table({**common, "text": text, "mentions": lists(mention, is_call * 1)})


def media(
    rng: np.random.Generator, cast: Cast, meetings: Meetings, *, share: float
) -> pa.Table:
    """Return recordings: sound, picture, and some voiceprints made of them."""
    recorded = np.flatnonzero(rng.random(len(meetings)) < share)
    filmed = recorded[rng.random(len(recorded)) < 0.6]
    printed = recorded[rng.random(len(recorded)) < 0.1]
    of = np.concatenate([recorded, filmed, printed])
    lengths = [len(recorded), len(filmed), len(printed)]
    kind = np.repeat(np.arange(3), lengths)
    kinds = ("content.audio", "content.video", "biometric.voiceprint")
    common = _common(
        cast,
        meetings,
        of,
        prefix="media-",
        category=pick(kinds, kind),
        at=meetings.start[of],
        subjects=_attendees(cast, meetings, of, "participant"),
    )
    ending = pick((".opus", ".mp4", ".npy"), kind)
    name = pc.binary_join_element_wise(common["record_id"], ending, "")
    return pa.table(
        {
            **common,
            "uri": pc.binary_join_element_wise(
                pa.scalar("recordings"), common["context_id"], name, "/"
            ),
            "duration_s": pa.array((meetings.length[of] // _SECOND).astype(np.int32)),
        }
    )


def files(
    rng: np.random.Generator, cast: Cast, meetings: Meetings, *, count: int
) -> pa.Table:
    """Return shared files and whiteboards; some pictures were bought elsewhere."""
    of = np.sort(rng.integers(0, len(meetings), count))
    owner = meetings.somebody(rng, of)
    kind = (rng.random(count) < 0.3).astype(int)
    bought = rng.random(count) < 0.05
    common = _common(
        cast,
        meetings,
        of,
        prefix="file-",
        category=pick(("content.file", "content.whiteboard"), kind),
        at=meetings.start[of] + 60 * _SECOND,
        subjects=lists(_subjects(cast, owner, "owner"), np.ones(count, int)),
    )
    sources = ("first_party", "third_party:stock-photos")
    names = rng.integers(0, len(phrases.FILE_NAMES), count)
    return pa.table(
        {
            **common,
            "source": pick(sources, bought.astype(int)),
            "name": pick(phrases.FILE_NAMES, names),
            "size_bytes": pa.array(rng.integers(2_000, 9_000_000, count)),
        }
    )


def summaries(
    rng: np.random.Generator, cast: Cast, meetings: Meetings, *, share: float
) -> pa.Table:
    """Return what the product's own AI made of meetings: text, and "telemetry".

    The embeddings are booked as telemetry, but they derive from what was said: a
    row needs permission for everything that it derives from.
    """
    of = np.flatnonzero(rng.random(len(meetings)) < share)
    kind = rng.integers(0, 2, len(of))
    common = _common(
        cast,
        meetings,
        of,
        prefix="derived-",
        category=pick(("content.ai_output", "service_generated.telemetry"), kind),
        at=meetings.start[of] + meetings.length[of],
        subjects=_attendees(cast, meetings, of, "participant"),
    )
    ones = np.ones(len(of), int)
    digest = rng.integers(0, len(phrases.REMARKS), len(of))
    payload = pick(phrases.REMARKS, np.where(kind == 0, digest, -1))
    width = np.where(kind == 1, 8, 0)
    vector = pa.array(rng.standard_normal(int(width.sum())).astype(np.float32))
    return pa.table(
        {
            **common,
            "derived_from": lists(constant("content.transcript", len(of)), ones),
            "summary": payload,
            "embedding": pc.if_else(pa.array(kind == 1), lists(vector, width), None),
        }
    )

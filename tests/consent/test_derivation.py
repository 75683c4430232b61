"""The derivation against a slow reference, and what may not make a difference."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from consentfilter.consent.schema import EVENTS, SNAPSHOT
from consentfilter.consent.snapshot import (
    ConsentSnapshot,
    build_snapshot,
    read_snapshot,
    write_snapshot,
)
from consentfilter.taxonomy import is_above_or_equal
from tests.consent import reference

UTC = dt.UTC
AS_OF = dt.datetime(2025, 1, 1, tzinfo=UTC)


def at(minutes: int) -> dt.datetime:
    return dt.datetime(2024, 12, 31, 22, tzinfo=UTC) + dt.timedelta(minutes=minutes)


#: Few values on purpose, so that events meet, tie, repeat and contradict.
INSTANTS = st.sampled_from([at(m) for m in (0, 1, 3, 4, 10, 60, 119, 120, 130)])
MAYBE_INSTANT = st.one_of(st.none(), INSTANTS, INSTANTS)
PURPOSES = st.sampled_from(
    [None, "", "*", "improve", "improve.train_ai", "improve.train_ai.generative", "odd"]
)
CATEGORIES = st.sampled_from([None, " ", "*", "content", "content.chat", "content.odd"])
EVENT_IDS = st.sampled_from([f"e{n}" for n in range(12)])
EVENT = st.fixed_dictionaries(
    {
        "event_id": EVENT_IDS,
        "source_id": st.sampled_from(["crm", "web", None, " "]),
        "source_seq": st.sampled_from([None, 1, 2, 3]),
        "subject_ns": st.sampled_from([None, "crm"]),
        "subject_id": st.sampled_from(["a", "a ", "b", "NULL", None]),
        "account_id": st.sampled_from([None, None, "acme", ""]),
        "context_id": st.sampled_from([None, None, "m1"]),
        "asset_id": st.sampled_from([None, None, None, "r1"]),
        "status": st.sampled_from(
            sorted(reference.GRANTS | reference.DENIALS | reference.ENDS)
            + sorted(reference.NO_EFFECT)
            + ["given", "given", "withdrawn", "voided", "voided"]
        ),
        "voids_event_id": st.one_of(st.none(), EVENT_IDS, EVENT_IDS),
        "purpose": PURPOSES,
        "category": CATEGORIES,
        "expression": st.sampled_from(["explicit", "default_on", None, "shouted"]),
        "actor_type": st.sampled_from(["self", "self", "guardian", None, "robot"]),
        "actor_verified": st.sampled_from([True, None]),
        "occurred_at": MAYBE_INSTANT,
        "recorded_at": MAYBE_INSTANT,
        "valid_until": st.sampled_from([None, at(500)]),
        "data_from": st.sampled_from([None, at(-500)]),
        "terms_version": st.sampled_from([None, "1"]),
        "recipients": st.sampled_from([None, ["lab", "acme"], ["*"]]),
        "legal_basis": st.sampled_from([None, "consent", "contract", "whim"]),
        "channel": st.sampled_from([None, "ios"]),
    }
)
#: Mostly sound events, so that more than doubts is looked at.
SOUND = EVENT.map(
    lambda event: {
        **event,
        "purpose": event["purpose"] or "improve",
        "category": (event["category"] or "").strip() or "content",
        "occurred_at": event["occurred_at"] or at(0),
        "recorded_at": at(119),
        "expression": "explicit",
        "actor_type": "self",
        "legal_basis": None,
        "subject_id": event["subject_id"] or "a",
    }
)
EVENTS_LISTS = st.lists(st.one_of(EVENT, SOUND, SOUND), min_size=1, max_size=14)


def table(events: list[dict[str, Any]]) -> pa.Table:
    fields = [EVENTS.field(name).with_nullable(True) for name in EVENTS.names]
    return pa.Table.from_pylist(events, schema=pa.schema(fields))


def file_digest(snapshot: ConsentSnapshot) -> str:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "snapshot.parquet"
        write_snapshot(snapshot, path)
        read = read_snapshot(path)
        assert read.meta == snapshot.meta
        assert read.statements.to_pylist() == snapshot.statements.to_pylist()
        return hashlib.sha256(path.read_bytes()).hexdigest()


@settings(max_examples=150, deadline=None)
@given(EVENTS_LISTS)
def test_columns_agree_with_the_reference(events: list[dict[str, Any]]) -> None:
    snapshot = build_snapshot(table(events), as_of=AS_OF)
    want, counts = reference.derive(events, AS_OF)
    got = snapshot.statements.to_pylist()
    for row in got:
        row["recipients"] = row["recipients"] and tuple(row["recipients"])
    assert got == [{name: row[name] for name in SNAPSHOT.names} for row in want]
    assert snapshot.meta.quarantine == counts


@settings(max_examples=60, deadline=None)
@given(EVENTS_LISTS, st.randoms(use_true_random=False), st.data())
def test_order_split_and_repetition_change_neither_id_nor_bytes(
    events: list[dict[str, Any]], shuffle: random.Random, data: st.DataObject
) -> None:
    one = build_snapshot(table(events), as_of=AS_OF)
    again = events + data.draw(st.lists(st.sampled_from(events), max_size=5))
    shuffle.shuffle(again)
    cut = data.draw(st.integers(0, len(again)))
    pieces = [table(again[:cut]), table(again[cut:])]
    other = build_snapshot(pieces, as_of=AS_OF)
    assert other.meta == one.meta
    assert file_digest(other) == file_digest(one)


@settings(max_examples=60, deadline=None)
@given(EVENTS_LISTS)
def test_what_is_recorded_later_is_unknown(events: list[dict[str, Any]]) -> None:
    later = [{**event, "recorded_at": at(130)} for event in events]
    alone = build_snapshot(table(events), as_of=AS_OF)
    both = build_snapshot(table(events + later), as_of=AS_OF)
    assert both.meta == alone.meta


@settings(max_examples=100, deadline=None)
@given(EVENTS_LISTS)
def test_compact_lacks_only_grants_that_a_later_denial_covers(
    events: list[dict[str, Any]],
) -> None:
    full = build_snapshot(table(events), as_of=AS_OF).statements.to_pylist()
    short = build_snapshot(table(events), as_of=AS_OF, compact=True)
    group = ("source_id", "subject_key", "account_id", "context_id", "asset_id")
    want = [
        row["statement_id"]
        for row in full
        if row["status"] not in reference.GRANTS
        or not any(
            later["status"] in reference.DENIALS
            and later["order_in_group"] > row["order_in_group"]
            and all(later[name] == row[name] for name in group)
            and is_above_or_equal(later["purpose"], row["purpose"])
            and is_above_or_equal(later["category"], row["category"])
            for later in full
        )
    ]
    rows = short.statements.to_pylist()
    assert [row["statement_id"] for row in rows] == want
    assert short.meta.history == "compact"
    seen: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(row[name] for name in group)
        assert row["order_in_group"] == seen.get(key, 0)
        seen[key] = row["order_in_group"] + 1


def test_a_file_cut_into_row_groups_and_files_is_the_same(tmp_path: Path) -> None:
    events = [
        {
            "event_id": f"e{n}",
            "source_id": "crm",
            "subject_id": f"p{n % 7}",
            "status": "given" if n % 3 else "withdrawn",
            "purpose": "improve",
            "category": "content",
            "actor_type": "self",
            "occurred_at": at(n),
            "recorded_at": at(n),
        }
        for n in range(60)
    ]
    whole = build_snapshot(table(events), as_of=AS_OF)
    for n in range(4):
        pq.write_table(
            table(events[n::4]), tmp_path / f"part-{n}.parquet", row_group_size=3
        )
    (tmp_path / "_SUCCESS").write_text("")
    apart = build_snapshot(tmp_path, as_of=AS_OF)
    assert apart.meta == whole.meta
    assert file_digest(apart) == file_digest(whole)


def test_a_million_events_take_no_python_call_per_row() -> None:
    size = 1_000_000
    numbers = np.arange(size)
    words = pa.array(["given", "withdrawn"])
    events = pa.table(
        {
            "event_id": pa.array(numbers).cast(pa.string()),
            "subject_id": pa.array(numbers * 7919 % 400_000),
            "status": pa.DictionaryArray.from_arrays(
                pa.array((numbers % 5 == 0).astype(np.int32)), words
            ),
            "purpose": pa.repeat("improve.train_ai", size),
            "category": pa.repeat("content", size),
            "expression": pa.repeat("explicit", size),
            "occurred_at": pa.array(numbers, pa.timestamp("s", "UTC")),
        }
    )
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        snapshot = build_snapshot(events, as_of=AS_OF)
    finally:
        sys.setprofile(None)
    assert snapshot.statements.num_rows == size
    assert snapshot.meta.sources[0].rows == size
    assert calls < size / 4

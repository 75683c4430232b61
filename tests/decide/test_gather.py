"""A snapshot becomes the same columns however it is cut, or is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from consentfilter.consent.load import Consent, load_consent
from consentfilter.decide import classes, index
from consentfilter.decide.gather import COLUMNS, gather_statements
from consentfilter.decide.index import compile_index
from consentfilter.decide.queries import GRANTED
from consentfilter.errors import RunRefused
from consentfilter.policy.model import Policy

AS_OF = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
STATUSES = ("given", "withdrawn", "given", "expired", "renewed")
PURPOSES = ("improve.train_ai", "marketing.email", "*")


def event(number: int, **changed: Any) -> dict[str, Any]:
    made = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=number)
    return {
        "event_id": f"e{number}",
        "source_id": "crm",
        "subject_id": f"s{number % 9}",
        "account_id": None,
        "status": STATUSES[number % 5],
        "purpose": PURPOSES[number % 3],
        "category": "content",
        "expression": "explicit",
        "actor_type": ("self", "guardian")[number % 2],
        "recipients": ["lab"] if number % 7 == 0 else None,
        "occurred_at": made,
        "recorded_at": made,
        **changed,
    }


def consent_of(*events: dict[str, Any]) -> Consent:
    return load_consent(pa.Table.from_pylist(list(events)), as_of=AS_OF)


def with_rows(consent: Consent, statements: pa.Table) -> Consent:
    snapshot = dataclasses.replace(consent.snapshot, statements=statements)
    return dataclasses.replace(consent, snapshot=snapshot)


EVENTS = [event(number) for number in range(60)]
SCOPED = [event(60, subject_id=None, account_id="acme", status="withdrawn")]


@pytest.mark.parametrize("events", [EVENTS, EVENTS + SCOPED])
@pytest.mark.parametrize(
    ("tabled", "small"), [(1 << 22, 1 << 31), (1, 1 << 31), (1, 1)]
)
def test_every_statement_has_the_class_of_its_values(
    events: list[dict[str, Any]],
    tabled: int,
    small: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(classes, "_TABLED", tabled)
    monkeypatch.setattr(classes, "_SMALL", small)
    monkeypatch.setattr(classes, "_SLICE", 7)
    consent = consent_of(*events)
    found = gather_statements(consent)
    rows = consent.snapshot.statements.to_pylist()
    said = [found.classes[at] for at in found.class_of]
    assert [
        (each.status, each.purpose, each.actor_type, each.recipients, each.scope_kind)
        for each in said
    ] == [
        (
            row["status"],
            row["purpose"],
            row["actor_type"],
            None if row["recipients"] is None else tuple(row["recipients"]),
            "subject" if row["subject_key"] is not None else "account",
        )
        for row in rows
    ]
    assert len(found.classes) == len(set(said))


def test_no_other_column_is_looked_at() -> None:
    consent = consent_of(*EVENTS, *SCOPED)
    fewer = with_rows(consent, consent.snapshot.statements.select(COLUMNS))
    whole, part = gather_statements(consent), gather_statements(fewer)
    assert part.classes == whole.classes
    assert (part.class_of == whole.class_of).all()
    assert (part.effective == whole.effective).all()
    assert part.ids.equals(whole.ids)


def encoded(rows: pa.Table) -> pa.Table:
    """Return rows whose subject_key is a dictionary of the subjects in their order."""
    keys = rows["subject_key"].combine_chunks().dictionary_encode()
    return rows.set_column(2, "subject_key", keys)


@pytest.mark.parametrize("events", [EVENTS, EVENTS + SCOPED, SCOPED])
def test_subjects_may_come_numbered(events: list[dict[str, Any]]) -> None:
    consent = consent_of(*events)
    rows = consent.snapshot.statements
    assert rows.column_names[2] == "subject_key"
    plain = gather_statements(consent)
    others = [encoded(rows)]
    if rows["subject_key"].null_count < len(rows):  # as numbers that are no such
        words = pa.array(["zz", *encoded(rows)["subject_key"].chunk(0).dictionary])
        codes = encoded(rows)["subject_key"].chunk(0).indices
        unused = pa.DictionaryArray.from_arrays(pc.add(codes, 1), words)
        others.append(rows.set_column(2, "subject_key", unused))
    for other in others:
        found = gather_statements(with_rows(consent, other))
        assert found.people.keys.to_pylist() == plain.people.keys.to_pylist()
        assert found.group_person.tolist() == plain.group_person.tolist()
        assert found.group_start.tolist() == plain.group_start.tolist()
        for name in ("starts", "counts", "groups"):
            own, other_own = getattr(plain.own, name), getattr(found.own, name)
            assert own.tolist() == other_own.tolist()


def test_numbered_subjects_out_of_order_are_refused() -> None:
    consent = consent_of(*EVENTS, *SCOPED)
    rows = encoded(consent.snapshot.statements)
    last = len(rows) - 1
    turned = with_rows(consent, rows.take(list(reversed(range(last)))))
    with pytest.raises(RunRefused, match="do not stand in the order of their subjects"):
        gather_statements(turned)
    mixed = with_rows(consent, rows.take([0, last, *range(1, last)]))
    with pytest.raises(RunRefused, match="statements without a subject stand among"):
        gather_statements(mixed)


def test_subjects_out_of_order_are_refused() -> None:
    consent = consent_of(*EVENTS)
    rows = consent.snapshot.statements
    turned = with_rows(consent, rows.take(list(reversed(range(len(rows))))))
    with pytest.raises(RunRefused, match="do not stand in the order of their subjects"):
        gather_statements(turned)


def test_statements_about_everyone_in_between_are_refused() -> None:
    consent = consent_of(*EVENTS, *SCOPED)
    rows = consent.snapshot.statements
    last = len(rows) - 1
    mixed = with_rows(consent, rows.take([0, last, *range(1, last)]))
    with pytest.raises(RunRefused, match="statements without a subject stand among"):
        gather_statements(mixed)


@pytest.mark.parametrize("subject", ["s1", None])
def test_a_group_in_two_places_is_refused(subject: str | None) -> None:
    accounts = [
        event(number, subject_id=subject, account_id=account, status="withdrawn")
        for number, account in enumerate(("a", "a", "b", "c"))
    ]
    consent = consent_of(*EVENTS[:1], *accounts, event(9, subject_id="t"))
    rows = consent.snapshot.statements
    first = rows["account_id"].to_pylist().index("a")
    order = [at for at in range(len(rows)) if at != first]
    order.insert(order.index(first + 1) + 2, first)
    gather_statements(consent)
    with pytest.raises(RunRefused, match="do not stand together"):
        gather_statements(with_rows(consent, rows.take(order)))


def test_tables_do_not_depend_on_the_pieces_they_are_made_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = Policy.from_dict(
        {"id": "p", "version": "1", "purposes": ["improve.train_ai"]}
    )
    tables = []
    for piece in (1 << 17, 5, 1):
        monkeypatch.setattr(index, "PIECE", piece)
        (member,) = compile_index(policy, consent_of(*EVENTS)).members
        member.question_numbers([(None, "content.post", None)])
        table = member.table(0)
        assert table is not None
        tables.append(table)
    states = set(tables[0].people["code"].tolist())
    assert GRANTED in states
    assert len(states) > 1
    for one, other in itertools.pairwise(tables):
        assert np.array_equal(one.people, other.people)

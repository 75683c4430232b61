"""Turning a snapshot, with its links and subjects, into numpy columns."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.decide import arrays, ragged
from consentfilter.decide.classes import CLASS_COLUMNS, number_classes
from consentfilter.decide.lookup import KeyTable
from consentfilter.decide.ragged import FAR, is_absent, is_same, same
from consentfilter.decide.statements import (
    SCOPES,
    Ranges,
    Statements,
)
from consentfilter.errors import RunRefused

if TYPE_CHECKING:
    from consentfilter.consent.load import Consent

_LEAST: Final = np.iinfo(np.int64).min
#: Rows that are looked at in one go, where what is made of them takes memory.
_SLICE: Final = 1 << 18
#: The columns of a snapshot that are looked at.
COLUMNS: Final = (
    "statement_id",
    "source_id",
    "subject_key",
    *SCOPES,
    *CLASS_COLUMNS,
    "effective_at",
    "valid_from",
    "valid_until",
    "data_from",
    "data_until",
)


def gather_statements(consent: Consent) -> Statements:
    """Turn a snapshot, with its links and subjects, into numpy columns.

    Raises:
        RunRefused: RUN_SNAPSHOT_INVALID when the statements of one group are not
            next to each other.
    """
    # One column at a time is put together: the whole table would be a second copy.
    table = consent.snapshot.statements
    run, keys = _numbered_runs(table) or _people_runs(
        arrays.text(table, "subject_key"), table.num_rows
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        everybody = pool.submit(_everybody, keys, consent)
        scope_codes, scope_keys = _scope_codes(table)
        source, _ = arrays.codes(table, "source_id")
        first, group_scope = _groups(run, source, scope_codes)
        group_person = run[first]
        classes, class_of = number_classes(table, _scope_kind(run, scope_codes))
        data_from = arrays.instants(table, "data_from", _LEAST)
        data_until = arrays.instants(table, "data_until", FAR)
        people = everybody.result()
    sides = _sides(people, consent.subjects)
    numbers = np.arange(len(first), dtype=np.int32)
    named = group_person >= 0
    own = _own_groups(group_person[: np.count_nonzero(named)], len(people))
    component = _components(people, consent)
    linked = _linked_groups(component, group_person, numbers)
    has_window = np.zeros(len(people), bool)
    for window, neutral in ((data_from, _LEAST), (data_until, FAR)):
        if window is not None:
            stated = (window != neutral) & (run >= 0)
            has_window[run[stated]] = True
    has_scope = np.zeros(len(people), bool)
    for codes in group_scope:
        if not is_absent(codes):
            has_scope[group_person[named & (codes >= 0)]] = True
    return Statements(
        ids=arrays.text(table, "statement_id"),
        classes=classes,
        class_of=class_of,
        effective=arrays.required_instants(table, "effective_at"),
        valid_from=arrays.instants(table, "valid_from", _LEAST),
        valid_until=arrays.instants(table, "valid_until", FAR),
        data_from=data_from,
        data_until=data_until,
        group_start=np.append(first.astype(np.int32), np.int32(table.num_rows)),
        group_person=group_person,
        group_scope=group_scope,
        people=people,
        scope_keys=scope_keys,
        own=own,
        everyone=_for_everyone(group_person, group_scope, numbers, scope_keys),
        component=component,
        linked=linked,
        has_scope=has_scope,
        has_window=has_window,
        birth=sides.birth,
        lifecycle=sides.lifecycle,
        lifecycle_states=sides.lifecycle_states,
        jurisdiction=sides.jurisdiction,
        jurisdictions=sides.jurisdictions,
    )


def _numbered_runs(table: pa.Table) -> tuple[np.ndarray, pa.Array] | None:
    """Return what `_people_runs` does if the subject keys come numbered like that."""
    column = table.column("subject_key")
    if not pa.types.is_dictionary(column.type) or column.num_chunks != 1:
        return None
    keys, codes = column.chunk(0).dictionary, column.chunk(0).indices
    stated = len(codes) - codes.null_count
    if not stated or codes.slice(0, stated).null_count:
        return None
    run = (codes.fill_null(-1) if codes.null_count else codes).to_numpy()
    if run[0] != 0 or run[stated - 1] != len(keys) - 1:
        return None
    for start in range(0, stated, _SLICE):
        steps = np.diff(run[start : min(start + _SLICE + 1, stated)])
        if steps.view(np.uint32).max(initial=0) > 1:  # one back is many forward
            return None
    return run, keys


def _people_runs(keys: pa.Array, size: int) -> tuple[np.ndarray, pa.Array]:
    """Number the runs of equal subject keys; null (last) is -1."""
    stated = size - keys.null_count
    if keys.slice(0, stated).null_count:
        raise RunRefused(
            "RUN_SNAPSHOT_INVALID",
            "statements without a subject stand among those with one; they were "
            "wanted last: build the snapshot again",
        )
    run = np.full(size, -1, np.int32)
    if not stated:
        return run, pa.array([], pa.string())
    named = keys.slice(0, stated)
    changed = np.ones(stated, bool)
    changed[1:] = pc.not_equal(named.slice(1), named.slice(0, stated - 1)).to_numpy(
        zero_copy_only=False
    )
    numbers = np.cumsum(changed, dtype=np.int32, out=run[:stated])
    numbers -= 1
    return run, named.filter(pa.array(changed))


def _everybody(keys: pa.Array, consent: Consent) -> KeyTable:
    """Number everyone in statements, links and the subjects file."""
    ascending = pc.greater(keys.slice(1), keys.slice(0, max(0, len(keys) - 1)))
    if not pc.all(ascending, min_count=0).as_py():
        raise RunRefused(
            "RUN_SNAPSHOT_INVALID",
            "the statements do not stand in the order of their subjects: build the "
            "snapshot again",
        )
    further = []
    if consent.subjects is not None:
        further.append(arrays.text(consent.subjects, "subject_key"))
    if consent.links is not None:
        further += [arrays.text(consent.links, name) for name in ("key_a", "key_b")]
    if further:
        further = [part.cast(pa.string()) for part in further]
        extra = pc.unique(pa.concat_arrays(further)).drop_null().cast(keys.type)
        extra = extra.filter(pc.invert(pc.is_in(extra, value_set=keys)))
        keys = pa.concat_arrays([keys, extra])
    return KeyTable(keys)


@dataclasses.dataclass(frozen=True, slots=True)
class _Sides:
    """What the subjects file says of each person; see `Statements`."""

    birth: np.ndarray
    lifecycle: np.ndarray
    lifecycle_states: tuple[str, ...]
    jurisdiction: np.ndarray
    jurisdictions: tuple[str, ...]


def _sides(people: KeyTable, subjects: pa.Table | None) -> _Sides:
    size = len(people)
    birth = same(FAR, size, np.int64)
    lifecycle = same(0, size, np.uint8)
    jurisdiction = same(-1, size, np.int32)
    states: tuple[str, ...] = ("active",)
    codes: tuple[str, ...] = ()
    if subjects is not None and subjects.num_rows:
        at = people.find(arrays.text(subjects, "subject_key"))
        days = subjects.column("birth_date").cast(pa.date32()).cast(pa.int32())
        stated = days.is_valid().to_numpy()
        birth = np.full(size, FAR, np.int64)
        birth[at[stated]] = days.drop_null().to_numpy()
        state_codes, state_values = arrays.codes(subjects, "lifecycle")
        states = tuple(value or "active" for value in state_values)
        lifecycle = np.full(size, len(states), np.uint8)
        states = (*states, "active")
        lifecycle[at] = state_codes
        found, values = arrays.codes(subjects, "jurisdiction")
        codes = tuple(value or "" for value in values)
        known = np.array([bool(value) for value in values], bool)
        jurisdiction = np.full(size, -1, np.int32)
        jurisdiction[at] = np.where(known[found], found, -1)
    return _Sides(birth, lifecycle, states, jurisdiction, codes)


def _scope_codes(
    table: pa.Table,
) -> tuple[tuple[np.ndarray, ...], tuple[KeyTable, ...]]:
    codes: list[np.ndarray] = []
    tables: list[KeyTable] = []
    for name in SCOPES:
        column = table.column(name)
        if column.null_count == len(column):
            codes.append(same(-1, len(column), np.int32))
            tables.append(KeyTable(pa.array([], pa.string())))
            continue
        found, values = arrays.codes(table, name)
        position = np.full(len(values), -1, np.int32)
        stated = [at for at, value in enumerate(values) if value is not None]
        position[stated] = np.arange(len(stated), dtype=np.int32)
        codes.append(position[found])
        tables.append(KeyTable(pa.array([values[at] for at in stated], pa.string())))
    return tuple(codes), tuple(tables)


def _groups(
    run: np.ndarray, source: np.ndarray, scopes: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return where each group of source, person and scopes starts, and its scopes."""
    changed = np.ones(len(run), bool)
    changed[1:] = run[1:] != run[:-1]
    for codes in (source, *scopes):
        if not is_same(codes):
            changed[1:] |= codes[1:] != codes[:-1]
    first = np.flatnonzero(changed)
    group_scope = tuple(ragged.taken(codes, first) for codes in scopes)
    _refuse_scattered(run[first], source[first], group_scope)
    return first, group_scope


def _own_groups(owner: np.ndarray, people: int) -> Ranges:
    """Return the groups of each person.

    Args:
        owner: person per group: ascending, each one who is stated at least once.
        people: how many there are; those nothing is stated of come last.
    """
    bounds = np.full(people + 1, len(owner), np.int32)
    starts = ragged.run_starts(owner)
    bounds[: len(starts)] = starts
    groups = np.arange(len(owner), dtype=np.int32)
    return Ranges(bounds[:-1], np.diff(bounds), groups)


def _refuse_scattered(
    person: np.ndarray, source: np.ndarray, scopes: tuple[np.ndarray, ...]
) -> None:
    """Refuse a snapshot in which one group stands in two places.

    People stand together (checked as well), so of people with fewer than three
    groups none can be in two places.
    """
    many = person < 0
    third = person[2:] == person[:-2]
    for part in (many[2:], many[1:-1], many[:-2]):
        part |= third
    if not many.any():
        return
    rows = np.stack([codes[many] for codes in (person, source, *scopes)], axis=1)
    if len(np.unique(rows, axis=0)) != len(rows):
        raise RunRefused(
            "RUN_SNAPSHOT_INVALID",
            "the statements of one group (source, subject, scopes) do not stand "
            "together: build the snapshot again",
        )


def _scope_kind(run: np.ndarray, scopes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return an index into `SCOPE_KINDS` per statement: whom it is about."""
    if not len(run) or run[-1] >= 0:  # those about everybody stand last
        return same(0, len(run), np.int8)
    _, context, asset = scopes
    kind = np.where(context >= 0, np.int8(2), np.int8(3))
    kind[asset >= 0] = 1
    kind[run >= 0] = 0
    return kind


def _for_everyone(
    person: np.ndarray,
    scopes: tuple[np.ndarray, ...],
    numbers: np.ndarray,
    keys: tuple[KeyTable, ...],
) -> tuple[Ranges, ...]:
    """Find groups without a person by their narrowest scope value."""
    account, context, asset = scopes
    nobody = person < 0
    by_asset = nobody & (asset >= 0)
    by_context = nobody & (context >= 0) & ~by_asset
    by_account = nobody & ~by_asset & ~by_context & (account >= 0)
    chosen = ((by_account, account), (by_context, context), (by_asset, asset))
    return tuple(
        Ranges.of(codes[part], numbers[part], len(table))
        for (part, codes), table in zip(chosen, keys, strict=True)
    )


def _components(people: KeyTable, consent: Consent) -> np.ndarray:
    """Label the connected components of the identity links, -1 for the unlinked."""
    if consent.links is None or not consent.links.num_rows:
        return same(-1, len(people), np.int32)
    a = people.find(arrays.text(consent.links, "key_a"))
    b = people.find(arrays.text(consent.links, "key_b"))
    both = (a >= 0) & (b >= 0)
    a, b = a[both], b[both]
    label = np.arange(len(people), dtype=np.int64)
    while True:
        least = np.minimum(label[a], label[b])
        new = label.copy()
        np.minimum.at(new, label[a], least)
        np.minimum.at(new, label[b], least)
        np.minimum.at(new, a, least)
        np.minimum.at(new, b, least)
        new = new[new]
        if (new == label).all():
            break
        label = new
    members = np.unique(np.concatenate([a, b]))
    component = np.full(len(people), -1, np.int32)
    component[members] = np.unique(label[members], return_inverse=True)[1]
    return component


def _linked_groups(
    component: np.ndarray, person: np.ndarray, numbers: np.ndarray
) -> Ranges:
    if is_absent(component) or not len(component):
        return Ranges.of(np.zeros(0, np.int64), np.zeros(0, np.int32), 0)
    named = np.flatnonzero(person >= 0)
    of = component[person[named]]
    inside = of >= 0
    return Ranges.of(of[inside], numbers[named[inside]], int(component.max()) + 1)

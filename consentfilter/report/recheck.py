"""Re-check a release under newer consent: which admitted rows may no longer be used.

Not a second filter run. Consent that was recorded since the release, or that ended
since, names the people for whom the answer may be another one; the evidence says in
which rows they are; only these rows are decided again, from what the release holds
of them. Where the change cannot be pinned on people (another policy, a statement
for a whole account) every admitted row is decided again, and the result says so.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from consentfilter import ids
from consentfilter.dataset import Dataset
from consentfilter.decide.index import ConsentIndex, compile_index
from consentfilter.engine.prepare import Deciders
from consentfilter.lineage.opened import OpenedRelease
from consentfilter.lineage.ordered import ordered_map
from consentfilter.report import changed, standing
from consentfilter.report.deciders import newer_deciders
from consentfilter.report.standing import REMOVAL_SCHEMA, StandingRows

AnyPath = str | os.PathLike[str]

#: Rows that are held at a time while only some people's consent is compiled.
_HELD_ROWS: Final = 1 << 19
#: Parts that are read at a time where few rows of them are wanted.
_READERS: Final = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Recheck:
    """What a re-check found.

    Attributes:
        removals: `standing.REMOVAL_SCHEMA`, by data path and row.
        by_reason: rows to remove, by the reason why now; most frequent first.
        as_of: the instant up to which consent was known.
        rows_admitted: rows of the release.
        rows_checked: how many of them were decided again.
        people_changed: how many people may have another answer; None: everybody.
        why_all: why everybody, or None.
    """

    removals: pa.Table
    by_reason: dict[str, int]
    as_of: dt.datetime
    rows_admitted: int
    rows_checked: int
    people_changed: int | None
    why_all: str | None


def recheck(
    release: OpenedRelease,
    consent: Sequence[AnyPath],
    *,
    policy: AnyPath | None = None,
    dataset: AnyPath | None = None,
    subjects: AnyPath | None = None,
    links: AnyPath | None = None,
    id_key: AnyPath | None = None,
    as_of: dt.datetime | None = None,
) -> Recheck:
    """Decide again what newer consent may have changed.

    Args:
        release: with `private/` at hand.
        consent: all consent, old and new: event files, or a newer snapshot.
        policy: another policy; None: the release's own.
        dataset: how the consent files are laid out, if not as the release's binding
            says; the records are bound as they were.
        subjects: subjects file; None: people are judged without one.
        links: identity links, likewise.
        id_key: file of the key of subject ids, if they are keyed.
        as_of: knowledge cut for event files; None: the newest act on record.

    Raises:
        InputError: `private/` is not at hand, or the consent lacks what the release
            rested on.
        PolicyError: the policy is not valid.
        EvidenceError: the release's private files are not what was signed.
        RunRefused: consent and policy do not fit together.
    """
    key = None if id_key is None else ids.read_key(Path(id_key))
    deciders = newer_deciders(
        release,
        consent,
        policy=policy,
        dataset=dataset,
        subjects=subjects,
        links=links,
        id_key=key,
        as_of=as_of,
    )
    found = changed.changed_people(release, deciders)
    if found.keys is None:
        return _decided_again(release, deciders, found, key)
    # Nearly always the past is what it was, so what that is worth is done beside it.
    with ThreadPoolExecutor(1) as pool:
        is_past_as_known = pool.submit(changed.is_past_as_known, release, deciders)
        result = _decided_again(release, deciders, found, key)
        if is_past_as_known.result():
            return result
    everybody = changed.Changed(None, changed.OTHER_PAST)
    return _decided_again(release, deciders, everybody, key)


def _decided_again(
    release: OpenedRelease,
    deciders: Deciders,
    found: changed.Changed,
    id_key: bytes | None,
) -> Recheck:
    """Decide the rows of some people again, or of everybody."""
    places = None if found.keys is None else standing.places_of(release, found.keys)
    checked, tables = 0, [REMOVAL_SCHEMA.empty_table()]
    every = _standing(release, places, deciders.dataset, id_key)
    for rows, index in _with_index(every, deciders, is_partial=places is not None):
        checked += rows.bound.num_rows
        tables.append(standing.removals(rows, index, deciders.dataset))
    listed = pa.concat_tables(tables)
    counted = listed["reason_now"].value_counts().to_pylist()
    most_first = sorted(counted, key=lambda each: (-each["counts"], each["values"]))
    return Recheck(
        removals=listed,
        by_reason={each["values"]: each["counts"] for each in most_first},
        as_of=deciders.as_of,
        rows_admitted=int(release.predicate["commitments"]["records"]["entries"]),
        rows_checked=checked,
        people_changed=None if found.keys is None else len(found.keys),
        why_all=found.why_all,
    )


def _standing(
    release: OpenedRelease,
    places: pa.Table | None,
    dataset: Dataset,
    id_key: bytes | None,
) -> Iterator[StandingRows]:
    """Yield what is to be decided again, part after part.

    Where few rows are wanted, some parts are read ahead; else there is one row group
    at a time.
    """

    def rows_of(part: str) -> Iterator[StandingRows]:
        return standing.standing_rows(release, part, places, dataset, id_key=id_key)

    parts = release.ledger_parts()
    if places is None or len(places) > _HELD_ROWS:
        yield from itertools.chain.from_iterable(map(rows_of, parts))
        return
    with ThreadPoolExecutor(_READERS) as pool:
        for few in ordered_map(
            pool, lambda part: list(rows_of(part)), parts, ahead=_READERS
        ):
            yield from few


def _with_index(
    every: Iterator[StandingRows], deciders: Deciders, *, is_partial: bool
) -> Iterator[tuple[StandingRows, ConsentIndex]]:
    """Yield rows with an index that knows the people in them.

    For few rows only what concerns their people is compiled: that is what makes a
    re-check cheap.
    """
    if not is_partial:
        index = _compiled(deciders, None)
        for rows in every:
            yield rows, index
        return
    held: list[StandingRows] = []
    for rows in every:
        held.append(rows)
        if sum(each.bound.num_rows for each in held) >= _HELD_ROWS:
            yield from _held(held, deciders)
            held = []
    yield from _held(held, deciders)


def _held(
    held: list[StandingRows], deciders: Deciders
) -> Iterator[tuple[StandingRows, ConsentIndex]]:
    if held:
        keys = [
            pl.Series(keys, dtype=pl.String)
            for rows in held
            for keys in (rows.bound.people.key, rows.bound.mentions.key)
        ]
        index = _compiled(deciders, pl.concat(keys).drop_nulls())
        for rows in held:
            yield rows, index


def _compiled(deciders: Deciders, keys: pl.Series | None) -> ConsentIndex:
    consent = deciders.consent
    if keys is not None:
        consent = changed.only_about(consent, keys)
    return compile_index(deciders.policy, consent, deciders.taxonomy)

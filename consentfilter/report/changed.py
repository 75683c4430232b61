"""Whose answer may have changed since a release was made."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.consent.known import snapshot_id_at
from consentfilter.consent.load import Consent
from consentfilter.engine.prepare import Deciders
from consentfilter.lineage.opened import OpenedRelease

#: A month has at most so many days, and at least so many.
_LONGEST_MONTH: Final = dt.timedelta(days=31)
_SHORTEST_MONTH: Final = dt.timedelta(days=28)
_INSTANT: Final = dt.timedelta(microseconds=1)
#: Why everybody is looked at, where the past is another one (`is_past_as_known`).
OTHER_PAST: Final = "consent from before the release came in late, or was taken back"


@dataclasses.dataclass(frozen=True, slots=True)
class Changed:
    """Whom to look at again.

    Attributes:
        keys: subject keys, distinct; None: everybody.
        why_all: the sentence that says why everybody; None otherwise.
    """

    keys: pl.Series | None
    why_all: str | None = None


def changed_people(release: OpenedRelease, deciders: Deciders) -> Changed:
    """Return the people for whom newer consent may give another answer.

    Somebody is among them if a statement about them was recorded since the release's
    `as_of`, or a permission of theirs ended since, or one of these is true of an
    identity that is linked to them. Too many is slow, too few would be wrong: where
    the change cannot be pinned on people, everybody is meant.

    This holds only if what was known at `as_of` is what it was: see
    `is_past_as_known`, which takes longer and does not need this answer.
    """
    why = _why_all(release, deciders)
    if why is not None:
        return Changed(None, why)
    before = dt.datetime.fromisoformat(release.predicate["consent"]["asOf"])
    touched = _touched(deciders, before, deciders.as_of)
    if touched.null_count:
        return Changed(
            None, "a statement for a whole account, meeting or asset changed"
        )
    keys = pl.Series(touched.unique(), dtype=pl.String)
    return Changed(linked(keys, deciders.consent))


def is_past_as_known(release: OpenedRelease, deciders: Deciders) -> bool:
    """Tell whether consent known at the release's `as_of` is the same one today.

    It is not if an act came in late, or was taken back. Then people may have another
    answer about whom nothing new was recorded.
    """
    said, snapshot = release.predicate["consent"], deciders.consent.snapshot
    if snapshot.meta.snapshot_id == said["snapshotId"]:
        return True
    before = dt.datetime.fromisoformat(said["asOf"])
    return snapshot_id_at(snapshot.statements, before) == str(said["snapshotId"])


def linked(keys: pl.Series, consent: Consent) -> pl.Series:
    """Return keys with every identity that is linked to one of them, however far."""
    if consent.links is None or not consent.links.num_rows:
        return keys
    pairs = pl.DataFrame(consent.links).select("key_a", "key_b")
    both = pl.concat(
        [pairs, pairs.select(key_a="key_b", key_b="key_a")], how="vertical"
    ).unique()
    reached = keys
    while True:
        beside = both.filter(pl.col("key_a").is_in(reached.implode()))["key_b"]
        grown = pl.concat([reached, beside.cast(reached.dtype)]).unique()
        if len(grown) == len(reached):
            return grown
        reached = grown


def only_about(consent: Consent, keys: pl.Series) -> Consent:
    """Return consent without the statements of people nobody asks about.

    Statements for everyone in a scope stay, and those of linked identities.
    """
    wanted = linked(keys.unique(), consent).to_arrow().cast(pa.string())
    subject_key = consent.snapshot.statements["subject_key"]
    is_wanted = pc.is_in(subject_key, value_set=wanted)
    kept = consent.snapshot.statements.filter(pc.or_(subject_key.is_null(), is_wanted))
    snapshot = dataclasses.replace(consent.snapshot, statements=kept)
    return dataclasses.replace(consent, snapshot=snapshot)


def _why_all(release: OpenedRelease, deciders: Deciders) -> str | None:
    said = release.predicate
    if deciders.policy.sha256 != said["policy"]["sha256"]:
        return "the policy is another one than the release's"
    if deciders.taxonomy.version != said["taxonomy"]["version"]:
        return "the taxonomy is another one than the release's"
    if deciders.consent.subjects_sha256 != said["consent"]["subjectsSha256"]:
        return "the subjects file is another one than the release's"
    if deciders.consent.links_sha256 != said["consent"]["linksSha256"]:
        return "the identity links are others than the release's"
    for member in deciders.policy.members:
        if member.minors is not None and member.minors.on_majority != "keep":
            return "permissions of guardians lapse with time under this policy"
    return None


def _touched(
    deciders: Deciders, before: dt.datetime, after: dt.datetime
) -> pa.ChunkedArray:
    """Return the subjects (null: everybody) of the statements that may matter anew."""
    statements = deciders.consent.snapshot.statements
    recorded_at = statements["recorded_at"]
    is_touched = pc.greater(recorded_at, pa.scalar(before, recorded_at.type))
    ended = [("valid_until", before + _INSTANT, after)]
    ages = [member.temporal.max_age_months for member in deciders.policy.members]
    for months in {age for age in ages if age is not None}:
        # generous on both sides: a month has 28 to 31 days
        first = before - months * _LONGEST_MONTH
        ended.append(("effective_at", first, after - months * _SHORTEST_MONTH))
    for name, first, last in ended:
        column = statements[name]
        if column.null_count < len(column):
            is_in = pc.and_(
                pc.greater_equal(column, pa.scalar(first, column.type)),
                pc.less_equal(column, pa.scalar(last, column.type)),
            )
            is_touched = pc.or_(is_touched, is_in.fill_null(False))
    return statements["subject_key"].filter(is_touched)

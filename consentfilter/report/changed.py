"""Whose answer may have changed since a release was made."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

import polars as pl
import pyarrow as pa

from consentfilter.consent.known import snapshot_id_at
from consentfilter.consent.load import Consent
from consentfilter.engine.prepare import Deciders
from consentfilter.lineage.opened import OpenedRelease

#: A month has at most so many days, and at least so many.
_LONGEST_MONTH: Final = dt.timedelta(days=31)
_SHORTEST_MONTH: Final = dt.timedelta(days=28)


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
    the change cannot be pinned on people, everybody is meant. So it is if the consent
    known at `as_of` is another one today: an act came in late, or was taken back.
    """
    why = _why_all(release, deciders)
    if why is not None:
        return Changed(None, why)
    before = dt.datetime.fromisoformat(release.predicate["consent"]["asOf"])
    after = deciders.as_of
    snapshot, known = deciders.consent.snapshot, release.predicate["consent"]
    if (
        snapshot.meta.snapshot_id != known["snapshotId"]
        and snapshot_id_at(snapshot.statements, before) != known["snapshotId"]
    ):
        return Changed(
            None, "consent from before the release came in late, or was taken back"
        )
    touched = _touched(deciders, before, after)
    if touched["subject_key"].null_count():
        return Changed(
            None, "a statement for a whole account, meeting or asset changed"
        )
    return Changed(linked(touched["subject_key"].unique(), deciders.consent))


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
    statements = pl.DataFrame(consent.snapshot.statements.select(["subject_key"]))
    wanted = linked(keys.unique(), consent)
    keep = statements.select(
        pl.col("subject_key").is_null() | pl.col("subject_key").is_in(wanted.implode())
    ).to_series()
    kept = consent.snapshot.statements.filter(pa.array(keep.to_numpy()))
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
) -> pl.DataFrame:
    """Return subject and scope of the statements that may matter anew."""
    names = ["subject_key", "recorded_at", "effective_at", "valid_until"]
    statements = pl.DataFrame(deciders.consent.snapshot.statements.select(names))
    is_new = pl.col("recorded_at") > before
    has_ended = (pl.col("valid_until") > before) & (pl.col("valid_until") <= after)
    touched = is_new | has_ended.fill_null(False)
    ages = [member.temporal.max_age_months for member in deciders.policy.members]
    for months in {age for age in ages if age is not None}:
        # generous on both sides: a month has 28 to 31 days
        first = before - months * _LONGEST_MONTH
        last = after - months * _SHORTEST_MONTH
        touched |= (pl.col("effective_at") >= first) & (pl.col("effective_at") <= last)
    return statements.filter(touched).select("subject_key")

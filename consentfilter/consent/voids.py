"""Corrections: an event that was voided is treated as never recorded.

A void may itself be voided, and so on; whether it stands follows from the ones that
nobody voids. Where that cannot be told (voids in a circle, or one id with several
contents) the void is in doubt: it still takes grants away, but never a denial.
"""

from __future__ import annotations

import polars as pl

from consentfilter.consent import vocabulary as v
from consentfilter.consent.doubts import BIT, bits

_UNSURE = bits("event_id_conflict")


def apply_voids(events: pl.DataFrame) -> pl.DataFrame:
    """Remove what was voided; note voids of events that are not known.

    Args:
        events: distinct events with `event_id`, `status`, `voids_event_id`, `doubts`.

    Returns:
        The events that stand, void events included.
    """
    is_void = pl.col("status") == v.VOIDED
    voids = events.filter(is_void & pl.col("voids_event_id").is_not_null()).select(
        "event_id", "voids_event_id", "doubts"
    )
    if voids.is_empty():
        return events
    sure, unsure = _standing(voids)
    ids = pl.col("event_id")
    permits = pl.col("status").is_in(list(v.PERMITTING))
    gone = ids.is_in(sure.implode()) | (permits & ids.is_in(unsure.implode()))
    targets = voids["voids_event_id"].unique()
    known = events["event_id"].filter(events["event_id"].is_in(targets.implode()))
    astray = is_void & ~pl.col("voids_event_id").is_in(known.unique().implode())
    return events.filter(~gone).with_columns(
        doubts=pl.when(astray.fill_null(False))
        .then(pl.col("doubts") | pl.lit(BIT["void_of_unknown_event"], pl.UInt32))
        .otherwise("doubts")
    )


def _standing(voids: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return the targets of voids that stand for sure, and of those in doubt."""
    in_doubt = (voids["doubts"] & _UNSURE) != 0
    open_ = voids.with_columns(is_unsure=in_doubt)
    sure: list[pl.Series] = []
    unsure: list[pl.Series] = []
    while not open_.is_empty():
        aimed_at = open_["voids_event_id"].unique().implode()
        settled = open_.filter(~pl.col("event_id").is_in(aimed_at))
        if settled.is_empty():
            unsure.append(open_["voids_event_id"])
            break
        now_sure = settled.filter(~pl.col("is_unsure"))["voids_event_id"]
        now_unsure = settled.filter("is_unsure")["voids_event_id"]
        sure.append(now_sure)
        unsure.append(now_unsure)
        ids = pl.col("event_id")
        rest = open_.filter(ids.is_in(aimed_at) & ~ids.is_in(now_sure.implode()))
        open_ = rest.with_columns(
            is_unsure=pl.col("is_unsure") | ids.is_in(now_unsure.implode())
        )
    nothing = pl.Series(values=[], dtype=pl.String)
    return pl.concat([nothing, *sure]).unique(), pl.concat([nothing, *unsure]).unique()

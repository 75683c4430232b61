"""What a snapshot would have been at an earlier instant."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl
import pyarrow as pa

from consentfilter.consent.canonical import snapshot_id
from consentfilter.consent.schema import INSTANT

_GROUP: Final = ("subject_key", "source_id", "account_id", "context_id", "asset_id")


def snapshot_id_at(statements: pa.Table, instant: dt.datetime) -> str:
    """Return the id that a snapshot had at an instant, if nothing came in late since.

    It is another one if since then an act came in that says it was recorded before,
    or one was taken back: then it does not do to look at newly recorded acts only.

    Args:
        statements: of a later snapshot, in the snapshot's schema and order.
        instant: the earlier instant.
    """
    recorded = pl.Series(pl.from_arrow(statements["recorded_at"]))
    was_there = recorded <= instant
    if was_there.all():
        return snapshot_id(statements)
    known = statements.filter(pa.array(was_there.to_numpy()))
    names = [*_GROUP, "purpose", "category", "effective_at"]
    frame = pl.DataFrame(pl.from_arrow(known.select(names)))
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    is_first = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(1)) for name in _GROUP
    ) | (row == 0)
    frame = frame.select(
        "purpose",
        "category",
        "effective_at",
        group=is_first.cast(pl.UInt32).cum_sum(),
        nth=(row - pl.when(is_first).then(row).forward_fill()).cast(pl.Int32),
    )
    same = ["group", "purpose", "category"]
    next_at = frame.select(pl.col("effective_at").shift(-1).over(same)).to_series()
    found = {
        "order_in_group": frame["nth"].to_arrow(),
        "superseded_at": next_at.to_arrow().cast(INSTANT),
    }
    for name, values in found.items():
        at = known.schema.get_field_index(name)
        known = known.set_column(at, known.schema.field(at), pa.chunked_array([values]))
    return snapshot_id(known)

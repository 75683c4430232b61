"""What a snapshot would have been at an earlier instant."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl
import pyarrow as pa

from consentfilter.consent.canonical import snapshot_id

_GROUP: Final = ("subject_key", "source_id", "account_id", "context_id", "asset_id")


def snapshot_id_at(statements: pa.Table, instant: dt.datetime) -> str:
    """Return the id that a snapshot had at an instant, if nothing came in late since.

    It is another one if since then an act came in that says it was recorded before,
    or one was taken back: then it does not do to look at newly recorded acts only.

    Args:
        statements: of a later snapshot, in the snapshot's schema and order.
        instant: the earlier instant.
    """
    was_there = pl.Series(pl.from_arrow(statements["recorded_at"])) <= instant
    if was_there.all():
        return snapshot_id(statements)
    nth, superseded_at = _places(statements, was_there)
    known = statements.filter(pa.array(was_there.to_numpy()))
    for name, values in (("order_in_group", nth), ("superseded_at", superseded_at)):
        at = known.schema.get_field_index(name)
        column = pa.chunked_array([values.to_arrow().cast(known.schema.field(at).type)])
        known = known.set_column(at, known.schema.field(at), column)
    return snapshot_id(known)


def _places(statements: pa.Table, was_there: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return `order_in_group` and `superseded_at` as they were.

    Groups that got nothing new are as they were; only the others are looked at.
    """
    group = _groups(statements)
    changed = group.filter(~was_there).unique()
    old = pl.DataFrame(
        {
            "nth": pl.from_arrow(statements["order_in_group"]),
            "superseded_at": pl.from_arrow(statements["superseded_at"]),
            "was_there": was_there,
            "row": pl.int_range(len(group), eager=True, dtype=pl.UInt32),
        }
    )
    at_rows = group.is_in(changed.implode()) & was_there
    names = ["purpose", "category", "effective_at"]
    few = statements.select(names).filter(pa.array(at_rows.to_numpy()))
    frame = pl.DataFrame(pl.from_arrow(few)).with_columns(
        group=group.filter(at_rows), row=old["row"].filter(at_rows)
    )
    same = ["group", "purpose", "category"]
    frame = frame.select(
        "row",
        nth=pl.int_range(pl.len(), dtype=pl.Int32).over("group"),
        superseded_at=pl.col("effective_at").shift(-1).over(same),
    )
    nth = old["nth"].scatter(frame["row"], frame["nth"])
    superseded_at = old["superseded_at"].scatter(frame["row"], frame["superseded_at"])
    return nth.filter(was_there), superseded_at.filter(was_there)


def _groups(statements: pa.Table) -> pl.Series:
    """Number the groups, in the order in which they stand."""
    varying = [
        name for name in _GROUP if statements[name].null_count < statements.num_rows
    ]
    frame = pl.DataFrame(pl.from_arrow(statements.select(varying)))
    is_first = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(1)) for name in varying
    )
    return frame.select(is_first.cast(pl.UInt32).cum_sum()).to_series()

"""What a snapshot would have been at an earlier instant."""

from __future__ import annotations

import datetime as dt
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.consent.canonical import FEW_VALUES, RowsDigest
from consentfilter.consent.checks import SORTED_BY, is_constant

#: Rows that are copied at a time, so that there is never a second snapshot in memory.
_PIECE_ROWS: Final = 1 << 18

_Mask: TypeAlias = npt.NDArray[np.bool_]


def snapshot_id_at(statements: pa.Table, instant: dt.datetime) -> str:
    """Return the id that a snapshot had at an instant, if nothing came in late since.

    It is another one if since then an act came in that says it was recorded before,
    or one was taken back: then it does not do to look at newly recorded acts only.

    Args:
        statements: of a later snapshot, in the snapshot's schema and order.
        instant: the earlier instant.
    """
    recorded_at = statements["recorded_at"]
    was_there = pc.less_equal(recorded_at, pa.scalar(instant, recorded_at.type))
    was_there = was_there.to_numpy()
    count = int(np.count_nonzero(was_there))
    if count < len(was_there):
        statements = _as_placed(statements, was_there)
    digest = RowsDigest("snapshot", count, FEW_VALUES)
    for start in range(0, len(was_there), _PIECE_ROWS):
        piece = statements.slice(start, _PIECE_ROWS)
        digest.update(_filtered(piece, was_there[start : start + _PIECE_ROWS]))
    return digest.hexdigest()


def _as_placed(statements: pa.Table, was_there: _Mask) -> pa.Table:
    """Return statements with `order_in_group` and `superseded_at` as they were.

    Groups that got nothing new are as they were; only the others are looked at.
    """
    group = _groups(statements)
    has_new = np.zeros(1 + int(group[-1]), np.bool_)
    has_new[group[~was_there]] = True
    moved = has_new[group] & was_there
    at_rows = pa.array(moved)
    few = statements.select(["purpose", "category", "effective_at"]).filter(at_rows)
    frame = pl.DataFrame(pl.from_arrow(few)).with_columns(group=group[moved])
    frame = frame.select(
        order_in_group=pl.int_range(pl.len(), dtype=pl.Int32).over("group"),
        superseded_at=pl.col("effective_at")
        .shift(-1)
        .over(["group", "purpose", "category"]),
    )
    for name in frame.columns:
        at = statements.schema.get_field_index(name)
        field = statements.schema.field(at)
        values = frame[name].to_arrow().cast(field.type)
        column = pc.replace_with_mask(statements.column(at), at_rows, values)
        statements = statements.set_column(at, field, column)
    return statements


def _groups(statements: pa.Table) -> npt.NDArray[np.int32]:
    """Number the groups, in the order in which they stand."""
    rows = statements.num_rows
    is_first = np.zeros(rows, np.bool_)
    for name in SORTED_BY:
        column = statements[name]
        if is_constant(column):
            continue
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        after, before = column.slice(1), column.slice(0, rows - 1)
        differs = pc.not_equal(after, before)
        if column.null_count:  # two nulls are alike, a null and a value are not
            one_is_null = pc.xor(after.is_null(), before.is_null())
            differs = pc.or_(pc.fill_null(differs, False), one_is_null)
        is_first[1:] |= differs.to_numpy()
    return np.cumsum(is_first, dtype=np.int32)


def _filtered(piece: pa.Table, keep: _Mask) -> pa.Table:
    """Return some rows; columns in which all rows are alike are only cut."""
    count = int(np.count_nonzero(keep))
    if count == len(keep):
        return piece
    wanted = pa.array(keep)
    columns = [
        column.slice(0, count) if is_constant(column) else column.filter(wanted)
        for column in piece.columns
    ]
    return pa.table(columns, schema=piece.schema)

"""Redaction: the admitted rows of a batch, without the parts that have to go.

The output has the schema of the input: types, nullability and metadata. Rows and
columns from which nothing goes are Arrow's own values, filtered; nothing of a
dropped row or a removed part stays in any buffer (`decide.carry`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from consentfilter.dataset import Dataset
from consentfilter.decide.carry import keep_values
from consentfilter.decide.cuts import Cuts
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.plan import Plan
from consentfilter.decide.redact_fields import FieldChange, redact_field
from consentfilter.decide.redact_mentions import redact_mentions
from consentfilter.decide.redact_segments import redact_segments
from consentfilter.decide.redacted import redacted_lists
from consentfilter.layout.resolve import lay_out
from consentfilter.records import Bound

__all__ = ["redact", "redacted_lists"]


def redact(
    table: pa.Table,
    bound: Bound,
    decisions: Decisions,
    dataset: Dataset,
    *,
    release_key: bytes,
) -> pa.Table:
    """Return the admitted rows, redacted, in their order.

    Args:
        table: the whole batch, all columns.
        bound: what `bind` made of it (or of the columns that a decision needs).
        decisions: what was decided of it.
        dataset: how it is laid out, and what becomes of redacted parts.
        release_key: keys the pseudonyms.

    Returns:
        A table of the same schema: no row is there that was dropped, and nothing of
        a part that goes.

    Raises:
        ValueError: the three do not belong together, or a value of a column that
            cannot be null is to go: the decision must drop such a record.
    """
    if not table.num_rows == bound.num_rows == len(decisions):
        raise ValueError(
            f"{table.num_rows} rows, {bound.num_rows} bound, {len(decisions)} decided"
        )
    plan = Plan.of(bound, decisions)
    layout = lay_out(table.schema, dataset)
    payload = {column.name: at for at, column in enumerate(bound.columns)}
    cuts = Cuts.of(bound, plan, release_key)
    nowhere = np.zeros(bound.num_rows, bool)
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        name, at = field.name, payload.get(field.name, -1)
        if layout.segments and name == layout.segments.column and plan.segments.any():
            column = redact_segments(
                column,
                bound.segments.row,
                plan.segments,
                plan.is_admitted,
                layout.segments,
                dataset,
            )
        elif name == layout.mentions and cuts.touches_mentions:
            column = redact_mentions(column, bound.mentions, cuts, plan.is_admitted)
        elif at in plan.columns or at in cuts.spans:
            change = FieldChange(
                is_admitted=plan.is_admitted,
                goes=plan.columns.get(at, nowhere),
                spans=cuts.spans.get(at),
                tokens=cuts.tokens.get(at),
            )
            column = redact_field(column, field, change, dataset, release_key)
        else:
            column = keep_values(column, plan.is_admitted)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=table.schema)

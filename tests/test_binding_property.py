"""Binding random tables gives what the slow reference gives, record by record."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import event, given, settings

from consentfilter.binding import bind, check_schema, needed_columns
from consentfilter.dataset import Dataset
from consentfilter.records import ROLES, Bound
from tests.layout import slow
from tests.layout.tables import tables

Example = tuple[pa.Table, list[dict[str, Any]], Dataset]


def as_lists(bound: Bound) -> dict[str, Any]:
    """Write what was bound as the slow reference does."""
    names = [column.name for column in bound.columns]
    texts = ("record_id", "category", "account_id", "context_id", "asset_id")
    texts += ("jurisdiction", "source")
    records: list[dict[str, Any]] = [{} for _ in range(bound.num_rows)]
    for name in texts:
        array = getattr(bound, name)
        assert array.type == pa.string(), name
        array.validate(full=True)
        for record, value in zip(records, array.to_pylist(), strict=True):
            record[name] = value
    for at, record in enumerate(records):
        is_valid = bound.is_collected_valid[at]
        record["collected_at"] = int(bound.collected_at[at]) if is_valid else None
        size = int(bound.group_size[at])
        record["group_size"] = size if bound.is_aggregate[at] else None
    people, parts = bound.people, bound.segments
    mentions, overrides = bound.mentions, bound.overrides
    for entries in (people, parts, mentions, overrides):
        assert entries.row.dtype == np.int32
        assert (np.diff(entries.row) >= 0).all(), "rows ascend"
    assert people.role.dtype == np.uint8
    assert mentions.column.dtype == overrides.column.dtype == np.int16
    return {
        "records": records,
        "derived": list(
            zip(
                bound.derived_row.tolist(),
                bound.derived_category.to_pylist(),
                strict=True,
            )
        ),
        "people": list(
            zip(
                people.row.tolist(),
                people.segment.tolist(),
                people.key.to_pylist(),
                [ROLES[role] for role in people.role.tolist()],
                people.relation.to_pylist(),
                strict=True,
            )
        ),
        "segments": list(
            zip(
                parts.row.tolist(),
                parts.ordinal.tolist(),
                parts.segment_id.to_pylist(),
                parts.category.to_pylist(),
                strict=True,
            )
        ),
        "mentions": list(
            zip(
                mentions.row.tolist(),
                mentions.key.to_pylist(),
                mentions.id.to_pylist(),
                [names[at] if at >= 0 else None for at in mentions.column.tolist()],
                mentions.start.tolist(),
                mentions.end.tolist(),
                mentions.is_span_valid.tolist(),
                strict=True,
            )
        ),
        "overrides": list(
            zip(
                overrides.row.tolist(),
                [names[at] if at >= 0 else None for at in overrides.column.tolist()],
                overrides.category.to_pylist(),
                overrides.is_required.tolist(),
                strict=True,
            )
        ),
    }


def in_any_order(entries: list[Any]) -> list[Any]:
    return sorted(entries, key=repr)


@settings(max_examples=400)
@given(tables())
def test_binding_is_what_the_slow_reference_says(example: Example) -> None:
    table, rows, dataset = example
    check_schema(table.schema, dataset)
    inside: set[str] = set()
    if "segments" in table.column_names:
        struct = table.schema.field("segments").type.value_type
        inside = {field.name for field in struct}
    wanted = slow.bound(rows, dataset, set(table.column_names), inside)
    found = as_lists(bind(table, dataset))
    for name in wanted:
        if name in ("people", "mentions"):  # in any order within a record
            assert in_any_order(found[name]) == in_any_order(wanted[name]), name
        else:
            assert found[name] == wanted[name], name
        event(f"some {name}", bool(wanted[name]))


@settings(max_examples=100)
@given(tables())
def test_needed_columns_are_enough_to_bind(example: Example) -> None:
    table, _, dataset = example
    needed = needed_columns(table.schema, dataset)
    assert needed == [name for name in table.column_names if name in needed]
    whole, part = bind(table, dataset), bind(table.select(needed), dataset)
    found, wanted = as_lists(part), as_lists(whole)
    if not whole.has_parts:
        assert not whole.is_present
        # What no column is needed for cannot be named either.
        found["mentions"] = wanted["mentions"]
    assert found == wanted


@settings(max_examples=100)
@given(tables())
def test_presence_is_that_of_each_value(example: Example) -> None:
    table, rows, dataset = example
    bound = bind(table, dataset)
    for column, present in zip(bound.columns, bound.is_present, strict=False):
        assert present.dtype == bool
        assert present.tolist() == [row[column.name] is not None for row in rows]
    if bound.has_parts:
        assert len(bound.is_present) == len(bound.columns)


@settings(max_examples=60)
@given(tables())
def test_rows_bind_alone_as_they_bind_together(example: Example) -> None:
    table, _, dataset = example
    together = as_lists(bind(table, dataset))
    for at in range(table.num_rows):
        alone = as_lists(bind(table.slice(at, 1), dataset))
        assert alone["records"] == [together["records"][at]]
        mine = [entry[1:] for entry in together["mentions"] if entry[0] == at]
        assert [entry[1:] for entry in alone["mentions"]] == mine

"""Binding: a batch of records in any layout becomes the standard columns.

Columns in, columns out. Payload is never copied: of a payload column only whether
each value is null is read, and only where records can be redacted in part. What
cannot be understood is bound so that it is not let through: a broken time is not
valid, an unknown role decides, a list entry without a name is a nameless person.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.dataset import Dataset
from consentfilter.errors import InputError
from consentfilter.layout import columns
from consentfilter.layout.mentions import bind_mentions, bind_overrides
from consentfilter.layout.model import Layout
from consentfilter.layout.nested import is_present, is_text
from consentfilter.layout.people import bind_people, bind_segments
from consentfilter.layout.resolve import lay_out
from consentfilter.records import Bound
from consentfilter.taxonomy import Taxonomy
from consentfilter.yamlfile import did_you_mean


def check_schema(schema: pa.Schema, dataset: Dataset) -> None:
    """Check that records of a schema can be bound.

    Requires the whole schema of a part, not only the columns a decision needs.

    Raises:
        InputError: with all problems: columns that are missing (and what may have
            been meant), of a wrong type, times without a zone, redactions that a
            column's type cannot take.
    """
    layout = lay_out(schema, dataset)
    problems = [*layout.problems, *_field_problems(schema, dataset, layout)]
    if problems:
        raise InputError(problems)


def needed_columns(schema: pa.Schema, dataset: Dataset) -> list[str]:
    """Return the columns that a decision reads, in schema order.

    All of them where records may be redacted in part: then the decision depends on
    which payload values are null.

    Raises:
        InputError: the schema does not fit the binding.
    """
    return list(_fitting(schema, dataset).needed)


def bind(table: pa.Table, dataset: Dataset, *, id_key: bytes | None = None) -> Bound:
    """Bind a batch of records.

    Args:
        table: the records; payload columns may be missing where no record can be
            redacted in part (see `needed_columns`).
        dataset: how the table is laid out.
        id_key: keys the subject keys (spec 1.4); None leaves them readable.

    Returns:
        One entry per row, in order. `Bound.mentions` has entries without a span in
        every layout whose subjects may have the role `mentioned`, whatever
        `has_parts` says: they cut nothing, so no payload has to be read for them.

    Raises:
        InputError: the table does not fit the binding, with all problems.
    """
    layout = _fitting(table.schema, dataset)
    values = layout.values
    record_id = columns.non_blank_text(table, values["record_id"])
    category = columns.text(table, values["category"])
    collected_at, is_valid = columns.instants(table, dataset, values["collected_at"])
    asset_id = columns.non_blank_text(table, values.get("asset_id"))
    derived = columns.derived(table, values.get("derived_from"))
    segments, structs = bind_segments(table, layout.segments, category)
    named = bind_people(table, layout, segments, structs, id_key)
    is_aggregate, group_size = columns.group_size(table, values.get("group_size"))
    is_all_null = asset_id.null_count == len(asset_id)
    return Bound(
        num_rows=table.num_rows,
        record_id=record_id,
        category=category,
        collected_at=collected_at,
        is_collected_valid=is_valid,
        source=columns.source(table, values.get("source")),
        account_id=columns.non_blank_text(table, values.get("account_id")),
        context_id=columns.non_blank_text(table, values.get("context_id")),
        asset_id=record_id if is_all_null else pc.coalesce(asset_id, record_id),
        jurisdiction=columns.jurisdiction(table, values.get("jurisdiction")),
        derived_row=derived.row,
        derived_category=derived.values,
        is_aggregate=is_aggregate,
        group_size=group_size,
        people=named.people,
        segments=segments,
        mentions=bind_mentions(table, layout, named, id_key),
        overrides=bind_overrides(table, layout, category),
        columns=layout.payload,
        is_present=tuple(is_present(table[item.name]) for item in layout.payload)
        if layout.has_parts
        else (),
        has_parts=layout.has_parts,
    )


def check_categories(dataset: Dataset, taxonomy: Taxonomy) -> None:
    """Check that every category the binding itself names is in the category tree.

    A category in the data that nobody knows drops its record; one in the binding is
    a slip of the pen that would decide for a whole column.

    Args:
        dataset: the binding.
        taxonomy: the run's trees, extended by policy and dataset.

    Raises:
        InputError: with every unknown category, where it is named, and what may
            have been meant.
    """
    problems = [
        f"{where}: {name!r} is not in the category tree"
        f"{did_you_mean(name, taxonomy.categories)}; name a node of it, or add the "
        "node under taxonomy.categories"
        for where, name in _named_categories(dataset)
        if name not in taxonomy.categories
    ]
    if problems:
        raise InputError(problems)


def _named_categories(dataset: Dataset) -> Iterator[tuple[str, str]]:
    sources = [("category", dataset.category), ("derived_from", dataset.derived_from)]
    if dataset.segments is not None:
        sources.append(("segments.category", dataset.segments.category))
    for where, source in sources:
        if source is not None and source.constant is not None:
            yield f"{where}.constant", source.constant
        for value, name in ((source and source.map) or {}).items():
            yield f"{where}.map.{value}", name
    for column, known in dataset.fields.items():
        if known.category is not None:
            yield f"fields.{column}", known.category


def _fitting(schema: pa.Schema, dataset: Dataset) -> Layout:
    layout = lay_out(schema, dataset)
    if layout.problems:
        raise InputError(layout.problems)
    return layout


def _field_problems(schema: pa.Schema, dataset: Dataset, layout: Layout) -> list[str]:
    problems = []
    payload = {column.name for column in layout.payload}
    for name in dataset.fields:
        if name not in schema.names:
            near = did_you_mean(name, schema.names)
            problems.append(f"fields.{name}: there is no column {name!r}{near}")
            continue
        if name not in payload:
            problems.append(
                f"fields.{name}: the column is bound as a standard column, so it is "
                "not payload; name it in one place only"
            )
        redaction, _ = dataset.redaction_of(name)
        kind = schema.field(schema.get_field_index(name)).type
        if redaction != "null" and not is_text(kind):
            problems.append(
                f"fields.{name}: redaction {redaction!r} needs a text column, found "
                f"{kind}; use 'redaction: null'"
            )
    return problems

"""A dataset binding laid over a schema: what is where, and what does not fit.

`Layout` says for one table where each standard column is found, which columns are
payload, and whether records can be redacted in part. All problems are gathered, so
that a reader repairs a binding in one go.
"""

from __future__ import annotations

import pyarrow as pa

from consentfilter.dataset import Dataset
from consentfilter.layout.finder import Finder
from consentfilter.layout.groups import (
    find_list_column,
    find_record_subjects,
    find_segments,
)
from consentfilter.layout.model import Layout
from consentfilter.layout.nested import can_be_null
from consentfilter.layout.values import find_values
from consentfilter.records import PayloadColumn


def lay_out(schema: pa.Schema, dataset: Dataset) -> Layout:
    """Lay a binding over a schema; never raises, problems are in the result."""
    problems: list[str] = []
    finder = Finder(schema, problems)
    values = find_values(finder, dataset)
    segments = find_segments(finder, dataset)
    subjects = find_record_subjects(finder, dataset, values, segments is not None)
    mentions = find_list_column(finder, dataset, "mentions", ("id",))
    row_fields = find_list_column(finder, dataset, "row_fields", ("name",))
    paths = [found.path for found in values.values() if found.path is not None]
    bound = {path.column for path in paths if not path.fields}
    bound |= {item.path.column for item in subjects if not item.path.fields}
    bound |= {name for name in (mentions, row_fields) if name}
    if segments:
        bound.add(segments.column)
    payload = _payload(schema, dataset, bound)
    has_parts = bool(
        segments
        or mentions
        or row_fields
        or any(column.category is not None for column in payload)
    )
    roots = bound | {path.column for path in paths}
    roots |= {item.path.column for item in subjects}
    needed = [name for name in schema.names if has_parts or name in roots]
    for name in sorted({name for name in needed if schema.names.count(name) > 1}):
        problems.append(
            f"column {name!r} stands {schema.names.count(name)} times; wanted once: "
            "rename the others"
        )
    return Layout(
        values=values,
        subjects=subjects,
        segments=segments,
        mentions=mentions,
        row_fields=row_fields,
        payload=payload,
        has_parts=has_parts,
        needed=tuple(needed),
        problems=tuple(problems),
    )


def _payload(
    schema: pa.Schema, dataset: Dataset, bound: set[str]
) -> tuple[PayloadColumn, ...]:
    keep = set(dataset.segments.keep) if dataset.segments else set()
    columns = []
    for field in schema:
        if field.name in bound:
            continue
        known = dataset.fields.get(field.name)
        columns.append(
            PayloadColumn(
                name=field.name,
                category=known.category if known else None,
                is_required=bool(known and known.required) or not can_be_null(field),
                is_kept_with_segments=field.name in keep,
            )
        )
    return tuple(columns)

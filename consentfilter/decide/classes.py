"""The distinct combinations of what the acceptance of a statement looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.decide import arrays
from consentfilter.decide.ragged import is_same, same
from consentfilter.decide.statements import SCOPE_KINDS, StatementClass

#: Codes up to here are numbered by a table, greater ones by sorting them.
_TABLED: Final = 1 << 22
#: Codes below fit into 32 bits.
_SMALL: Final = 1 << 31
#: Rows that are looked at in one go, where what is made of them takes memory.
_SLICE: Final = 1 << 18
CLASS_COLUMNS: Final = (
    "status",
    "purpose",
    "category",
    "expression",
    "actor_type",
    "actor_verified",
    "terms_version",
    "recipients",
)


def number_classes(
    table: pa.Table, kind: np.ndarray
) -> tuple[tuple[StatementClass, ...], np.ndarray]:
    """Number the distinct combinations of what acceptance looks at."""
    number, span = np.zeros(len(kind), np.int32), 1
    for codes, size in _class_codes(table, kind):
        if is_same(codes):
            continue
        if span * size > _TABLED and span > 1:
            number, span = _numbered(number, span)
        if span * size > _SMALL:
            number = number.astype(np.int64)
        number *= size
        number += codes
        span *= size
    class_of, count = _numbered(number, span)
    some = np.zeros(count, np.int64)
    for part in _slices(len(class_of)):
        some[class_of[part]] = np.arange(part.start, part.stop)
    rows = table.select(CLASS_COLUMNS).take(pa.array(some)).to_pylist()
    classes = [
        StatementClass(
            status=row["status"],
            purpose=row["purpose"],
            category=row["category"],
            expression=row["expression"] or "unspecified",
            actor_type=row["actor_type"],
            is_verified=bool(row["actor_verified"]),
            terms_version=row["terms_version"],
            recipients=None if row["recipients"] is None else tuple(row["recipients"]),
            scope_kind=SCOPE_KINDS[kind[at]],
        )
        for row, at in zip(rows, some, strict=True)
    ]
    return tuple(classes), class_of


def _class_codes(table: pa.Table, kind: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Yield per column a code per statement, and how many codes there are."""
    yield kind, len(SCOPE_KINDS)
    for name in CLASS_COLUMNS:
        if name == "recipients":
            yield _recipient_codes(table)
        elif name == "actor_verified":
            column = arrays.one_array(table.column(name).fill_null(False))
            is_verified = column.to_numpy(zero_copy_only=False)
            yield is_verified.view(np.int8), 2
        else:
            codes, values = arrays.codes(table, name)
            yield codes, max(1, len(values))


def _numbered(codes: np.ndarray, span: int) -> tuple[np.ndarray, int]:
    """Number the distinct codes below `span` in their order.

    Returns:
        The number of each (int32), and how many distinct ones there are.
    """
    if span > _TABLED:
        distinct, numbers = np.unique(codes, return_inverse=True)
        return numbers.astype(np.int32), len(distinct)
    is_present = np.zeros(span, bool)
    for part in _slices(len(codes)):
        is_present[codes[part]] = True
    number = (np.cumsum(is_present) - 1).astype(np.int32)
    numbers = np.empty(len(codes), np.int32)
    for part in _slices(len(codes)):
        numbers[part] = number[codes[part]]
    return numbers, int(is_present.sum())


def _slices(size: int) -> Iterator[slice]:
    """Cut so that what is made of each part stays small."""
    for start in range(0, size, _SLICE):
        yield slice(start, min(start + _SLICE, size))


def _recipient_codes(table: pa.Table) -> tuple[np.ndarray, int]:
    column = table.column("recipients")
    if column.null_count == len(column):
        return same(0, len(column), np.int32), 1
    lists = arrays.one_array(column).cast(pa.list_(pa.string()))
    joined = pc.binary_join(lists, "\x1f")
    encoded = pc.dictionary_encode(joined, null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int32), len(encoded.dictionary)

"""What every reader of a snapshot relies on, checked piece by piece."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.consent import vocabulary as v
from consentfilter.consent.schema import SNAPSHOT
from consentfilter.kernels import strings

#: What the rows of a snapshot are sorted by: a group is what is alike in all of it.
SORTED_BY: Final = (
    "subject_key",
    "source_id",
    "account_id",
    "context_id",
    "asset_id",
)
#: Columns whose values are a closed list.
_ENUMS: Final = {
    "status": frozenset(v.STATUSES),
    "expression": frozenset(v.EXPRESSIONS),
    "actor_type": frozenset(v.ACTOR_TYPES),
}


class RowChecks:
    """Checks rows that come in order: all columns of a snapshot, whatever the cut.

    Looked for: a null in a required column, a value outside a closed list, a
    duplicate statement_id, a duplicate order in a group, rows that are not sorted.

    Args:
        num_rows: how many rows there will be.
    """

    def __init__(self, num_rows: int) -> None:
        self._hashes = np.empty(num_rows, np.uint64)
        self._filled = 0
        self._nulls = {field.name: 0 for field in SNAPSHOT if not field.nullable}
        self._odd: dict[str, set[str]] = {name: set() for name in _ENUMS}
        self._disorder: set[str] = set()
        self._last: pa.Table | None = None

    def add(self, rows: pa.Table) -> None:
        """Check the next rows, one at least."""
        for name in self._nulls:
            self._nulls[name] += rows.column(name).null_count
        for name, known in _ENUMS.items():
            self._odd[name] |= _others(rows.column(name), known)
        for ids in rows.column("statement_id").chunks:
            found = strings.hashes(ids)
            self._hashes[self._filled : self._filled + len(ids)] = found
            self._filled += len(ids)
        self._check_order(rows.select([*SORTED_BY, "order_in_group"]))

    def problems(self, ids: pa.ChunkedArray) -> list[str]:
        """Return what is wrong with the rows.

        Args:
            ids: the statement_id of all rows.
        """
        found = []
        for field in SNAPSHOT:
            if many := self._nulls.get(field.name):
                found.append(f"column {field.name!r} has {many:,} nulls")
            if odd := self._odd.get(field.name):
                listed = ", ".join(map(repr, sorted(odd)))
                found.append(f"column {field.name!r} holds {listed}")
        if twice := self._repeated(ids):
            listed = ", ".join(map(repr, twice))
            found.append(f"statement_id is not unique: {listed}")
        return found + sorted(self._disorder)

    def _repeated(self, ids: pa.ChunkedArray) -> list[str]:
        """Return up to three ids that stand there more than once."""
        ordered = self._hashes[: self._filled]
        ordered.sort()  # in place: they are not needed in their order any more
        candidates = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(candidates):
            return []
        # One hash may be two ids: what counts is the text.
        hashes = [strings.hashes(chunk) for chunk in ids.chunks]
        is_candidate = pa.array(np.isin(np.concatenate(hashes), candidates))
        alike = pl.Series(pl.from_arrow(ids.filter(is_candidate)))
        return alike.filter(alike.is_duplicated()).unique().sort().head(3).to_list()

    def _check_order(self, rows: pa.Table) -> None:
        """Rows must ascend by group and order, so that both keys are unique."""
        if self._last is not None:
            seam = pa.concat_tables([self._last, rows.slice(0, 1)])
            self._disorder.update(_pair_problems(seam, SORTED_BY))
        varying = [name for name in SORTED_BY if not is_constant(rows.column(name))]
        self._disorder.update(_pair_problems(rows, varying))
        self._last = rows.slice(rows.num_rows - 1)


def _others(words: pa.ChunkedArray, known: frozenset[str]) -> set[str]:
    """Return the values of a column that are not among the known ones."""
    others: set[str] = set()
    for chunk in words.chunks:
        if not known.issuperset(chunk.dictionary.to_pylist()):
            # Of a dictionary not every entry need be in use.
            stated = pc.unique(chunk.cast(pa.string())).drop_null()
            others |= set(stated.to_pylist()) - known
    return others


def _pair_problems(rows: pa.Table, varying: list[str] | tuple[str, ...]) -> list[str]:
    """Compare each row with the one before.

    Args:
        rows: the columns `varying` and `order_in_group`.
        varying: the columns that order the rows, without some that are constant.
    """
    many = rows.num_rows - 1
    is_same = np.ones(many, bool)
    is_after = np.zeros(many, bool)
    for name in varying:
        is_equal, is_later = _compared(rows.column(name))
        is_after |= is_same & is_later
        is_same &= is_equal
    _, rises = _compared(rows.column("order_in_group"))
    problems = []
    if (is_same & ~rises).any():
        problems.append(
            "order_in_group is not unique in a group (source_id, subject_key, "
            "account_id, context_id, asset_id)"
        )
    if not (is_same | is_after).all():
        problems.append(
            "rows are not sorted by subject_key, source_id, account_id, context_id, "
            "asset_id, so that one group may stand in two places"
        )
    return problems


def _compared(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Tell which values equal the one before, and which come after it; null is last."""
    column = _plain(column)
    now, before = column.slice(1), column.slice(0, len(column) - 1)
    is_equal, is_later = pc.equal(now, before), pc.greater(now, before)
    if column.null_count:
        is_null, was_null = now.is_null(), before.is_null()
        is_equal = pc.coalesce(is_equal, pc.and_(is_null, was_null))
        is_later = pc.coalesce(is_later, pc.and_not(is_null, was_null))
    return is_equal.to_numpy(), is_later.to_numpy()


def is_constant(column: pa.ChunkedArray) -> bool:
    """Tell, from what is at hand, that all rows have one value (or none)."""
    if column.null_count:
        return bool(column.null_count == len(column))
    if not pa.types.is_dictionary(column.type):
        return False
    values = [chunk.dictionary for chunk in column.chunks]
    return all(len(each) == 1 and each.equals(values[0]) for each in values)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column

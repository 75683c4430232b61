"""One event file seen through its binding: each standard column, or a problem.

Collects every problem of the file's schema before any is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.consent import columns
from consentfilter.consent.binding import EVENT_COLUMNS, EventsBinding
from consentfilter.consent.columns import INSTANT, ColumnError, Reading
from consentfilter.errors import InputError
from consentfilter.ids import DEFAULT_NAMESPACE, normalise_ids

Read = TypeVar("Read")


def bound_columns(names: list[str], binding: EventsBinding) -> dict[str, str]:
    """Return standard column -> column of the file (a path's first step).

    Only columns that the file has; constants are no columns.
    """
    found = {}
    for name in EVENT_COLUMNS:
        source = binding.source(name)
        if source is not None and source.column is not None:
            first = source.column
            if first not in names:
                first = first.split(".")[0]
            if first in names:
                found[name] = first
    return found


class Layout:
    """The columns of one table of events under a binding.

    Attributes:
        problems: what is wrong with the table's columns, each located.
    """

    def __init__(self, table: pa.Table, binding: EventsBinding, file: str) -> None:
        binding = binding.for_columns(table.column_names)
        self._table, self._binding, self._file = table, binding, file
        self.num_rows: int = table.num_rows
        self.problems: list[str] = []

    def refuse(self) -> None:
        """Raise what was found wrong so far.

        Raises:
            InputError: with every problem of the table.
        """
        if self.problems:
            raise InputError(self.problems)

    def has(self, name: str) -> bool:
        """Tell whether a standard column comes from somewhere."""
        source = self._binding.source(name)
        return source is not None and (
            source.constant is not None or self._raw(name) is not None
        )

    def text(self, name: str) -> pl.Series | None:
        """Return a column of many distinct values as text; None: absent."""
        found = self._read(name, columns.text)
        return found if found is None else self._mapped(name, found)

    def words(
        self, name: str, change: Callable[[pl.Series], pl.Series] = columns.stripped
    ) -> pl.Series | None:
        """Return a column of few distinct values; None: absent."""

        def changed(values: pl.Series) -> pl.Series:
            return change(self._mapped(name, values))

        found = self._read(name, lambda column: columns.categorical(column, changed))
        source = self._binding.source(name)
        if found is None or source is None or source.map is None:
            return found
        # Null is no dictionary value, so it is mapped here.
        for_null = columns.stripped(
            pl.Series(values=[source.map.get("")], dtype=pl.String)
        )
        return found if for_null[0] is None else found.fill_null(for_null[0])

    def integers(self, name: str) -> pl.Series | None:
        """Return a column of whole numbers; None: absent."""
        return self._read(name, columns.integers)

    def booleans(self, name: str) -> pl.Series | None:
        """Return a column of yes and no; None: absent."""
        return self._read(name, columns.booleans)

    def name_lists(self, name: str) -> pl.Series | None:
        """Return a column of lists of names, as `columns.name_lists` writes them."""
        return self._read(name, columns.name_lists)

    def instants(self, name: str, reading: Reading) -> tuple[pl.Series, pl.Series]:
        """Return a column of times and where one is unreadable; null if absent."""
        zone = self._binding.assume_timezone
        found = self._read(name, lambda column: columns.instants(column, zone, reading))
        if found is None:
            nothing = pl.Series(values=[None]).cast(INSTANT)
            nothing = nothing.new_from_index(0, self.num_rows)
            return nothing, nothing.is_not_null()
        return found

    def has_two_readings(self, name: str) -> bool:
        """Tell whether times of this column may have been read without a zone."""
        column = self._raw(name)
        return column is not None and columns.is_naive(column)

    def subject_keys(self, id_key: bytes | None) -> tuple[pl.Series, pl.Series]:
        """Return subject keys, and where an id was given at all."""
        ids = self._column("subject_id")
        if ids is None:
            nothing = pl.Series(values=[None], dtype=pl.String)
            nothing = nothing.new_from_index(0, self.num_rows)
            return nothing, nothing.is_not_null()
        source = self._binding.source("subject_id")
        try:
            if source is not None and source.map is not None:
                mapped = self._mapped("subject_id", columns.text(ids))
                ids = pa.chunked_array([mapped.cast(pl.String).to_arrow()])
            ns = self._column("subject_ns")
            keys = normalise_ids(
                DEFAULT_NAMESPACE if ns is None else ns, ids, key=id_key
            )
        except (ColumnError, InputError) as error:
            self._note("subject_id", str(error))
            keys = pa.nulls(self.num_rows, pa.string())
        return pl.Series(pl.from_arrow(keys)), pl.Series(ids.is_valid())

    def _column(self, name: str) -> pa.ChunkedArray | None:
        source = self._binding.source(name)
        if source is not None and source.constant is not None:
            return pa.chunked_array([pa.repeat(source.constant, self.num_rows)])
        return self._raw(name)

    def _raw(self, name: str) -> pa.ChunkedArray | None:
        source = self._binding.source(name)
        if source is None or source.column is None:
            return None
        if source.column in self._table.column_names:
            return self._one(source.column)
        first, *path = source.column.split(".")
        if path and first in self._table.column_names:
            column = self._one(first)
            try:
                return pc.struct_field(column, path)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass
        if self._binding.states(name):
            self._note(
                name,
                f"the binding names column {source.column!r}, which is not there; "
                f"found {', '.join(map(repr, self._table.column_names))}",
                is_bound=False,
            )
        return None

    def _one(self, column: str) -> pa.ChunkedArray:
        found = self._table.schema.get_all_field_indices(column)
        if len(found) > 1:
            problem = f"{self._file}: {len(found)} columns are called {column!r}"
            if problem not in self.problems:
                self.problems.append(problem)
        return self._table.column(found[0])

    def _read(self, name: str, read: Callable[[pa.ChunkedArray], Read]) -> Read | None:
        source = self._binding.source(name)
        column = self._raw(name)
        try:
            if source is not None and source.constant is not None:
                one = read(pa.chunked_array([pa.array([source.constant])]))
                repeated: Read = _repeated(one, self.num_rows)
                return repeated
            return None if column is None else read(column)
        except ColumnError as error:
            self._note(name, str(error))
            return None

    def _mapped(self, name: str, values: pl.Series) -> pl.Series:
        source = self._binding.source(name)
        if source is None or source.map is None:
            return values
        return mapped(values, source.map)

    def _note(self, name: str, message: str, *, is_bound: bool = True) -> None:
        source = self._binding.source(name)
        column = source.column if source is not None else None
        where = f"column {column!r} " if is_bound and column is not None else ""
        if column != name:
            where = f"events.{name}: {where}"
        problem = f"{self._file}: {where}{message}"
        if problem not in self.problems:
            self.problems.append(problem)


def mapped(values: pl.Series, listed: dict[str, str]) -> pl.Series:
    """Put our values in place of theirs; unlisted ones stay, `""` stands for none."""
    bare = values.str.strip_chars().fill_null("")
    found = bare.replace_strict(
        list(listed), list(listed.values()), default=None, return_dtype=pl.String
    )
    return found.fill_null(values)


def _repeated(one: Any, size: int) -> Any:
    if isinstance(one, tuple):
        return tuple(_repeated(each, size) for each in one)
    return one.new_from_index(0, size)

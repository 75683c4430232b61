"""The payload columns of a batch: present or not, of which category, required."""

from __future__ import annotations

import dataclasses

import numpy as np

from consentfilter.decide.batch import Batch


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """Payload columns; every array has shape (columns, records).

    A layout without parts has none: its columns all share the record's fate.

    Attributes:
        is_present: the value is not null.
        category: int32 category code in this record.
        is_own: the category is the column's own, not the record's.
        is_required: the record can not be kept without it.
        is_spared: listed under `segments.keep` (one entry per column).
    """

    is_present: np.ndarray
    category: np.ndarray
    is_own: np.ndarray
    is_required: np.ndarray
    is_spared: np.ndarray

    @classmethod
    def of(cls, batch: Batch) -> Columns:
        """Lay the columns of a batch out."""
        bound = batch.bound
        size = bound.num_rows
        width = len(bound.columns) if bound.has_parts else 0
        shape = (width, size)
        static = batch.column_category[:width]
        is_own = np.broadcast_to((static >= 0)[:, None], shape).copy()
        category = np.where(is_own, static[:, None], batch.category[None, :])
        required = [column.is_required for column in bound.columns[:width]]
        is_required = np.broadcast_to(
            np.array(required, bool).reshape(width, 1), shape
        ).copy()
        overrides = bound.overrides
        if len(overrides):
            named = overrides.column >= 0
            at = (overrides.column[named], overrides.row[named])
            category[at] = batch.override_category[named]
            is_own[at] = True
            is_required[at] |= overrides.is_required[named]
        is_present = (
            np.stack(bound.is_present[:width]) if width else np.zeros(shape, bool)
        )
        spared = [column.is_kept_with_segments for column in bound.columns[:width]]
        return cls(is_present, category, is_own, is_required, np.array(spared, bool))

    @property
    def is_any_present(self) -> np.ndarray:
        """Whether a record has a payload column that is not null."""
        return np.asarray(self.is_present.any(axis=0))

    def present_in(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (record, column) of the values that are there, by record."""
        row, column = np.nonzero((self.is_present & rows[None, :]).T)
        return row, column

    def own_categories(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (record, column) of present values with a category of their own."""
        chosen = self.is_present & self.is_own & rows[None, :]
        row, column = np.nonzero(chosen.T)
        return row, column

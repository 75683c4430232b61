"""What one policy says of a batch, before several policies are merged."""

from __future__ import annotations

import dataclasses

import numpy as np

from consentfilter.records import Bound


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """Decisions in the making; the arrays are filled in place, once per record.

    Attributes:
        code: uint8: reason, 0 while open. A fail reason with `is_redacted` means
            redact, without it drop; a keep reason means keep.
        is_redacted: bool per record.
        question: int32: question number that decided, -1: none.
        entry: int64: entry of `Bound.people` (or of `Bound.mentions`, counted on
            from there) whose person decided, -1: nobody.
        grant, denial: int64: deciding statements, -1: none.
        segments, mentions: bool per entry: goes.
        columns: bool, shape (payload columns, records): goes.
    """

    code: np.ndarray
    is_redacted: np.ndarray
    question: np.ndarray
    entry: np.ndarray
    grant: np.ndarray
    denial: np.ndarray
    segments: np.ndarray
    mentions: np.ndarray
    columns: np.ndarray

    @classmethod
    def empty(cls, bound: Bound) -> Draft:
        """Return a draft in which every record is open."""
        size = bound.num_rows
        width = len(bound.columns) if bound.has_parts else 0
        return cls(
            code=np.zeros(size, np.uint8),
            is_redacted=np.zeros(size, bool),
            question=np.full(size, -1, np.int32),
            entry=np.full(size, -1, np.int64),
            grant=np.full(size, -1, np.int64),
            denial=np.full(size, -1, np.int64),
            segments=np.zeros(len(bound.segments), bool),
            mentions=np.zeros(len(bound.mentions), bool),
            columns=np.zeros((width, size), bool),
        )

    def drop(self, rows: np.ndarray, code: int) -> None:
        """Drop the records of a mask that are still open, for one reason."""
        self.code[rows & (self.code == 0)] = code

    def keep(self, rows: np.ndarray, code: int) -> None:
        """Keep the records of a mask that are still open, for one reason."""
        self.code[rows & (self.code == 0)] = code

"""Names cut out of texts: which spans, which pseudonyms, and where all spans move."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from consentfilter.decide.plan import Plan
from consentfilter.decide.pseudonyms import MENTION_SIZE, mention_pseudonyms
from consentfilter.decide.spans import Spans, merged, moved, placed
from consentfilter.records import Bound


@dataclasses.dataclass(frozen=True, slots=True)
class Cuts:
    """What mentions do to the texts of a batch, and to themselves.

    Attributes:
        spans: payload column (index into `Bound.columns`) to the disjoint spans that
            are replaced in it; rows are those of the batch.
        tokens: payload column to the pseudonym of each of its spans.
        pseudonym: per mention, null where it stays as it is.
        start, end: int64 per mention, its place in the new text.
        is_gone: bool per mention: the column that it points into goes.
    """

    spans: Mapping[int, Spans]
    tokens: Mapping[int, pa.Array]
    pseudonym: pa.Array
    start: np.ndarray
    end: np.ndarray
    is_gone: np.ndarray

    @classmethod
    def of(cls, bound: Bound, plan: Plan, release_key: bytes) -> Cuts:
        """Work out the cuts of a plan."""
        found = bound.mentions
        marked = np.flatnonzero(plan.mentions)
        names = mention_pseudonyms(
            found.key.take(pa.array(marked)),
            found.id.take(pa.array(marked)),
            release_key,
        )
        at = np.full(len(found), -1, np.int64)
        at[marked] = np.arange(len(marked))
        start, end = found.start.copy(), found.end.copy()
        spans: dict[int, Spans] = {}
        tokens: dict[int, pa.Array] = {}
        is_cut = np.zeros(len(found), bool)
        is_cut[plan.cuts] = True
        for column in np.unique(found.column[is_cut]).tolist():
            here = found.column == column
            cut = np.flatnonzero(here & is_cut)
            other = np.flatnonzero(here & ~is_cut & found.is_span_valid)
            row = found.row.astype(np.int64)
            made = merged(row[cut], found.start[cut], found.end[cut])
            new_start, new_end = placed(made, MENTION_SIZE)
            start[cut], end[cut] = new_start[made.group], new_end[made.group]
            start[other], end[other] = moved(
                made, MENTION_SIZE, row[other], found.start[other], found.end[other]
            )
            spans[column] = made
            tokens[column] = names.take(pa.array(at[cut[made.first]]))
        is_gone = np.zeros(len(found), bool)
        for column, goes in plan.columns.items():
            is_gone |= (found.column == column) & goes[found.row]
        wanted = pa.array(at, mask=at < 0)
        return cls(spans, tokens, names.take(wanted), start, end, is_gone)

    @property
    def touches_mentions(self) -> bool:
        """Some mention is pseudonymised, moved, or gone with its column."""
        return bool(
            self.is_gone.any()
            or self.spans
            or self.pseudonym.null_count < len(self.pseudonym)
        )

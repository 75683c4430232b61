"""What has to go from the admitted rows, per column: the plan that `redact` follows."""

from __future__ import annotations

import dataclasses

import numpy as np

from consentfilter.decide.decisions import Decisions
from consentfilter.reasons import Decision
from consentfilter.records import Bound


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Masks over the rows and parts of a batch.

    Attributes:
        is_admitted: bool per row.
        columns: payload column (index into `Bound.columns`) to a bool array per
            row: the whole value goes.
        segments: bool per segment: goes.
        mentions: bool per mention: its person must not be named.
        cuts: positions of the mentions whose spans are cut out of their texts:
            those that go, have a span, and whose column does not go anyway.
    """

    is_admitted: np.ndarray
    columns: dict[int, np.ndarray]
    segments: np.ndarray
    mentions: np.ndarray
    cuts: np.ndarray

    @classmethod
    def of(cls, bound: Bound, decisions: Decisions) -> Plan:
        """Read a batch's decisions.

        A mention whose span is not valid makes its whole column go, whether or not
        the decision says so.
        """
        is_redacted = decisions.decision == Decision.REDACT
        columns = {
            at: goes & is_redacted
            for at, goes in decisions.columns.items()
            if (goes & is_redacted).any()
        }
        spans = bound.mentions
        mentions = decisions.mentions & is_redacted[spans.row]
        has_span = mentions & (spans.column >= 0)
        for entry in np.flatnonzero(has_span & ~spans.is_span_valid).tolist():
            at = int(spans.column[entry])
            goes = columns.setdefault(at, np.zeros(bound.num_rows, bool))
            goes[spans.row[entry]] = True
        stays = has_span.copy()
        for at, goes in columns.items():
            stays &= ~((spans.column == at) & goes[spans.row])
        return cls(
            is_admitted=decisions.decision != Decision.DROP,
            columns=columns,
            segments=decisions.segments & is_redacted[bound.segments.row],
            mentions=mentions,
            cuts=np.flatnonzero(stays),
        )

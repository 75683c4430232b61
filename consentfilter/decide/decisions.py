"""What was decided for each record of a batch, and which parts have to go."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from consentfilter import reasons


@dataclasses.dataclass(frozen=True, slots=True)
class Decisions:
    """One entry per record, in the batch's order.

    Attributes:
        decision: uint8, values of `reasons.Decision` (0 drop, 1 redact, 2 keep).
        reason: uint8, codes of `reasons.CODE`.
        rule: rule id (`pa.string()`) that decided, or null.
        subject_key: key of the person who decided, or null.
        grant_id, denial_id: statement ids that decided, or null.
        segments: bool per entry of `Bound.segments`: this segment goes.
        columns: per payload column (index into `Bound.columns`) a bool array with
            one entry per record: this column goes. Columns without a True are absent.
        mentions: bool per entry of `Bound.mentions`: this mention goes.

    Redactions are True only in records whose decision is REDACT. `to_table()` says
    the rest in words.
    """

    decision: np.ndarray
    reason: np.ndarray
    rule: pa.Array
    subject_key: pa.Array
    grant_id: pa.Array
    denial_id: pa.Array
    segments: np.ndarray
    columns: dict[int, np.ndarray]
    mentions: np.ndarray

    def __len__(self) -> int:
        return len(self.decision)

    def to_table(self) -> pa.Table:
        """Return one row per record, in the words of the ledger.

        Returns:
            `decision` (keep, redact, drop), `reason`, `rule`, `subject_key`,
            `grant_id` and `denial_id`, all text.
        """
        decisions = [reasons.Decision(code).name.lower() for code in self.decision]
        found = [reasons.NAME[int(code)] for code in self.reason]
        return pa.table(
            {
                "decision": pa.array(decisions, pa.string()),
                "reason": pa.array(found, pa.string()),
                "rule": self.rule.cast(pa.string()),
                "subject_key": self.subject_key.cast(pa.string()),
                "grant_id": self.grant_id.cast(pa.string()),
                "denial_id": self.denial_id.cast(pa.string()),
            }
        )

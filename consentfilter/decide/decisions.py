"""What was decided for each record of a batch, and which parts have to go."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa


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

    Redactions are True only in records whose decision is REDACT.
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

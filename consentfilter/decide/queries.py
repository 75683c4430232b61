"""What the state is asked, and what it answers: columns of queries and of states."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from consentfilter.decide.ragged import FAR, taken
from consentfilter.reasons import CODE

GRANTED: Final = 0
#: A reason code and a statement number in one int64, ordered by the code.
SHIFT: Final = np.int64(40)
_MASK: Final = np.int64((1 << 40) - 1)
_NO_CONSENT: Final = CODE["NO_CONSENT_RECORD"]


@dataclasses.dataclass(frozen=True, slots=True)
class Queries:
    """Whom to ask about what, when; one entry per question.

    Attributes:
        row: int32: row of the acceptance tables.
        person: int32: person number, -1 for somebody nothing is known of.
        scope: int32 per scope column: code of the record's value, -1: none known.
        at: int64: the instant.
        collected: int64: when the record was collected.
    """

    row: np.ndarray
    person: np.ndarray
    scope: tuple[np.ndarray, ...]
    at: np.ndarray
    collected: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: np.ndarray) -> Queries:
        """Return the chosen questions."""
        return Queries(
            taken(self.row, index),
            taken(self.person, index),
            tuple(taken(codes, index) for codes in self.scope),
            taken(self.at, index),
            taken(self.collected, index),
        )

    def when(self, at: np.ndarray) -> Queries:
        """Return the same questions about other instants."""
        return dataclasses.replace(self, at=at)


@dataclasses.dataclass(frozen=True, slots=True)
class States:
    """The answers, one per query.

    Attributes:
        code: uint8: `GRANTED`, or the reason why not.
        statement: int64: the denial, or the act that came nearest, -1: none. Where
            granted: the best of all grants, whatever data it covers.
        covering: int64: the best grant whose data window holds the collection
            time, -1: none. best: uint8: its rank, 0 self, 1 guardian, 2 others.
        is_retroactive: some covering grant names `data_from`.
        noticed_at: int64: the first covering notice, `FAR`: none.
    """

    code: np.ndarray
    statement: np.ndarray
    covering: np.ndarray
    rank: np.ndarray
    is_retroactive: np.ndarray
    noticed_at: np.ndarray


def answers(
    denial: np.ndarray,
    any_grant: np.ndarray,
    note: np.ndarray,
    covering: np.ndarray,
    is_retroactive: np.ndarray,
    noticed_at: np.ndarray,
) -> States:
    """Fold the least encoded denial, grant and note of each query into its state."""
    is_denied = denial != FAR
    is_granted = ~is_denied & (any_grant != FAR)
    chosen = np.where(is_denied, denial, np.where(is_granted, any_grant, note))
    is_none = chosen == FAR
    code = np.where(is_none, _NO_CONSENT, chosen >> SHIFT).astype(np.uint8)
    code[is_granted] = GRANTED
    statement = np.where(is_none, -1, chosen & _MASK)
    is_covered = is_granted & (covering != FAR)
    return States(
        code=code,
        statement=statement,
        covering=np.where(is_covered, covering & _MASK, -1),
        rank=np.where(is_covered, covering >> SHIFT, 0).astype(np.uint8),
        is_retroactive=is_retroactive & is_covered,
        noticed_at=noticed_at,
    )

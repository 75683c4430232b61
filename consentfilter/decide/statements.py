"""The snapshot's statements as numpy columns, grouped, and findable by key.

Built once per snapshot, independent of any policy. Statements stay in the
snapshot's order: by person, then by group (source and scopes), then by their order
in the group; so a group and a person are each one range.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from consentfilter.decide import ragged
from consentfilter.decide.lookup import KeyTable

if TYPE_CHECKING:
    pass

SCOPES: Final = ("account_id", "context_id", "asset_id")
SCOPE_KINDS: Final = ("subject", "asset", "context", "account")


@dataclasses.dataclass(frozen=True, slots=True)
class StatementClass:
    """What acceptance looks at, except times, scopes and ages."""

    status: str
    purpose: str
    category: str
    expression: str
    actor_type: str
    is_verified: bool
    terms_version: str | None
    recipients: tuple[str, ...] | None
    scope_kind: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ranges:
    """A ragged array of group numbers: per key a range of `groups`."""

    starts: np.ndarray
    counts: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, owner: np.ndarray, groups: np.ndarray, size: int) -> Ranges:
        """Gather groups by owner (0 <= owner < size)."""
        if (owner[1:] < owner[:-1]).any():
            order = np.argsort(owner, kind="stable")
            owner, groups = owner[order], groups[order]
        starts, counts = (each.astype(np.int32) for each in ragged.ranges(owner, size))
        return cls(starts, counts, groups.astype(np.int32, copy=False))

    def counts_of(self, codes: np.ndarray) -> np.ndarray:
        """Return how many groups each code has; 0 for -1."""
        if not len(self.counts):
            return np.zeros(len(codes), np.int32)
        return np.where(codes >= 0, self.counts[codes], 0)

    def expand(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (position in codes, group) for all groups of all codes."""
        if not len(self.counts):
            return np.zeros(0, np.int64), np.zeros(0, np.int32)
        owner, at = ragged.expand(self.starts[codes], self.counts_of(codes))
        return owner, self.groups[at]


@dataclasses.dataclass(frozen=True, slots=True)
class Statements:
    """All statements of a snapshot, and the people they are about.

    People are numbered by their position in `people.keys`; -1 is somebody else.
    Instants are int64 microseconds since 1970 UTC; an optional column is None when
    no statement states it.

    Attributes:
        ids: statement ids.
        classes: the distinct acceptance classes; `class_of` (int32) per statement.
        effective: when each act counts from.
        valid_from, valid_until: the permission's own window (`FAR`: open).
        data_from, data_until: the collection times covered; the least int64 and
            `FAR`: unlimited.
        group_start: first statement per group, and at the end their number.
        group_person: person, -1 for everybody in the scope.
        group_scope: per scope column the code of its value in `scope_keys`, -1: any.
        own: groups per person. everyone: per scope column, groups without a person
            whose narrowest scope is that column, per scope value.
        component: identity component per person, -1: not linked to anybody.
        linked: groups per component.
        has_scope: whether some group of this person is limited to a scope.
        has_window: whether some statement of this person has a data window.
        birth: days since 1970, `FAR` where unknown. lifecycle: per person "" or a
            state. jurisdiction: per person text or null.
    """

    ids: pa.Array
    classes: tuple[StatementClass, ...]
    class_of: np.ndarray
    effective: np.ndarray
    valid_from: np.ndarray | None
    valid_until: np.ndarray | None
    data_from: np.ndarray | None
    data_until: np.ndarray | None
    group_start: np.ndarray
    group_person: np.ndarray
    group_scope: tuple[np.ndarray, ...]
    people: KeyTable
    scope_keys: tuple[KeyTable, ...]
    own: Ranges
    everyone: tuple[Ranges, ...]
    component: np.ndarray
    linked: Ranges
    has_scope: np.ndarray
    has_window: np.ndarray
    birth: np.ndarray
    lifecycle: np.ndarray
    lifecycle_states: tuple[str, ...]
    jurisdiction: np.ndarray
    jurisdictions: tuple[str, ...]

    @property
    def has_everyone(self) -> bool:
        """Whether any statement speaks for everybody in a scope."""
        return any(len(ranges.groups) for ranges in self.everyone)

    @property
    def num_people(self) -> int:
        """How many people are known: stated, linked or described."""
        return len(self.people)

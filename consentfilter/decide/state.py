"""`state(t, X)`: what a person's statements say at an instant, for many at once.

The whole of the consent state is here, and only here: the index tabulates it for
the common case, the kernel asks it for the rest. Queries, groups and statements are
columns; a query is expanded to the groups that fit it and those to their
statements, and the latest act of each group is found by a running maximum.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from consentfilter.decide import ragged
from consentfilter.decide.calendar import birthday
from consentfilter.decide.queries import SHIFT, Queries, States, answers
from consentfilter.decide.ragged import FAR, is_absent, is_same, taken
from consentfilter.decide.statements import Statements
from consentfilter.decide.targets import (
    DENIAL,
    DENIAL_CODES,
    END,
    END_CODES,
    GRANT,
    NOTICE,
    Acceptance,
)
from consentfilter.policy.model import Policy
from consentfilter.reasons import CODE

_NOT_YET: Final = CODE["NOT_YET_VALID"]
_EXPIRED: Final = CODE["CONSENT_EXPIRED"]
_INVALIDATED: Final = CODE["CONSENT_INVALIDATED"]
_OPT_OUT: Final = CODE["OPT_OUT_SIGNAL"]
_LEAST: Final = np.iinfo(np.int64).min


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluator:
    """State under one policy: the statements and what the policy makes of them.

    Attributes:
        statements: the snapshot.
        policy: a policy that decides itself (one of `Policy.members`).
        expiry: int64 per statement: when the permission ends by its own window or
            by the policy's greatest age; None: never.
        class_code: uint8 per class: the reason of a denial or an end.
        class_rank: uint8 per class: 0 self, 1 guardian, 2 others.
        class_explicit_self: bool per class: explicit and by the person.
        class_guardian, class_self, class_verified: bool per class.
        has_invalidations: bool per group, None when no group has any.
    """

    statements: Statements
    policy: Policy
    expiry: np.ndarray | None
    class_code: np.ndarray
    class_rank: np.ndarray
    class_explicit_self: np.ndarray
    class_self: np.ndarray
    class_guardian: np.ndarray
    class_verified: np.ndarray
    class_invalidates: np.ndarray

    @classmethod
    def of(cls, statements: Statements, policy: Policy) -> Evaluator:
        """Prepare the columns that depend on the policy."""
        from consentfilter.decide.calendar import add_months

        expiry = statements.valid_until
        months = policy.temporal.max_age_months
        if months is not None:
            aged = add_months(statements.effective, months)
            expiry = aged if expiry is None else np.minimum(expiry, aged)
        classes = statements.classes
        codes = {**DENIAL_CODES, **END_CODES}
        ranks = {"self": 0, "guardian": 1}
        return cls(
            statements=statements,
            policy=policy,
            expiry=expiry,
            class_code=np.array([codes.get(c.status, 0) for c in classes], np.uint8),
            class_rank=np.array(
                [ranks.get(c.actor_type, 2) for c in classes], np.uint8
            ),
            class_explicit_self=np.array(
                [
                    c.expression == "explicit" and c.actor_type == "self"
                    for c in classes
                ],
                bool,
            ),
            class_self=np.array([c.actor_type == "self" for c in classes], bool),
            class_guardian=np.array(
                [c.actor_type == "guardian" for c in classes], bool
            ),
            class_verified=np.array([c.is_verified for c in classes], bool),
            class_invalidates=np.array(
                [c.status == "invalidated" for c in classes], bool
            ),
        )

    def fitting_groups(
        self, queries: Queries
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (query, group, is_linked), by query: the groups that speak.

        Of a group that speaks for somebody else linked to the person, only the
        denials count.
        """
        data = self.statements
        size = len(data.own.counts)
        person = np.where(queries.person < size, queries.person, -1)
        owner, group = data.own.expand(person)
        parts = [(owner, group, np.zeros(len(owner), bool))]
        if len(data.linked.groups):
            component = np.where(person >= 0, data.component[person], -1)
            owner, group = data.linked.expand(component)
            others = data.group_person[group] != person[owner]
            owner, group = owner[others], group[others]
            parts.append((owner, group, np.ones(len(owner), bool)))
        for ranges, codes in zip(data.everyone, queries.scope, strict=True):
            if len(ranges.groups):
                owner, group = ranges.expand(codes)
                parts.append((owner, group, np.zeros(len(owner), bool)))
        if len(parts) == 1:
            owner, group, linked = parts[0]
        else:
            owner, group, linked = (
                np.concatenate(part) for part in zip(*parts, strict=True)
            )
            order = np.argsort(owner, kind="stable")
            owner, group, linked = owner[order], group[order], linked[order]
        for limit, codes in zip(data.group_scope, queries.scope, strict=True):
            if is_absent(limit):
                continue  # no group is limited
            limited = limit[group]
            fits = (limited < 0) | (limited == codes[owner])
            if not fits.all():
                owner, group, linked = owner[fits], group[fits], linked[fits]
        return owner, group, linked

    def evaluate(self, queries: Queries, acceptance: Acceptance) -> States:
        """Return the state of every query; see the module's docstring."""
        data = self.statements
        pair_query, pair_group, is_linked = self.fitting_groups(queries)
        pair, act, query, classes, kind = self._acts(
            queries, acceptance, pair_query, pair_group
        )
        at = taken(queries.at, query)
        is_live = data.effective[act] <= at
        is_grant = kind == GRANT
        note = self._refusals(queries, acceptance, query, act, classes, is_grant)
        if self.class_invalidates.any():
            voided = self._voided(pair, act, classes, kind)
            note = np.where((note == 0) & is_grant & voided, _INVALIDATED, note)
        if data.valid_from is not None:
            early = (note == 0) & is_grant & (at < data.valid_from[act])
            note = np.where(early, _NOT_YET, note)
        acts = is_live & np.where(is_grant, note == 0, (kind == DENIAL) | (kind == END))
        size = len(pair_query)
        last = ragged.last_by(pair, acts, size)
        noted = np.flatnonzero(is_live & is_grant & (note != 0))
        notes = np.full(size, FAR, np.int64)
        if len(noted):
            encoded = (note[noted].astype(np.int64) << SHIFT) | act[noted]
            notes = ragged.min_by(pair[noted], encoded, size)
        noticed_at = self._notices(queries, query, act, kind, is_linked, pair)
        # Groups of which nothing stands and nothing is noted say nothing.
        speaks = np.flatnonzero((last >= 0) | (notes != FAR))
        last = last[speaks]
        return self._combined(
            queries,
            acceptance,
            pair_query[speaks],
            is_linked[speaks],
            np.where(last >= 0, act[last], -1) if len(act) else last,
            np.where(last >= 0, kind[last], 0) if len(act) else last,
            notes[speaks],
            noticed_at,
        )

    def _acts(
        self,
        queries: Queries,
        acceptance: Acceptance,
        pair_query: np.ndarray,
        pair_group: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return (pair, act, query, class, kind), by pair: the acts that matter."""
        data = self.statements
        starts = data.group_start[pair_group]
        pair, act = ragged.expand(starts, data.group_start[pair_group + 1] - starts)
        query, classes = pair_query[pair], data.class_of[act]
        kind = _looked_up(acceptance.kind, queries, query, classes)
        if kind.all():
            return pair, act, query, classes, kind
        matters = np.flatnonzero(kind)
        return (
            pair[matters],
            act[matters],
            query[matters],
            classes[matters],
            kind[matters],
        )

    def _refusals(
        self,
        queries: Queries,
        acceptance: Acceptance,
        query: np.ndarray,
        act: np.ndarray,
        classes: np.ndarray,
        is_grant: np.ndarray,
    ) -> np.ndarray:
        """Return per act the first acceptance test a grant fails, 0: none."""
        before = _looked_up(acceptance.before_age, queries, query, classes)
        after = _looked_up(acceptance.after_age, queries, query, classes)
        minors = self.policy.minors
        if minors is None:
            return np.where(before != 0, before, after)
        effective = self.statements.effective[act]
        majority = self._majority(queries, acceptance)[query]
        is_unknown = majority == FAR
        is_early = effective < majority
        own, guardian = self.class_self[classes], self.class_guardian[classes]
        unknown = CODE["AGE_UNKNOWN"] if minors.unknown_age == "minor" else 0
        needs_guardian = CODE["MINOR_REQUIRES_GUARDIAN"]
        by_age = np.select(
            [
                own & is_unknown,
                own & is_early,
                guardian & ~is_unknown & ~is_early,
                guardian & ~self.class_verified[classes],
            ],
            [unknown, needs_guardian, CODE["ACTOR_NOT_ALLOWED"], needs_guardian],
            0,
        ).astype(np.uint8)
        return np.where(
            ~is_grant | (before != 0), before, np.where(by_age != 0, by_age, after)
        )

    def _majority(self, queries: Queries, acceptance: Acceptance) -> np.ndarray:
        """Return when each query's person comes of age, `FAR` where unknown."""
        size = self.statements.num_people
        if not size:
            return np.full(len(queries), FAR, np.int64)
        known = (queries.person >= 0) & (queries.person < size)
        born = np.where(known, self.statements.birth[queries.person], FAR)
        return birthday(born, acceptance.age[queries.row])

    def _voided(
        self, pair: np.ndarray, act: np.ndarray, classes: np.ndarray, kind: np.ndarray
    ) -> np.ndarray:
        """Tell which acts a touching invalidation of their group lies at or after."""
        ends = self.class_invalidates[classes] & (kind == END)
        if not ends.any():
            return np.zeros(len(act), bool)
        size = int(pair[-1]) + 1
        until = ragged.max_by(pair, np.where(ends, act, -1), size)
        return act <= until[pair]

    def _notices(
        self,
        queries: Queries,
        query: np.ndarray,
        act: np.ndarray,
        kind: np.ndarray,
        is_linked: np.ndarray,
        pair: np.ndarray,
    ) -> np.ndarray:
        covers = kind == NOTICE
        if covers.any():
            covers &= ~is_linked[pair]
        if not covers.any():
            return np.full(len(queries), FAR, np.int64)
        return ragged.min_by(
            query[covers], self.statements.effective[act[covers]], len(queries)
        )

    def _combined(
        self,
        queries: Queries,
        acceptance: Acceptance,
        query: np.ndarray,
        is_linked: np.ndarray,
        current: np.ndarray,
        kind: np.ndarray,
        notes: np.ndarray,
        noticed_at: np.ndarray,
    ) -> States:
        """Fold the groups of each query into one state."""
        data = self.statements
        runs = ragged.Runs(query, len(queries))
        at = taken(queries.at, query)
        classes = data.class_of[current] if len(data.class_of) else current
        code = self.class_code[classes] if len(self.class_code) else classes
        is_denied = kind == DENIAL
        is_granted = kind == GRANT
        is_over = is_granted & self._is_over(queries, acceptance, query, current, at)
        is_ended = is_over | (kind == END)
        if is_ended.any():
            ended = np.where(is_over, _EXPIRED, code).astype(np.int64)
            encoded = (ended << SHIFT) | np.maximum(current, 0)
            notes = np.minimum(notes, np.where(is_ended, encoded, FAR))
        is_granted &= ~is_over & ~is_linked
        if len(current):
            self._settle(runs, query, current, classes, is_denied, is_granted)
        denials = (code.astype(np.int64) << SHIFT) | current
        denial = runs.least_where(is_denied, denials)
        note = runs.least_where(notes != FAR, notes)
        rank = self.class_rank[classes].astype(np.int64) if len(classes) else classes
        ranked = (rank << SHIFT) | np.maximum(current, 0)
        any_grant = covering = runs.least_where(is_granted, ranked)
        is_retroactive = np.zeros(len(queries), bool)
        if data.data_from is not None or data.data_until is not None:
            covers, names_start = self._windows(queries, query, current, is_granted)
            covering = runs.least_where(covers, ranked)
            is_retroactive[query[names_start]] = True
        return answers(denial, any_grant, note, covering, is_retroactive, noticed_at)

    def _settle(
        self,
        runs: ragged.Runs,
        query: np.ndarray,
        current: np.ndarray,
        classes: np.ndarray,
        is_denied: np.ndarray,
        is_granted: np.ndarray,
    ) -> None:
        """Clear the denials and grants that newer ones of other groups set aside."""
        only_latest = self.policy.conflict == "latest"
        lifting = self.policy.signals.later_explicit_lifts
        if not (only_latest or lifting):
            return
        stands = is_denied | is_granted
        effective = np.where(stands, self.statements.effective[current], _LEAST)
        if only_latest:
            stands &= effective == runs.greatest(effective, _LEAST)[query]
            is_denied &= stands
            is_granted &= stands
        if lifting:
            lifts = is_granted & self.class_explicit_self[classes]
            since = np.where(lifts, effective, _LEAST)
            lifted_at = runs.greatest(since, _LEAST)[query]
            is_opt_out = self.class_code[classes] == _OPT_OUT
            is_denied &= ~(is_opt_out & (effective < lifted_at))

    def _is_over(
        self,
        queries: Queries,
        acceptance: Acceptance,
        query: np.ndarray,
        current: np.ndarray,
        at: np.ndarray,
    ) -> np.ndarray:
        over = np.zeros(len(current), bool)
        if self.expiry is not None:
            over |= at >= self.expiry[current]
        minors = self.policy.minors
        if minors is not None and minors.on_majority == "lapse" and len(current):
            majority = self._majority(queries, acceptance)[query]
            effective = self.statements.effective[current]
            over |= (effective < majority) & (at >= majority)
        return over

    def _windows(
        self,
        queries: Queries,
        query: np.ndarray,
        current: np.ndarray,
        is_granted: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tell which grants cover the collection time, and which name a start."""
        data = self.statements
        covers = is_granted.copy()
        names_start = np.zeros(len(current), bool)
        collected = queries.collected[query]
        if data.data_from is not None:
            start = data.data_from[current]
            covers &= collected >= start
            names_start = start != _LEAST
        if data.data_until is not None:
            covers &= collected < data.data_until[current]
        return covers, names_start & covers

    def changes(
        self, queries: Queries, acceptance: Acceptance, until: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (query, instant), by query: when the state may change up to `until`.

        Between two of these instants of a query its state is constant. Instants at
        or before the least that matters are included; duplicates may occur.
        """
        data = self.statements
        owner, group, _linked = self.fitting_groups(queries)
        _, act, query, _, kind = self._acts(queries, acceptance, owner, group)
        relevant = kind != NOTICE
        if not relevant.all():
            query, act, kind = query[relevant], act[relevant], kind[relevant]
        instants = [(query, data.effective[act])]
        grants = kind == GRANT
        for column in (data.valid_from, self.expiry):
            if column is not None:
                instants.append((query[grants], column[act[grants]]))
        minors = self.policy.minors
        if minors is not None and minors.on_majority == "lapse":
            instants.append(
                (np.arange(len(queries)), self._majority(queries, acceptance))
            )
        everyone = np.concatenate([part for part, _ in instants])
        times = np.concatenate([part for _, part in instants])
        if len(instants) == 1:
            inside = times <= until
            return everyone[inside], times[inside]
        inside = (times <= until) & (times > _LEAST)
        everyone, times = everyone[inside], times[inside]
        order = np.argsort(everyone, kind="stable")
        return everyone[order], times[order]


def _looked_up(
    table: np.ndarray, queries: Queries, query: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Return what a table over (row, class) says of each act, asked by its query."""
    if is_same(queries.row) and len(queries):
        return table[queries.row[0]].take(classes)
    return table[queries.row[query], classes]

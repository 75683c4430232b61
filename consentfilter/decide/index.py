"""The consent index: policy × consent, compiled so that records only look up.

Built once per run and shared by all workers. For every question a policy asks, the
state of every person at `as_of` is tabulated with the start of the unbroken granted
interval that reaches it. People whose state depends on the record (scopes, links,
data windows) are marked; the kernel asks `state.Evaluator` for them.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime as dt
import os
import threading
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from consentfilter.decide import ragged
from consentfilter.decide.gather import gather_statements
from consentfilter.decide.lookup import KeyTable
from consentfilter.decide.queries import GRANTED, Queries
from consentfilter.decide.ragged import FAR
from consentfilter.decide.state import Evaluator
from consentfilter.decide.statements import Statements
from consentfilter.decide.targets import Acceptance, Question, Questions
from consentfilter.errors import RunRefused
from consentfilter.policy.model import Policy
from consentfilter.reasons import CODE
from consentfilter.taxonomy import BASE_VERSION, Taxonomy

if TYPE_CHECKING:
    from consentfilter.consent.load import Consent

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_LEAST: Final = np.iinfo(np.int64).min
#: Threads that tabulate one row of questions.
_THREADS: Final = min(8, os.cpu_count() or 1)
#: Statements looked at in one go: bounds the memory of an evaluation.
PIECE: Final = 1 << 17
#: Bytes that all tables of an index may take together.
TABLE_BUDGET_BYTES: Final = 400 << 20
#: One person in a table: what is read of somebody lies together, for it is read at
#: random places of memory.
_PERSON: Final = np.dtype(
    [
        ("since", np.int64),
        ("statement", np.int32),
        ("code", np.uint8),
        ("is_whole", np.bool_),
    ],
    align=True,
)
_TABLE_ROW_BYTES: Final = _PERSON.itemsize + 8


def instant_us(instant: dt.datetime) -> int:
    """Return microseconds since 1970 UTC of an aware datetime."""
    return (instant - _EPOCH) // _MICROSECOND


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """The state of everybody at `as_of` for one row of questions.

    One entry per person, and a last one for somebody nothing is known of.

    Attributes:
        people: of each these fields:
            code: uint8: `GRANTED` or the reason why not.
            statement: int32: the deciding statement, -1: none.
            since: int64: start of the unbroken granted interval that reaches
                `as_of`; `FAR` where not granted.
            is_whole: bool: there is no earlier granted interval.
        noticed_at: int64: first covering notice, `FAR`: none; None when no
            statement of a person is a notice.
    """

    people: np.ndarray
    noticed_at: np.ndarray | None


class MemberIndex:
    """One deciding policy over the statements; grows as records ask.

    Thread-safe: questions and tables are only ever added, under a lock.
    """

    def __init__(
        self, policy: Policy, statements: Statements, taxonomy: Taxonomy, as_of_us: int
    ) -> None:
        self.policy = policy
        self.statements = statements
        self.evaluator = Evaluator.of(statements, policy)
        self.as_of_us = as_of_us
        self._questions = Questions(policy, taxonomy, statements.classes)
        self._tables: dict[int, Table] = {}
        self._lock = threading.RLock()
        self.is_plain = self._plain_people()
        self.are_all_plain = bool(self.is_plain.all())
        erased = {
            state
            for state in ("deleted", "deactivated")
            if getattr(policy.lifecycle, state) == "drop"
        }
        codes = dict.fromkeys(erased, CODE["SUBJECT_ERASED"])
        if policy.lifecycle.deceased == "drop":
            codes["deceased"] = CODE["SUBJECT_DECEASED"]
        self.lifecycle_code = np.array(
            [codes.get(state, 0) for state in statements.lifecycle_states], np.uint8
        )
        self._capacity = TABLE_BUDGET_BYTES // (
            (statements.num_people + 1) * _TABLE_ROW_BYTES
        )

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations that some rule of the policy names."""
        return self._questions.relations

    @property
    def acceptance(self) -> Acceptance:
        """The acceptance tables of all questions so far."""
        return self._questions.acceptance

    def question_numbers(
        self, cells: list[tuple[str | None, str, str | None]]
    ) -> np.ndarray:
        """Return question numbers, one row per (jurisdiction, category, relation).

        Returns:
            int32 of shape (cells, purposes).
        """
        with self._lock:
            return np.array(
                [
                    [self._questions.number(*cell, p) for p in self.policy.purposes]
                    for cell in cells
                ],
                np.int32,
            ).reshape(len(cells), len(self.policy.purposes))

    def questions(self) -> list[Question]:
        """Return all questions so far, by number."""
        with self._lock:
            return list(self._questions.all)

    def table(self, row: int) -> Table | None:
        """Return the table of a row, made when first asked; None over the budget."""
        table = self._tables.get(row)
        if table is not None:
            return table
        with self._lock:
            if row in self._tables:
                return self._tables[row]
            if len(self._tables) >= self._capacity:
                return None
            table = self._tables[row] = self._tabulate(row)
            return table

    def _plain_people(self) -> np.ndarray:
        """Tell whose state does not depend on the record: no scope, link, window."""
        data = self.statements
        plain = ~(data.has_scope | data.has_window)
        if len(data.linked.groups):
            plain &= data.component < 0
        return np.append(plain, True)

    def _tabulate(self, row: int) -> Table:
        data, size = self.statements, self.statements.num_people + 1
        unstated = np.array((FAR, -1, CODE["NO_CONSENT_RECORD"], True), _PERSON)
        everybody = np.full(size, unstated)
        has_notices = any(each.status == "noticed" for each in data.classes)
        noticed_at = np.full(size, FAR, np.int64) if has_notices else None
        stated = np.flatnonzero(self.is_plain[:-1] & (data.own.counts > 0))

        def fill(people: np.ndarray) -> None:
            states = self.evaluator.evaluate(
                self._queries(row, people), self.acceptance
            )
            everybody["code"][people] = states.code
            everybody["statement"][people] = states.statement
            if noticed_at is not None:
                noticed_at[people] = states.noticed_at
            granted = people[states.code == GRANTED]
            if self.policy.temporal.mode in ("both", "continuous"):
                since, is_whole = self._intervals(row, granted)
                everybody["since"][granted] = since
                everybody["is_whole"][granted] = is_whole

        pieces = self._pieces(stated)
        if len(pieces) > 1:
            with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(fill, pieces))
        else:
            for people in pieces:
                fill(people)
        return Table(everybody, noticed_at)

    def _pieces(self, people: np.ndarray) -> list[np.ndarray]:
        """Split people so that no piece has many more statements than `PIECE`."""
        data = self.statements
        last = data.own.starts[people] + data.own.counts[people] - 1
        # Groups of a person stand together, and people in their order.
        end = data.group_start[data.own.groups[last] + 1] if len(people) else last
        cuts = np.searchsorted(end, np.arange(PIECE, int(end[-1:].sum()), PIECE))
        return [piece for piece in np.split(people, np.unique(cuts)) if len(piece)]

    def _queries(self, row: int, people: np.ndarray) -> Queries:
        size = len(people)
        nowhere = ragged.same(-1, size, np.int32)
        now = ragged.same(self.as_of_us, size, np.int64)
        return Queries(
            row=ragged.same(row, size, np.int32),
            person=people.astype(np.int32, copy=False),
            scope=(nowhere, nowhere, nowhere),
            at=now,
            collected=now,
        )

    def _intervals(self, row: int, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return since when each grant is unbroken, and whether none was before it."""
        queries = self._queries(row, people)
        owner, instants = self.evaluator.changes(
            queries, self.acceptance, self.as_of_us
        )
        # With one change there is one interval: it starts there.
        since = np.full(len(people), FAR, np.int64)
        since[owner] = np.where(instants > _LEAST, instants, FAR)
        is_whole = np.ones(len(people), bool)
        repeats = owner[1:] == owner[:-1]
        again = np.flatnonzero(np.append(repeats, False) | np.append(False, repeats))
        if not len(again):
            return since, is_whole
        owner, instants = owner[again], instants[again]
        asked = queries.take(owner).when(instants)
        states = self.evaluator.evaluate(asked, self.acceptance)
        granted = states.code == GRANTED
        runs = ragged.Runs(owner, len(people))
        broken = runs.greatest(np.where(granted, _LEAST, instants), _LEAST)[owner]
        later = runs.least(np.where(instants > broken, instants, FAR))
        since[runs.owner] = later[runs.owner]
        is_whole[owner[granted & (instants < broken)]] = False
        return since, is_whole


@dataclasses.dataclass(frozen=True, slots=True)
class ConsentIndex:
    """Everything that deciding a record needs; see `compile_index`.

    Attributes:
        policy, consent metadata and the taxonomy the run uses.
        members: one per deciding policy, in the policy's order.
        categories: the known category nodes, sorted; records are coded by position.
        category_codes: finds those positions.
    """

    policy: Policy
    statements: Statements
    members: tuple[MemberIndex, ...]
    taxonomy: Taxonomy
    categories: tuple[str, ...]
    category_codes: KeyTable
    as_of_us: int


def compile_index(
    policy: Policy, consent: Consent, taxonomy: Taxonomy | None = None
) -> ConsentIndex:
    """Compile a policy and a consent snapshot into an index.

    Args:
        policy: the declared policy.
        consent: snapshot, subjects and links.
        taxonomy: the trees of the run; None: the policy's own.

    Raises:
        RunRefused: RUN_TAXONOMY_MISMATCH when the snapshot was built with other
            trees; RUN_SNAPSHOT_INVALID when it is compact and the policy looks at
            more than the present, or its order is broken.
    """
    known = policy.effective_taxonomy() if taxonomy is None else taxonomy
    meta = consent.snapshot.meta
    if meta.taxonomy_version not in (BASE_VERSION, known.version):
        raise RunRefused(
            "RUN_TAXONOMY_MISMATCH",
            f"the snapshot was built with taxonomy {meta.taxonomy_version!r}, the run "
            f"has {known.version!r}: build the snapshot with the run's dataset file, "
            "or extend the policy's taxonomy alike",
        )
    modes = sorted({member.temporal.mode for member in policy.members} - {"processing"})
    if meta.history == "compact" and modes:
        raise RunRefused(
            "RUN_SNAPSHOT_INVALID",
            "the snapshot is compact (earlier grants were removed), which only serves "
            f"temporal mode 'processing'; the policy asks for {', '.join(modes)}: "
            "build it again with its full history",
        )
    statements = gather_statements(consent)
    as_of_us = instant_us(meta.as_of)
    categories = tuple(sorted(known.categories))
    return ConsentIndex(
        policy=policy,
        statements=statements,
        members=tuple(
            MemberIndex(member, statements, known, as_of_us)
            for member in policy.members
        ),
        taxonomy=known,
        categories=categories,
        category_codes=KeyTable(pa.array(categories, pa.string())),
        as_of_us=as_of_us,
    )

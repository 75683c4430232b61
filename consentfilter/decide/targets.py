"""What is asked of a person's statements: one target per rule, purpose, category.

A policy asks the same few questions of millions of statements. A *target* is one
such question; its acceptance depends on the statement's class alone (age and times
aside), so it is a row of small tables over classes. Questions that every class
answers alike share one row.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from consentfilter.decide.statements import StatementClass
from consentfilter.policy.jurisdiction import age_of_consent, nearest_rule
from consentfilter.policy.model import Policy, Rule
from consentfilter.reasons import CODE
from consentfilter.taxonomy import Taxonomy, is_above_or_equal, touches

IRRELEVANT, DENIAL, END, GRANT, NOTICE = range(5)

GRANT_STATUSES: Final = frozenset({"given", "renewed"})
DENIAL_CODES: Final = {
    "refused": CODE["CONSENT_REFUSED"],
    "withdrawn": CODE["CONSENT_WITHDRAWN"],
    "revoked": CODE["CONSENT_REVOKED"],
    "objected": CODE["OBJECTED"],
    "opted_out": CODE["OPT_OUT_SIGNAL"],
}
END_CODES: Final = {
    "expired": CODE["CONSENT_EXPIRED"],
    "invalidated": CODE["CONSENT_INVALIDATED"],
}
#: Codes of standing denials are next to each other.
FIRST_DENIAL, LAST_DENIAL = min(DENIAL_CODES.values()), max(DENIAL_CODES.values())

#: How a target is judged once the state is known.
BY_CONSENT, BY_BASIS, BY_EXEMPTION, CONSTANT = range(4)


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """One target.

    Attributes:
        rule: the rule that asks, None where no rule applies.
        judged: BY_CONSENT, BY_BASIS, BY_EXEMPTION or CONSTANT.
        constant: the reason code of a constant target, else 0.
        row: row in the acceptance tables, -1 for a constant target.
        requires_notice: whether a notice must precede the collection.
    """

    rule: Rule | None
    judged: int
    constant: int
    row: int
    requires_notice: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Acceptance:
    """Tables over (row, statement class), uint8, and the age per row.

    Attributes:
        kind: IRRELEVANT, DENIAL, END, GRANT or NOTICE (one that covers).
        before_age, after_age: the reason code of the first acceptance test that a
            grant fails before and after the tests of age; 0: none.
        age: age of consent in years per row, -1 where ages do not matter.
    """

    kind: np.ndarray
    before_age: np.ndarray
    after_age: np.ndarray
    age: np.ndarray


class Questions:
    """The targets of one policy, made as records ask for them.

    Not thread-safe: callers hold the index's lock while they add.
    """

    def __init__(
        self,
        policy: Policy,
        taxonomy: Taxonomy,
        classes: tuple[StatementClass, ...],
    ) -> None:
        self._policy = policy
        self._taxonomy = taxonomy
        self._classes = classes
        self._rows: dict[bytes, int] = {}
        self._tables: list[np.ndarray] = []
        self._ages: list[int] = []
        self._numbers: dict[tuple[str | None, str, str | None, str], int] = {}
        self.all: list[Question] = []
        empty = np.zeros((0, len(classes)), np.uint8)
        self.acceptance = Acceptance(
            kind=empty, before_age=empty, after_age=empty, age=np.zeros(0, np.int32)
        )
        self.relations = tuple(
            sorted(
                {
                    relation
                    for rules in (policy.rules, *policy.jurisdictions.values())
                    for rule in rules
                    for actor in rule.actors
                    for relation in actor.relations or ()
                }
            )
        )

    def number(
        self,
        jurisdiction: str | None,
        category: str,
        relation: str | None,
        purpose: str,
    ) -> int:
        """Return the number of a target in `all`, adding it if it is new."""
        key = (jurisdiction, category, relation, purpose)
        found = self._numbers.get(key)
        if found is None:
            self.all.append(self._question(*key))
            found = self._numbers[key] = len(self.all) - 1
        return found

    def _question(
        self,
        jurisdiction: str | None,
        category: str,
        relation: str | None,
        purpose: str,
    ) -> Question:
        rule = nearest_rule(self._policy, jurisdiction, category)
        if rule is None:
            return Question(None, CONSTANT, CODE["NO_CONSENT_RECORD"], -1, False)
        if rule.effect == "prohibit":
            return Question(rule, CONSTANT, CODE["CATEGORY_PROHIBITED"], -1, False)
        if rule.effect == "allow" and rule.ignore_denials:
            return Question(rule, CONSTANT, CODE["OK_EXEMPT"], -1, False)
        minors = self._policy.minors
        age = -1 if minors is None else age_of_consent(minors, jurisdiction)
        row = self._row(rule, purpose, category, relation, age)
        if rule.effect == "allow":
            return Question(rule, BY_EXEMPTION, 0, row, False)
        judged = BY_CONSENT if rule.basis == "consent" else BY_BASIS
        return Question(rule, judged, 0, row, rule.requires_notice)

    def _row(
        self, rule: Rule, purpose: str, category: str, relation: str | None, age: int
    ) -> int:
        tables = np.array(
            [
                self._entry(each, rule, purpose, category, relation)
                for each in self._classes
            ],
            np.uint8,
        ).reshape(-1, 3)
        key = tables.tobytes() + age.to_bytes(4, "little", signed=True)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self._tables)
            self._tables.append(tables)
            self._ages.append(age)
            stacked = np.stack(self._tables)
            kind, before, after = (
                np.ascontiguousarray(stacked[:, :, part]) for part in range(3)
            )
            ages = np.array(self._ages, np.int32)
            self.acceptance = Acceptance(kind, before, after, ages)
        return row

    def _entry(
        self,
        each: StatementClass,
        rule: Rule,
        purpose: str,
        category: str,
        relation: str | None,
    ) -> tuple[int, int, int]:
        """Return (kind, code before age, code after age) of a class."""
        if each.status in GRANT_STATUSES:
            return (
                GRANT,
                self._before_age(each, rule, purpose, category),
                self._after_age(each, rule, relation),
            )
        if each.status == "noticed":
            covers = is_above_or_equal(each.purpose, purpose) and is_above_or_equal(
                each.category, category
            )
            return (NOTICE if covers else IRRELEVANT), 0, 0
        kind = DENIAL if each.status in DENIAL_CODES else END
        if kind == END and each.status not in END_CODES:
            return IRRELEVANT, 0, 0
        known = self._taxonomy
        said_purpose = each.purpose if each.purpose in known.purposes else "*"
        said_category = each.category if each.category in known.categories else "*"
        if touches(said_purpose, purpose) and touches(said_category, category):
            return kind, 0, 0
        return IRRELEVANT, 0, 0

    def _before_age(
        self, each: StatementClass, rule: Rule, purpose: str, category: str
    ) -> int:
        covers_purpose = (
            is_above_or_equal(each.purpose, purpose)
            if rule.inherit_purpose
            else each.purpose == purpose
        )
        if not covers_purpose or not _is_known(each.purpose, self._taxonomy.purposes):
            return CODE["PURPOSE_NOT_COVERED"]
        if not is_above_or_equal(each.category, category) or not _is_known(
            each.category, self._taxonomy.categories
        ):
            return CODE["CATEGORY_NOT_COVERED"]
        recipient = self._policy.recipient
        named = each.recipients or ()
        if recipient is not None and recipient not in named and "*" not in named:
            return CODE["RECIPIENT_NOT_COVERED"]
        return 0

    def _after_age(self, each: StatementClass, rule: Rule, relation: str | None) -> int:
        fits = any(
            actor.type == each.actor_type
            and (actor.scopes is None or each.scope_kind in actor.scopes)
            and (actor.relations is None or relation in actor.relations)
            for actor in rule.actors
        )
        if not fits:
            return CODE["ACTOR_NOT_ALLOWED"]
        # Where ages matter, this was tested with them, before the actor.
        is_guardian = each.actor_type == "guardian"
        if self._policy.minors is None and is_guardian and not each.is_verified:
            return CODE["MINOR_REQUIRES_GUARDIAN"]
        if each.expression not in rule.expression:
            return CODE["EXPRESSION_INSUFFICIENT"]
        if rule.terms is not None and each.terms_version not in rule.terms:
            return CODE["TERMS_VERSION_MISMATCH"]
        return 0


def _is_known(node: str, nodes: frozenset[str]) -> bool:
    return node == "*" or node in nodes

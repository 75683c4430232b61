"""Several policies at once: the strictest binds, what any removes is removed."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from consentfilter.decide import ragged
from consentfilter.decide.batch import Batch
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.draft import Draft
from consentfilter.decide.index import ConsentIndex
from consentfilter.kernels import strings
from consentfilter.reasons import CODE, KEEP_BASE, NO_REASON, Decision

_DROP, _REDACT, _KEEP = np.array(
    [Decision.DROP, Decision.REDACT, Decision.KEEP], np.uint8
)


def merged(batch: Batch, index: ConsentIndex, drafts: list[Draft]) -> Decisions:
    """Return the decisions that all drafts together make."""
    codes = np.stack([draft.code for draft in drafts])
    redacts = np.stack([draft.is_redacted for draft in drafts])
    fails = np.where(redacts, _REDACT, _DROP)
    each = np.where(codes >= KEEP_BASE, _KEEP, fails)
    decision = each.min(axis=0)
    # Among the strictest, the first by precedence; among keeps, the weakest.
    ranked = np.where(each == decision, codes, NO_REASON)
    reason = ranked.min(axis=0)
    is_redacted = decision == Decision.REDACT
    segments = _union([draft.segments for draft in drafts])
    segments = segments & is_redacted[batch.bound.segments.row]
    columns = _union([draft.columns for draft in drafts]) & is_redacted[None, :]
    mentions = _union([draft.mentions for draft in drafts])
    mentions = mentions & is_redacted[batch.bound.mentions.row]
    nothing = np.zeros(batch.bound.num_rows, bool)
    below = nothing
    if len(drafts) > 1 and is_redacted.any():
        nothing, below = _too_much(batch, index, segments, columns, is_redacted)
        lost = nothing | below
        decision[lost] = Decision.DROP
        reason[below] = CODE["BELOW_MIN_RETAINED"]
        segments = segments & ~lost[batch.bound.segments.row]
        columns = columns & ~lost[None, :]
        mentions = mentions & ~lost[batch.bound.mentions.row]
    if len(drafts) > 1 and mentions.any():
        of = batch.bound.mentions
        there = of.column >= 0
        covered = np.zeros(len(of), bool)
        covered[there] = columns[of.column[there], of.row[there]]
        spoken = of.segment >= 0
        covered[spoken] |= segments[of.segment[spoken]]
        mentions = mentions & ~covered
    return Decisions(
        decision=decision,
        reason=reason,
        segments=segments,
        columns={at: goes for at, goes in enumerate(columns) if goes.any()},
        mentions=mentions,
        **_attributed(batch, index, drafts, ranked, below),
    )


def _union(parts: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.logical_or.reduce(parts)) if len(parts) > 1 else parts[0]


def _too_much(
    batch: Batch,
    index: ConsentIndex,
    segments: np.ndarray,
    columns: np.ndarray,
    is_redacted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Tell in which redacted records nothing, or too little, is left of the union."""
    bound, size = batch.bound, batch.bound.num_rows
    row = bound.segments.row
    total = ragged.count_by(row, size)
    left = total - ragged.count_by(row[segments], size)
    nothing = is_redacted & (total > 0) & (left == 0)
    if len(columns):
        present = np.stack(bound.is_present)
        gone = (present & columns).any(axis=0) & ~(present & ~columns).any(axis=0)
        nothing |= is_redacted & (total == 0) & gone
    shares = [member.policy.multi_subject.min_retained for member in index.members]
    below = (
        is_redacted & ~nothing & (left < total) & (left < max(shares) * total - 1e-9)
    )
    return nothing, below


def _attributed(
    batch: Batch,
    index: ConsentIndex,
    drafts: list[Draft],
    ranked: np.ndarray,
    below: np.ndarray,
) -> dict[str, pa.Array]:
    """Return rule, person and statements behind each decision."""
    size = batch.bound.num_rows
    rows = np.arange(size)
    is_alone = len(drafts) == 1
    member = ragged.same(0, size, np.int64) if is_alone else ranked.argmin(axis=0)

    def pick(name: str) -> np.ndarray:
        values = [getattr(draft, name) for draft in drafts]
        return values[0] if is_alone else np.stack(values)[member, rows]

    def pick_unless_below(name: str) -> np.ndarray:
        return np.where(below, -1, pick(name)) if below.any() else pick(name)

    keys = batch.bound.people.key
    if len(batch.bound.mentions):
        keys = pa.concat_arrays([keys, batch.bound.mentions.key])
    ids = index.statements.ids
    return {
        "rule": _rules(index, pick_unless_below("question"), pick("code"), member),
        "subject_key": strings.take(keys, pick_unless_below("entry")),
        "grant_id": strings.take(ids, pick_unless_below("grant")),
        "denial_id": strings.take(ids, pick_unless_below("denial")),
    }


def _rules(
    index: ConsentIndex,
    question: np.ndarray,
    code: np.ndarray,
    member: np.ndarray,
) -> pa.DictionaryArray:
    """Return the rules of questions, null where none was asked or has decided."""
    rules: list[str] = []
    first = []
    for each in index.members:
        first.append(len(rules))
        rules += [q.rule.id if q.rule is not None else "" for q in each.questions()]
    names = sorted(set(rules) - {""})
    position = {name: at for at, name in enumerate(names)}
    # The last one is for -1, no question.
    rule_of = np.array([*(position.get(rule, -1) for rule in rules), -1], np.int32)
    if len(first) > 1:
        question = np.where(question < 0, -1, question + np.array(first)[member])
    found = rule_of.take(question)
    found[_IS_WITHOUT_RULE.take(code)] = -1
    codes = pa.array(found, mask=found < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))


_IS_WITHOUT_RULE: Final = np.isin(
    np.arange(256),
    [CODE[name] for name in ("SUBJECT_UNKNOWN", "SUBJECT_ERASED", "SUBJECT_DECEASED")],
)

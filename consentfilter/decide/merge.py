"""Several policies at once: the strictest binds, what any removes is removed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from consentfilter.decide import ragged
from consentfilter.decide.batch import Batch
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.draft import Draft
from consentfilter.decide.index import ConsentIndex
from consentfilter.reasons import CODE, KEEP_BASE, Decision


def merged(batch: Batch, index: ConsentIndex, drafts: list[Draft]) -> Decisions:
    """Return the decisions that all drafts together make."""
    codes = np.stack([draft.code for draft in drafts])
    redacts = np.stack([draft.is_redacted for draft in drafts])
    each = np.where(
        codes >= KEEP_BASE,
        Decision.KEEP,
        np.where(redacts, Decision.REDACT, Decision.DROP),
    ).astype(np.uint8)
    decision = each.min(axis=0)
    # Among the strictest, the first by precedence; among keeps, the weakest.
    member = np.where(each == decision, codes, 255).argmin(axis=0)
    rows = np.arange(batch.bound.num_rows)
    reason = codes[member, rows]
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
        **_attributed(batch, index, drafts, member, below),
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
    member: np.ndarray,
    below: np.ndarray,
) -> dict[str, pa.Array]:
    """Return rule, person and statements behind each decision."""
    rules: list[str] = []
    offsets = []
    for each in index.members:
        offsets.append(len(rules))
        rules += [q.rule.id if q.rule is not None else "" for q in each.questions()]
    rows = np.arange(batch.bound.num_rows)

    def pick(name: str) -> np.ndarray:
        if len(drafts) == 1:
            values = getattr(drafts[0], name)
        else:
            values = np.stack([getattr(draft, name) for draft in drafts])[member, rows]
        return np.where(below, -1, values) if below.any() else values

    question = pick("question")
    code = np.array([draft.code for draft in drafts])[member, rows]
    number = question + np.array(offsets)[member]
    names = sorted(set(rules) - {""})
    position = {name: at for at, name in enumerate(names)}
    translate = np.array([position.get(rule, -1) for rule in rules] or [-1], np.int32)
    by_rule = (question >= 0) & ~np.isin(code, _WITHOUT_RULE)
    found = np.where(by_rule, translate[number], -1)
    keys = batch.bound.people.key
    if len(batch.bound.mentions):
        keys = pa.concat_arrays([keys, batch.bound.mentions.key])
    ids = index.statements.ids
    return {
        "rule": pa.DictionaryArray.from_arrays(
            _nullable(found).cast(pa.int32()), pa.array(names, pa.string())
        ),
        "subject_key": keys.take(_nullable(pick("entry"))),
        "grant_id": ids.take(_nullable(pick("grant"))).cast(pa.string()),
        "denial_id": ids.take(_nullable(pick("denial"))).cast(pa.string()),
    }


_WITHOUT_RULE = np.array(
    [CODE[name] for name in ("SUBJECT_UNKNOWN", "SUBJECT_ERASED", "SUBJECT_DECEASED")],
    np.uint8,
)


def _nullable(numbers: np.ndarray) -> pa.Array:
    """Return numbers as an Arrow array in which -1 is null."""
    return pa.array(numbers, mask=numbers < 0)

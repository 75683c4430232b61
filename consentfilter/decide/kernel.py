"""The decision: every record of a batch, by every policy that binds.

`decide` is the only decision code; every engine calls it. It reads the bound
columns and the index and returns values. The order of the steps is that of
`decide1` in `docs/decision.md`: what is wrong with the record itself, then what its
people permit, then what can be redacted.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.decide import merge, segments, wholes
from consentfilter.decide.batch import Batch
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.draft import Draft
from consentfilter.decide.index import ConsentIndex, MemberIndex
from consentfilter.decide.mentions import judge_mentions
from consentfilter.reasons import CODE
from consentfilter.records import Bound


def decide(
    bound: Bound, index: ConsentIndex, *, duplicates: np.ndarray | None = None
) -> Decisions:
    """Decide every record of a batch.

    Args:
        bound: the records in standard columns.
        index: the compiled policy and consent.
        duplicates: bool per record: its id occurs more than once in the run and the
            policy drops all of them (`on_duplicate: drop`).

    Returns:
        One decision per record; the reason follows the precedence of the closed list.
    """
    batch = Batch.of(bound, index)
    drafts = [_decide_by(batch, index, member, duplicates) for member in index.members]
    return merge.merged(batch, index, drafts)


def _decide_by(
    batch: Batch,
    index: ConsentIndex,
    member: MemberIndex,
    duplicates: np.ndarray | None,
) -> Draft:
    draft = Draft.empty(batch.bound)
    _refuse_records(batch, index, member, duplicates, draft)
    _settle_aggregates(batch, member, draft)
    people = batch.deciding(member.policy.multi_subject.roles)
    in_parts = batch.has_segments & (member.policy.multi_subject.mode == "per_segment")
    is_open = draft.code == 0
    segments.judge_by_segment(batch, member, people, is_open & in_parts, draft)
    wholes.judge_as_whole(batch, member, people, is_open & ~in_parts, draft)
    if member.policy.multi_subject.mentions == "pseudonymise":
        judge_mentions(batch, member, draft)
    return draft


def _refuse_records(
    batch: Batch,
    index: ConsentIndex,
    member: MemberIndex,
    duplicates: np.ndarray | None,
    draft: Draft,
) -> None:
    """Drop records that no person has to be asked about."""
    bound, policy = batch.bound, member.policy
    latest = index.as_of_us + policy.max_skew_s * 1_000_000
    invalid = ~bound.is_collected_valid | (bound.collected_at > latest)
    if bound.record_id.null_count:
        invalid |= bound.record_id.is_null().to_numpy(zero_copy_only=False)
    if duplicates is not None:
        invalid |= duplicates
    draft.drop(invalid, CODE["RECORD_INVALID"])
    draft.drop(batch.is_category_unknown, CODE["CATEGORY_UNKNOWN"])
    if policy.sources is not None:
        allowed = pc.is_in(
            bound.source, value_set=pa.array(policy.sources, pa.string())
        )
        foreign = ~allowed.to_numpy(zero_copy_only=False)
        draft.drop(foreign, CODE["SOURCE_NOT_ALLOWED"])


def _settle_aggregates(batch: Batch, member: MemberIndex, draft: Draft) -> None:
    aggregate = member.policy.aggregate
    bound = batch.bound
    if not bound.is_aggregate.any():
        return
    if not aggregate.allow:
        draft.drop(bound.is_aggregate, CODE["SUBJECT_UNKNOWN"])
        return
    large = bound.group_size >= aggregate.min_group_size
    draft.drop(bound.is_aggregate & ~large, CODE["AGGREGATE_TOO_SMALL"])
    draft.keep(bound.is_aggregate & large, CODE["OK_ANONYMOUS"])

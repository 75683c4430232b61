"""What deserves a second look in a policy that is valid.

Warnings name what a reader of the policy may not see at once: whose consent
counts, which objection does not, who is not asked. Errors (`E…`) stop a policy
from being loaded; the few that need the trees can also be found here, in a policy
that was made in code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consentfilter.policy.document import Document
from consentfilter.policy.findings import Finding
from consentfilter.policy.lint_rules import Found, of_lists
from consentfilter.policy.model import Policy
from consentfilter.policy.parts import Aggregate, MultiSubject
from consentfilter.policy.plain import unknown_nodes
from consentfilter.taxonomy import BASE, Taxonomy

#: Below this many people an aggregate may point at one of them.
SMALL_GROUP: Final = 10


def lint(
    policy: Policy, *, document: Document | None = None, taxonomy: Taxonomy = BASE
) -> tuple[Finding, ...]:
    """Return everything in a policy that deserves a second look.

    Args:
        policy: a valid policy.
        document: what it was read from, to name file and line.
        taxonomy: the trees that the policy's own nodes are added to.

    Returns:
        Findings by file, line and path. Errors are among them only for a policy
        that was made in code and names unknown purposes or categories.
    """
    where = document or Document(policy.effective())
    trees = policy.effective_taxonomy(taxonomy)
    found = [*unknown_nodes(policy.effective(), trees), *_warnings(policy)]
    findings = {where.finding(code, loc, message) for code, loc, message in found}
    return tuple(
        sorted(
            findings,
            key=lambda one: (one.source or "", one.line or 0, one.path, one.code),
        )
    )


def _warnings(policy: Policy) -> Iterator[Found]:
    for at, member in enumerate(policy.all_of):
        for code, loc, message in _warnings(member):
            yield code, ("all_of", at, *loc), message
        if member.on_duplicate != policy.on_duplicate:
            yield (
                "W214",
                ("all_of", at, "on_duplicate"),
                f"{member.on_duplicate} is not used: a run has one answer, and the"
                f" policy around it says {policy.on_duplicate}",
            )
    if policy.all_of:
        return
    yield from of_lists(policy)
    yield from _of_time(policy)
    yield from _of_people(policy)
    yield from _of_rows(policy)


def _of_time(policy: Policy) -> Iterator[Found]:
    if policy.temporal.mode == "collection":
        yield (
            "W203",
            ("temporal", "mode"),
            "a withdrawal after the collection does not count (GDPR Art. 7(3) lets"
            " people withdraw at any time)",
        )
    if policy.temporal.mode in ("processing", "collection"):
        if policy.temporal.retroactive != "explicit":
            yield (
                "W209",
                ("temporal", "retroactive"),
                f"has no effect with mode {policy.temporal.mode}; remove it",
            )
    elif policy.temporal.retroactive == "allow":
        yield (
            "W204",
            ("temporal", "retroactive"),
            "a consent covers data collected before it, although it does not say so",
        )


def _of_people(policy: Policy) -> Iterator[Found]:
    if policy.minors is None:
        yield (
            "W206",
            ("minors",),
            "absent: a child's own consent counts like an adult's (GDPR Art. 8; COPPA)",
        )
    elif policy.minors.unknown_age == "adult":
        yield (
            "W207",
            ("minors", "unknown_age"),
            "people of unknown birth date count as adults",
        )
    several = policy.multi_subject
    defaults = MultiSubject()
    if several.mode != "per_segment" and several.min_retained != defaults.min_retained:
        yield (
            "W209",
            ("multi_subject", "min_retained"),
            f"has no effect with mode {several.mode}; remove it",
        )
    if several.mode != "quorum" and several.quorum != defaults.quorum:
        yield (
            "W209",
            ("multi_subject", "quorum"),
            f"has no effect with mode {several.mode}; remove it",
        )
    for state, answer in policy.lifecycle:
        if answer == "keep":
            yield (
                "W210",
                ("lifecycle", state),
                f"records of people whose state is {state} are judged as if nothing had"
                " happened",
            )
    if policy.conflict == "latest":
        yield (
            "W211",
            ("conflict",),
            "a denial in one source stops counting once another source has a later"
            " grant",
        )


def _of_rows(policy: Policy) -> Iterator[Found]:
    size = policy.aggregate.min_group_size
    if policy.aggregate.allow and size < SMALL_GROUP:
        yield (
            "W213",
            ("aggregate", "min_group_size"),
            f"an aggregate over {size} people may point at one of them",
        )
    if not policy.aggregate.allow and size != Aggregate().min_group_size:
        yield (
            "W209",
            ("aggregate", "min_group_size"),
            "has no effect with allow: false; remove it",
        )

"""A policy as plain sentences that a lawyer can read.

Every key that matters is said, its default too: what is not written in the file
binds just as much. The same policy always gives the same text.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator

from consentfilter.policy import words
from consentfilter.policy.explain_rules import about_rules
from consentfilter.policy.model import Policy
from consentfilter.policy.parts import ROLES
from consentfilter.policy.unchecked import NEVER_CHECKED, not_checked


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """A heading and the sentences below it."""

    title: str
    sentences: tuple[str, ...]


def explain(policy: Policy, *, width: int = 80) -> str:
    """Return the policy as text, wrapped at `width` characters."""
    lines = [f"Policy {policy.id}, version {policy.version}"]
    for section in explain_sections(policy):
        lines += ["", section.title]
        for sentence in section.sentences:
            body = sentence.lstrip(" ")
            lines += textwrap.wrap(
                body,
                width,
                initial_indent=" " * (2 + len(sentence) - len(body)) + "- ",
                subsequent_indent=" " * (4 + len(sentence) - len(body)),
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines) + "\n"


def explain_sections(policy: Policy) -> tuple[Section, ...]:
    """Return the policy as headed lists of sentences.

    A sentence that starts with blanks belongs to the one above it.
    """
    if not policy.all_of:
        return (
            *_own_sections(policy),
            Section("Before a run", tuple(_about_run(policy))),
            Section("Always so, whatever a policy says", _ALWAYS),
            Section("Not checked", (*not_checked(policy), *NEVER_CHECKED)),
        )
    named = words.joined((f"{m.id} {m.version}" for m in policy.members), "and")
    return (
        Section(
            "Several policies at once",
            (
                f"These policies bind together: {named}.",
                "The strictest answer counts. What any of them removes from a record"
                " is removed.",
            ),
        ),
        *(
            Section(f"{member.id}: {section.title}", section.sentences)
            for member in policy.members
            for section in (
                *_own_sections(member),
                Section("Not checked", not_checked(member)),
            )
        ),
        Section("Before a run", tuple(_about_run(policy))),
        Section("Always so, whatever a policy says", _ALWAYS),
        Section("Not checked by any policy", NEVER_CHECKED),
    )


def _own_sections(policy: Policy) -> tuple[Section, ...]:
    """Return what a policy asks of a record."""
    return (
        Section("Purpose and recipient", tuple(_about_purpose(policy))),
        *(Section(title, sentences) for title, sentences in about_rules(policy)),
        Section("Time", tuple(_about_time(policy))),
        Section("Several people in one record", tuple(_about_people(policy))),
        Section("Children", tuple(_about_minors(policy))),
        Section("Closed accounts and deaths", tuple(_about_lifecycle(policy))),
        Section("Objections and contradictions", tuple(_about_conflict(policy))),
        Section("Records", tuple(_about_records(policy))),
    )


_ALWAYS = (
    "Where nothing permits a record, it is dropped: no consent on record means no.",
    "A record whose people cannot be named is dropped, and so is one of an unknown"
    " category.",
    "A consent covers what it names and everything below it; a refusal, withdrawal,"
    " objection or opt-out reaches above and below what it names. One that names no"
    " purpose or category is read as naming all.",
    "A refusal counts whatever its form, its terms and whoever recorded it; at the"
    " same instant it goes before a consent.",
    "What was derived from data needs permission for that data too.",
    "Refusals of one identity of a person bind the identities linked to it; consents"
    " do not.",
    "A consent that was found invalid counts as never given.",
)


def _about_purpose(policy: Policy) -> Iterator[str]:
    named = [words.with_term(words.PURPOSES, purpose) for purpose in policy.purposes]
    yield f"The records that are kept may be used for {words.joined(named, 'and')}."
    if len(named) > 1:
        yield "Each of these purposes must be permitted for itself."
    if policy.recipient is None:
        yield "They stay with the controller; consents are not asked for a recipient."
    else:
        yield (
            f"They go to {policy.recipient}; a consent counts only if it names that"
            " recipient, or any."
        )


def _about_time(policy: Policy) -> Iterator[str]:
    time = policy.temporal
    yield {
        "both": "Consent must have been in force when the data was collected, and must"
        " be in force now (temporal.mode: both).",
        "processing": "Consent must be in force now; whether it was when the data was"
        " collected is not asked (temporal.mode: processing).",
        "collection": "Consent must have been in force when the data was collected; a"
        " later withdrawal does not count (temporal.mode: collection).",
        "continuous": "Consent must have been in force when the data was collected and"
        " without a gap until now (temporal.mode: continuous).",
    }[time.mode]
    yield "'Now' is the one instant that a run is made for (as_of)."
    if time.mode in ("both", "continuous"):
        yield {
            "explicit": "A consent given after the collection covers older data only if"
            " it says from when on; then that is enough (temporal.retroactive:"
            " explicit).",
            "deny": "A consent never covers data collected before it"
            " (temporal.retroactive: deny).",
            "allow": "A consent in force now also covers data collected before it,"
            " although it does not say so (temporal.retroactive: allow).",
        }[time.retroactive]
    yield "A consent that names the data it covers covers no other."
    if time.max_age_months is None:
        yield "A consent does not lapse by age, only at the end that it states itself."
    else:
        yield (
            f"A consent lapses {words.counted(time.max_age_months, 'calendar month')}"
            " after it was given, or earlier if it says so itself."
        )


def _about_people(policy: Policy) -> Iterator[str]:
    several = policy.multi_subject
    asked = words.joined(several.roles, "or")
    yield f"Asked is everybody who is {asked} of a record or a part of it."
    others = [role for role in ROLES if role not in several.roles]
    if others:
        yield f"Not asked is who is only {words.joined(others, 'or')}."
    if several.mode == "per_segment":
        yield (
            "A record that comes in segments is judged segment by segment: what its own"
            " people do not permit goes, and the rest stays (multi_subject.mode:"
            " per_segment). The columns beside the segments go as soon as one segment"
            " goes, unless the dataset file says that they carry nothing of it."
        )
        yield (
            "If less than"
            f" {words.percent(several.min_retained)} of the segments would be left, the"
            " whole record is dropped."
            if several.min_retained > 0
            else "However little of a record is left, it is kept (min_retained: 0)."
        )
        yield "Any other record is kept only if everybody permits it."
    elif several.mode == "quorum":
        yield (
            f"A record is kept if at least {words.percent(several.quorum)} of these"
            " people permit it (multi_subject.mode: quorum). Nobody's refusal is"
            " outvoted."
        )
    else:
        yield "All of them must permit it (multi_subject.mode: all)."
    yield {
        "ignore": "Names of people who are only mentioned stay as they are.",
        "pseudonymise": "The name of somebody who is only mentioned and does not permit"
        " it is replaced by a pseudonym.",
    }[several.mentions]


def _about_minors(policy: Policy) -> Iterator[str]:
    minors = policy.minors
    if minors is None:
        yield (
            "Children are not told apart: their own consent counts like an adult's, and"
            " a guardian's only where a rule accepts guardians."
        )
        return
    yield (
        f"Below {minors.ages['default']} years a person's own consent does not count: a"
        " verified guardian must have given it, where the rule accepts guardians."
    )
    elsewhere = sorted(code for code in minors.ages if code != "default")
    if elsewhere:
        ages = (f"{minors.ages[code]} in {code}" for code in elsewhere)
        known = policy.jurisdiction_default
        yield (
            f"The age is {words.joined(ages, 'and')}. The person's place counts, else"
            f" that of the record, else {known or 'the age above'}."
        )
    yield (
        "What counts is the age on the day of the consent; a guardian's consent given"
        " after that birthday does not count."
    )
    yield {
        "adult": "People of unknown birth date count as adults"
        " (minors.unknown_age: adult).",
        "minor": "Of people of unknown birth date, their own consent does not count"
        " (minors.unknown_age: minor).",
    }[minors.unknown_age]
    yield {
        "keep": "A guardian's consent stays in force when the child comes of age.",
        "lapse": "A guardian's consent ends when the child comes of age.",
    }[minors.on_majority]


def _about_lifecycle(policy: Policy) -> Iterator[str]:
    answers = dict(policy.lifecycle)
    for answer, text in (
        ("drop", "are dropped, whatever was consented to"),
        ("keep", "are judged as if nothing had happened"),
    ):
        states = [state for state, said in answers.items() if said == answer]
        if states:
            yield f"Records of people who are {words.joined(states, 'or')} {text}."


def _about_conflict(policy: Policy) -> Iterator[str]:
    yield (
        "Within one source the latest act of a person about the same thing (the person,"
        " an account, a meeting, a work) decides. A refusal, withdrawal, revocation,"
        " objection or opt-out stands until that source has a later consent about it"
        " that the rule accepts."
    )
    yield {
        "deny_overrides": "If sources disagree, a standing refusal in any of them"
        " excludes the record (conflict: deny_overrides).",
        "latest": "If sources disagree, the latest act counts, whichever source it"
        " comes from (conflict: latest).",
    }[policy.conflict]
    if policy.signals.later_explicit_lifts:
        yield (
            "An opt-out is lifted by a later explicit consent of the person in any"
            " source (signals.later_explicit_lifts)."
        )
    elif policy.conflict == "deny_overrides":
        yield "An opt-out is not lifted by a consent in another source."


def _about_records(policy: Policy) -> Iterator[str]:
    if policy.sources is None:
        yield "Records of any origin are accepted."
    else:
        yield f"Only records of this origin: {words.joined(policy.sources, 'or')}."
    if policy.aggregate.allow:
        size = policy.aggregate.min_group_size
        yield (
            f"Rows about groups of at least {size:,} people are kept without anybody's"
            " consent; those about smaller groups are dropped."
        )
    else:
        yield "Rows about groups of people are dropped."
    yield {
        "drop": "Of a record without segments, nothing is kept unless all of it is"
        " permitted (on_fail: drop).",
        "redact_fields": "Of a record without segments, the columns that are permitted"
        " are kept and the others are emptied; if a required column would be emptied,"
        " the record is dropped (on_fail: redact_fields).",
    }[policy.on_fail]
    yield (
        "A record without a usable id or time of collection is dropped, and so is one"
        f" collected more than {words.counted(policy.max_skew_s, 'second')} after the"
        " instant of the run."
    )


def _about_run(policy: Policy) -> Iterator[str]:
    rule = policy.snapshot
    if rule.max_staleness is not None:
        yield (
            "Nothing is written if what a source says of consent is more than"
            f" {words.span(rule.max_staleness)} old."
        )
    else:
        yield "The consent data may be of any age."
    if rule.required_sources:
        named = words.joined(rule.required_sources, "or")
        yield f"Nothing is written if one of these sources is missing: {named}."
    yield {
        "error": "Nothing is written if two records have the same id.",
        "drop": "Records that share an id are all dropped.",
    }[policy.on_duplicate]

"""The demo's outcome as text for a terminal: who, what, why, what next."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from consentfilter.demo.summary import Example, Summary

WIDTH: Final = 96
_LINES: Final = 5


def render(summary: Summary, *, place: str, verified: str) -> str:
    """Return the whole text.

    Args:
        summary: what happened.
        place: the demo's directory, as the reader would type it.
        verified: what `verify` said of the release, in a few words.
    """
    sections = [
        _counts(summary, verified),
        _people(summary),
        _reasons(summary),
        _examples(summary),
        _next(summary, place),
    ]
    return "\n\n".join(section for section in sections if section)


def _counts(summary: Summary, verified: str) -> str:
    return (
        f"{summary.read:,} records of an invented conferencing product: "
        f"{summary.kept:,} kept, {summary.redacted:,} redacted, "
        f"{summary.dropped:,} dropped.\nThe release was checked: {verified}."
    )


def _people(summary: Summary) -> str:
    """Say of each group how much of what it said is in, those without a word first."""
    groups = sorted(summary.groups, key=lambda g: (-g.utterances, g.story))
    out = [g for g in groups if not g.utterances_in + g.messages_in]
    some = [g for g in groups if g.utterances_in + g.messages_in]
    lines = ["Not a word of these people is in the release:"]
    for group in out:
        said = f"{group.utterances:,} utterances and {group.messages:,} messages"
        lines += _group(f"{said} of {group.people:,} {group.who} dropped", group.why)
    lines += ["", "Some words of these people are in:"]
    for group in some:
        said = (
            f"{group.utterances_in:,} of {group.utterances:,} utterances and "
            f"{group.messages_in:,} of {group.messages:,} messages"
        )
        lines += _group(f"{said} of {group.people:,} {group.who}", group.why)
    rest = (
        "What is missing of theirs was said before they agreed, or in a meeting that "
        "showed no notice, or went with its whole transcript: "
        f"{summary.thin_transcripts:,} transcripts were dropped because too little "
        "of them would have been left."
    )
    return "\n".join([*lines, "", *textwrap.wrap(rest, WIDTH)])


def _group(said: str, why: str) -> list[str]:
    """Lay out one group: what, then why, indented."""
    return textwrap.wrap(
        f"{said}: {why}", WIDTH, initial_indent="  - ", subsequent_indent="    "
    )


def _reasons(summary: Summary) -> str:
    lines = ["Why records are out, in part or in, each with the one reason that counts"]
    titles = {"drop": "dropped", "redact": "redacted", "keep": "kept"}
    width = max(len(count.reason) for count in summary.reasons)
    last = ""
    for count in summary.reasons:
        title = titles[count.decision] if count.decision != last else ""
        last = count.decision
        number = f"  {title:<9}{count.records:>7,}"
        lines.append(f"{number}  {count.reason:<{width}}  {count.sentence}")
    return "\n".join(lines)


def _examples(summary: Summary) -> str:
    lines: list[str] = []
    if summary.transcript:
        lines.append(f"A transcript, before and after ({summary.transcript.record_id})")
        lines += _side_by_side(summary.transcript)
    if summary.message:
        if lines:
            lines.append("")
        lines.append(f"A chat message ({summary.message.record_id})")
        lines += [f"  before  {line}" for line in summary.message.before]
        lines += [f"  after   {line}" for line in summary.message.after]
    return "\n".join(lines)


def _side_by_side(example: Example) -> Iterator[str]:
    half = (WIDTH - 6) // 2
    for one, other in zip(
        example.before[:_LINES], example.after[:_LINES], strict=False
    ):
        left = textwrap.shorten(one, half, placeholder="…")
        right = textwrap.shorten(other, half, placeholder="…")
        yield f"  {left:<{half}}  {right}"


def _next(summary: Summary, place: str) -> str:
    release, snapshot = f"{place}/release", f"{place}/snapshot.parquet"
    key = f"{place}/demo.pub.pem"
    consent, later = f"{place}/consent", f"{place}/later/withdrawals.parquet"
    look = [
        ("the rules, in sentences:", f"policy explain {place}/policy.yaml"),
        ("who agreed to what, and how:", f"snapshot inspect {snapshot}"),
    ]
    if summary.transcript:
        record = summary.transcript.record_id
        look.append(("why a transcript lost lines:", f"explain {release} {record}"))
    look += [
        ("is the release what was signed?", f"verify {release} --public-key {key}"),
        (
            "a week later people withdraw:",
            f"recheck {release} --consent {consent} --consent {later}",
        ),
    ]
    lines = ["Look next"]
    for why, command in look:
        lines += [f"  {why}", f"    consentfilter {command}"]
    return "\n".join(lines)

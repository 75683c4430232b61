"""The demo's outcome as text for a terminal: who, what, why, what next."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from consentfilter.demo.summary import Example, Group, Summary

WIDTH: Final = 88
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
        _people(summary.groups),
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


def _people(groups: Iterable[Group]) -> str:
    lines = [
        "What became of what people said in meetings (utterances) and wrote in chats"
    ]
    swept = 0
    for group in groups:
        swept += group.swept
        said = (
            f"{group.utterances_in:,} of {group.utterances:,} utterances, "
            f"{group.messages_in:,} of {group.messages:,} messages"
        )
        lines.append(f"\n  {group.people:,} people {_who(group.who)}")
        lines.append(f"    in the release: {said}")
        lines += _indented(f"because {group.why}", 4)
    if swept:
        lines.append("")
        lines += _indented(
            f"{swept:,} of the utterances that are out went with their meeting: too "
            "little of the transcript would have been left (min_retained).",
            2,
        )
    return "\n".join(lines)


def _who(who: str) -> str:
    """Fit a group's words to "N people …"."""
    if who.startswith(("guests", "US members", "EU members")):
        return f"({who})"
    return f"who {who}"


def _indented(text: str, by: int) -> list[str]:
    margin = " " * by
    return textwrap.wrap(
        text, WIDTH, initial_indent=margin, subsequent_indent=margin + "  "
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
    consent, later = f"{place}/consent", f"{place}/later/withdrawals.parquet"
    look = [
        ("the rules, in sentences:", f"policy explain {place}/policy.yaml"),
        ("who agreed to what, and how:", f"snapshot inspect {snapshot}"),
    ]
    if summary.transcript:
        record = summary.transcript.record_id
        look.append(("why a transcript lost lines:", f"explain {release} {record}"))
    look += [
        ("is the release what was signed?", f"verify {release}"),
        (
            "a week later people withdraw:",
            f"recheck {release} --consent {consent} {later}",
        ),
    ]
    lines = ["Look next"]
    for why, command in look:
        lines += [f"  {why}", f"    consentfilter {command}"]
    return "\n".join(lines)

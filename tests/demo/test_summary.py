"""The demo's summary counts what the ledger says, and nothing else."""

from __future__ import annotations

import dataclasses
import pathlib

import polars as pl
import pyarrow.parquet as pq
import pytest

from consentfilter.demo.render import WIDTH, render
from consentfilter.demo.stories import BY_KEY
from consentfilter.demo.summary import Summary, summarise
from consentfilter.demo.write import DemoFiles, write_demo

_EMPTY = pl.lit([], dtype=pl.List(pl.String))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    return write_demo(tmp_path_factory.mktemp("demo"), scale=0.2)


@pytest.fixture(scope="module")
def summary(demo: DemoFiles) -> Summary:
    """Of a release that dropped telemetry, and the first utterance of transcripts."""
    release = demo.root / "release"
    for part in sorted(demo.records.rglob("*.parquet")):
        kind = part.parent.name
        decision = {"transcripts": "redact", "telemetry": "drop"}.get(kind, "keep")
        reason = {
            "transcripts": "NO_CONSENT_RECORD",
            "telemetry": "SUBJECT_UNKNOWN",
        }.get(kind, "OK_CONSENT")
        gone = pl.lit(["u-000"]) if kind == "transcripts" else _EMPTY
        ledger = pl.read_parquet(part, columns=["record_id"]).with_columns(
            decision=pl.lit(decision), reason=pl.lit(reason), redacted=gone
        )
        for below, frame in (
            ("private/ledger", ledger),
            ("data", pl.read_parquet(part)),
        ):
            target = release / below / part.relative_to(demo.records)
            target.parent.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(target)
    return summarise(demo, release)


def rows(demo: DemoFiles, kind: str) -> int:
    parts = (demo.records / kind).glob("*.parquet")
    return sum(pq.read_metadata(part).num_rows for part in parts)


def test_counts_add_up_to_the_dump(demo: DemoFiles, summary: Summary) -> None:
    total = sum(rows(demo, kind.name) for kind in demo.records.iterdir())

    assert summary.read == total
    assert summary.kept + summary.redacted + summary.dropped == total
    assert summary.redacted == rows(demo, "transcripts")
    assert summary.dropped == rows(demo, "telemetry")
    assert sum(count.records for count in summary.reasons) == total


def test_utterances_that_were_redacted_are_out(
    demo: DemoFiles, summary: Summary
) -> None:
    said = sum(group.utterances for group in summary.groups)
    in_release = sum(group.utterances_in for group in summary.groups)
    nameless = _nameless(demo)

    assert said == nameless["all"].sum()
    assert said - in_release == nameless["first"].sum()


def _nameless(demo: DemoFiles) -> pl.DataFrame:
    """Per transcript: utterances with a known speaker, and whether the first has."""
    speaker = pl.element().struct.field("subjects").list.first().struct.field("id")
    frames = [
        pl.read_parquet(part).select(
            all=pl.col("segments").list.eval(speaker.is_not_null()).list.sum(),
            first=pl.col("segments").list.eval(speaker.is_not_null()).list.first(),
        )
        for part in (demo.records / "transcripts").glob("*.parquet")
    ]
    return pl.concat(frames)


def test_messages_that_were_kept_are_in(demo: DemoFiles, summary: Summary) -> None:
    assert sum(group.messages for group in summary.groups) == rows(demo, "chat")
    assert all(group.messages == group.messages_in for group in summary.groups)


def test_text_names_every_group_with_its_reason(summary: Summary) -> None:
    text = render(summary, place="demo", verified="signature valid")
    plain = " ".join(text.split())

    assert summary.groups
    for group in summary.groups:
        story = BY_KEY[group.story]
        assert f"of {group.people:,} {story.who}" in plain
        assert story.why in plain
    assert "signature valid" in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH + 20


def test_a_group_without_a_word_in_the_release_is_told_so(summary: Summary) -> None:
    guests = next(group for group in summary.groups if group.story == "guest")
    silent = dataclasses.replace(guests, utterances_in=0, messages_in=0)
    text = render(
        dataclasses.replace(summary, groups=(silent,)), place="demo", verified="-"
    )

    said = f"{guests.utterances:,} utterances and {guests.messages:,} messages"
    assert f"{said} of {guests.people:,} guests of a meeting dropped" in text
    assert "an account owner cannot consent for guests" in " ".join(text.split())


def test_a_release_without_a_ledger_is_refused(
    demo: DemoFiles, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(FileNotFoundError, match="no Parquet file found"):
        summarise(demo, tmp_path)

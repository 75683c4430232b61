"""What the filter did to whom in the demo, and why, in a reader's words.

Everything here is read back from the dump, the release and its ledger; nothing is
assumed about how the filter decides. Only who lives which story comes from the
generator (`people.parquet`).
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Final

import polars as pl

from consentfilter.demo.stories import BY_KEY, STORIES
from consentfilter.demo.write import DemoFiles
from consentfilter.reasons import sentence

_SUBJECT: Final = ["ns", "id"]
_PERSON: Final = {"subject_ns": "ns", "subject_id": "id"}


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """What became of the words of everybody who lives one story.

    Attributes:
        story: key of the story. who, why: its words.
        people: how many of them said something.
        utterances, messages: what they said in meetings and chats.
        utterances_in, messages_in: how much of it is in the release.
    """

    story: str
    who: str
    why: str
    people: int
    utterances: int
    utterances_in: int
    messages: int
    messages_in: int


@dataclasses.dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many records have one reason, and its sentence."""

    decision: str
    reason: str
    records: int
    sentence: str


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One redacted record before and after."""

    record_id: str
    reason: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """The demo's outcome: counts that add up, groups of people, examples.

    Attributes:
        read, kept, redacted, dropped: records.
        thin_transcripts: transcripts that went because too little was left of them.
        groups: what became of whom. reasons: records by decision and reason.
        transcript, message: one redacted record of each kind, if there is one.
    """

    read: int
    kept: int
    redacted: int
    dropped: int
    thin_transcripts: int
    groups: tuple[Group, ...]
    reasons: tuple[ReasonCount, ...]
    transcript: Example | None
    message: Example | None


def summarise(demo: DemoFiles, release: pathlib.Path) -> Summary:
    """Return what the release did to the people of the demo.

    Raises:
        FileNotFoundError: the release has no ledger.
    """
    ledger = _read(release / "private" / "ledger", "record_id", "decision", "reason")
    redacted = _read(release / "private" / "ledger", "record_id", "redacted")
    counts = dict(ledger.group_by("decision").len().iter_rows())
    utterances = _utterances(demo, ledger, redacted)
    messages = _messages(demo, ledger)
    people = pl.read_parquet(demo.people).rename(_PERSON)
    return Summary(
        read=ledger.height,
        kept=counts.get("keep", 0),
        redacted=counts.get("redact", 0),
        dropped=counts.get("drop", 0),
        thin_transcripts=ledger.filter(pl.col("reason") == "BELOW_MIN_RETAINED").height,
        groups=_groups(people, utterances, messages),
        reasons=_reasons(ledger),
        transcript=_transcript(demo, release, ledger),
        message=_message(demo, release, ledger),
    )


def _read(place: pathlib.Path, *columns: str) -> pl.DataFrame:
    """Return some columns of all Parquet files below a directory."""
    files = sorted(place.rglob("*.parquet"))
    if not files:
        raise FileNotFoundError(2, "no Parquet file found", str(place))
    frames = [pl.read_parquet(file, columns=list(columns)) for file in files]
    text = [
        frame.with_columns(pl.col("reason", "decision").cast(pl.String))
        if "reason" in columns
        else frame
        for frame in frames
    ]
    return pl.concat(text, how="vertical_relaxed")


def _utterances(
    demo: DemoFiles, ledger: pl.DataFrame, redacted: pl.DataFrame
) -> pl.DataFrame:
    """Return every utterance: who spoke, and whether it is in the release."""
    said = (
        _read(demo.records / "transcripts", "record_id", "segments")
        .explode("segments")
        .select(
            "record_id",
            pl.col("segments").struct.field("segment_id"),
            speaker=pl.col("segments").struct.field("subjects").list.first(),
        )
    )
    gone = (
        redacted.explode("redacted")
        .drop_nulls("redacted")
        .rename({"redacted": "segment_id"})
        .with_columns(pl.col("segment_id").cast(pl.String), is_redacted=pl.lit(True))
    )
    return (
        said.join(ledger, on="record_id", how="left", validate="m:1")
        .join(gone, on=["record_id", "segment_id"], how="left")
        .with_columns(
            is_in=(pl.col("decision") != "drop") & pl.col("is_redacted").is_null(),
            ns=pl.col("speaker").struct.field("ns"),
            id=pl.col("speaker").struct.field("id"),
        )
    )


def _messages(demo: DemoFiles, ledger: pl.DataFrame) -> pl.DataFrame:
    """Return every chat message: who wrote it, and whether it is in the release."""
    author = pl.col("subjects").list.first().struct
    return (
        _read(demo.records / "chat", "record_id", "subjects")
        .select("record_id", ns=author.field("ns"), id=author.field("id"))
        .join(ledger, on="record_id", how="left", validate="1:1")
        .with_columns(is_in=pl.col("decision") != "drop")
    )


def _groups(
    people: pl.DataFrame, utterances: pl.DataFrame, messages: pl.DataFrame
) -> tuple[Group, ...]:
    """Add up what the people of each story said, and how much of it is in."""
    said = utterances.group_by(_SUBJECT).agg(
        utterances=pl.len(),
        utterances_in=pl.col("is_in").sum(),
    )
    wrote = messages.group_by(_SUBJECT).agg(
        messages=pl.len(), messages_in=pl.col("is_in").sum()
    )
    counted = ["utterances", "utterances_in", "messages", "messages_in"]
    totals = (
        people.join(said, on=_SUBJECT, how="left")
        .join(wrote, on=_SUBJECT, how="left")
        .with_columns(pl.col(counted).fill_null(0))
        .filter((pl.col("utterances") > 0) | (pl.col("messages") > 0))
        .group_by("story")
        .agg(pl.len().alias("people"), pl.col(counted).sum())
    )
    found = {row["story"]: row for row in totals.iter_rows(named=True)}
    return tuple(
        Group(who=BY_KEY[story.key].who, why=BY_KEY[story.key].why, **found[story.key])
        for story in STORIES
        if story.key in found
    )


def _reasons(ledger: pl.DataFrame) -> tuple[ReasonCount, ...]:
    counted = ledger.group_by("decision", "reason").len("records")
    order = {"drop": 0, "redact": 1, "keep": 2}
    rows = sorted(
        counted.iter_rows(named=True),
        key=lambda row: (order[row["decision"]], -row["records"], row["reason"]),
    )
    return tuple(ReasonCount(**row, sentence=sentence(row["reason"])) for row in rows)


def _transcript(
    demo: DemoFiles, release: pathlib.Path, ledger: pl.DataFrame
) -> Example | None:
    """Return the first lines of a transcript of which some utterances went."""
    touched = ledger.filter(
        pl.col("decision") == "redact",
        pl.col("record_id").str.starts_with("transcript-"),
    ).sort("record_id")
    if touched.is_empty():
        return None
    record_id, _, reason = touched.row(0)
    lines = []
    for place in (demo.records, release / "data"):
        whole = _read(_below(place, "transcripts"), "record_id", "segments")
        segments = whole.filter(pl.col("record_id") == record_id)["segments"].explode()
        text = segments.struct.field("text").fill_null("(gone)")
        lines.append(tuple(text.head(5).to_list()))
    return Example(record_id, reason, before=lines[0], after=lines[1])


def _message(
    demo: DemoFiles, release: pathlib.Path, ledger: pl.DataFrame
) -> Example | None:
    """Return a chat message in which somebody's name went."""
    touched = ledger.filter(
        pl.col("decision") == "redact", pl.col("record_id").str.starts_with("chat-")
    ).sort("record_id")
    if touched.is_empty():
        return None
    record_id, _, reason = touched.row(0)
    texts = [
        _read(_below(place, "chat"), "record_id", "text")
        .filter(pl.col("record_id") == record_id)["text"]
        .to_list()
        for place in (demo.records, release / "data")
    ]
    return Example(record_id, reason, before=tuple(texts[0]), after=tuple(texts[1]))


def _below(place: pathlib.Path, kind: str) -> pathlib.Path:
    """Return the directory of one kind of record, in a dump or in a release."""
    return next(path for path in sorted(place.rglob(kind)) if path.is_dir())

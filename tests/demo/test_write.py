"""The demo's dump is believable, and the same each time."""

from __future__ import annotations

import pathlib

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.demo.stories import AS_OF, STORIES
from consentfilter.demo.write import DemoFiles, write_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    return write_demo(tmp_path_factory.mktemp("demo"))


def read(path: pathlib.Path) -> pl.DataFrame:
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    return pl.concat([pl.read_parquet(file) for file in files])


def test_the_same_seed_gives_the_same_bytes(tmp_path: pathlib.Path) -> None:
    one = write_demo(tmp_path / "one", scale=0.05)
    two = write_demo(tmp_path / "two", scale=0.05)

    files = sorted(p.relative_to(one.root) for p in one.root.rglob("*.*"))
    assert len(files) > 20
    for file in files:
        assert (one.root / file).read_bytes() == (two.root / file).read_bytes(), file


def test_another_seed_gives_other_people(tmp_path: pathlib.Path) -> None:
    one = write_demo(tmp_path / "one", scale=0.05, seed=1)
    two = write_demo(tmp_path / "two", scale=0.05, seed=2)

    assert not read(one.people).equals(read(two.people))


def test_every_kind_of_record_has_the_standard_columns(demo: DemoFiles) -> None:
    kinds = sorted(path.name for path in demo.records.iterdir())
    assert kinds == [
        "chat",
        "crashes",
        "derived",
        "files",
        "media",
        "telemetry",
        "transcripts",
        "usage",
    ]
    for kind in kinds:
        for part in sorted((demo.records / kind).glob("*.parquet")):
            schema = pq.read_schema(part)
            assert schema.field("record_id").type == pa.string()
            assert schema.field("category").type == pa.string()
            assert schema.field("collected_at").type == pa.timestamp("us", tz="UTC")


def test_record_ids_are_unique(demo: DemoFiles) -> None:
    ids = [
        read(demo.records / kind.name)["record_id"] for kind in demo.records.iterdir()
    ]
    together = pl.concat(ids)

    assert together.n_unique() == len(together) > 15_000
    assert together.null_count() == 0


def test_every_story_is_lived_by_somebody(demo: DemoFiles) -> None:
    lived = set(read(demo.people)["story"])

    assert lived == {story.key for story in STORIES}


def test_mentions_are_spans_of_their_text(demo: DemoFiles) -> None:
    chat = read(demo.records / "chat").explode("mentions").drop_nulls("mentions")
    names = read(demo.people).select("subject_id", "name")
    spans = chat.with_columns(
        pl.col("mentions").struct.field("id").alias("subject_id"),
        pl.col("text")
        .str.slice(
            pl.col("mentions").struct.field("start"),
            pl.col("mentions").struct.field("end"),
        )
        .alias("span"),
    ).join(names, on="subject_id")

    assert len(spans) == len(chat) > 500
    assert (spans["span"] == "@" + spans["name"]).all()


def test_utterances_are_by_people_of_the_cast(demo: DemoFiles) -> None:
    said = read(demo.records / "transcripts")["segments"].explode()
    ids = said.struct.field("subjects").list.first().struct.field("id")

    assert ids.null_count() > 0, "somebody dials in without an id"
    assert set(ids.drop_nulls()) <= set(read(demo.people)["subject_id"])


def test_required_sources_were_heard_of_within_a_day(demo: DemoFiles) -> None:
    as_of = pl.Series([AS_OF]).str.to_datetime(time_zone="UTC", time_unit="us")[0]
    heard = read(demo.consent).group_by("source_id").agg(pl.col("recorded_at").max())
    last = dict(heard.iter_rows())

    for source in ("admin_console", "preference_center"):
        assert 0 < (as_of - last[source]).total_seconds() < 86_400


def test_events_are_what_real_exports_are_like(demo: DemoFiles) -> None:
    events = read(demo.consent)

    assert events["event_id"].is_duplicated().sum() == 20  # ten stand twice
    assert events.filter(pl.col("status") == "voided").height == 1
    broken = events.filter(
        (pl.col("status") == "given") & pl.col("occurred_at").is_null()
    )
    assert broken.height == 5


def test_guests_linked_to_a_member_name_one_who_withdrew(demo: DemoFiles) -> None:
    people = read(demo.people)
    withdrew = set(people.filter(pl.col("story") == "withdrew")["subject_id"])
    links = read(demo.links)

    assert links.height > 0
    assert set(links["id_b"]) <= withdrew

"""Lay the demo out on disk: records, consent, and how to read them."""

from __future__ import annotations

import dataclasses
import importlib.resources
import pathlib
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.demo import consents, content, telemetry
from consentfilter.demo.cast import (
    Cast,
    links_table,
    make_cast,
    people_table,
    subjects_table,
)
from consentfilter.demo.meetings import Meetings, make_meetings
from consentfilter.demo.phrases import TITLES

DEFAULT_SEED: Final = 20230807


@dataclasses.dataclass(frozen=True, slots=True)
class DemoFiles:
    """Where the demo lies.

    Attributes:
        root: the directory of all of it.
        records: Parquet files, one directory per kind of record.
        consent: consent events, several files.
        subjects, links: side files. policy, dataset: YAML.
        people: who is who, for the reader; the filter never sees it.
        later: withdrawals made after the run, for `recheck`.
    """

    root: pathlib.Path

    @property
    def records(self) -> pathlib.Path:
        """The dump."""
        return self.root / "records"

    @property
    def consent(self) -> pathlib.Path:
        """The consent events."""
        return self.root / "consent"

    @property
    def snapshot(self) -> pathlib.Path:
        """Where `demo` puts the snapshot of these events."""
        return self.root / "snapshot.parquet"

    @property
    def subjects(self) -> pathlib.Path:
        """Birth dates, places and states of accounts."""
        return self.root / "subjects.parquet"

    @property
    def links(self) -> pathlib.Path:
        """Which identities are the same person."""
        return self.root / "links.parquet"

    @property
    def policy(self) -> pathlib.Path:
        """The policy of the demo."""
        return self.root / "policy.yaml"

    @property
    def dataset(self) -> pathlib.Path:
        """The binding of the demo."""
        return self.root / "dataset.yaml"

    @property
    def people(self) -> pathlib.Path:
        """Who is who."""
        return self.root / "people.parquet"

    @property
    def later(self) -> pathlib.Path:
        """Withdrawals that come after the run."""
        return self.root / "later" / "withdrawals.parquet"


def write_demo(
    root: pathlib.Path, *, seed: int = DEFAULT_SEED, scale: float = 1.0
) -> DemoFiles:
    """Write the demo below a directory.

    Args:
        root: made if it is not there; files of an earlier demo are replaced.
        seed: the same seed and scale give the same rows.
        scale: 1.0 is about 20,000 records; everything grows with it.

    Raises:
        OSError: the directory cannot be written.
    """
    rng = np.random.Generator(np.random.PCG64(seed))

    def size(count: int) -> int:
        return max(8, round(count * scale))

    cast = make_cast(rng, accounts=size(40), members=size(900), guests=size(280))
    meetings = make_meetings(rng, cast, meetings=size(700), titles=len(TITLES))
    links, same_as = links_table(cast)
    files = DemoFiles(root)
    for kind, table, parts in _records(rng, cast, meetings, scale):
        _write_parts(files.records / kind, table, parts)
    _write_parts(files.consent, consents.make_events(rng, cast, meetings), 3)
    _write(files.subjects, subjects_table(cast))
    _write(files.links, links)
    _write(files.people, people_table(cast, same_as))
    _write(files.later, consents.later_withdrawals(cast, people=size(12)))
    data = importlib.resources.files("consentfilter.demo")
    for path in (files.policy, files.dataset):
        path.write_text(data.joinpath(path.name).read_text("utf-8"), "utf-8")
    return files


def _records(
    rng: np.random.Generator, cast: Cast, meetings: Meetings, scale: float
) -> list[tuple[str, pa.Table, int]]:
    """Return each kind of record: its directory, its rows, how many parts."""

    def size(count: int) -> int:
        return max(8, round(count * scale))

    return [
        ("transcripts", content.transcripts(rng, cast, meetings, share=0.8), 3),
        ("chat", content.chat(rng, cast, meetings, count=size(9_000)), 3),
        ("media", content.media(rng, cast, meetings, share=0.7), 2),
        ("files", content.files(rng, cast, meetings, count=size(1_500)), 2),
        ("derived", content.summaries(rng, cast, meetings, share=0.6), 1),
        ("telemetry", telemetry.events(rng, cast, meetings, count=size(7_000)), 2),
        ("crashes", telemetry.crashes(rng, cast, meetings, count=size(300)), 1),
        ("usage", telemetry.aggregates(rng, count=size(120)), 1),
    ]


def _write_parts(directory: pathlib.Path, table: pa.Table, parts: int) -> None:
    edges = np.linspace(0, table.num_rows, parts + 1).astype(int).tolist()
    for at in range(parts):
        part = table.slice(edges[at], edges[at + 1] - edges[at])
        _write(directory / f"part-{at:03d}.parquet", part)


def _write(path: pathlib.Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")

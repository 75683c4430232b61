"""Parts on Beam: spread over workers, decided and written, met by name, counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam

from consentfilter.engine.cluster.attempts import (
    Plan,
    commit_part,
    list_done,
    write_attempt,
)
from consentfilter.engine.cluster.deciding import Deciding
from consentfilter.engine.cluster.shared import Held
from consentfilter.engine.footers import Footer


class WritePart(beam.DoFn):
    """Decides and writes one part under a name of this attempt."""

    def __init__(self, deciding: Deciding, plan: Plan) -> None:
        self._deciding, self._plan = deciding, plan
        self._held: Held | None = None

    def setup(self) -> None:
        """Load what decides, once per process."""
        self._held = self._deciding.hold()

    def process(self, footer: Footer) -> Iterator[tuple[str, bytes]]:
        """Write the part of a footer; give its name and what happened."""
        assert self._held is not None
        done = write_attempt(footer, self._held.run, self._plan)
        yield done.record.name, done.to_json()


class CommitParts(beam.PTransform):
    """From attempts `(part name, DonePart)` to one element: the list of all parts."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def expand(self, attempts: beam.PCollection) -> beam.PCollection:
        """Commit each part once, then count."""
        plan = self._plan

        def commit(name: str, found: Iterable[bytes]) -> tuple[int, bytes]:
            return 0, commit_part(name, found, plan).to_json()

        def count(_: int, parts: Iterable[bytes]) -> bytes:
            return list_done(parts, plan)

        return (
            attempts
            | "Meet by part" >> beam.GroupByKey()
            | "Give final names" >> beam.MapTuple(commit)
            | "Gather" >> beam.GroupByKey()
            | "Count" >> beam.MapTuple(count)
        )


class DecideParts(beam.PTransform):
    """Decides and writes every part by an index that fits a worker (broadcast)."""

    def __init__(
        self, footers: Iterable[Footer], deciding: Deciding, plan: Plan
    ) -> None:
        super().__init__()
        self._footers, self._deciding, self._plan = list(footers), deciding, plan

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Return the list of all parts, as one element."""
        return (
            begin
            | "Parts" >> beam.Create(self._footers, reshuffle=False)
            | "Spread" >> beam.Reshuffle()
            | "Decide and write"
            >> beam.ParDo(WritePart(self._deciding, self._plan)).with_output_types(
                tuple[str, bytes]
            )
            | "Commit" >> CommitParts(self._plan)
        )

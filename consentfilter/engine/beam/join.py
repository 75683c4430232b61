"""The join by keys on Beam: no payload is shuffled, and no worker has all consent."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Final

import apache_beam as beam
import pyarrow as pa

from consentfilter.engine.beam.parts import CommitParts
from consentfilter.engine.cluster.attempts import Plan, write_attempt
from consentfilter.engine.cluster.buckets import (
    Buckets,
    answer,
    consent_of,
    fetch_answer,
    leave_answer,
    read_keys,
    sliced,
    with_linked,
)
from consentfilter.engine.cluster.deciding import Deciding
from consentfilter.engine.cluster.files import below
from consentfilter.engine.cluster.tables import from_bytes
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import Deciders, compile_run
from consentfilter.engine.storage import Location

_STATEMENTS: Final = 0
_PEOPLE: Final = 1
#: (bucket, kind, name, digest) of a file; buckets order a part's answers as the
#: snapshot is ordered.
Answer = tuple[int, int, str, str]


class DecidePartsByKeys(beam.PTransform):
    """Decides parts whose consent does not fit a worker: only keys travel.

    A part asks the buckets of its people's keys; each bucket is read once and
    answers all parts; a part decides by what it was answered.
    """

    def __init__(
        self,
        footers: Iterable[Footer],
        deciding: Deciding,
        plan: Plan,
        buckets: Buckets,
    ) -> None:
        super().__init__()
        self._footers = list(footers)
        self._deciding, self._plan, self._buckets = deciding, plan, buckets
        self._answers = below(plan.work, "answers")

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Return the list of all parts, as one element."""
        parts = begin | "Parts" >> beam.Create(self._footers, reshuffle=False)
        answers = (
            parts
            | "Spread" >> beam.Reshuffle()
            | "Ask for people"
            >> beam.ParDo(_Ask(self._deciding, self._buckets)).with_output_types(
                tuple[int, tuple[str, bytes]]
            )
            | "Meet by bucket" >> beam.GroupByKey()
            | "Answer"
            >> beam.ParDo(_Answer(self._buckets, self._answers)).with_output_types(
                tuple[str, Answer]
            )
        )
        named = parts | "Name" >> beam.Map(_named).with_output_types(tuple[str, Footer])
        return (
            {"footer": named, "answers": answers}
            | "Meet by part" >> beam.CoGroupByKey()
            | "Decide and write"
            >> beam.ParDo(
                _WriteAnswered(self._deciding, self._plan, self._buckets, self._answers)
            ).with_output_types(tuple[str, bytes])
            | "Commit" >> CommitParts(self._plan)
        )


class _Ask(beam.DoFn):
    """Reads who is in a part and asks the buckets that may know them."""

    def __init__(self, deciding: Deciding, buckets: Buckets) -> None:
        self._deciding, self._buckets = deciding, buckets

    def setup(self) -> None:
        """Load the id key and the links."""
        _, self._id_key = self._deciding.keys.load()
        self._links = self._buckets.common.load().links

    def process(self, footer: Footer) -> Iterator[tuple[int, tuple[str, bytes]]]:
        """Ask for the people of one part."""
        keys = read_keys(footer, self._deciding.dataset, self._id_key)
        keys = with_linked(keys, self._links)
        for bucket, asked in self._buckets.of(keys):
            for piece in sliced(pa.table({"subject_key": asked})):
                yield bucket, (footer.part.name, piece)


class _Answer(beam.DoFn):
    """Reads one bucket and answers all parts that ask it."""

    def __init__(self, buckets: Buckets, answers: Location) -> None:
        self._buckets, self._answers = buckets, answers

    def process(
        self, asked: tuple[int, Iterable[tuple[str, bytes]]]
    ) -> Iterator[tuple[str, Answer]]:
        """Answer the parts that ask one bucket."""
        bucket, requests = asked
        by_part: dict[str, list[pa.Array]] = collections.defaultdict(list)
        for part, piece in requests:
            by_part[part] += from_bytes(piece).column(0).chunks
        statements, people = self._buckets.read(bucket)
        keys = ((part, pa.concat_arrays(found)) for part, found in by_part.items())
        for part, own, side in answer(keys, statements, people):
            yield part, (bucket, _STATEMENTS, *leave_answer(own, self._answers))
            if side is not None:
                yield part, (bucket, _PEOPLE, *leave_answer(side, self._answers))


class _WriteAnswered(beam.DoFn):
    """Decides and writes one part by what it was answered."""

    def __init__(
        self, deciding: Deciding, plan: Plan, buckets: Buckets, answers: Location
    ) -> None:
        self._deciding, self._plan, self._buckets = deciding, plan, buckets
        self._answers = answers

    def setup(self) -> None:
        """Load the keys, and what every worker has of the consent."""
        self._release_key, self._id_key = self._deciding.keys.load()
        self._common = self._buckets.common.load()

    def process(
        self, found: tuple[str, dict[str, Iterable[object]]]
    ) -> Iterator[tuple[str, bytes]]:
        """Compile what the part needs, decide and write it."""
        name, met = found
        (footer,) = met["footer"]
        assert isinstance(footer, Footer)
        # An attempt that was repeated may have answered twice, with equal files.
        answers = {each[:2]: each[2:] for each in met["answers"]}  # type: ignore[index]
        tables = {
            at: fetch_answer(file, sha256, self._answers)
            for at, (file, sha256) in sorted(answers.items())
        }
        consent = consent_of(
            self._common,
            [table for at, table in tables.items() if at[1] == _STATEMENTS],
            [table for at, table in tables.items() if at[1] == _PEOPLE],
        )
        deciding = self._deciding
        deciders = Deciders(
            deciding.policy, deciding.dataset, consent, deciding.taxonomy
        )
        run = compile_run(deciders, release_key=self._release_key, id_key=self._id_key)
        yield name, write_attempt(footer, run, self._plan).to_json()


def _named(footer: Footer) -> tuple[str, Footer]:
    return footer.part.name, footer

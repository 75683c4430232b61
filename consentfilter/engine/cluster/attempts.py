"""Attempts at parts: decide and write, commit by renaming, count; safe to do again.

A runner may do any bundle twice, at the same time even. So an attempt at a part
writes under a name of its own; attempts meet by the part's name;
one of them is renamed into place, and as a part's bytes do not depend on who made
them, renaming a second attempt over it changes nothing. The last step gives one
element, and only if every part is there once.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa

from consentfilter.engine import inputs
from consentfilter.engine.batch import Run
from consentfilter.engine.cluster.committed import DonePart
from consentfilter.engine.cluster.files import (
    below,
    copy_in,
    make_parent,
    move,
    write_file,
)
from consentfilter.engine.footers import Footer
from consentfilter.engine.shard import Sinks, check_rows, process_part
from consentfilter.engine.sink import HashingSink, open_sink
from consentfilter.engine.storage import Location
from consentfilter.errors import StorageError
from consentfilter.lineage.evidence import PartEvidence

#: Suffixes of the scratch files of a part's evidence.
EVIDENCE_SUFFIXES: Final = (".records", ".people")


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Where a run's files go, and how many parts and rows it has.

    Attributes:
        root: the release while it is made. work: everything else, for this run only.
        parts, rows: what the footers say.
        emits: False for a dry run: no data and no evidence.
        writes_ledger: False for a dry run that leaves nothing.
        repeated: ids that are dropped because they occur more than once, or None.
    """

    root: Location
    work: Location
    parts: int
    rows: int
    emits: bool = True
    writes_ledger: bool = True
    repeated: pa.Array | None = None

    def final_places(self, part: str) -> Iterator[tuple[str, Location]]:
        """Yield (name within the attempt, final place) of each file of a part."""
        if self.emits:
            yield "data", below(self.root, f"data/{part}")
            for suffix in EVIDENCE_SUFFIXES:
                yield f"evidence{suffix}", self.evidence_place(part, suffix)
        if self.writes_ledger:
            yield "ledger", below(self.root, f"private/ledger/{part}")

    def attempt_place(self, attempt: str, name: str) -> Location:
        """Return where an attempt writes one of its files."""
        return below(self.work, f"attempts/{attempt}/{name}")

    def evidence_place(self, part: str, suffix: str) -> Location:
        """Return where a part's scratch of evidence lies once it is committed."""
        return below(self.work, f"evidence/{part}{suffix}")

    @property
    def done_place(self) -> Location:
        """Where the list of committed parts is written."""
        return below(self.work, "done.json")


def write_attempt(footer: Footer, run: Run, plan: Plan) -> DonePart:
    """Decide one part and write its files under a new name.

    Raises:
        ConsentFilterError: reading, deciding or writing failed; what was written is
            removed where the storage allows it.
    """
    attempt = uuid.uuid4().hex
    name = footer.part.name
    run = dataclasses.replace(run, emits=plan.emits, repeated=plan.repeated)
    with tempfile.TemporaryDirectory(prefix="consentfilter-") as scratch:

        def open_sinks(_: Footer) -> Sinks:
            evidence = f"{scratch}/evidence"
            return Sinks(
                data=_sink(plan, attempt, "data") if plan.emits else None,
                ledger=_sink(plan, attempt, "ledger") if plan.writes_ledger else None,
                evidence=PartEvidence(evidence, key=run.release_key, part=name)
                if plan.emits
                else None,
            )

        record, _ = process_part(footer, run, open_sinks)
        if plan.emits:
            for suffix in EVIDENCE_SUFFIXES:
                place = plan.attempt_place(attempt, f"evidence{suffix}")
                copy_in(f"{scratch}/evidence{suffix}", place)
    problems = check_rows([footer], [record])
    if problems:
        raise StorageError([f"{each}; the run does not add up" for each in problems])
    (source,) = inputs.hash_parts([footer], workers=1)
    return DonePart(attempt, record, source)


def commit_part(name: str, attempts: Iterable[bytes], plan: Plan) -> DonePart:
    """Give one attempt's files their final names; doing it again is nothing."""
    done = min(map(DonePart.from_json, attempts), key=lambda each: each.attempt)
    for file, place in plan.final_places(name):
        move(plan.attempt_place(done.attempt, file), place)
    return done


def list_done(parts: Iterable[bytes], plan: Plan) -> bytes:
    """Check that every part was committed once, and write the list of them.

    Returns:
        The list as JSON, sorted by name.

    Raises:
        StorageError: the counts are not those of the input's footers.
    """
    done = [DonePart.from_json(part) for part in parts]
    names = {each.record.name for each in done}
    rows = sum(each.record.rows for each in done)
    if not (len(done) == len(names) == plan.parts and rows == plan.rows):
        raise StorageError(
            f"the input has {plan.parts:,} parts with {plan.rows:,} rows; committed "
            f"were {len(names):,} parts ({len(done):,} times) with {rows:,} rows: "
            "nothing is published; run again."
        )
    done.sort(key=lambda each: each.record.name)
    content = json.dumps([json.loads(each.to_json()) for each in done]).encode()
    write_file(plan.done_place, content)
    return content


def read_done(content: bytes) -> list[DonePart]:
    """Return the parts of a list that `list_done` wrote."""
    return [
        DonePart.from_json(json.dumps(each).encode()) for each in json.loads(content)
    ]


def _sink(plan: Plan, attempt: str, name: str) -> HashingSink:
    place = plan.attempt_place(attempt, name)
    make_parent(place)
    return open_sink(place.filesystem, place.path)

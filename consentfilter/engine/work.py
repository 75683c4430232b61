"""The parts of a run, worked through by the local engine."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from consentfilter.engine import inputs, local, repeats
from consentfilter.engine.batch import Run
from consentfilter.engine.cluster.committed import DonePart
from consentfilter.engine.duplicates import IdHashes
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import Deciders
from consentfilter.engine.progress import Progress
from consentfilter.engine.release import ReleaseBuilder, evidence_path, open_release
from consentfilter.engine.resume import RunLog, held, plan_of
from consentfilter.engine.shard import OpenSinks, ShardRecord, Sinks, check_rows
from consentfilter.engine.storage import Location
from consentfilter.errors import StorageError
from consentfilter.lineage.evidence import PartEvidence

#: Shows progress of a run of so many rows in so many parts while the block runs.
ShowProgress = Callable[[int, int], contextlib.AbstractContextManager[Progress]]
#: What the log calls an attempt of this engine: there is never more than one.
_ATTEMPT: Final = "local"


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """The parts of a run and how they are worked through.

    Attributes:
        footers: the parts.
        deciders: what decides.
        limit: how many rows were asked for, None: all.
        workers: threads.
        memory_bytes: how much memory rows in flight may take; None: by `workers`.
        show_progress: shows progress.
    """

    footers: Sequence[Footer]
    deciders: Deciders
    limit: int | None
    workers: int
    memory_bytes: int | None
    show_progress: ShowProgress

    def look(
        self, run: Run, target: Location | None
    ) -> tuple[list[ShardRecord], str | None]:
        """Decide everything, write nothing but the ledger, and that only if asked.

        Returns:
            What happened to each part, and where the ledger is.
        """
        if target is None:
            with tempfile.TemporaryDirectory() as scratch:
                return self._process(run, scratch, lambda footer: Sinks()), None
        with open_release(target) as builder:
            records = self._process(
                run,
                builder.make_scratch(),
                lambda footer: Sinks(ledger=builder.ledger_sink(footer.part.name)),
            )
            builder.publish_ledger()
        return records, builder.shown

    def write(self, run: Run, builder: ReleaseBuilder) -> list[DonePart]:
        """Decide everything and write data, ledger and evidence of every part.

        Parts that an earlier run had finished are kept if nothing has changed.

        Raises:
            InputError: something has changed, so the earlier run cannot go on.
        """
        scratch = builder.make_scratch()
        plan = plan_of(self.deciders, run, self.footers, self.limit)
        if builder.is_resumed:
            log = RunLog.reopen(scratch, plan)
        else:
            builder.write_key(run.release_key)
            log = RunLog.start(scratch, plan)
        with held(log):
            finished = log.finished(self.footers, builder.root)
            done = dict(finished)

            def note(footer: Footer, record: ShardRecord) -> None:
                (source,) = inputs.hash_parts([footer], workers=1)
                done[record.name] = DonePart(_ATTEMPT, record, source)
                log.note(done[record.name])

            self._process(run, scratch, _sinks(builder, scratch, run), finished, note)
        parts = [done[footer.part.name] for footer in self.footers]
        for part in parts:
            assert part.record.data is not None
            assert part.record.ledger is not None
            builder.note_public(part.record.data)
            builder.note_private(part.record.ledger)
        return parts

    def _process(
        self,
        run: Run,
        scratch: str,
        open_sinks: OpenSinks,
        finished: Mapping[str, DonePart] | None = None,
        note: Callable[[Footer, ShardRecord], None] | None = None,
    ) -> list[ShardRecord]:
        """Do what is left; check that ids are unique and that all rows are there."""
        kept = finished or {}
        left = [footer for footer in self.footers if footer.part.name not in kept]
        dataset, drops = run.dataset, self.deciders.policy.on_duplicate == "drop"
        with contextlib.closing(IdHashes(Path(scratch))) as hashes:
            if drops:
                repeated = repeats.find_repeated(
                    hashes, self.footers, dataset, workers=self.workers
                )
                run = dataclasses.replace(run, repeated=repeated)
            rows = sum(footer.wanted_rows for footer in left)
            with self.show_progress(rows, len(left)) as progress:
                records = local.run_parts(
                    left,
                    run,
                    open_sinks,
                    workers=self.workers,
                    memory_bytes=self.memory_bytes,
                    ids=None if drops else hashes,
                    progress=progress,
                    note=note,
                )
            if not drops:
                earlier = [f for f in self.footers if f.part.name in kept]
                repeats.collect(hashes, earlier, dataset, workers=self.workers)
                repeats.refuse_repeated(
                    hashes, self.footers, dataset, workers=self.workers
                )
        records += [part.record for part in kept.values()]
        problems = check_rows(self.footers, records)
        if problems:
            raise StorageError(
                [f"{problem}; the run does not add up" for problem in problems]
            )
        return records


def _sinks(builder: ReleaseBuilder, scratch: str, run: Run) -> OpenSinks:
    def open_sinks(footer: Footer) -> Sinks:
        name = footer.part.name
        return Sinks(
            builder.data_sink(name),
            builder.ledger_sink(name),
            PartEvidence(evidence_path(scratch, name), key=run.release_key, part=name),
        )

    return open_sinks

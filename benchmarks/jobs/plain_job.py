"""The filter without its evidence: admitted rows and a ledger, and no more.

Run as `python -m benchmarks.jobs.plain_job RECORDS SNAPSHOT POLICY OUT`. What is
left out are the row digests, the commitments and the manifest, so that the difference
to `consentfilter filter` is what they cost. It does what the hand-written jobs do,
with the whole consent model: no release, and nothing that could be checked.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

from consentfilter.cli.unneeded import importing, leave_out

if TYPE_CHECKING:
    from consentfilter.engine.footers import Footer
    from consentfilter.engine.shard import Sinks


def main(records: str, snapshot: str, policy: str, out: str) -> None:
    """Run the job; `out` must not exist. It starts as the command does."""
    leave_out([])
    with importing():
        from consentfilter.consent.ahead import reading_ahead
        from consentfilter.decide.gather import COLUMNS
        from consentfilter.engine import memory

    memory.share_arenas()
    with reading_ahead([snapshot], COLUMNS) as consent:
        _filter(records, consent, policy, out)


def _filter(records: str, consent: Any, policy: str, out: str) -> None:
    with importing():
        import pyarrow.fs as pafs

        from consentfilter.dataset import Dataset
        from consentfilter.engine import inputs, local, memory, repeats
        from consentfilter.engine.duplicates import IdHashes
        from consentfilter.engine.prepare import compile_run, load_deciders
        from consentfilter.engine.shard import Sinks, check_rows
        from consentfilter.engine.sink import open_sink
        from consentfilter.lineage import rows
    target = pathlib.Path(out).absolute()
    for folder in ("data", "private/ledger"):
        (target / folder).mkdir(parents=True)
    run = compile_run(load_deciders(consent, policy, only_deciding=True))
    memory.give_back()
    footers = inputs.open_records([records], Dataset())
    place = pafs.LocalFileSystem()

    def sinks(footer: Footer) -> Sinks:
        name = footer.part.name
        return Sinks(
            open_sink(place, f"{target}/data/{name}"),
            open_sink(place, f"{target}/private/ledger/{name}"),
        )

    # The one step of a batch that makes evidence; nothing is digested instead.
    no_digests = mock.patch.object(rows, "row_digests", _nothing)
    with no_digests, contextlib.closing(IdHashes(target)) as hashes:
        workers = os.cpu_count() or 1
        done = local.run_parts(footers, run, sinks, workers=workers, ids=hashes)
        repeats.refuse_repeated(hashes, footers, Dataset(), workers=workers)
    problems = check_rows(footers, done)
    if problems:
        sys.exit("\n".join(problems))


def _nothing(table: object) -> None:
    """Stand in for the digests; a mock would keep every table that it was given."""


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Build a consent snapshot from event files, then point to it.

python -m pipelines.build_snapshot --events events/ --out snapshots/2026-06-15.parquet \
    --as-of 2026-06-15T00:00:00Z --pointer snapshots/current.json [BEAM OPTIONS]

Which statement counts may hang on an event of any other file (a correction, the same
event delivered twice), so one worker derives the snapshot as a whole; what Beam adds
is where it runs. The pointer is replaced last, and only when the snapshot is written.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence

import apache_beam as beam

from consentfilter.consent.snapshot import build_snapshot, write_snapshot
from consentfilter.dataset import load_dataset_binding
from consentfilter.engine.beam.pointer import SnapshotPointer
from consentfilter.engine.beam.runners import pipeline_options
from consentfilter.engine.cluster.files import move, write_file
from consentfilter.engine.storage import locate
from consentfilter.taxonomy import BASE
from pipelines.arguments import instant, parser_of, pipeline_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the pipeline that the arguments describe."""
    parser = parser_of(__doc__)
    parser.add_argument("--events", nargs="+", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--as-of", type=instant, required=True)
    parser.add_argument("--pointer", help="pointer file to replace")
    parser.add_argument("--dataset", help="how events are laid out (dataset.yaml)")
    said, beam_arguments = parser.parse_known_args(arguments)
    with pipeline_of(pipeline_options(beam_arguments)) as pipeline:
        built = (
            pipeline
            | "Events" >> beam.Create([tuple(said.events)])
            | "Build" >> beam.Map(build, said.out, said.as_of, said.dataset)
        )
        if said.pointer:
            _ = built | "Point to it" >> beam.Map(point_to, said.pointer)


def build(
    events: Sequence[str], out: str, as_of: dt.datetime, dataset: str | None
) -> str:
    """Derive and write the snapshot; return where it is."""
    binding = None if dataset is None else load_dataset_binding(dataset)
    trees = BASE if binding is None else binding.effective_taxonomy(BASE)
    layout = None if binding is None else binding.events
    snapshot = build_snapshot(list(events), as_of=as_of, taxonomy=trees, binding=layout)
    write_snapshot(snapshot, out)
    return out


def point_to(snapshot: str, pointer: str) -> None:
    """Replace the pointer file by one that names this snapshot."""
    target = locate(pointer)
    fresh = locate(f"{pointer}.{os.getpid()}.new")
    write_file(fresh, SnapshotPointer.to(snapshot).text.encode())
    move(fresh, target)


if __name__ == "__main__":
    main()

"""Filter a stream of records by the snapshot that a pointer names.

python -m pipelines.filter_stream --inbox inbox/ --pointer snapshots/current.json \
    --policy policy.yaml --out out/ [--every 60] [--for-seconds 3600] [BEAM OPTIONS]

The source is a directory in which JSON-lines files appear (`*.jsonl`, moved there
whole), as a connector writes them from Kafka; to read Kafka itself, put
`ReadFromKafka` in the place of `ReadInbox`. Each record is decided by the snapshot
that was in force when its file was found. A file is taken once; if a worker dies with
it, it stays behind as `*.taken` and is given again by renaming it (Kafka's offsets do
that by themselves). Kept records and ledger rows are written as JSON lines, one file
per batch, each under a name of its own.
"""

from __future__ import annotations

import json
import os
import pathlib
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.periodicsequence import PeriodicImpulse
from apache_beam.transforms.window import FixedWindows

from consentfilter.beam import ConsentFilter, ReadPointer
from consentfilter.engine.beam.runners import pipeline_options
from pipelines.arguments import parser_of, pipeline_of


class ReadInbox(beam.PTransform):
    """Reads each file of a directory once, when it is found."""

    def __init__(self, inbox: str, every_s: float, until: float | None) -> None:
        super().__init__()
        self._inbox, self._every_s, self._until = inbox, every_s, until

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Return records as dicts, at the time at which their file was found."""
        ends = {} if self._until is None else {"stop_timestamp": self._until}
        return (
            begin
            | "Tick" >> PeriodicImpulse(fire_interval=self._every_s, **ends)
            | "Look"
            >> beam.ParDo(_Claim(self._inbox)).with_output_types(dict[str, Any])
            # Else reading is fused with deciding, which waits for the pointer.
            | "Read on" >> beam.Reshuffle()
        )


class _Claim(beam.DoFn):
    """Takes files out of the inbox: who renames a file first reads it."""

    def __init__(self, inbox: str) -> None:
        self._inbox = inbox

    def process(self, _: Any) -> Iterator[dict[str, Any]]:
        """Read what is there now."""
        for path in sorted(pathlib.Path(self._inbox).glob("*.jsonl")):
            taken = path.with_suffix(".taken")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue
            with taken.open() as lines:
                yield from map(json.loads, lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the pipeline that the arguments describe."""
    parser = parser_of(__doc__)
    parser.add_argument("--inbox", required=True)
    parser.add_argument("--pointer", required=True)
    parser.add_argument("--policy", required=True)
    parser.add_argument("--dataset")
    parser.add_argument("--out", required=True)
    parser.add_argument("--every", type=float, default=60.0, help="seconds")
    parser.add_argument("--for-seconds", type=float, help="stop after; default: never")
    said, beam_arguments = parser.parse_known_args(arguments)
    until = None if said.for_seconds is None else time.time() + said.for_seconds
    out = pathlib.Path(said.out)
    out.mkdir(parents=True, exist_ok=True)
    with pipeline_of(pipeline_options(beam_arguments)) as pipeline:
        pointer = pipeline | "Pointer" >> ReadPointer(
            said.pointer, every_s=said.every, until=until
        )
        decided = (
            pipeline
            | "Inbox" >> ReadInbox(said.inbox, said.every, until)
            | "By time" >> beam.WindowInto(FixedWindows(said.every))
            | "Decide"
            >> ConsentFilter(said.policy, pointer=pointer, dataset=said.dataset)
        )
        _ = (
            decided.kept
            | "Batch" >> beam.BatchElements(min_batch_size=100, max_batch_size=10_000)
            | "Write kept" >> beam.Map(write_lines, str(out / "kept"))
        )
        _ = (
            decided.ledger
            | "Ledger rows" >> beam.Map(pa.RecordBatch.to_pylist)
            | "Write ledger" >> beam.Map(write_lines, str(out / "ledger"))
        )


def write_lines(rows: Iterable[dict[str, Any]], directory: str) -> None:
    """Write rows as JSON lines, under a name of their own, whole."""
    os.makedirs(directory, exist_ok=True)
    name = f"{directory}/{uuid.uuid4()}"
    with open(f"{name}.new", "w") as lines:
        for row in rows:
            lines.write(json.dumps(row, default=str) + "\n")
    os.rename(f"{name}.new", f"{name}.jsonl")


if __name__ == "__main__":
    main()

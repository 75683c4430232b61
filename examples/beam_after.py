r"""The same pipeline after: one more step, and a file that says why.

python examples/beam_after.py CHATS.parquet CONSENT.parquet POLICY.yaml \
    OUT.jsonl WHY.jsonl
"""

from __future__ import annotations

import json
import sys
from typing import NamedTuple, Optional

import apache_beam as beam
import pyarrow.parquet as pq

from consentfilter.beam import ConsentFilter


class Chat(NamedTuple):
    """One message of a support chat."""

    record_id: str
    subject_id: Optional[str]  # noqa: UP045  (Beam reads this form)
    category: str
    collected_at: str
    text: str


def read(path: str) -> list[Chat]:
    """Return the chats of a Parquet file."""
    return [Chat(**row) for row in pq.read_table(path).to_pylist()]


def write(lines: list[str], path: str) -> None:
    """Write lines to a file, in an order of their own."""
    with open(path, "w") as out:
        out.writelines(sorted(lines))


def why(reason: str, chat: Chat) -> str:
    """Return a line that says why a chat may not be used."""
    return json.dumps({"record_id": chat.record_id, "reason": reason}) + "\n"


def main(source: str, consent: str, policy: str, target: str, reasons: str) -> None:
    """Run the pipeline."""
    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | "Files" >> beam.Create([source])
            | "Read" >> beam.FlatMap(read).with_output_types(Chat)
            | "Ask for consent" >> ConsentFilter(policy, consent)
        )
        _ = (
            decided.kept
            | "To text" >> beam.Map(lambda c: json.dumps({"text": c.text}) + "\n")
            | "Gather" >> beam.combiners.ToList()
            | "Write" >> beam.Map(write, target)
        )
        _ = (
            decided.dropped
            | "Why" >> beam.MapTuple(why)
            | "Gather reasons" >> beam.combiners.ToList()
            | "Write reasons" >> beam.Map(write, reasons)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

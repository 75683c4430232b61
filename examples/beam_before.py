"""A company's pipeline before: support chats become training text.

python examples/beam_before.py CHATS.parquet OUT.jsonl
"""

from __future__ import annotations

import json
import sys
from typing import NamedTuple, Optional

import apache_beam as beam
import pyarrow.parquet as pq


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


def main(source: str, target: str) -> None:
    """Run the pipeline."""
    with beam.Pipeline("FnApiRunner") as pipeline:
        _ = (
            pipeline
            | "Files" >> beam.Create([source])
            | "Read" >> beam.FlatMap(read).with_output_types(Chat)
            | "To text" >> beam.Map(lambda c: json.dumps({"text": c.text}) + "\n")
            | "Gather" >> beam.combiners.ToList()
            | "Write" >> beam.Map(write, target)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Count what a job wrote: rows by reason, and rows that stay.

Run as `python -m benchmarks.answer OUT`, on the output of a hand-written job
(`kept.parquet`, `reasons.parquet`) or on a release (`data/`, `private/ledger/`).
"""

from __future__ import annotations

import collections
import json
import pathlib
import sys

import pyarrow.parquet as pq


def count(out: pathlib.Path) -> dict[str, int]:
    """Return rows by reason, and `rows kept`, read back from the files."""
    if (out / "private").is_dir():
        kept = sorted((out / "data").rglob("*.parquet"))
        reasons = sorted((out / "private" / "ledger").rglob("*.parquet"))
    else:
        kept, reasons = [out / "kept.parquet"], [out / "reasons.parquet"]
    counts: collections.Counter[str] = collections.Counter()
    for path in reasons:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, columns=["reason"])["reason"]
            for entry in column.value_counts().to_pylist():
                counts[entry["values"]] += entry["counts"]
    counts["rows kept"] = sum(pq.ParquetFile(path).metadata.num_rows for path in kept)
    return dict(sorted(counts.items()))


if __name__ == "__main__":
    print(json.dumps(count(pathlib.Path(sys.argv[1]))))

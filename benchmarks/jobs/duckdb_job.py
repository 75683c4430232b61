"""The filter as somebody would write it by hand in DuckDB.

Run as `python -m benchmarks.jobs.duckdb_job RECORDS SNAPSHOT OUT`. The simple rule:
a row may stay if the latest statement of its subject for the purpose is a grant
and the row was collected after it. One statement writes the rows that stay, one
writes a reason for every row; both read a table of the latest statements.
"""

from __future__ import annotations

import pathlib
import sys

import duckdb

LATEST = """
CREATE TEMP TABLE latest AS
SELECT substr(subject_key, 9) AS subject_id,
       arg_max(status, effective_at) AS status,
       max(effective_at) AS effective_at
FROM read_parquet('{snapshot}')
WHERE purpose IN ('improve.train_ai', 'improve', '*') AND subject_key IS NOT NULL
GROUP BY subject_key
"""

KEPT = """
COPY (
  SELECT r.* FROM read_parquet('{records}/*.parquet') r JOIN latest l USING (subject_id)
  WHERE l.status = 'given' AND r.collected_at >= l.effective_at
) TO '{out}/kept.parquet' (FORMAT parquet, COMPRESSION zstd)
"""

REASONS = """
COPY (
  SELECT r.record_id, CASE
    WHEN r.subject_id IS NULL THEN 'SUBJECT_UNKNOWN'
    WHEN l.status IS NULL THEN 'NO_CONSENT_RECORD'
    WHEN l.status = 'withdrawn' THEN 'CONSENT_WITHDRAWN'
    WHEN l.status = 'refused' THEN 'CONSENT_REFUSED'
    WHEN r.collected_at < l.effective_at THEN 'COLLECTED_OUTSIDE_CONSENT'
    ELSE 'OK_CONSENT' END AS reason
  FROM read_parquet('{records}/*.parquet') r LEFT JOIN latest l USING (subject_id)
) TO '{out}/reasons.parquet' (FORMAT parquet, COMPRESSION zstd)
"""


def main(records: str, snapshot: str, out: str) -> None:
    """Run the job; `out` must not exist."""
    pathlib.Path(out).mkdir(parents=True)
    base = duckdb.connect()
    # The order of rows is given up: faster, and less memory.
    base.execute("SET preserve_insertion_order = false")
    for statement in (LATEST, KEPT, REASONS):
        base.execute(statement.format(records=records, snapshot=snapshot, out=out))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The filter as somebody would write it by hand in Polars.

Run as `python -m benchmarks.jobs.polars_job RECORDS SNAPSHOT OUT`. The same simple
rule as the DuckDB job; both outputs are written in one streaming pass.
"""

from __future__ import annotations

import pathlib
import sys

import polars as pl

PURPOSES = ("improve.train_ai", "improve", "*")


def main(records: str, snapshot: str, out: str) -> None:
    """Run the job; `out` must not exist."""
    target = pathlib.Path(out)
    target.mkdir(parents=True)
    latest = (
        pl.scan_parquet(snapshot)
        .filter(pl.col("purpose").is_in(PURPOSES), pl.col("subject_key").is_not_null())
        .group_by("subject_key")
        .agg(
            pl.col("status").sort_by("effective_at").last(),
            pl.col("effective_at").max(),
        )
        .select(
            pl.col("subject_key").str.slice(8).alias("subject_id"),
            "status",
            "effective_at",
        )
    )
    reason = (
        pl.when(pl.col("subject_id").is_null())
        .then(pl.lit("SUBJECT_UNKNOWN"))
        .when(pl.col("status").is_null())
        .then(pl.lit("NO_CONSENT_RECORD"))
        .when(pl.col("status") == "withdrawn")
        .then(pl.lit("CONSENT_WITHDRAWN"))
        .when(pl.col("status") == "refused")
        .then(pl.lit("CONSENT_REFUSED"))
        .when(pl.col("collected_at") < pl.col("effective_at"))
        .then(pl.lit("COLLECTED_OUTSIDE_CONSENT"))
        .otherwise(pl.lit("OK_CONSENT"))
    )
    rows = pl.scan_parquet(f"{records}/*.parquet")
    columns = rows.collect_schema().names()
    decided = rows.join(latest, on="subject_id", how="left").with_columns(
        reason.alias("reason")
    )
    pl.collect_all(
        [
            decided.filter(pl.col("reason") == "OK_CONSENT")
            .select(columns)
            .sink_parquet(target / "kept.parquet", compression="zstd", lazy=True),
            decided.select("record_id", "reason").sink_parquet(
                target / "reasons.parquet", compression="zstd", lazy=True
            ),
        ],
        engine="streaming",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

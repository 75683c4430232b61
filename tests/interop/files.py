"""Dumps really written by other libraries, in the standard layout plus payload."""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests import made

ROWS = 40
STAMP = dt.datetime(2024, 6, 1, 12, 30, 15, 123456, tzinfo=dt.UTC)


def columns() -> dict[str, list[Any]]:
    """Return the standard columns and plain payload as Python values."""
    at = range(ROWS)
    return {
        "record_id": [f"r{n}" for n in at],
        "subject_id": [f"u{n % 10}" for n in at],
        "category": ["content.chat"] * ROWS,
        "collected_at": [made.COLLECTED] * ROWS,
        "text": [None if n % 7 == 0 else f"message {n}" for n in at],
        "score": [n / 4 for n in at],
        "count": list(at),
        "flag": [n % 2 == 0 for n in at],
        "tags": [["a", "b"][: n % 3] for n in at],
        "meta": [{"lang": "en", "n": n} for n in at],
        "day": [dt.date(2024, 1, 1) + dt.timedelta(n) for n in at],
    }


def by_pyarrow(path: pathlib.Path, **options: Any) -> None:
    """Every layout that Arrow has for a column, in row groups of 9, some empty."""
    base = columns()
    n = ROWS
    half = pa.array([1.5] * n, pa.float16())
    table = pa.table(
        {
            **{name: base[name] for name in ("record_id", "subject_id", "category")},
            "collected_at": pa.array(base["collected_at"], made.INSTANT),
            "dictionary": pa.array(base["text"]).dictionary_encode(),
            "ordered": pa.DictionaryArray.from_arrays(
                pa.array([at % 2 for at in range(n)], pa.int8()),
                ["lo", "hi"],
                ordered=True,
            ),
            "large": pa.array(base["text"], pa.large_string()),
            "view": pa.array(base["text"], pa.string_view()),
            "binary": pa.array([b"\x00\xff"] * n, pa.binary()),
            "fixed": pa.array([bytes(16)] * n, pa.binary(16)),
            "decimal": pa.array([decimal.Decimal("12.340")] * n, pa.decimal128(20, 3)),
            "wide": pa.array([decimal.Decimal("12.340")] * n, pa.decimal256(50, 3)),
            "half": half,
            "unsigned": pa.array([2**32 - 1] * n, pa.uint32()),
            "huge": pa.array([2**64 - 1] * n, pa.uint64()),
            "nanos": pa.array([1] * n, pa.timestamp("ns")),
            "millis": pa.array([1] * n, pa.timestamp("ms", "Asia/Tokyo")),
            "clock": pa.array([1] * n, pa.time64("us")),
            "span": pa.array([1] * n, pa.duration("ms")),
            "large_list": pa.array(base["tags"], pa.large_list(pa.string())),
            "fixed_list": pa.array([[1, 2]] * n, pa.list_(pa.int32(), 2)),
            "deep": pa.array(
                [[{"who": "x", "said": ["a", None]}], None, []] * (n // 3) + [None],
                pa.list_(
                    pa.struct([("who", pa.string()), ("said", pa.list_(pa.string()))])
                ),
            ),
            "map": pa.array([[("k", 1)]] * n, pa.map_(pa.string(), pa.int64())),
            "nothing": pa.nulls(n),
            "sure": pa.array(range(n)),
            "dotted.name": pa.array(range(n)),
        }
    )
    at = table.schema.get_field_index("sure")
    sure = pa.field("sure", pa.int64(), nullable=False, metadata={"unit": "m"})
    schema = table.schema.set(at, sure).with_metadata({"made": "by hand", "ü": "✓"})
    table = table.cast(schema)
    with pq.ParquetWriter(path, schema, **options) as writer:
        writer.write_table(table[:0])
        writer.write_table(table[:18], 9)
        writer.write_table(table[:0])
        writer.write_table(table[18:], 9)


def by_polars(path: pathlib.Path, **options: Any) -> None:
    """Polars: categoricals, unsigned integers, decimals, nested, durations."""
    import polars as pl

    frame = pl.DataFrame(columns()).with_columns(
        pl.col("text").cast(pl.Categorical).alias("word"),
        pl.col("count").cast(pl.UInt32).alias("small"),
        pl.lit(decimal.Decimal("1.25")).alias("price"),
        pl.lit(dt.timedelta(seconds=3)).alias("span"),
        pl.lit(STAMP).dt.cast_time_unit("ns").alias("nanos"),
        pl.Series("kind", ["a", "b"] * (ROWS // 2), dtype=pl.Enum(["a", "b"])),
    )
    frame.write_parquet(path, row_group_size=15, **options)


def by_duckdb(path: pathlib.Path, options: str = "") -> None:
    """DuckDB: its own types, several row groups."""
    import duckdb

    table = pa.table(
        {**columns(), "collected_at": pa.array([made.COLLECTED] * ROWS, made.INSTANT)}
    )
    with duckdb.connect() as db:
        db.register("t", table)
        db.execute(
            "copy (select *, 1.5::decimal(9,2) as price, uuid() as uid, "
            "'b'::blob as raw, map {'k': 1} as m, time '10:00' as clock, "
            "timestamp_ns '2024-01-01 00:00:00' as nanos, 200::utinyint as tiny, "
            "7::hugeint as huge from t) "
            f"to '{path}' (format parquet, row_group_size 2048{options})"
        )


def by_pandas(path: pathlib.Path, *, engine: str = "pyarrow") -> None:
    """pandas: a named index, categoricals and nullable integers in its metadata."""
    import pandas as pd

    base = {k: v for k, v in columns().items() if k not in ("tags", "meta")}
    frame = pd.DataFrame(base)
    frame["word"] = frame["text"].astype("category")
    frame["maybe"] = pd.array([None, 1] * (ROWS // 2), dtype="Int64")
    frame.index = pd.Index([f"row-{n}" for n in range(ROWS)], name="key")
    frame.to_parquet(path, engine=engine)  # type: ignore[call-overload]


def by_datasets(directory: pathlib.Path) -> None:
    """Hugging Face datasets: features in the schema's metadata."""
    import datasets

    base = {k: v for k, v in columns().items() if k != "collected_at"}
    base["collected_at"] = [made.COLLECTED.isoformat()] * ROWS
    base["label"] = [n % 2 for n in range(ROWS)]
    features = datasets.Features(
        {
            **datasets.Dataset.from_dict(base).features,
            "label": datasets.ClassLabel(names=["no", "yes"]),
        }
    )
    dataset = datasets.Dataset.from_dict(base, features=features)
    dataset.to_parquet(str(directory / "train-00000-of-00001.parquet"))

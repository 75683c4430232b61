"""INT96 times: a Parquet type without a unit, read the same way wherever it is read.

Spark, Hive and Impala write times as INT96 (nanoseconds of the day, and the day).
As nanoseconds since 1970, the way Arrow reads them, years beyond 2262 wrap around
silently; so a file is read in microseconds, unless Arrow wrote it, which knows no
such years. The rule looks at nothing but the file, and a file that is written back
by the layout of its input falls under the same rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def open_file(source: Any, **options: Any) -> pq.ParquetFile:
    """Open a Parquet file so that its INT96 times are read by the rule.

    Args:
        source: a path or an open file.
        options: further arguments of `pq.ParquetFile`.
    """
    opened = pq.ParquetFile(source, **options)
    if not int96_columns(opened) or is_by_arrow(opened.metadata):
        return opened
    return pq.ParquetFile(
        source,
        metadata=opened.metadata,
        coerce_int96_timestamp_unit="us",
        **options,
    )


def int96_columns(opened: pq.ParquetFile) -> list[str]:
    """Return the top-level columns that hold INT96 times."""
    schema = opened.schema
    leaves = [schema.column(at) for at in range(len(schema))]
    return list(
        dict.fromkeys(
            leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"
        )
    )


def is_by_arrow(metadata: pq.FileMetaData) -> bool:
    """Tell whether a file holds the Arrow schema that it was written with."""
    return b"ARROW:schema" in (metadata.metadata or {})


def has_lost_digits(nanoseconds: pa.Array, microseconds: pa.Array) -> bool:
    """Tell whether reading in microseconds cut off digits of a time.

    Args:
        nanoseconds: the column read in nanoseconds; wrapped around where a year
            does not fit.
        microseconds: the same column read in microseconds.
    """
    fine = np.asarray(nanoseconds.cast(pa.int64()).fill_null(0))
    coarse = np.asarray(microseconds.cast(pa.int64()).fill_null(0))
    return bool(((fine // 1000 == coarse) & (fine % 1000 != 0)).any())

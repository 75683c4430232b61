"""A file is written as it was: codec, encodings, versions, types, metadata."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.engine.footers import open_parquet
from consentfilter.engine.layout import read_layout
from consentfilter.engine.storage import list_parts
from consentfilter.errors import InputError


def _table() -> pa.Table:
    return pa.table(
        {
            "a.b": [1, 2, 3],
            "text": ["x", None, "z"],
            "word": pa.array(["x", "y", "x"]).dictionary_encode(),
            "large": pa.array(["a", "b", None], pa.large_string()),
            "view": pa.array(["a", None, "c"], pa.string_view()),
            "list": pa.array([["a"], [], None], pa.large_list(pa.large_string())),
            "amount": pa.array(
                [decimal.Decimal("1.20"), None, decimal.Decimal("3.40")],
                pa.decimal128(9, 2),
            ),
            "struct": pa.array(
                [{"x": 1, "y": None}] * 3,
                pa.struct([pa.field("x", pa.int8(), False), ("y", pa.float64())]),
            ),
            "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int32())),
            "bytes": pa.array([b"ab", b"cd", None], pa.binary(2)),
            "unsigned": pa.array([1, 2, 3], pa.uint32()),
            "time": pa.array([1, 2, 3], pa.timestamp("us", "UTC")),
        }
    )


def _through(path: pathlib.Path) -> tuple[pq.ParquetFile, pq.ParquetFile]:
    """Write a file again with its own layout; return both, opened."""
    (part,) = list_parts([str(path)])
    opened = open_parquet(part)
    sink = io.BytesIO()
    with read_layout(opened, part).writer(sink, may_redact=False) as writer:
        for at in range(opened.num_row_groups):
            group = opened.read_row_group(at)
            writer.write_table(group, max(1, group.num_rows))
    return opened, pq.ParquetFile(pa.BufferReader(sink.getvalue()))


def _described(opened: pq.ParquetFile) -> dict[str, Any]:
    metadata = opened.metadata
    columns = [opened.schema.column(at) for at in range(len(opened.schema))]
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    chunks = [group.column(at) for group in groups for at in range(group.num_columns)]
    return {
        "version": metadata.format_version,
        "metadata": {
            key: value
            for key, value in (metadata.metadata or {}).items()
            if key != b"ARROW:schema"
        },
        "has_arrow_schema": b"ARROW:schema" in (metadata.metadata or {}),
        "columns": [
            (c.path, c.physical_type, str(c.logical_type), c.max_definition_level)
            for c in columns
        ],
        "rows": [group.num_rows for group in groups],
        "sorting": [group.sorting_columns for group in groups],
        "chunks": [
            (
                c.path_in_schema,
                c.compression,
                set(c.encodings),
                c.is_stats_set,
                c.has_dictionary_page,
                c.has_column_index,
                c.bloom_filter_offset is not None,
            )
            for c in chunks
        ],
    }


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "a codec per column": {"compression": {"text": "gzip", "word": "zstd"}},
    "no codec": {"compression": "none"},
    "brotli": {"compression": "brotli"},
    "lz4": {"compression": "lz4"},
    "no dictionaries": {"use_dictionary": False},
    "some dictionaries": {"use_dictionary": ["text", "list.list.element"]},
    "other encodings": {
        "use_dictionary": False,
        "column_encoding": {
            "a.b": "DELTA_BINARY_PACKED",
            "text": "DELTA_BYTE_ARRAY",
            "large": "DELTA_LENGTH_BYTE_ARRAY",
            "struct.y": "BYTE_STREAM_SPLIT",
        },
    },
    "no statistics": {"write_statistics": False},
    "some statistics": {"write_statistics": ["text", "struct.x"]},
    "data pages of version 2": {"data_page_version": "2.0"},
    "page index": {"write_page_index": True},
    "no arrow schema": {"store_schema": False},
    "decimals as integers": {"store_decimal_as_integer": True},
    "old names of list elements": {"use_compliant_nested_type": False},
    "small row groups": {"row_group_size": 1},
    "a bloom filter": {"bloom_filter_options": {"text": {"ndv": 3}}},
    "sorted": {"sorting_columns": [pq.SortingColumn(0, True, True)]},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_layout_comes_back(tmp_path: pathlib.Path, options: dict[str, Any]) -> None:
    pq.write_table(_table(), tmp_path / "p.parquet", **options)
    before, after = _through(tmp_path / "p.parquet")
    assert _described(after) == _described(before)
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert after.read().equals(before.read())


def test_format_version_1_comes_back(tmp_path: pathlib.Path) -> None:
    table = _table().drop_columns(["unsigned"])
    pq.write_table(table, tmp_path / "p.parquet", version="1.0")
    before, after = _through(tmp_path / "p.parquet")
    assert before.metadata.format_version == "1.0"
    assert _described(after) == _described(before)


def test_version_1_gives_way_to_a_type_that_it_would_change(
    tmp_path: pathlib.Path,
) -> None:
    import polars as pl

    pl.DataFrame({"n": pl.Series([1, 2], dtype=pl.UInt32)}).write_parquet(
        tmp_path / "p.parquet"
    )
    before, after = _through(tmp_path / "p.parquet")
    assert before.metadata.format_version == "1.0"
    assert after.schema_arrow == before.schema_arrow
    assert after.schema.column(0).physical_type == "INT32"


def test_int96_times_stay_int96(tmp_path: pathlib.Path) -> None:
    table = pa.table({"t": pa.array([1, None, 3], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "p.parquet", use_deprecated_int96_timestamps=True)
    before, after = _through(tmp_path / "p.parquet")
    assert after.schema.column(0).physical_type == "INT96"
    assert after.read().equals(before.read())


def test_mixed_kinds_of_time_are_refused(tmp_path: pathlib.Path) -> None:
    # Arrow writes one kind per file; a file with both is put together by hand.
    table = pa.table({"t": pa.array([1], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    pq.write_table(table.rename_columns(["u"]), tmp_path / "b.parquet")
    (a,) = list_parts([str(tmp_path / "a.parquet")])
    int96, int64 = (
        pq.ParquetFile(tmp_path / f"{name}.parquet").schema.column(0) for name in "ab"
    )
    from consentfilter.engine.layout import _is_int96

    with pytest.raises(InputError) as caught:
        _is_int96([int96, int64], a)
    assert "'t' is an INT96 time and 'u' an INT64 one" in str(caught.value)


def test_empty_row_groups_and_empty_files_come_back(tmp_path: pathlib.Path) -> None:
    table = _table()
    with pq.ParquetWriter(tmp_path / "p.parquet", table.schema) as writer:
        for piece in (table[:0], table[:2], table[:0], table[2:]):
            writer.write_table(piece)
    before, after = _through(tmp_path / "p.parquet")
    assert _described(after)["rows"] == [0, 2, 0, 1]
    assert _described(after) == _described(before)
    pq.write_table(table[:0], tmp_path / "q.parquet", compression="zstd")
    before, after = _through(tmp_path / "q.parquet")
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)


def test_metadata_of_schema_and_fields_comes_back(tmp_path: pathlib.Path) -> None:
    schema = pa.schema(
        [
            pa.field("a", pa.int64(), False, {"PARQUET:field_id": "7", "unit": "m"}),
            pa.field("t", pa.timestamp("ms", "Europe/Berlin")),
        ],
        {"pandas": "{}", "huggingface": "{}", "ümlaut": "✓"},
    )
    rows = {"a": [1], "t": [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]}
    pq.write_table(pa.table(rows, schema), tmp_path / "p.parquet")
    before, after = _through(tmp_path / "p.parquet")
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert not after.schema_arrow.field("a").nullable


def test_sortedness_is_not_promised_where_values_may_change(
    tmp_path: pathlib.Path,
) -> None:
    sorting = [pq.SortingColumn(0)]
    pq.write_table(_table(), tmp_path / "p.parquet", sorting_columns=sorting)
    (part,) = list_parts([str(tmp_path / "p.parquet")])
    opened = open_parquet(part)
    sink = io.BytesIO()
    with read_layout(opened, part).writer(sink, may_redact=True) as writer:
        writer.write_table(opened.read())
    again = pq.ParquetFile(pa.BufferReader(sink.getvalue()))
    assert again.metadata.row_group(0).sorting_columns == ()

"""The ledger's bytes depend on what was decided, not on how it was numbered."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.engine import ledger

RULES = ["b", None, "a", "b", "a", None]


@pytest.mark.parametrize("words", [["a", "b"], ["b", "a"], ["c", "a", "d", "b"]])
def test_rules_are_numbered_in_the_order_in_which_they_occur(words: list[str]) -> None:
    codes = [None if rule is None else words.index(rule) for rule in RULES]
    given = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), words)
    for values in (given, pa.array(RULES)):
        found = ledger._encoded(values)
        assert found.to_pylist() == RULES
        assert found.dictionary.to_pylist() == ["b", "a"]


def test_a_ledger_without_rules_has_no_words() -> None:
    nulls = pa.DictionaryArray.from_arrays(pa.nulls(3, pa.int32()), pa.array(["a"]))
    found = ledger._encoded(nulls)
    assert found.to_pylist() == [None] * 3
    assert found.dictionary.to_pylist() == []


def test_every_column_has_the_codec_that_serves_it() -> None:
    with ledger.ledger_writer(sink := io.BytesIO()) as writer:
        writer.write_table(ledger.LEDGER_SCHEMA.empty_table())
    group = pq.ParquetFile(sink).metadata.row_group(0)
    codecs = {
        group.column(at).path_in_schema: group.column(at).compression
        for at in range(group.num_columns)
    }
    assert codecs["record_id"] == "ZSTD"
    assert codecs["subject_key"] == codecs["grant_id"] == codecs["denial_id"] == "LZ4"
    assert codecs["content_sha256"] == codecs["row"] == "UNCOMPRESSED"

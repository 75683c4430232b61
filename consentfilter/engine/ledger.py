"""Ledger rows out of decisions, and how a ledger file is written."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from consentfilter import reasons
from consentfilter.decide.decisions import Decisions
from consentfilter.lineage.ledger import LEDGER_SCHEMA
from consentfilter.reasons import Decision

_REASON_NAMES: Final = pa.array([*reasons.FAIL_REASONS, *reasons.KEEP_REASONS])
_REASON_AT: Final = np.zeros(256, np.int32)
_REASON_AT[[reasons.CODE[name] for name in _REASON_NAMES.to_pylist()]] = np.arange(
    len(_REASON_NAMES)
)
_DECISION_NAMES: Final = pa.array(["drop", "redact", "keep"])
#: How columns are compressed; the others are not.
_CODECS: Final = {
    "record_id": "zstd",
    "redacted.list.element": "zstd",
    "subject_key": "lz4",
    "grant_id": "lz4",
    "denial_id": "lz4",
}


def ledger_table(
    decisions: Decisions,
    record_id: pa.Array,
    redacted: pa.Array,
    digests: pa.Array | None,
    *,
    part: str,
    first_row: int,
) -> pa.Table:
    """Return the ledger of a batch; `out_row` counts from the batch's first row.

    Args:
        decisions: what was decided.
        record_id: the records' ids.
        redacted: list<string> of what was taken from each record.
        digests: 32 bytes per admitted row; None where nothing is emitted.
        part: the part's name in the release.
        first_row: position of the batch's first row in the part.
    """
    is_admitted = decisions.decision != Decision.DROP
    out_row = np.cumsum(is_admitted) - 1
    absent = pa.array(~is_admitted)
    return pa.Table.from_arrays(
        [
            record_id,
            _named(decisions.decision.astype(np.int32), _DECISION_NAMES),
            _named(_REASON_AT[decisions.reason], _REASON_NAMES),
            redacted.cast(LEDGER_SCHEMA.field("redacted").type),
            _encoded(decisions.rule),
            decisions.subject_key,
            decisions.grant_id,
            decisions.denial_id,
            _named(np.zeros(len(decisions), np.int32), pa.array([part])),
            pa.array(np.arange(first_row, first_row + len(decisions))),
            pc.if_else(absent, None, pa.array(out_row)),
            _spread(digests, out_row, absent),
        ],
        schema=LEDGER_SCHEMA,
    )


def numbered_from(ledger: pa.Table, first_out_row: int) -> pa.Table:
    """Return a batch's ledger with `out_row` counted within the whole part."""
    at = LEDGER_SCHEMA.get_field_index("out_row")
    moved = pc.add(ledger.column(at), first_out_row)
    return ledger.set_column(at, LEDGER_SCHEMA.field(at), moved)


def ledger_writer(sink: Any) -> pq.ParquetWriter:
    """Open a writer for a ledger: compact, quick to write and to read by record.

    Names repeat and are dictionary-encoded; positions rise and are stored as
    differences; ids are stored plain. Record ids are in the order of the records, so
    zstd makes next to nothing of them; the ids of people and statements are in no
    order, and lz4 takes two thirds of the time that zstd does. The rest is small
    already, or random (digests), and not compressed.
    """
    return pq.ParquetWriter(
        sink,
        LEDGER_SCHEMA,
        compression=dict.fromkeys(_leaf_paths(), "none") | _CODECS,
        compression_level={
            path: 1 for path, codec in _CODECS.items() if codec == "zstd"
        },
        use_dictionary=["decision", "reason", "rule", "part"],
        column_encoding={
            "row": "DELTA_BINARY_PACKED",
            "out_row": "DELTA_BINARY_PACKED",
        },
        write_statistics=["record_id", "row", "out_row"],
    )


def _leaf_paths() -> list[str]:
    return [
        "redacted.list.element" if name == "redacted" else name
        for name in LEDGER_SCHEMA.names
    ]


def _named(codes: np.ndarray, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), names)


def _encoded(values: pa.Array) -> pa.DictionaryArray:
    """Return values as a dictionary in the order in which they occur.

    A dictionary from elsewhere is not taken over: the index numbers rules in the
    order in which records ask, which differs from run to run. Its words are
    distinct, so it does to number its codes anew.
    """
    if not pa.types.is_dictionary(values.type):
        return values.cast(pa.string()).dictionary_encode()
    codes = values.indices.dictionary_encode()
    words = values.dictionary.take(codes.dictionary).cast(pa.string())
    return pa.DictionaryArray.from_arrays(codes.indices, words)


def _spread(
    digests: pa.Array | None, out_row: np.ndarray, absent: pa.Array
) -> pa.Array:
    """Give each admitted row its digest and every other row null."""
    if digests is None or not len(digests):
        return pa.nulls(len(out_row), pa.binary(32))
    if len(digests) == len(out_row):
        return digests
    return digests.take(pc.if_else(absent, None, pa.array(out_row)))

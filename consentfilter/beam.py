"""Consent filtering in Apache Beam pipelines.

    from consentfilter.beam import ConsentFilter

    decided = records | ConsentFilter("policy.yaml", ["events.parquet"])
    decided.kept | "Train on" >> ...

Needs the extra `consentfilter[beam]`.
"""

from __future__ import annotations

from consentfilter.engine.beam.coder import RecordBatchCoder
from consentfilter.engine.beam.parquet import FilterParquet
from consentfilter.engine.beam.pointer import ReadPointer, SnapshotPointer
from consentfilter.engine.beam.transform import ConsentFilter, Decided
from consentfilter.engine.cluster.outcome import LEDGER_SCHEMA, REASON_COLUMN

__all__ = [
    "LEDGER_SCHEMA",
    "REASON_COLUMN",
    "ConsentFilter",
    "Decided",
    "FilterParquet",
    "ReadPointer",
    "RecordBatchCoder",
    "SnapshotPointer",
]

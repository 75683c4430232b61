"""Consent filtering in Apache Beam pipelines.

    from consentfilter.beam import ConsentFilter

    decided = records | ConsentFilter("policy.yaml", ["events.parquet"])
    decided.kept | "Train on" >> ...

Needs the extra `consentfilter[beam]`. `YAML_PROVIDER` is the path of the file that
gives Beam YAML the step `ConsentFilter`.
"""

from __future__ import annotations

import pathlib
from typing import Final

from consentfilter.engine.beam.coder import RecordBatchCoder
from consentfilter.engine.beam.parquet import FilterParquet
from consentfilter.engine.beam.pointer import ReadPointer, SnapshotPointer
from consentfilter.engine.beam.transform import ConsentFilter, Decided
from consentfilter.engine.cluster.outcome import LEDGER_SCHEMA, REASON_COLUMN

YAML_PROVIDER: Final = str(
    pathlib.Path(__file__).with_name("beam_yaml_provider.yaml").resolve()
)

__all__ = [
    "LEDGER_SCHEMA",
    "REASON_COLUMN",
    "YAML_PROVIDER",
    "ConsentFilter",
    "Decided",
    "FilterParquet",
    "ReadPointer",
    "RecordBatchCoder",
    "SnapshotPointer",
]

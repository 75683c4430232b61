"""One contract, every engine: the decision is the local one, whoever runs it."""

from __future__ import annotations

import pathlib

import pytest

from consentfilter.engine.beam.runners import pipeline_options
from consentfilter.reasons import CODE
from tests.beam.cases import cases
from tests.beam.contract import run_batches, run_rows, wanted

pytestmark = pytest.mark.beam

IN_MEMORY = ("--direct_num_workers=1",)
THREADS = ("--direct_num_workers=2", "--direct_running_mode=multi_threading")
REPEATED = ("--direct_num_workers=1", "--direct_runner_bundle_repeat=1")


def test_the_cases_reach_nearly_every_reason() -> None:
    reasons = {row["reason"] for case in cases() for row in case.ledger}
    assert len(reasons) > 0.85 * len(CODE)
    decisions = {row["decision"] for case in cases() for row in case.ledger}
    assert decisions == {"keep", "redact", "drop"}


@pytest.mark.parametrize("options", [IN_MEMORY, THREADS, REPEATED], ids=" ".join)
def test_batches_are_decided_as_by_the_local_engine(
    options: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    found = run_batches(cases(), pipeline_options(options), tmp_path)
    for case, got in zip(cases(), found, strict=True):
        assert got.ledger == case.ledger
        assert got.kept == wanted(case)


@pytest.mark.parametrize("options", [IN_MEMORY, REPEATED], ids=" ".join)
def test_rows_are_decided_as_by_the_local_engine(
    options: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    found = run_rows(cases(), pipeline_options(options), tmp_path)
    for case, got in zip(cases(), found, strict=True):
        assert got.ledger == case.ledger
        assert got.kept == wanted(case)

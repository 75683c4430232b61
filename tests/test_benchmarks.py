"""The benchmark's jobs work and agree: three ways to one answer, on small data."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.slow
def test_filter_and_hand_written_jobs_give_the_same_answer(
    tmp_path: pathlib.Path,
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.filter", "--json"),
            *("--rows", "20000", "--repeat", "1", "--cache", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = json.loads(done.stdout)["jobs"]
    answers = [job["answer"] for job in jobs.values()]

    ours = ["consentfilter", "without-evidence"]
    assert list(jobs) == [*ours, "duckdb", "polars"]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["rows kept"] == answers[0]["OK_CONSENT"] > 5_000
    assert sum(answers[0].values()) - answers[0]["rows kept"] == 20_000
    assert all(job["peak_bytes"] > 1e7 for job in jobs.values())

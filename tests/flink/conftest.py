"""A Flink cluster, if `scripts/flink-test.sh` started one; else no test is here."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

STATE = os.environ.get("CONSENTFILTER_FLINK")
collect_ignore_glob = [] if STATE else ["test_*.py"]

ROOT = pathlib.Path(__file__).parents[2]


class Flink:
    """The running cluster."""

    def __init__(self, state: pathlib.Path) -> None:
        self._state = state
        self._made = 2

    @property
    def arguments(self) -> list[str]:
        """Beam options of a pipeline that runs there."""
        said = json.loads((self._state / "options.json").read_text())
        return [f"--{name}={value}" for name, value in said.items()]

    @property
    def options(self) -> PipelineOptions:
        """The same, parsed."""
        return PipelineOptions(self.arguments)

    def replace_taskmanager(self) -> None:
        """Kill the oldest TaskManager with SIGKILL and start another one."""
        self._made += 1
        old, new = f"tm{self._made - 2}", f"tm{self._made}"
        self._run("kill-taskmanager", "--name", old)
        self._run("start-taskmanager", "--name", new)

    def _run(self, command: str, *arguments: str) -> None:
        script = [sys.executable, str(ROOT / "scripts" / "flink-cluster"), command]
        state = ["--state", str(self._state)]
        subprocess.run([*script, *state, *arguments], check=True, timeout=60)


@pytest.fixture(scope="session")
def flink() -> Flink:
    assert STATE is not None
    return Flink(pathlib.Path(STATE))

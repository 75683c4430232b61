"""Commands import what they need: most of the time of a small one is its start."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.report.conftest import World, world

__all__ = ["world"]

#: Runs a command line as `python -m consentfilter` does; names what it imported.
PROGRAM = """
import runpy, sys
names = sys.argv.pop(1).split(",")
try:
    runpy.run_module("consentfilter", run_name="__main__", alter_sys=True)
except SystemExit as end:
    print(sorted(set(names) & set(sys.modules)), end.code)
"""


def imported(names: str, *arguments: object) -> str:
    """Run a command; return which of these modules it imported, and its status."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, names, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_proof_reads_parquet_and_imports_nothing_else(
    world: World, tmp_path: Path
) -> None:
    out = tmp_path / "proof.json"
    told = imported(
        "cryptography,jinja2,pandas,polars,polars_hash,pyarrow",
        *("prove", world.before, "--record", "anything", "--out", out, "--quiet"),
    )
    assert told == "['pyarrow'] 0"
    assert '"kind": "out"' in out.read_text()


def test_no_command_imports_pandas_although_it_is_installed(world: World) -> None:
    assert importlib.util.find_spec("pandas") is not None
    assert imported("pandas", "verify", world.before, "--quiet") == "[] 0"
    consent = ["--consent", world.files.consent, world.later]
    side = ["--subjects", world.files.subjects, "--links", world.files.links]
    told = imported(
        "pandas,polars", "recheck", world.before, *consent, *side, "--quiet"
    )
    assert told == "['polars'] 1"
    given = [world.files.records, *consent, *side, "--policy", world.policy]
    given += ["--dataset", world.files.dataset, "--as-of", "2024-02-08T00:00:00Z"]
    heavy = "apache_beam,cryptography,pandas,polars"
    told = imported(heavy, "filter", *given, "--dry-run", "--unsigned", "--quiet")
    assert told == "['polars'] 0"


def test_on_beam_pandas_stays_at_hand() -> None:
    program = (
        "import sys; from consentfilter.cli.unneeded import leave_out;"
        "leave_out(sys.argv[1:]); import pyarrow as pa; pa.array([1]);"
        "print('pandas' in sys.modules)"
    )

    def is_imported(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert is_imported("filter", "--engine", "beam") == "True"
    assert is_imported("filter", "--engine=beam") == "True"
    assert is_imported("filter", "--engine", "local") == "False"

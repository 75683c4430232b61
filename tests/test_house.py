"""The house rules that no tool keeps for us."""

from __future__ import annotations

import os
import pathlib
import re
import stat
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
LONGEST_MODULE = 450
LONGEST_TEST = 800
#: A verifier that somebody can copy and read in one sitting is one file.
LONG_ON_PURPOSE = ("consentfilter/lineage/verifier.py",)
HEAVY = ("pyarrow", "polars", "numpy", "pydantic", "apache_beam", "cryptography")


def tracked() -> list[pathlib.Path]:
    """Return the files of the project that git knows, or all sources without git."""
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        folders = ("consentfilter", "tests", "docs", "benchmarks", "pipelines")
        return [p for f in folders for p in (ROOT / f).rglob("*") if p.is_file()]
    return [p for line in done.stdout.splitlines() if (p := ROOT / line).is_file()]


def texts() -> list[tuple[str, str]]:
    """Return path and text of every file of the project that is text."""
    found = []
    for path in tracked():
        try:
            found.append((str(path.relative_to(ROOT)), path.read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_no_module_is_too_long() -> None:
    def limit(path: str) -> int:
        return LONGEST_TEST if path.startswith("tests/") else LONGEST_MODULE

    long = [
        f"{path}: {text.count(chr(10))}"
        for path, text in texts()
        if path.endswith(".py") and text.count("\n") > limit(path)
    ]
    assert [line for line in long if not line.startswith(LONG_ON_PURPOSE)] == []


def test_no_package_registry_is_named() -> None:
    hosts = ("pypi", "pythonhosted", "npmjs", "maven", "golang", "crates", "debian")
    pattern = re.compile(rf"\b[\w.-]*({'|'.join(hosts)})\.(org|com|io|net)\b")
    found = [
        f"{path}: {match[0]}"
        for path, text in texts()
        for match in [pattern.search(text)]
        if match
    ]
    assert found == []


def test_no_path_of_one_machine_is_named() -> None:
    pattern = re.compile(r"(?<![\w.])/(wor[k]|hom[e]|Users|roo[t])/\w")
    found = [
        f"{path}: {match[0]}"
        for path, text in texts()
        for match in [pattern.search(text)]
        if match
    ]
    assert found == []


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += [need for need in extra if not need.startswith("consentfilter")]
    lines = (ROOT / "constraints.txt").read_text("utf-8").split()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    names = {re.split(r"[\[<>=!~ ;]", need)[0].lower() for need in wanted}

    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", line) for line in lines)
    assert names <= pinned


def test_importing_the_package_or_its_command_line_imports_nothing_heavy() -> None:
    program = (
        "import sys, consentfilter, consentfilter.cli.app, consentfilter.cli.main; "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "consentfilter" / "cli").glob("*.py")), ids=lambda p: p.name
)
def test_a_command_module_imports_nothing_heavy(path: pathlib.Path) -> None:
    program = (
        f"import sys, consentfilter.cli.{path.stem}; "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_make_help_lists_every_door() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = next(
        line for line in makefile.splitlines() if line.startswith(".PHONY:")
    ).split()[1:]

    for door in phony:
        assert re.search(rf"^{door}:.*## \S", makefile, re.MULTILINE), door


def test_the_check_script_stops_at_the_first_failure() -> None:
    script = ROOT / ".ci" / "run"

    assert os.stat(script).st_mode & stat.S_IXUSR
    assert "set -euo pipefail" in script.read_text("utf-8")


def test_the_licence_is_apache_2() -> None:
    head = (ROOT / "LICENSE").read_text("utf-8")[:300]

    assert "Apache License" in head
    assert "Version 2.0" in head


def test_the_demo_runs_with_nothing_but_the_declared_dependencies(
    tmp_path: pathlib.Path,
) -> None:
    """What only the test environment has must not be needed, pandas above all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert not [need for need in project["dependencies"] if "pandas" in need]
    program = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "duckdb", "psutil", "apache_beam"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from consentfilter.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "demo", str(tmp_path / "demo"), "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

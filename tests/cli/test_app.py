"""The command line's frame: fast help, exit statuses, no traceback for bad input."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from consentfilter import __version__
from consentfilter.cli import output
from consentfilter.cli.app import COMMANDS
from consentfilter.cli.main import run
from consentfilter.errors import InputError, PolicyError, RunRefused, StorageError

HEAVY = ("pyarrow", "polars", "numpy", "pydantic", "rich", "apache_beam", "pandas")


def _python(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, *arguments], capture_output=True, text=True, **more
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from consentfilter.cli.main import run; run(['--help']);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = _python("-c", code)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    for name, command in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert command.summary in done.stdout


def test_help_needs_little_processor_time() -> None:
    # Processor time, not wall time: other tests share the machine.
    before = os.times()
    done = _python("-m", "consentfilter", "--help")
    after = os.times()
    assert done.returncode == 0
    used = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    assert used < 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"consentfilter {name}" in shown
    assert COMMANDS[name].summary.isascii()
    assert len(COMMANDS[name].summary) <= 60


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    both = capsys.readouterr()
    assert "Commands:" in both.out + both.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"consentfilter {__version__}\n"


def test_a_typo_is_met_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fliter"]) == 2
    assert "No such command 'fliter'. Did you mean 'filter'?" in capsys.readouterr().err


def test_usage_errors_are_json_if_json_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["filter", "x", "--json"]) == 2
    both = capsys.readouterr()
    assert json.loads(both.out)["error"]["problems"] == ["Missing option '--consent'."]
    assert both.err == ""


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InputError(["one", "two"]), 2, None),
        (PolicyError("bad"), 1, "RUN_POLICY_INVALID"),
        (RunRefused("RUN_SNAPSHOT_STALE", "old"), 2, "RUN_SNAPSHOT_STALE"),
        (RunRefused("RUN_PURPOSE_UNKNOWN", "what"), 1, "RUN_PURPOSE_UNKNOWN"),
        (StorageError("full"), 3, None),
        (output.from_os_error(FileNotFoundError(2, "No such file", "x")), 2, None),
        (output.from_os_error(PermissionError(13, "denied", "x")), 3, None),
        (output.from_os_error(OSError(28, "No space left on device")), 3, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_have_their_status_and_their_form(
    error: InputError, status: int, code: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output.render_error(error, as_json=True) == status
    shown = json.loads(capsys.readouterr().out)["error"]
    assert shown["code"] == code
    assert shown["type"] == type(error).__name__
    assert output.render_error(error, as_json=False) == status
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"error: {problem}" for problem in shown["problems"]]


def test_a_full_disk_says_what_to_do() -> None:
    error = output.from_os_error(OSError(28, "No space left on device", "/x/y"))
    assert str(error) == (
        "No space left on device: /x/y; no release was written; free some space or "
        "write to another disk, then run again."
    )


def test_a_reader_that_goes_away_is_no_error(tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m consentfilter --help | head -c 10",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_what_follows_two_dashes_is_kept_for_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [
        "filter",
        "x",
        "--consent",
        "c",
        "--policy",
        "p",
        "--unsigned",
        "--out",
        "o",
    ]
    assert run([*given, "--", "--runner=Y"]) == 2
    assert "--runner=Y: options after -- are for --engine beam" in (
        capsys.readouterr().err
    )


def test_a_table_aligns_its_columns() -> None:
    assert output.table([("a", "1", "x"), ("bb", "22", "")], right=(1,)) == (
        "a    1  x\nbb  22"
    )
    assert output.table([]) == ""


def test_the_package_imports_nothing_heavy_and_lists_its_names() -> None:
    code = (
        "import sys, consentfilter as cf; names = dir(cf);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], 'filter_table' in names)"
    )
    started = time.perf_counter()
    assert _python("-c", code).stdout.strip() == "[] True"
    assert time.perf_counter() - started < 30

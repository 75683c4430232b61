"""Whatever stops a run, there is no half release: kill -9, Ctrl-C, a full disk."""

from __future__ import annotations

import pathlib
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from tests import made

#: Runs the command with a pause after every ledger row group, so that there is time
#: to stop it in the middle; says on stdout that it got there.
SLOW = r"""
import os, sys, time
from consentfilter.cli import main
from consentfilter.engine import shard

write = shard.ShardWriter.write_ledger

def slowly(self, result):
    write(self, result)
    os.write(1, b"writing\n")  # one call: two writers do not mix their lines
    time.sleep(0.5)

shard.ShardWriter.write_ledger = slowly
sys.argv = ["consentfilter", *sys.argv[1:]]
main.main()
"""


@pytest.fixture
def command(tmp_path: pathlib.Path) -> list[str]:
    """Write a dump of several parts; return a slow command that filters it."""
    (tmp_path / "dump").mkdir()
    for at in range(6):
        table = made.records(200, start=200 * at)
        pq.write_table(table, tmp_path / f"dump/{at}.parquet", row_group_size=20)
    consent, policy = made.write_events(tmp_path), made.write_policy(tmp_path)
    return [
        *(sys.executable, "-c", SLOW, "filter", str(tmp_path / "dump")),
        *("--consent", consent, "--policy", policy, "--unsigned", "--workers", "2"),
        *("--out", str(tmp_path / "release")),
    ]


def _start(
    command: list[str], *, before: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def _stop(command: list[str], number: signal.Signals) -> tuple[int, str]:
    """Stop a run in the middle; return its exit status and what it said."""
    with _start(command) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert first == "writing\n", said
    return process.returncode, said


def _left(root: pathlib.Path) -> list[str]:
    known = {"dump", "consent.parquet", "policy.yaml"}
    return sorted(path.name for path in root.iterdir() if path.name not in known)


def test_kill_9_leaves_no_release(tmp_path: pathlib.Path, command: list[str]) -> None:
    status, _ = _stop(command, signal.SIGKILL)
    assert status == -signal.SIGKILL
    (partial,) = _left(tmp_path)
    assert partial.startswith(".release.partial-")
    assert not list((tmp_path / partial).rglob("manifest.intoto.json"))


def test_what_kill_9_left_is_in_nobodys_way(
    tmp_path: pathlib.Path, command: list[str]
) -> None:
    _stop(command, signal.SIGKILL)
    quick = [*command[:2], "from consentfilter.cli.main import main; main()"]
    done = subprocess.run(
        [*quick, *command[3:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "release" in _left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(
    tmp_path: pathlib.Path, command: list[str], number: signal.Signals
) -> None:
    started = time.monotonic()
    status, said = _stop(command, number)
    assert status == 130
    assert said.splitlines()[-1] == "Interrupted; nothing half-written was left."
    assert "Traceback" not in said
    assert _left(tmp_path) == []
    assert time.monotonic() - started < 30


def test_a_full_disk_leaves_nothing_and_says_so(
    tmp_path: pathlib.Path, command: list[str]
) -> None:
    # A limit on the size of files fails a write in the middle as a full disk does.
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    quick = [*command[:2], "from consentfilter.cli.main import main; main()"]
    process = _start([*quick, *command[3:]], before=limit)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert line == (
        "error: File too large; no release was written; the file would be larger than "
        "allowed here; raise the limit."
    )
    assert "Traceback" not in said
    assert _left(tmp_path) == []

"""Run a command as a process and watch what it and its children use."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Final

import psutil

_INTERVAL_S: Final = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """What one process and everything it started used.

    Attributes:
        wall_s: from start to end.
        cpu_s: user and system time of the process and its reaped children.
        peak_bytes: the most resident memory of the whole tree at one moment: the
            larger of the sampled sums and the kernel's own mark of the process.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int


def run(command: Sequence[str]) -> Usage:
    """Run a command to its end and return what it used.

    The caller should be small: until the command has replaced it, a new process
    counts as big as the one that started it.

    Raises:
        subprocess.CalledProcessError: it did not exit with 0; its output is shown.
    """
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(list(command), stdout=output, stderr=output)
        watched = psutil.Process(process.pid)
        peak = 0
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _resident(watched))
            time.sleep(_INTERVAL_S)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            print(output.read().decode(errors="replace"))
            raise subprocess.CalledProcessError(process.returncode, list(command))
    return Usage(
        wall_s=wall,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_bytes=max(peak, used.ru_maxrss * 1024),
    )


def _resident(process: psutil.Process) -> int:
    """Return the resident bytes of a process and all below it, now."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.NoSuchProcess:
        return total
    return total

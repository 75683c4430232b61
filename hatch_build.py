"""Compiles `consentfilter/kernels/*.c` when the package is built or installed.

Without a C compiler the package is complete all the same: every compiled loop has a
twin (`consentfilter/kernels/__init__.py`), and runs say that they are slower.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("consentfilter", "kernels")
LIBRARY = FOLDER / "_kernels.so"
FLAGS = ["-O3", "-std=c11", "-fPIC", "-shared", "-fvisibility=hidden"]


class BuildKernels(BuildHookInterface):
    """Adds the library to wheels and to editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, before files are collected."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        (root / LIBRARY).unlink(missing_ok=True)
        problem = compiled(root)
        if problem:
            self.app.display_warning(f"{problem}; installing without compiled loops")
            return
        build_data["artifacts"].append(LIBRARY.as_posix())
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"


def compiled(root: Path) -> str:
    """Compile the library into its place; return what went wrong, or nothing."""
    compiler = shlex.split(os.environ.get("CC", "")) or _found()
    if not compiler:
        return "no C compiler found (CC, cc, gcc, clang)"
    sources = sorted(str(path) for path in (root / FOLDER).glob("*.c"))
    temporary = root / LIBRARY.with_suffix(f".{os.getpid()}.tmp")
    command = [*compiler, *FLAGS, *sources, "-o", str(temporary)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{compiler[0]}: {error.strerror}"
    if done.returncode:
        temporary.unlink(missing_ok=True)
        return f"{compiler[0]} failed: {done.stderr.strip()[-500:]}"
    os.replace(temporary, root / LIBRARY)
    return ""


def _found() -> list[str]:
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path:
            return [path]
    return []

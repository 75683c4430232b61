"""Keep out of the process what no command needs.

pyarrow imports pandas, if it is installed, the first time that it makes an array of
Python values. That takes a quarter of a second, which is half of what a proof takes.

NumPy's algebra (OpenBLAS) starts a thread for each core but one when NumPy is
imported; they spin for a tenth of a second in case there is something to compute.

Arrow's allocator (mimalloc) gives memory back that was not used for a hundredth of a
second, and a filter wants it again in the next: up to a sixth of its time went into
pages that the system had to clear once more.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.machinery
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

_NAME: Final = "pandas"
#: Where OpenBLAS looks for how many threads it may have.
_ALGEBRA_THREADS: Final = "OPENBLAS_NUM_THREADS"
#: Where Arrow's allocator looks for when it gives free memory back; -1: when told to.
_PURGE_DELAY: Final = "MIMALLOC_PURGE_DELAY"
#: Where it looks for whether to ask for large pages, which take long to clear.
_LARGE_PAGES: Final = "MIMALLOC_ALLOW_THP"
#: How long a thread that imports keeps the interpreter from others that ask for it.
_SWITCH_SECONDS: Final = 5e-5


class _NoPandas:
    """Finds pandas, so that looking for it works, and fails to load it."""

    @staticmethod
    def find_spec(
        name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Claim the one module."""
        if name != _NAME:
            return None
        return importlib.machinery.ModuleSpec(name, _NoPandas)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: importlib.machinery.ModuleSpec) -> Any:
        """Say that there is no such module, as if it were not installed."""
        raise ModuleNotFoundError(
            f"{spec.name}: not loaded; no command needs it", name=spec.name
        )

    @staticmethod
    def exec_module(module: Any) -> None:
        """Run nothing; import wants this beside `create_module`."""


def leave_out(arguments: Sequence[str]) -> None:
    """Keep out of this process what no command needs, unless it runs Beam.

    Before anything is imported. Beam and its runners bring modules of their own,
    which may want what is left out here.

    Args:
        arguments: of the command line; `--engine beam` is looked for.
    """
    if any(word.endswith("beam") for word in arguments):
        return
    os.environ.setdefault(_ALGEBRA_THREADS, "1")
    os.environ.setdefault(_PURGE_DELAY, "-1")
    os.environ.setdefault(_LARGE_PAGES, "0")
    if _NAME not in sys.modules:
        sys.meta_path.insert(0, _NoPandas)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import without looking for garbage on the way, and without holding others up.

    Modules are no garbage; a tenth of what a large import takes is the collector,
    which goes through everything that is there time and again, and never again
    through what was imported here. A thread that reads
    data meanwhile asks for the interpreter's lock at every step, and by default gets
    it after five milliseconds, which is longer than the step takes.
    """
    was_enabled, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.freeze()
        if was_enabled:
            gc.enable()

"""Keep pandas out of the process: it may be installed, and no command needs it.

pyarrow imports pandas, if it can, the first time that it makes an array of Python
values. That takes a quarter of a second, which is half of what a proof takes.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from typing import Any, Final

_NAME: Final = "pandas"


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


def leave_out_pandas(arguments: Sequence[str]) -> None:
    """Let nothing import pandas in this process, unless the command runs on Beam.

    Beam and its runners bring modules of their own, which may want it.

    Args:
        arguments: of the command line; `--engine beam` is looked for.
    """
    if _NAME not in sys.modules and not any(
        word.endswith("beam") for word in arguments
    ):
        sys.meta_path.insert(0, _NoPandas)

"""Decide, and prove, which records may train a model.

The public names are loaded when they are first used; importing the package
imports nothing heavy::

    import consentfilter as cf

    policy = cf.load_policy("policy.yaml")
    consent = cf.load_consent(["events.parquet"], as_of="2026-01-01T00:00:00Z")
    admitted, ledger = cf.filter_table(table, consent, policy)
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from consentfilter.consent.load import Consent as Consent
    from consentfilter.consent.load import load_consent as load_consent
    from consentfilter.decide.decisions import Decisions as Decisions
    from consentfilter.engine.api import decide as decide
    from consentfilter.engine.api import filter_dataset as filter_dataset
    from consentfilter.engine.api import filter_table as filter_table
    from consentfilter.policy import Policy as Policy
    from consentfilter.policy import load_policy as load_policy

__version__ = "0.1.0"

_HOMES: Final = {
    "Consent": "consentfilter.consent.load",
    "Decisions": "consentfilter.decide.decisions",
    "Policy": "consentfilter.policy",
    "decide": "consentfilter.engine.api",
    "filter_dataset": "consentfilter.engine.api",
    "filter_table": "consentfilter.engine.api",
    "load_consent": "consentfilter.consent.load",
    "load_policy": "consentfilter.policy",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'consentfilter' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


class _Decide(types.ModuleType):
    """The package `consentfilter.decide`, which is also the function of that name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Decide every record of a table; see `consentfilter.engine.api.decide`."""
        api = importlib.import_module(_HOMES["decide"])
        return api.decide(*args, **options)


class _Package(types.ModuleType):
    """This package: importing the subpackage `decide` must not hide `cf.decide()`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "decide" and isinstance(value, types.ModuleType):
            value.__class__ = _Decide
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)

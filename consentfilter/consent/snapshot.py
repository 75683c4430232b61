"""Consent snapshots: build, write and read them.

The one place to import from; each part lives in a module of its own.
"""

from __future__ import annotations

from consentfilter.consent.build import build_snapshot
from consentfilter.consent.model import ConsentSnapshot, SnapshotMeta, SourceMark
from consentfilter.consent.store import read_snapshot, write_snapshot

__all__ = [
    "ConsentSnapshot",
    "SnapshotMeta",
    "SourceMark",
    "build_snapshot",
    "read_snapshot",
    "write_snapshot",
]

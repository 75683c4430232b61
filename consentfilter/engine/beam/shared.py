"""What decides, once per worker process: loaded by digest, shared by all threads.

A pipeline carries a small description of what decides and its digest. The first
thread that needs it loads and compiles; all others wait for it and share it. It
lives as long as somebody holds it; Beam's `Shared` also keeps the last one over the
pause between two bundles.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from apache_beam.utils.shared import Shared

from consentfilter.consent.model import SnapshotMeta
from consentfilter.engine.shard import Run


class Held:
    """A compiled run; holding this object keeps it in memory.

    Not a slots class: `Shared` needs weak references.
    """

    def __init__(self, run: Run, meta: SnapshotMeta) -> None:
        self.run = run
        self.meta = meta


_LOCK: Final = threading.Lock()
_HANDLES: Final[dict[str, Shared]] = {}


def hold(digest: str, load: Callable[[], Held]) -> Held:
    """Return what has this digest, loading it when this process has not got it.

    Args:
        digest: of everything that decides.
        load: makes it.
    """
    with _LOCK:
        handle = _HANDLES.setdefault(digest, Shared())
    held: Held = handle.acquire(load, tag=digest)
    return held

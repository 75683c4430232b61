"""What decides, once per worker process: loaded by digest, shared by all threads.

The first thread that needs it loads and compiles; others that need the same wait for
it. It lives as long as somebody holds it; the last one asked for is also kept over
the pause between two pieces of work, in which nobody does.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Final

from consentfilter.consent.model import SnapshotMeta
from consentfilter.engine.batch import Run


class Held:
    """A compiled run; holding this object keeps it in memory.

    Not a slots class: it is referred to weakly.
    """

    def __init__(self, run: Run, meta: SnapshotMeta) -> None:
        self.run = run
        self.meta = meta


_LOCK: Final = threading.Lock()
_LOADING: Final[dict[str, threading.Lock]] = {}
_HELD: Final[weakref.WeakValueDictionary[str, Held]] = weakref.WeakValueDictionary()
_LAST: Final[list[Held]] = []


def hold(digest: str, load: Callable[[], Held]) -> Held:
    """Return what has this digest, loading it when this process has not got it.

    Args:
        digest: of everything that decides.
        load: makes it.
    """
    with _LOCK:
        loading = _LOADING.setdefault(digest, threading.Lock())
    with loading:
        held = _HELD.get(digest)
        if held is None:
            held = load()
            _HELD[digest] = held
    with _LOCK:
        _LAST[:] = [held]
    return held

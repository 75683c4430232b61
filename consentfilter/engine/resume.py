"""Going on with a run that was stopped, if nothing has changed that decides.

Beside the unfinished release lies a log: what the run rests on, and each part that
is finished, with the digests of what it read and wrote. A finished part is kept only
if all of that is still so; a name alone proves nothing, least of all that nobody
withdrew in the meantime.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Final

from consentfilter import __version__, digest
from consentfilter.engine import inputs
from consentfilter.engine.batch import Run
from consentfilter.engine.cluster.committed import DonePart
from consentfilter.engine.footers import Footer
from consentfilter.engine.prepare import Deciders
from consentfilter.engine.release import evidence_path
from consentfilter.engine.storage import Location
from consentfilter.errors import InputError
from consentfilter.ids import key_fingerprint
from consentfilter.lineage.manifest import key_commitment

_PLAN: Final = "plan.json"
_SUFFIXES: Final = (".records", ".people")
#: What a difference is called in a message.
_WORDS: Final = {
    "tool": "the version of this tool",
    "records": "the list of parts",
    "policy": "the policy",
    "dataset": "the dataset binding",
    "taxonomy": "the taxonomy",
    "snapshot": "the consent data",
    "asOf": "the instant (--as-of)",
    "subjects": "the subjects file",
    "links": "the links file",
    "releaseKey": "the release key",
    "idKey": "the id key",
    "limit": "the limit",
}


def plan_of(
    deciders: Deciders, run: Run, footers: Sequence[Footer], limit: int | None
) -> dict[str, str]:
    """Return what a run rests on: a digest or a text for each thing that decides."""
    consent = deciders.consent
    parts = [
        [f.part.name, f.rows, f.part.size_bytes, list(f.row_groups)] for f in footers
    ]
    return {
        "tool": __version__,
        "records": digest.sha256(json.dumps(parts).encode()),
        "policy": deciders.policy.sha256,
        "dataset": deciders.dataset.sha256,
        "taxonomy": deciders.taxonomy.version,
        "snapshot": consent.snapshot.meta.snapshot_id,
        "asOf": deciders.as_of.isoformat(),
        "subjects": str(consent.subjects_sha256),
        "links": str(consent.links_sha256),
        "releaseKey": key_commitment(run.release_key),
        "idKey": "none" if run.id_key is None else key_fingerprint(run.id_key),
        "limit": str(limit),
    }


class RunLog:
    """The log of one run; only one process at a time holds it."""

    def __init__(self, scratch: str) -> None:
        """Use `start` or `reopen`."""
        self._scratch = scratch
        self._lock: IO[bytes] | None = None

    @classmethod
    def start(cls, scratch: str, plan: Mapping[str, str]) -> RunLog:
        """Begin the log of a new run."""
        log = cls(scratch)
        os.makedirs(f"{scratch}/done", exist_ok=True)
        _write(f"{scratch}/{_PLAN}", json.dumps(plan).encode())
        log._hold()
        return log

    @classmethod
    def reopen(cls, scratch: str, plan: Mapping[str, str]) -> RunLog:
        """Take up the log of a run that was stopped.

        Raises:
            InputError: something that decides has changed; or the other run is
                still going on.
        """
        log = cls(scratch)
        log._hold()
        before = read_plan(scratch)
        changed = [key for key in plan if plan[key] != before.get(key)]
        if changed:
            log.close()
            raise InputError([_differs(scratch, k, before, plan) for k in changed])
        return log

    def note(self, done: DonePart) -> None:
        """Write down that a part is finished; its files must be on disk already."""
        _write(self._place(done.record.name), done.to_json())

    def finished(self, footers: Sequence[Footer], root: str) -> dict[str, DonePart]:
        """Return the finished parts, checked against what lies there now.

        Parts that are not finished are cleared away, to be done again.

        Raises:
            InputError: an input part has changed since it was read.
        """
        found: dict[str, DonePart] = {}
        problems = []
        for footer in footers:
            name = footer.part.name
            done = self._read(name)
            if done is None or not self._is_whole(done, root):
                _clear(name, root, self._scratch)
                continue
            (source,) = inputs.hash_parts([footer], workers=1)
            if source.sha256 != done.source.sha256:
                problems.append(
                    f"cannot go on: {footer.part.shown} has changed since it was read "
                    f"(sha256 {_short(done.source.sha256)} then, "
                    f"{_short(source.sha256)} now); run again without --resume"
                )
            found[name] = done
        if problems:
            raise InputError(problems)
        return found

    def close(self) -> None:
        """Let go of the log."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _hold(self) -> None:
        lock = open(f"{self._scratch}/{_PLAN}", "rb")  # noqa: SIM115
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise InputError(
                f"cannot go on: another process is still working on {self._scratch}; "
                "wait for it, or stop it"
            ) from None
        self._lock = lock

    def _place(self, name: str) -> str:
        return f"{self._scratch}/done/{hashlib.sha256(name.encode()).hexdigest()}.json"

    def _read(self, name: str) -> DonePart | None:
        try:
            with open(self._place(name), "rb") as stream:
                return DonePart.from_json(stream.read())
        except FileNotFoundError:
            return None

    def _is_whole(self, done: DonePart, root: str) -> bool:
        """Tell whether everything that a finished part wrote is still as it was."""
        evidence = evidence_path(self._scratch, done.record.name)
        if not all(os.path.isfile(evidence + suffix) for suffix in _SUFFIXES):
            return False
        files = ((done.record.data, root), (done.record.ledger, f"{root}/private"))
        return all(
            file is not None
            and os.path.isfile(f"{below}/{file.path}")
            and digest.sha256_file(f"{below}/{file.path}")
            == (file.sha256, file.size_bytes)
            for file, below in files
        )


def read_plan(scratch: str) -> dict[str, str]:
    """Return what the run that was stopped rested on."""
    with open(f"{scratch}/{_PLAN}", "rb") as stream:
        plan: dict[str, str] = json.loads(stream.read())
    return plan


def find_stopped(target: Location) -> str | None:
    """Return the newest unfinished release of a name, or None."""
    if not target.is_local:
        return None
    parent, name = os.path.split(target.path)
    found = [
        entry.path
        for entry in os.scandir(parent or ".")
        if entry.name.startswith(f".{name}.partial-")
        and os.path.isfile(f"{entry.path}/scratch/{_PLAN}")
    ]
    return max(found, key=os.path.getmtime, default=None)


@contextlib.contextmanager
def held(log: RunLog) -> Iterator[RunLog]:
    """Hold a log while the block runs."""
    try:
        yield log
    finally:
        log.close()


def _differs(
    scratch: str, key: str, before: Mapping[str, str], now: Mapping[str, str]
) -> str:
    return (
        f"cannot go on: {_WORDS[key]} differs from that of the run that was stopped "
        f"({_short(before.get(key))} then, {_short(now[key])} now); run again without "
        f"--resume, and remove {os.path.dirname(scratch)}"
    )


def _clear(name: str, root: str, scratch: str) -> None:
    evidence = evidence_path(scratch, name)
    for path in (
        f"{root}/data/{name}",
        f"{root}/private/ledger/{name}",
        *(evidence + suffix for suffix in _SUFFIXES),
    ):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _write(path: str, content: bytes) -> None:
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def _short(text: str | None) -> str:
    said = text or "unknown"
    is_digest = len(said) == 64
    return said[:12] if is_digest else said

"""Replay a release: filter the same inputs again, and say what differs first."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from consentfilter import ids
from consentfilter.engine.filtering import filter_dataset
from consentfilter.engine.finish import Naming
from consentfilter.errors import EvidenceError
from consentfilter.lineage.opened import OpenedRelease, open_release

AnyPath = str | os.PathLike[str]

#: In which order parts of the predicate are compared: causes before effects.
_ORDER: Final = (
    "inputs",
    "consent",
    "policy",
    "dataset",
    "taxonomy",
    "lint",
    "counts",
    "commitments",
    "evidence",
    "release",
    "nonClaims",
)


def replay(
    release: OpenedRelease,
    records: Sequence[AnyPath],
    consent: Sequence[AnyPath],
    policy: AnyPath,
    *,
    dataset: AnyPath | None = None,
    subjects: AnyPath | None = None,
    links: AnyPath | None = None,
    id_key: AnyPath | None = None,
    scratch: AnyPath | None = None,
) -> None:
    """Filter again with the release's key and instant; return if all is the same.

    The second release is written to a temporary directory and thrown away: that
    takes as much space as the first one has.

    Args:
        release: with `private/` at hand (its key is needed).
        records: the records of the first run.
        consent: its consent.
        policy: its policy.
        dataset: its binding, if it had one.
        subjects: its subjects file, if it had one.
        links: its identity links, if it had any.
        id_key: file of the key of subject ids, if they are keyed.
        scratch: where the temporary directory is made.

    Raises:
        EvidenceError: something differs; the message names the first thing.
        InputError: `private/` is not at hand, or an input cannot be used.
    """
    said = release.predicate["release"]
    limit = _limit(release)
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        again = Path(directory) / "again"
        filter_dataset(
            list(records),
            list(consent),
            policy,
            out=again,
            dataset=dataset,
            as_of=dt.datetime.fromisoformat(release.predicate["consent"]["asOf"]),
            subjects=subjects,
            links=links,
            naming=Naming(said["dataset"], said["version"], said["previous"]),
            release_key=release.key(),
            id_key=None if id_key is None else ids.read_key(Path(id_key)),
            limit=limit,
        )
        difference = first_difference(release, open_release(again))
    if difference is not None:
        raise EvidenceError(f"{release.root}: not reproduced: {difference}")


def first_difference(first: OpenedRelease, again: OpenedRelease) -> str | None:
    """Return a sentence about the first thing that differs, or None.

    Only `run` may differ. Causes come before effects: other inputs are named, not
    the thousand files that differ because of them.
    """
    before, after = first.predicate, again.predicate
    for name in _ORDER[:6]:
        found = _different(name, before[name], after[name])
        if found is not None:
            return found
    found = _different_file("", first.index(), again.index())
    if found is None and before["evidence"] != after["evidence"]:
        private = first.private_index(), again.private_index()
        found = _different_file("private/", *private)
    if found is not None:
        return found
    for name in _ORDER[6:]:
        found = _different(name, before[name], after[name])
        if found is not None:
            return found
    return None


def _different(name: str, before: Any, after: Any) -> str | None:
    if before == after:
        return None
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            found = _different(f"{name}.{key}", before.get(key), after.get(key))
            if found is not None:
                return found
    return f"{name} was {before!r}, this time it is {after!r}"


def _different_file(
    prefix: str, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> str | None:
    files = {line["path"]: line for line in before}
    others = {line["path"]: line for line in after}
    for path in sorted(set(files) | set(others)):
        if path not in others:
            return f"{prefix}{path} is not made this time"
        if path not in files:
            return f"{prefix}{path} is made this time, and was not in the release"
        if files[path] != others[path]:
            return (
                f"{prefix}{path} has other bytes (SHA-256 {files[path]['sha256']}, "
                f"this time {others[path]['sha256']})"
            )
    return None


def _limit(release: OpenedRelease) -> int | None:
    return int(release.predicate["inputs"]["records"]["rows"]) or None

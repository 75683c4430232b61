"""A policy file and the files its members live in, read and located.

The document is plain values. Members of `all_of` may be paths, relative to the
file that names them; they are read here, so that validation sees one tree and a
finding still points at the right line of the right file.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from consentfilter.errors import InputError, PolicyError
from consentfilter.policy.findings import Finding, Loc, path_of
from consentfilter.yamlfile import YamlFile, parse_yaml, show

#: A policy is a page or two; more than this is another kind of file.
MAX_SIZE_BYTES: Final = 1 << 20
#: Policies that include policies that include policies …
MAX_INCLUDES: Final = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A policy as plain values, with where each part stands.

    Attributes:
        data: the whole policy; members that are files are already in it.
        file: the file, or None for a mapping made in code.
        members: the documents of those members that are files of their own.
        findings: members, here or below, that could not be read.
    """

    data: Mapping[str, Any]
    file: YamlFile | None = None
    members: Mapping[int, Document] = dataclasses.field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def finding(self, code: str, loc: Loc, message: str) -> Finding:
        """Return a finding that knows its file, line and path."""
        match loc:
            case ("all_of", int(at), *rest) if at in self.members:
                return self.members[at].finding(code, tuple(rest), message)
        written = _as_written(self.data, loc)
        path = path_of(written)
        if self.file is None:
            return Finding(code, path, message)
        return Finding(code, path, message, self.file.source, self.file.line(written))


def _as_written(data: Any, loc: Loc) -> Loc:
    """Return a path with jurisdiction codes as the author wrote them."""
    written: list[str | int] = []
    for step in loc:
        if isinstance(data, Mapping):
            same = [key for key in data if str(key).strip().upper() == step]
            step = same[-1] if step not in data and same else step
            data = data.get(step)
        elif isinstance(data, (list, tuple)) and isinstance(step, int):
            data = data[step] if step < len(data) else None
        written.append(step)
    return tuple(written)


_ONLY_IN_POLICIES: Final = frozenset({"id", "version", "purposes", "rules", "all_of"})
#: Keys that no policy has, and nearly every binding one of.
_ONLY_IN_BINDINGS: Final = frozenset(
    {"record_id", "collected_at", "category", "subjects", "segments", "events"}
)


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read a policy file, YAML or JSON, and the files of its members.

    Raises:
        InputError: the file cannot be opened.
        PolicyError: it is too large, not UTF-8, not YAML, empty, or no mapping.
    """
    return _read(Path(path), chain=())


def _read(path: Path, *, chain: tuple[Path, ...]) -> Document:
    file = parse_yaml(_text(path), source=str(path), error=PolicyError)
    if not isinstance(file.data, dict):
        found = "an empty file" if file.data is None else show(file.data)
        raise PolicyError(
            f"{path}: found {found}, wanted a policy: a mapping with at least id and"
            " version"
        )
    bound = sorted(_ONLY_IN_BINDINGS & file.data.keys())
    if bound and not _ONLY_IN_POLICIES & file.data.keys():
        raise PolicyError(
            f"{path}: a dataset binding (it says {', '.join(bound)}), wanted a policy:"
            " a mapping with at least id and version; a binding is given with --dataset"
        )
    return _with_members(file, path, chain=(*chain, path.resolve()))


def _with_members(file: YamlFile, path: Path, *, chain: tuple[Path, ...]) -> Document:
    listed = file.data.get("all_of")
    if not isinstance(listed, list):
        return Document(file.data, file)
    members: dict[int, Document] = {}
    findings: list[Finding] = []
    for at, entry in enumerate(listed):
        if not isinstance(entry, str):
            continue
        try:
            members[at] = _read(_member_path(entry, path, chain), chain=chain)
        except (InputError, PolicyError) as wrong:
            place = file.line(("all_of", at))
            findings += [
                Finding("E129", f"all_of[{at}]", problem, file.source, place)
                for problem in wrong.problems
            ]
    entries = [
        members[at].data if at in members else entry for at, entry in enumerate(listed)
    ]
    below = (finding for member in members.values() for finding in member.findings)
    data = {**file.data, "all_of": entries}
    return Document(data, file, members, (*findings, *below))


def _member_path(entry: str, path: Path, chain: tuple[Path, ...]) -> Path:
    """Return the file a member names.

    Raises:
        PolicyError: the path is absolute, leads back, or leads on for ever.
    """
    if Path(entry).is_absolute() or "\\" in entry or "://" in entry:
        raise PolicyError(
            f"found {entry!r}, wanted a path relative to this file, with '/'"
        )
    target = path.parent / entry
    if target.resolve() in chain:
        raise PolicyError(f"{entry!r} leads back to a policy that names this one")
    if len(chain) > MAX_INCLUDES:
        raise PolicyError(f"more than {MAX_INCLUDES} files lead to {entry!r}")
    return target


def _text(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_SIZE_BYTES + 1)
    except OSError as problem:
        raise InputError(
            f"{path}: cannot be read: {problem.strerror or problem}; wanted a policy"
            " file (YAML or JSON)"
        ) from None
    if len(raw) > MAX_SIZE_BYTES:
        raise PolicyError(
            f"{path}: larger than {MAX_SIZE_BYTES:,} bytes; wanted a policy file"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise PolicyError(
            f"{path}:{line}: not UTF-8 text; wanted a policy file (YAML or JSON);"
            " save it as UTF-8"
        ) from None

"""Where records lie: files, directories, globs and URLs, as a list of parts.

A part is one Parquet file of the input, with the path that its output has in the
release. Everything goes through `pyarrow.fs`, so that a local directory and a
bucket are listed by the same rules. Credentials come from the environment only.
"""

from __future__ import annotations

import dataclasses
import os
import posixpath
import re
import urllib.parse
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.fs as pafs

from consentfilter.errors import ConsentFilterError, InputError

#: URL schemes that records and releases may have.
SCHEMES: Final = ("file", "s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss")
_URL: Final = re.compile(r"^([a-z][a-z0-9+.-]+)://")
_GLOB: Final = re.compile(r"[*?\[]")


@dataclasses.dataclass(frozen=True, slots=True)
class Location:
    """A place in a file system.

    Attributes:
        filesystem: where.
        path: the path there; for a local file as the user wrote it.
        shown: how messages name it.
    """

    filesystem: pafs.FileSystem
    path: str
    shown: str

    @property
    def is_local(self) -> bool:
        """Whether the place is on this machine."""
        return isinstance(self.filesystem, pafs.LocalFileSystem)


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of the input.

    Attributes:
        filesystem, path: where it is read from.
        name: its path below the release's `data/`, with `/`.
        shown: how messages name it.
        size_bytes: its size.
    """

    filesystem: pafs.FileSystem
    path: str
    name: str
    shown: str
    size_bytes: int

    def open(self) -> pa.NativeFile:
        """Open the part for random reads."""
        return self.filesystem.open_input_file(self.path)

    @property
    def hive_values(self) -> dict[str, str | None]:
        """Partition columns that stand in the path, `year=2024/…`, in path order.

        Null is written `__HIVE_DEFAULT_PARTITION__`; `%20` and the like are decoded.
        """
        found: dict[str, str | None] = {}
        for step in self.name.split("/")[:-1]:
            key, equals, value = step.partition("=")
            if key and equals:
                text = urllib.parse.unquote(value)
                found[key] = None if text == "__HIVE_DEFAULT_PARTITION__" else text
        return found


def locate(place: str) -> Location:
    """Return where a path or URL points.

    Raises:
        InputError: the scheme is not supported, the URL holds credentials, or the
            file system cannot be reached with what the environment offers.
    """
    match = _URL.match(place)
    if match is None:
        return Location(pafs.LocalFileSystem(), place, place)
    url = urllib.parse.urlsplit(place)
    if match[1] not in SCHEMES:
        raise InputError(
            f"{place}: {match[1]!r} is not one of {', '.join(SCHEMES)}; "
            "give a path or one of these URLs."
        )
    if url.password is not None:
        raise InputError(
            f"{match[1]}://…@{url.hostname}{url.path}: the URL holds credentials; "
            "put them into the environment instead, where no log shows them."
        )
    try:
        filesystem, path = pafs.FileSystem.from_uri(place)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{place}: cannot be opened ({error}).") from error
    return Location(filesystem, path, place)


def list_parts(records: Sequence[str | os.PathLike[str]]) -> tuple[Part, ...]:
    """Return the parts that RECORDS name, sorted by their name in the release.

    A directory stands for every `*.parquet` below it; files and directories whose
    name begins with `_` or `.` are hidden and no parts (hive partitions such as
    `_year=2024` are). One input: its parts keep their path below it (below the
    part of a glob that has no wildcard). Several inputs: each lies under its own
    base name.

    Raises:
        InputError: with every problem: nothing there, no Parquet file below, two
            parts of one name.
    """
    if not records:
        raise InputError("No records were given; name a Parquet file or a directory.")
    problems: list[str] = []
    found: list[Part] = []
    places = [os.fspath(place) for place in records]
    for place in places:
        try:
            found += _expand(place, is_alone=len(places) == 1)
        except ConsentFilterError as error:
            problems += error.problems
        except PermissionError:
            problems.append(f"{place}: may not be read; check owner and permissions.")
    problems += _clashes(found)
    if problems:
        raise InputError(problems)
    return tuple(sorted(found, key=lambda part: part.name))


def is_hidden(relative_path: str) -> bool:
    """Tell whether a path below an input is hidden (`_SUCCESS`, `.crc`, `_tmp/x`)."""
    return any(
        step.startswith(".") or (step.startswith("_") and "=" not in step)
        for step in relative_path.split("/")
    )


def _expand(place: str, *, is_alone: bool) -> list[Part]:
    location = locate(place)
    path = location.path.rstrip("/") or "/"
    info = location.filesystem.get_file_info(path)
    if info.type == pafs.FileType.File:
        return [_part(location, info, posixpath.basename(path))]
    if info.type == pafs.FileType.Directory:
        base = _base_name(location)
        return [
            _part(location, each, name if is_alone else f"{base}/{name}")
            for each, name in _parquet_below(location, path)
        ]
    if _GLOB.search(path):
        return _expand_glob(location, path, is_alone=is_alone)
    raise InputError(
        f"{location.shown}: there is no such file or directory; check the path."
    )


def _expand_glob(location: Location, path: str, *, is_alone: bool) -> list[Part]:
    root = posixpath.dirname(path[: _first_wildcard(path)])
    pattern = _glob_pattern(path)
    below = location.filesystem.get_file_info(
        pafs.FileSelector(root or ".", recursive=True, allow_not_found=True)
    )
    found = []
    for info in below:
        full = info.path.removeprefix("./") if not root else info.path
        if info.type == pafs.FileType.File and pattern.fullmatch(full):
            relative = posixpath.relpath(full, root or ".")
            if not is_hidden(relative):
                name = relative if is_alone else posixpath.basename(full)
                found.append(_part(location, info, name))
    if not found:
        raise InputError(
            f"{location.shown}: no file matches; check the pattern (`*` stays within "
            "one directory, `**` crosses directories)."
        )
    return found


def _first_wildcard(path: str) -> int:
    match = _GLOB.search(path)
    return match.start() if match else len(path)


def _glob_pattern(glob: str) -> re.Pattern[str]:
    """Translate a glob: `*` and `?` stay within a directory, `**` crosses."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", glob)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile(
        "".join(
            wild.get(piece)
            or (
                "[" + piece[1:-1].replace("!", "^", 1) + "]"
                if piece.startswith("[") and piece.endswith("]")
                else re.escape(piece)
            )
            for piece in pieces
        )
    )


def _parquet_below(
    location: Location, path: str
) -> Iterable[tuple[pafs.FileInfo, str]]:
    selector = pafs.FileSelector(path, recursive=True)
    files = [
        (info, posixpath.relpath(info.path, path))
        for info in location.filesystem.get_file_info(selector)
        if info.type == pafs.FileType.File
    ]
    parts = [
        (info, name)
        for info, name in files
        if name.lower().endswith(".parquet") and not is_hidden(name)
    ]
    if not parts:
        seen = f"{len(files)} other files" if files else "nothing"
        raise InputError(
            f"{location.shown}: no *.parquet file below this directory (found "
            f"{seen}); files and directories named _… or .… are not read."
        )
    return parts


def _base_name(location: Location) -> str:
    path = location.path
    if location.is_local and posixpath.basename(path.rstrip("/")) in ("", ".", ".."):
        path = os.path.abspath(path)
    return posixpath.basename(path.rstrip("/"))


def _part(location: Location, info: pafs.FileInfo, name: str) -> Part:
    prefix = "" if location.is_local else location.shown.partition("://")[0] + "://"
    return Part(
        location.filesystem, info.path, name, prefix + info.path, info.size or 0
    )


def _clashes(parts: Iterable[Part]) -> list[str]:
    by_name: dict[str, list[Part]] = {}
    for part in parts:
        by_name.setdefault(part.name, []).append(part)
    return [
        f"Two parts would both become data/{name}: {same[0].shown} and "
        f"{same[1].shown}; rename one, or give their common parent directory."
        for name, same in sorted(by_name.items())
        if len(same) > 1
    ]


def read_bytes(filesystem: Any, path: str, start: int, length: int) -> bytes:
    """Read up to `length` bytes of a file from `start`."""
    with filesystem.open_input_file(path) as stream:
        stream.seek(start)
        return bytes(stream.read(length))

"""Small files of a run, read and written whole, wherever the run's work lies."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.fs as pafs

from consentfilter.engine.storage import Location, locate
from consentfilter.errors import StorageError


def read_file(place: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        StorageError: it cannot be read.
    """
    location = locate(place)
    try:
        with location.filesystem.open_input_stream(location.path) as stream:
            return bytes(stream.read())
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place}: cannot be read ({error}).") from error


def write_file(place: str, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file, and the directories above it.

    Args:
        place: path or URL.
        content: its bytes.
        mode: permissions of a local file.

    Raises:
        StorageError: it cannot be written.
    """
    location = locate(place)
    try:
        make_parent(location)
        if location.is_local:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with open(os.open(location.path, flags, mode), "wb") as local:
                local.write(content)
            return
        with location.filesystem.open_output_stream(location.path) as stream:
            stream.write(content)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place}: cannot be written ({error}).") from error


def is_there(place: str) -> bool:
    """Tell whether a file is there.

    Raises:
        StorageError: the storage does not answer.
    """
    location = locate(place)
    try:
        info = location.filesystem.get_file_info(location.path)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place}: cannot be looked at ({error}).") from error
    return bool(info.type == pafs.FileType.File)


def move(source: str, target: str) -> None:
    """Give a file another name, over what has that name; doing it again is nothing.

    Requires that both lie in one file system, and that whatever was moved to
    `target` before had the same bytes.

    Raises:
        StorageError: neither file is there, or the storage refused.
    """
    before, after = locate(source), locate(target)
    try:
        if before.filesystem.get_file_info(before.path).type == pafs.FileType.File:
            make_parent(after)
            if before.is_local:
                os.replace(before.path, after.path)
            else:
                before.filesystem.move(before.path, after.path)
            return
    except FileNotFoundError:
        pass  # another attempt moved it just now
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{source}: cannot become {target} ({error}).") from error
    if not is_there(target):
        raise StorageError(f"{source}: is gone, and {target} is not there; run again.")


def make_parent(location: Location) -> None:
    """Make the directories above a local file; object stores have none."""
    if location.is_local:
        parent = os.path.dirname(location.path)
        os.makedirs(parent or ".", exist_ok=True)


def remove_tree(place: str) -> None:
    """Remove a directory or prefix, if it is there; never fails."""
    location = locate(place)
    try:
        location.filesystem.delete_dir(location.path)
    except (OSError, pa.ArrowException):
        return

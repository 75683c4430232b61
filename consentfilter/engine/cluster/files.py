"""Small files of a run, read and written whole, wherever the run's work lies.

Workers get places as `Location`s: a file system without credentials (each worker
finds its own in its environment) and a path.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import posixpath

import pyarrow as pa
import pyarrow.fs as pafs

from consentfilter.engine.storage import Location
from consentfilter.errors import InputError, StorageError


def below(place: Location, name: str) -> Location:
    """Return a place below another."""
    return dataclasses.replace(
        place, path=f"{place.path}/{name}", shown=f"{place.shown}/{name}"
    )


def beside(place: Location, name: str) -> Location:
    """Return the place of another name in the same directory."""
    path = posixpath.join(posixpath.dirname(place.path), name)
    return dataclasses.replace(place, path=path, shown=path)


def read_file(place: Location) -> bytes:
    """Return the bytes of a file.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        with place.filesystem.open_input_stream(place.path) as stream:
            return bytes(stream.read())
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place.shown}: cannot be read ({error}).") from error


def read_checked(place: Location, sha256: str, what: str) -> bytes:
    """Return the bytes of a file that this run put somewhere for its workers.

    Args:
        place: where it lies.
        sha256: hex digest that the pipeline was made with.
        what: what it holds, for the message.

    Raises:
        StorageError: it cannot be read.
        InputError: it holds other bytes.
    """
    content = read_file(place)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            f"{place.shown}: {what} that this run put here for its workers has changed "
            "since the pipeline was made; make and run it again."
        )
    return content


def write_file(place: Location, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file, and the directories above it.

    Args:
        place: where.
        content: its bytes.
        mode: permissions of a local file.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        make_parent(place)
        if place.is_local:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with open(os.open(place.path, flags, mode), "wb") as local:
                local.write(content)
            return
        with place.filesystem.open_output_stream(place.path) as stream:
            stream.write(content)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place.shown}: cannot be written ({error}).") from error


def copy_in(source: str, target: Location) -> None:
    """Copy a local file to a place.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        make_parent(target)
        pafs.copy_files(
            source,
            target.path,
            source_filesystem=pafs.LocalFileSystem(),
            destination_filesystem=target.filesystem,
        )
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{target.shown}: cannot be written ({error}).") from error


def copy_out(source: Location, target: str) -> None:
    """Copy a file to a local path.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        pafs.copy_files(
            source.path,
            target,
            source_filesystem=source.filesystem,
            destination_filesystem=pafs.LocalFileSystem(),
        )
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{source.shown}: cannot be read ({error}).") from error


def is_there(place: Location) -> bool:
    """Tell whether a file is there.

    Raises:
        StorageError: the storage does not answer.
    """
    try:
        info = place.filesystem.get_file_info(place.path)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place.shown}: cannot be looked at ({error}).") from error
    return bool(info.type == pafs.FileType.File)


def move(source: Location, target: Location) -> None:
    """Give a file another name, over what has that name; doing it again is nothing.

    Requires that both lie in one file system, and that whatever was moved to
    `target` before had the same bytes.

    Raises:
        StorageError: neither file is there, or the storage refused.
    """
    try:
        if is_there(source):
            make_parent(target)
            if source.is_local:
                os.replace(source.path, target.path)
            else:
                source.filesystem.move(source.path, target.path)
            return
    except FileNotFoundError:
        pass  # another attempt moved it just now
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{source.shown}: cannot become {target.shown} ({error})."
        ) from error
    if not is_there(target):
        raise StorageError(
            f"{source.shown}: is gone, and {target.shown} is not there; run again."
        )


def make_parent(place: Location) -> None:
    """Make the directories above a local file; object stores have none."""
    if place.is_local:
        os.makedirs(os.path.dirname(place.path) or ".", exist_ok=True)


def remove_tree(place: Location) -> None:
    """Remove a directory or prefix, if it is there; never fails."""
    try:
        place.filesystem.delete_dir(place.path)
    except (OSError, pa.ArrowException):
        return

"""The release directory: complete with a manifest, or not there at all.

A local release is built beside its final place, in `.NAME.partial-…`, flushed to
disk, and renamed as the very last step; an object store has no rename of a
directory, so there the manifest is the last file to appear. Whatever stops the run
before that leaves no release.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import posixpath
import re
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from consentfilter import digest
from consentfilter.engine.sink import FileRecord, HashingSink, open_sink
from consentfilter.engine.storage import Location, locate
from consentfilter.errors import InputError, StorageError
from consentfilter.lineage.manifest import IndexedFile, index_json
from consentfilter.lineage.verifier import INDEX_NAME

MANIFEST_NAME: Final = "manifest.intoto.json"
PRIVATE_INDEX_NAME: Final = "private-index.json"
KEY_NAME: Final = "release.key"
_PRIVATE_MODE: Final = 0o700
_KEY_MODE: Final = 0o600


class ReleaseBuilder:
    """Writes the files of one release and gives it its name at the end.

    Attributes:
        root: where files are written now.
        shown: how messages name the release.
        is_resumed: whether a run that was stopped left some of the files.
    """

    def __init__(
        self, target: Location, root: str, *, is_resumed: bool = False
    ) -> None:
        """Use `open_release`."""
        self.is_resumed = is_resumed
        self._target = target
        self._filesystem = target.filesystem
        self.root = root
        self.shown = target.shown
        self._scratch = (
            f"{root}/scratch"
            if target.is_local
            else os.path.join(tempfile.gettempdir(), f"consentfilter-{uuid.uuid4()}")
        )
        self._public: list[FileRecord] = []
        self._private: list[FileRecord] = []

    @property
    def name(self) -> str:
        """The base name of the release."""
        return posixpath.basename(self._target.path)

    def make_scratch(self) -> str:
        """Return a local directory for scratch files; it is gone at the end."""
        os.makedirs(self._scratch, exist_ok=True)
        return self._scratch

    @contextlib.contextmanager
    def evidence_directory(self) -> Iterator[tuple[str, Callable[[str], None]]]:
        """Let the block write files into `private/evidence/`, and list them.

        Yields:
            The directory, and what is told the name of each file that is complete,
            to make it durable and hash it while others are being written.
        """
        is_local = self._target.is_local
        home = self.root if is_local else f"{self.make_scratch()}/finished"
        directory = f"{home}/private/evidence"
        listed: list[concurrent.futures.Future[FileRecord]] = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            yield (
                directory,
                lambda name: listed.append(
                    pool.submit(self._evidence_file, directory, name)
                ),
            )
            files = sorted((each.result() for each in listed), key=lambda f: f.path)
        self._private += files

    def _evidence_file(self, directory: str, name: str) -> FileRecord:
        path = f"{directory}/{name}"
        if self._target.is_local:
            _sync_file(path)
        else:
            self._upload(path, f"{self.root}/private/evidence/{name}")
        sha256, size = digest.sha256_file(path)
        rows = _parquet_rows(path) if name.endswith(".parquet") else None
        return FileRecord(f"evidence/{name}", rows, sha256, size)

    def _upload(self, path: str, target: str) -> None:
        with open(path, "rb") as source, open_sink(self._filesystem, target) as sink:
            shutil.copyfileobj(source, sink, 1 << 20)

    def data_sink(self, part: str) -> HashingSink:
        """Create the data file of a part."""
        return open_sink(self._filesystem, f"{self.root}/data/{part}")

    def ledger_sink(self, part: str) -> HashingSink:
        """Create the ledger file of a part."""
        return open_sink(self._filesystem, f"{self.root}/private/ledger/{part}")

    def private_sink(self, path: str) -> HashingSink:
        """Create another file below `private/`, such as `evidence/records.parquet`."""
        return open_sink(self._filesystem, f"{self.root}/private/{path}")

    def note_public(self, *files: FileRecord) -> None:
        """List finished files in the release index."""
        self._public += files

    def note_private(self, *files: FileRecord) -> None:
        """List finished files of `private/` in its index; paths below `private/`."""
        self._private += files

    def write(self, path: str, content: bytes, *, is_listed: bool = True) -> str:
        """Write a small public file; return its SHA-256 (hex)."""
        with open_sink(self._filesystem, f"{self.root}/{path}") as sink:
            sink.write(content)
        record = sink.record(path)
        if is_listed:
            self._public.append(record)
        return record.sha256

    def write_key(self, key: bytes) -> None:
        """Write `private/release.key`, readable by its owner only."""
        path = f"{self.root}/private/{KEY_NAME}"
        with open_sink(self._filesystem, path) as sink:
            if self._target.is_local:
                os.chmod(path, _KEY_MODE)
            sink.write(key)

    def write_private_index(self) -> str:
        """Write `private/private-index.json`; return its SHA-256 (hex)."""
        content = index_json([_indexed(file) for file in self._private])
        with self.private_sink(PRIVATE_INDEX_NAME) as sink:
            sink.write(content)
        return sink.record(PRIVATE_INDEX_NAME).sha256

    def write_index(self) -> str:
        """Write `release-index.json`; return its SHA-256 (hex)."""
        content = index_json([_indexed(file) for file in self._public])
        return self.write(INDEX_NAME, content, is_listed=False)

    def publish(self, manifest: bytes) -> None:
        """Write the manifest, the last file, and give the release its name.

        Raises:
            StorageError: something else took the name in the meantime, or the
                storage refused.
        """
        self._remove_scratch()
        self.write(MANIFEST_NAME, manifest, is_listed=False)
        self._rename()

    def publish_ledger(self) -> None:
        """Give a dry run's ledger its name: `private/ledger/` and nothing else."""
        self._remove_scratch()
        if self._target.is_local:
            os.rmdir(f"{self.root}/data")
        self._rename()

    def _remove_scratch(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _rename(self) -> None:
        if not self._target.is_local:
            return
        for directory, _, _ in os.walk(self.root):
            _sync_directory(directory)
        final = self._target.path
        try:
            os.rename(self.root, final)
        except OSError as error:
            raise StorageError(
                f"{self.shown}: the finished release cannot be given its name "
                f"({error.strerror}); something took that name while the run went on."
            ) from error
        _sync_directory(os.path.dirname(os.path.abspath(final)))

    def abandon(self) -> None:
        """Remove what was written."""
        self._remove_scratch()
        if self._target.is_local:
            shutil.rmtree(self.root, ignore_errors=True)
            return
        with contextlib.suppress(OSError, pa.ArrowException):
            self._filesystem.delete_dir(self.root)


def check_target(out: str) -> Location:
    """Check that a release can be made at a place, before any work is done.

    Raises:
        InputError: something is there already, or its parent is no directory, or
            may not be written to.
    """
    target = locate(out)
    path = target.path.rstrip("/")
    target = Location(target.filesystem, path, target.shown)
    info = target.filesystem.get_file_info(path)
    if info.type != pafs.FileType.NotFound:
        kind = "a file" if info.is_file else "a directory"
        raise InputError(
            f"{out}: the release would be written here, but {kind} of that name "
            "exists; a release is never overwritten: choose another --out or remove it."
        )
    if not target.is_local:
        return target
    parent = os.path.dirname(path) or "."
    if not os.path.isdir(parent):
        raise InputError(
            f"{out}: there is no directory {parent}; make it first (mkdir -p)."
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"{out}: the directory {parent} may not be written to by this user; "
            "choose another --out or change its permissions."
        )
    return target


@contextlib.contextmanager
def open_release(
    target: Location, *, stopped: str | None = None, keeps: bool = False
) -> Iterator[ReleaseBuilder]:
    """Build a release in the block; whatever ends the block early removes it.

    Args:
        target: where the release will be.
        stopped: the unfinished release of a run that was stopped, to go on with.
        keeps: leave the unfinished release when the block ends early (local ones).

    Raises:
        StorageError: the temporary directory cannot be made.
    """
    root = stopped or (_new_root(target) if target.is_local else target.path)
    if stopped is not None:
        _clear_last_step(stopped)
    builder = ReleaseBuilder(target, root, is_resumed=stopped is not None)
    try:
        yield builder
    except BaseException:
        if not (keeps and target.is_local):
            builder.abandon()
        raise


def _new_root(target: Location) -> str:
    parent, name = os.path.split(target.path)
    root = os.path.join(parent, f".{name}.partial-{secrets.token_hex(6)}")
    try:
        os.mkdir(root)
        os.mkdir(f"{root}/private", _PRIVATE_MODE)
        os.mkdir(f"{root}/data")
    except OSError as error:
        raise StorageError(f"{root}: cannot be made ({error.strerror}).") from error
    return root


def _clear_last_step(root: str) -> None:
    """Remove what the last step of a stopped run may have begun; it is made again."""
    shutil.rmtree(f"{root}/private/evidence", ignore_errors=True)
    for directory in (root, f"{root}/private"):
        for entry in os.scandir(directory):
            if entry.is_file() and entry.name != KEY_NAME:
                os.unlink(entry.path)


def evidence_path(scratch: str, part: str) -> str:
    """Return where a part's scratch files of evidence lie, without suffix."""
    return f"{scratch}/evidence/{part}"


def is_inside(out: str, records: str) -> bool:
    """Tell whether a release lies in a directory of records (local paths only).

    The next run over that directory would read the release as records.
    """
    if re.match(r"^[a-z][a-z0-9+.-]+://", out + records):
        return False
    root = os.path.realpath(records)
    return os.path.isdir(root) and posixpath.commonpath(
        [root, os.path.realpath(out)]
    ) == posixpath.normpath(root)


def _indexed(file: FileRecord) -> IndexedFile:
    return IndexedFile(file.path, file.sha256, file.size_bytes, file.rows)


def _parquet_rows(path: str) -> int:
    return int(pq.read_metadata(path).num_rows)


def _sync_file(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_directory(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

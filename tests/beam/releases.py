"""Releases to compare byte by byte: a dump with everything in it, filtered locally."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import pathlib
from typing import Any

from consentfilter.demo.write import DemoFiles, write_demo
from consentfilter.engine.filtering import filter_dataset
from consentfilter.engine.finish import Naming
from consentfilter.lineage.verifier import VIEW_NAMES

AS_OF = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
MANIFEST = "manifest.intoto.json"
#: Derived from the manifest: they repeat who ran it, when, and its digest.
VIEWS = ("croissant.json", "openlineage.json", "report.html")


@dataclasses.dataclass(frozen=True)
class Dump:
    """A small realistic dump and the release that the local engine makes of it."""

    files: DemoFiles
    release: pathlib.Path

    @property
    def records(self) -> list[str]:
        """What to filter."""
        return [str(self.files.records)]

    @property
    def consent(self) -> str:
        """The consent events."""
        return str(self.files.consent)

    @property
    def options(self) -> dict[str, Any]:
        """Everything else that decides, as `filter_dataset` takes it."""
        return {
            "dataset": self.files.dataset,
            "subjects": self.files.subjects,
            "links": self.files.links,
            "as_of": AS_OF,
            "release_key": bytes(range(32)),
            "naming": Naming("dump"),
        }


def make_dump(directory: pathlib.Path, *, scale: float = 0.1) -> Dump:
    """Write a dump and filter it locally."""
    files = write_demo(directory / "dump", scale=scale)
    dump = Dump(files, directory / "local")
    filter_dataset(
        dump.records, dump.consent, files.policy, out=dump.release, **dump.options
    )
    return dump


def tree(root: pathlib.Path) -> dict[str, bytes]:
    """Return every file below a directory; of the manifest all but who ran it.

    Of the views that are derived from it only that they are there.
    """
    return {
        str(path.relative_to(root)): _without_run(path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _without_run(path: pathlib.Path) -> bytes:
    if path.name in VIEWS:
        return b""
    content = path.read_bytes()
    if path.name in VIEW_NAMES:  # they name the manifest, and so the run
        return b""
    if path.name != MANIFEST:
        return content
    statement = json.loads(base64.b64decode(json.loads(content)["payload"]))
    del statement["predicate"]["run"]
    return json.dumps(statement, sort_keys=True).encode()

"""The snapshot pointer: which snapshot is in force, in a pipeline that does not end.

A pointer is a small JSON file that is replaced whole when there is a new snapshot::

    {"snapshot": "s3://consent/2026-06-15.parquet", "sha256": "9f2c…"}

`subjects` and `links` (paths of side files) may stand beside it. A streaming
pipeline reads it again and again and hands what it says to `ConsentFilter` as a side
input.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.periodicsequence import PeriodicImpulse
from apache_beam.transforms.window import FixedWindows

from consentfilter.consent.freshness import check_freshness
from consentfilter.dataset import Dataset
from consentfilter.digest import sha256_stream
from consentfilter.engine.cluster.keys import CarriedKeys
from consentfilter.engine.cluster.shared import Held, hold
from consentfilter.engine.prepare import compile_run, load_deciders
from consentfilter.engine.storage import locate
from consentfilter.errors import InputError, StorageError
from consentfilter.policy import Policy

_KEYS: Final = {"snapshot", "sha256", "subjects", "links"}


@dataclasses.dataclass(frozen=True, slots=True)
class SnapshotPointer:
    """Which snapshot is in force.

    Attributes:
        snapshot: path or URL of the snapshot.
        sha256: hex digest of that file; a file of another digest is refused.
        subjects, links: side files, or None.
    """

    snapshot: str
    sha256: str
    subjects: str | None = None
    links: str | None = None

    @classmethod
    def parse(cls, text: str, where: str = "pointer") -> SnapshotPointer:
        """Return the pointer that a JSON text states.

        Raises:
            InputError: it is not JSON, a key is missing or unknown, or a value is
                of another kind than wanted.
        """
        try:
            said = json.loads(text)
        except ValueError as error:
            raise InputError(f"{where}: not JSON ({error}).") from None
        problems = []
        if not isinstance(said, dict) or not {"snapshot", "sha256"} <= said.keys():
            raise InputError(
                f"{where}: wanted an object with 'snapshot' and 'sha256', found "
                f"{text[:80]!r}."
            )
        unknown = sorted(said.keys() - _KEYS)
        if unknown:
            problems.append(f"{where}: unknown keys {unknown}; wanted {sorted(_KEYS)}.")
        problems += [
            f"{where}: {key} is {value!r}; wanted text."
            for key, value in said.items()
            if not isinstance(value, str)
        ]
        if problems:
            raise InputError(problems)
        return cls(
            said["snapshot"],
            said["sha256"].lower(),
            said.get("subjects"),
            said.get("links"),
        )

    @classmethod
    def to(
        cls,
        snapshot: str,
        *,
        subjects: str | None = None,
        links: str | None = None,
    ) -> SnapshotPointer:
        """Return a pointer to a snapshot file that is there.

        Raises:
            StorageError: it cannot be read.
        """
        return cls(snapshot, _file_sha256(snapshot), subjects, links)

    @property
    def text(self) -> str:
        """The pointer as JSON."""
        said = dataclasses.asdict(self)
        return json.dumps({key: value for key, value in said.items() if value})

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what the pointer says."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclasses.dataclass(frozen=True, slots=True)
class Pointed:
    """What decides while the consent comes from a pointer.

    Attributes:
        policy, dataset: as loaded.
        keys: release key and id key.
    """

    policy: Policy
    dataset: Dataset
    keys: CarriedKeys

    def hold(self, pointer: SnapshotPointer) -> Held:
        """Return what decides under a pointer, compiled; once per process.

        Freshness is looked at every time, because time passes.

        Raises:
            InputError: the snapshot file has another digest than the pointer says.
            RunRefused: policy and snapshot do not fit together, or it is stale.
        """
        told = [
            self.policy.sha256,
            self.dataset.sha256,
            self.keys.sha256,
            pointer.digest,
        ]
        digest = hashlib.sha256("\0".join(told).encode()).hexdigest()
        held = hold(digest, lambda: self._load(pointer))
        now = dt.datetime.now(dt.UTC)
        for member in self.policy.members:
            check_freshness(held.meta, member.snapshot, now=now)
        return held

    def _load(self, pointer: SnapshotPointer) -> Held:
        found = _file_sha256(pointer.snapshot)
        if found != pointer.sha256:
            raise InputError(
                f"{pointer.snapshot}: has the SHA-256 {found}, the pointer says "
                f"{pointer.sha256}; write the snapshot first, the pointer after it."
            )
        release_key, id_key = self.keys.load()
        deciders = load_deciders(
            pointer.snapshot,
            self.policy,
            dataset=self.dataset,
            subjects=pointer.subjects,
            links=pointer.links,
            id_key=id_key,
        )
        run = compile_run(deciders, release_key=release_key, id_key=id_key)
        return Held(run, deciders.consent.snapshot.meta)


class ReadPointer(beam.PTransform):
    """Reads a pointer file again and again, as a side input for `ConsentFilter`.

    Gives `(instant of reading, pointer)`, one in each window of `every_s` seconds,
    and nothing while the file is not there. A record is decided by the reading of the
    window in which it falls by its own timestamp, so that a new snapshot takes effect
    at one instant for all workers; a record whose window has no reading is dropped.
    (One global window that fires again and again would be simpler; not all runners
    have it for side inputs.)
    """

    def __init__(
        self, place: str, *, every_s: float = 60.0, until: float | None = None
    ) -> None:
        """Name the pointer.

        Args:
            place: path or URL of the pointer file.
            every_s: seconds between two readings.
            until: seconds since 1970 after which reading ends; None: never.
        """
        super().__init__()
        self._place, self._every_s, self._until = place, every_s, until

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Return the readings, one in each window of `every_s`."""
        ends = {} if self._until is None else {"stop_timestamp": self._until}
        return (
            begin
            | "Tick" >> PeriodicImpulse(fire_interval=self._every_s, **ends)
            | "Read the pointer" >> beam.FlatMap(_read_pointer, self._place)
            | "One reading a window" >> beam.WindowInto(FixedWindows(self._every_s))
        )


def newest(readings: Any) -> SnapshotPointer | None:
    """Return what the last reading of a pointer said; None: there was none."""
    last = max(readings, key=lambda reading: reading[0], default=None)
    return None if last is None else last[1]


def _read_pointer(tick: Any, place: str) -> list[tuple[float, SnapshotPointer]]:
    location = locate(place)
    try:
        with location.filesystem.open_input_stream(location.path) as stream:
            text = bytes(stream.read()).decode()
    except FileNotFoundError:
        return []
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place}: the pointer cannot be read ({error}).") from error
    return [(float(tick), SnapshotPointer.parse(text, place))]


def _file_sha256(place: str) -> str:
    location = locate(place)
    try:
        with location.filesystem.open_input_stream(location.path) as stream:
            digest: str = sha256_stream(stream)[0]
            return digest
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place}: cannot be read ({error}).") from error

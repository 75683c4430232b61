"""What a stranger writes by hand: records, consent events, policies, commands."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import io
import json
import pathlib
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter.cli.main import run

T0 = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
COLLECTED = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
LATE = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
AS_OF = "2025-01-01T00:00:00Z"
INSTANT = pa.timestamp("us", tz="UTC")
POLICY = "id: p\nversion: '1'\n"
#: Options that every filter run of these tests has.
USUAL = ("--as-of", AS_OF, "--unsigned")


class Said(NamedTuple):
    """What a command did: exit status, stdout, stderr."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout; fails if there is anything else."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def text(self) -> str:
        """Everything it said."""
        return self.out + self.err


def cli(*arguments: object) -> Said:
    """Run one command line in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run([str(argument) for argument in arguments])
    return Said(status, *(_written(stream) for stream in (out, err)))


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def instants(values: list[dt.datetime | None]) -> pa.Array:
    """Return a column of instants."""
    return pa.array(values, INSTANT)


def records(ids: list[Any], people: list[Any], **columns: Any) -> pa.Table:
    """Return chat messages in the standard layout, one subject each."""
    count = len(ids)
    given = {
        "record_id": ids,
        "subject_id": people,
        "category": ["content.chat"] * count,
        "collected_at": instants([COLLECTED] * count),
        "text": [f"text {at}" for at in range(count)],
    }
    merged = {**given, **columns}
    return pa.table({name: col for name, col in merged.items() if col is not None})


def events(*rows: dict[str, Any]) -> pa.Table:
    """Return events with just the columns that the rows name."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    times = {"occurred_at", "recorded_at", "valid_from", "valid_until", "data_from"}
    times |= {"data_until"}
    return pa.table(
        {
            name: pa.array(
                [row.get(name) for row in rows], INSTANT if name in times else None
            )
            for name in names
        }
    )


def grant(subject: Any, **changes: Any) -> dict[str, Any]:
    """Return a grant by a person."""
    return {
        "event_id": f"g-{subject}",
        "subject_id": subject,
        "status": "given",
        "purpose": "improve.train_ai",
        "category": "content",
        "expression": "explicit",
        "occurred_at": T0,
        **changes,
    }


def denial(subject: Any, status: str = "withdrawn", **changes: Any) -> dict[str, Any]:
    """Return a denial by a person, of everything."""
    return {
        "event_id": f"d-{subject}-{status}",
        "subject_id": subject,
        "status": status,
        "occurred_at": dt.datetime(2024, 9, 1, tzinfo=dt.UTC),
        **changes,
    }


def write(path: pathlib.Path, what: pa.Table | str) -> pathlib.Path:
    """Write a table as Parquet, or a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(what, str):
        path.write_text(what)
    else:
        pq.write_table(what, path)
    return path


class World(NamedTuple):
    """Where the files of one small world are."""

    dump: pathlib.Path
    consent: pathlib.Path
    policy: pathlib.Path
    root: pathlib.Path

    def filter(
        self, *more: object, out: str = "release", usual: bool = True, last: Any = ()
    ) -> Said:
        """Run `consentfilter filter` on it; `last` comes after everything."""
        return cli(
            *("filter", self.dump, "--consent", self.consent),
            *("--policy", self.policy, "--out", self.root / out),
            *(USUAL if usual else ()),
            *more,
            *last,
        )

    def release(self, *more: object, out: str = "release") -> pathlib.Path:
        """Make a release and return where it is."""
        said = self.filter("--quiet", *more, out=out)
        assert said == (0, "", ""), said
        return self.root / out


def world(
    root: pathlib.Path,
    *,
    rows: pa.Table | None = None,
    acts: pa.Table | None = None,
    policy: str = POLICY,
) -> World:
    """Write a world: `ann` consented, `bob` withdrew, of `cat` nothing is known."""
    if rows is None:
        rows = records(["r1", "r2", "r3", "r4"], ["ann", "bob", "cat", "ann"])
    if acts is None:
        acts = events(grant("ann"), grant("bob"), denial("bob"))
    return World(
        write(root / "dump/part-0.parquet", rows).parent,
        write(root / "consent.parquet", acts),
        write(root / "policy.yaml", policy),
        root,
    )


def ledger(release: pathlib.Path) -> dict[Any, dict[str, Any]]:
    """Return a release's ledger rows by record id."""
    rows = pq.read_table(release / "private/ledger").to_pylist()
    return {row["record_id"]: row for row in rows}


def reasons(release: pathlib.Path) -> dict[Any, str]:
    """Return the reason of each record."""
    return {name: row["reason"] for name, row in ledger(release).items()}


def envelope(release: pathlib.Path) -> dict[str, Any]:
    """Return the DSSE envelope of a release."""
    found: dict[str, Any] = json.loads((release / "manifest.intoto.json").read_bytes())
    return found


def statement(release: pathlib.Path) -> dict[str, Any]:
    """Return the in-toto statement of a release."""
    found: dict[str, Any] = json.loads(base64.b64decode(envelope(release)["payload"]))
    return found

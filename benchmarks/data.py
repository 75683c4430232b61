"""Made-up records and consent events of any size, from one seed, in parts.

Records have five columns: `record_id`, `subject_id`, `category`, `collected_at`
and about 110 characters of `text`. Statements are at most one grant per subject
and purpose, so that the simple rule of the hand-written jobs and the full consent
model give the same answer for every row, and the benchmark can compare them.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import pathlib
import shutil
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from consentfilter.consent.snapshot import build_snapshot, write_snapshot

#: Change it when the data change: cached files of other versions are not used.
VERSION: Final = 1
PART_ROWS: Final = 1_000_000
AS_OF: Final = "2026-01-01T00:00:00Z"
_START: Final = 1_704_067_200_000_000  # 2024-01-01 in microseconds since 1970
_SPAN: Final = 730 * 86_400_000_000  # two years
_CATEGORIES: Final = (
    "content.chat",
    "content.transcript",
    "content.post",
    "content.file",
)
_UTC: Final = pa.timestamp("us", tz="UTC")

POLICY: Final = """\
id: benchmark
version: "1"
purposes: [improve.train_ai]
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Data:
    """Where the generated files lie."""

    root: pathlib.Path

    @property
    def records(self) -> pathlib.Path:
        """Directory of Parquet parts."""
        return self.root / "records"

    @property
    def events(self) -> pathlib.Path:
        """Directory of consent events."""
        return self.root / "events"

    @property
    def snapshot(self) -> pathlib.Path:
        """The consent snapshot, as the filter and the hand-written jobs read it."""
        return self.root / "snapshot.parquet"

    @property
    def policy(self) -> pathlib.Path:
        """The policy of the filter."""
        return self.root / "policy.yaml"


def place(
    cache: pathlib.Path, *, rows: int, subjects: int, statements: int, seed: int = 1
) -> Data:
    """Return where data of these sizes lie, generated or not."""
    return Data(cache / f"v{VERSION}-{rows}-{subjects}-{statements}-{seed}")


def make_data(
    cache: pathlib.Path, *, rows: int, subjects: int, statements: int, seed: int = 1
) -> Data:
    """Return generated data, made now or found in the cache.

    Args:
        cache: a directory; each size has its own place below it.
        rows: how many records.
        subjects: how many people have made a statement; a sixth more have not.
        statements: how many consent events, at least one per subject.
        seed: the same seed and sizes give the same rows.

    Raises:
        ValueError: fewer statements than subjects, or more than three each.
    """
    if not subjects <= statements <= 3 * subjects:
        raise ValueError(
            f"{statements} statements of {subjects} subjects: wanted one to three each"
        )
    data = place(cache, rows=rows, subjects=subjects, statements=statements, seed=seed)
    done = data.root / ".done"
    if done.exists():
        return data
    shutil.rmtree(data.root, ignore_errors=True)
    data.records.mkdir(parents=True)
    data.events.mkdir()
    _write_records(data.records, rows, subjects, seed)
    _write_events(data.events, subjects, statements, seed)
    data.policy.write_text(POLICY, "utf-8")
    snapshot = build_snapshot(
        sorted(data.events.glob("*.parquet")), as_of=dt.datetime.fromisoformat(AS_OF)
    )
    write_snapshot(snapshot, data.snapshot)
    done.touch()
    return data


def _ids(numbers: np.ndarray, prefix: str, width: int) -> pa.Array:
    digits = pa.array(numbers).cast(pa.string())
    return pc.binary_join_element_wise(
        pa.scalar(prefix), pc.utf8_lpad(digits, width, "0"), ""
    )


def _phrases(rng: np.random.Generator, count: int) -> pa.Array:
    """Return `count` made-up phrases of about 36 characters."""
    letters = np.frombuffer(b"abcdefghijklmnoprstuvwyzaeiouaeiou     ", np.uint8)
    raw = rng.choice(letters, (count, 36))
    return pa.array([bytes(row).decode("ascii") for row in raw], pa.string())


def _write_records(root: pathlib.Path, rows: int, subjects: int, seed: int) -> None:
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    pool = _phrases(rng, 8192)
    parts = max(4, -(-rows // PART_ROWS))
    edges = np.linspace(0, rows, parts + 1).astype(np.int64).tolist()
    for part in range(parts):
        low, high = edges[part], edges[part + 1]
        count = high - low
        # A few people write much: the square makes low numbers frequent.
        who = (rng.random(count) ** 2 * subjects * 7 / 6).astype(np.int64)
        nobody = rng.random(count) < 0.001
        subject = pc.if_else(
            pa.array(nobody), pa.scalar(None, pa.string()), _ids(who, "u", 8)
        )
        text = pc.binary_join_element_wise(
            *(pool.take(pa.array(rng.integers(0, len(pool), count))) for _ in range(3)),
            " ",
        )
        category = pa.array(_CATEGORIES).take(pa.array(rng.integers(0, 4, count)))
        at = pa.array(_START + rng.integers(0, _SPAN, count)).cast(_UTC)
        table = pa.table(
            {
                "record_id": _ids(np.arange(low, high), "r", 10),
                "subject_id": subject,
                "category": category,
                "collected_at": at,
                "text": text,
            }
        )
        pq.write_table(table, root / f"part-{part:04d}.parquet", compression="zstd")


def _write_events(
    root: pathlib.Path, subjects: int, statements: int, seed: int
) -> None:
    """Write one to three events per subject: among them at most one relevant grant.

    First a grant (eight in ten) or a refusal; then a withdrawal or, after a refusal,
    a grant; then a refusal. Of the later events six in ten are about marketing mail,
    which is nothing to the run.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    extra = statements - subjects
    third = extra // 4 if extra <= subjects else extra - subjects
    second = extra - third
    order = rng.permutation(subjects)
    first_given = rng.random(subjects) < 0.8
    base = _START + rng.integers(0, _SPAN // 4, subjects)
    who = np.concatenate([np.arange(subjects), order[:second], order[:third]])
    turn = np.repeat([0, 1, 2], [subjects, second, third])
    given = first_given[who]
    # 0 given, 1 refused, 2 withdrawn
    status = np.select([turn == 0, turn == 1], [~given * 1, given * 2], 1)
    at = base[who] + turn * (_SPAN // 3)
    count = len(who)
    is_about_mail = (turn > 0) & (rng.random(count) < 0.6)
    choice = rng.integers(0, 3, subjects)[who]
    purpose = pa.array(["improve.train_ai", "improve", "*", "marketing.email"]).take(
        pa.array(np.where(is_about_mail, 3, choice))
    )
    edges = np.linspace(0, count, 5).astype(np.int64).tolist()
    shuffled = rng.permutation(count)
    times = pa.array(at).cast(_UTC)
    table = pa.table(
        {
            "event_id": _ids(np.arange(count), "e", 9),
            "source_id": pa.repeat("preference_center", count),
            "subject_ns": pa.repeat("user_id", count),
            "subject_id": _ids(who, "u", 8),
            "status": pa.array(["given", "refused", "withdrawn"]).take(
                pa.array(status)
            ),
            "purpose": purpose,
            "category": pa.repeat("*", count),
            "expression": pa.repeat("explicit", count),
            "actor_type": pa.repeat("self", count),
            "occurred_at": times,
            "recorded_at": times,
        }
    ).take(pa.array(shuffled))
    for part in range(4):
        piece = table.slice(edges[part], edges[part + 1] - edges[part])
        pq.write_table(piece, root / f"part-{part}.parquet", compression="zstd")


def main() -> None:
    """Generate data in a process of its own: `python -m benchmarks.data CACHE …`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=pathlib.Path)
    for name in ("--rows", "--subjects", "--statements"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    print(make_data(**vars(parser.parse_args())).root)


if __name__ == "__main__":
    main()

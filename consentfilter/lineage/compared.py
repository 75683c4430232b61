"""Two releases side by side: which records entered, left or changed, and why."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

import polars as pl

from consentfilter.lineage.opened import OpenedRelease, undamaged

Move = Literal["entered", "left", "changed", "same"]
#: Every way to move, in the order in which they are told.
MOVES: Final[tuple[Move, ...]] = ("left", "entered", "changed", "same")
#: How many record ids are shown per line of the comparison.
SAMPLE_SIZE: Final = 3

_COLUMNS: Final = ("record_id", "decision", "reason", "content_sha256")


@dataclasses.dataclass(frozen=True, slots=True)
class MoveCount:
    """How many records moved in one way for one pair of reasons.

    Attributes:
        move: `entered` (in B, not in A), `left` (in A, not in B), `changed` (in both,
            with other content), `same`.
        before: reason in A, None where A never saw the record.
        after: reason in B, None where B never saw it.
        rows: how many. sample: some of their ids, the smallest ones.
    """

    move: Move
    before: str | None
    after: str | None
    rows: int
    sample: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found.

    Attributes:
        moves: by move, then rows, largest first; records out of both are left out.
        is_successor: B's manifest names A's as the previous one.
    """

    moves: tuple[MoveCount, ...]
    is_successor: bool

    def rows(self, move: Move) -> int:
        """Return how many records moved that way."""
        return sum(each.rows for each in self.moves if each.move == move)


def compare(before: OpenedRelease, after: OpenedRelease) -> Comparison:
    """Compare two releases by their ledgers.

    Records without an id are in no release and are left out.

    Raises:
        InputError: one of them has no `private/`.
        EvidenceError: a private index is not the one its manifest names, or a
            ledger is damaged.
    """
    both = _ledger(before, "a").join(
        _ledger(after, "b"), on="record_id", how="full", coalesce=True
    )
    is_in_a = pl.col("content_a").is_not_null()
    is_in_b = pl.col("content_b").is_not_null()
    move = (
        pl.when(is_in_a & is_in_b & (pl.col("content_a") == pl.col("content_b")))
        .then(pl.lit("same"))
        .when(is_in_a & is_in_b)
        .then(pl.lit("changed"))
        .when(is_in_b)
        .then(pl.lit("entered"))
        .otherwise(pl.lit("left"))
    )
    counting = (
        both.filter(is_in_a | is_in_b)
        .with_columns(move=move)
        .group_by("move", "reason_a", "reason_b")
        .agg(pl.len().alias("rows"), pl.col("record_id").bottom_k(SAMPLE_SIZE))
    )
    either = f"{before.private / 'ledger'} or {after.private / 'ledger'}"
    with undamaged(either, pl.exceptions.PolarsError):
        counted = counting.collect(engine="streaming")
    moves = [
        MoveCount(
            row["move"],
            row["reason_a"],
            row["reason_b"],
            row["rows"],
            tuple(sorted(row["record_id"])),
        )
        for row in counted.to_dicts()
    ]
    moves.sort(
        key=lambda m: (MOVES.index(m.move), -m.rows, m.before or "", m.after or "")
    )
    previous = after.predicate["release"]["previous"]
    return Comparison(tuple(moves), previous == before.manifest.sha256)


def _ledger(release: OpenedRelease, suffix: str) -> pl.LazyFrame:
    files = [str(release.ledger(part)) for part in release.ledger_parts()]
    if not files:
        texts = dict.fromkeys(_COLUMNS[:3], pl.String)
        lazy = pl.LazyFrame(schema={**texts, "content_sha256": pl.Binary})
    else:
        lazy = pl.scan_parquet(files, glob=False, hive_partitioning=False)
    return (
        lazy.select(
            "record_id",
            pl.col("reason").cast(pl.String).alias(f"reason_{suffix}"),
            pl.col("content_sha256").alias(f"content_{suffix}"),
        )
        .filter(pl.col("record_id").is_not_null())
        .unique("record_id", keep="any")
    )

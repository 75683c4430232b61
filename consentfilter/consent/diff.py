"""What is different between two snapshots, statement by statement."""

from __future__ import annotations

import dataclasses

import polars as pl
import pyarrow as pa

from consentfilter.consent.columns import name_lists
from consentfilter.consent.model import ConsentSnapshot
from consentfilter.consent.schema import SNAPSHOT
from consentfilter.errors import InputError

#: Follow from the statements around a statement; not what the statement says.
_PLACES = frozenset({"order_in_group", "superseded_at"})


@dataclasses.dataclass(frozen=True, slots=True)
class StatusCount:
    """How many statements of one status, of how many people or scopes."""

    status: str
    statements: int
    subjects: int


@dataclasses.dataclass(frozen=True, slots=True)
class SnapshotDiff:
    """The difference between two snapshots.

    Attributes:
        added, removed, changed: statements by status; changed ones have the same id
            and other content (counted by their new status).
        subjects: distinct people of all these statements.
        examples: per kind of change a few statement ids, the smallest ones.
    """

    added: tuple[StatusCount, ...]
    removed: tuple[StatusCount, ...]
    changed: tuple[StatusCount, ...]
    subjects: int
    examples: dict[str, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether both snapshots hold the same statements."""
        return not (self.added or self.removed or self.changed)


def diff_snapshots(old: ConsentSnapshot, new: ConsentSnapshot) -> SnapshotDiff:
    """Compare two snapshots.

    Raises:
        InputError: their subject ids are keyed differently, so that nobody in one
            can be found in the other.
    """
    if old.meta.id_key_fingerprint != new.meta.id_key_fingerprint:
        raise InputError(
            "the subject ids of the two snapshots are keyed differently (key "
            f"fingerprints {old.meta.id_key_fingerprint} and "
            f"{new.meta.id_key_fingerprint}), so they cannot be compared; build both "
            "with one id key"
        )
    before, after = _frame(old.statements), _frame(new.statements)
    added = after.join(before, on="statement_id", how="anti")
    removed = before.join(after, on="statement_id", how="anti")
    said = [name for name in before.columns if name != "statement_id"]
    changed = (
        after.join(before, on="statement_id", suffix="_before")
        .filter(
            pl.any_horizontal(
                pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in said
            )
        )
        .select(after.columns)
    )
    parts = {"added": added, "removed": removed, "changed": changed}
    people = pl.concat([part["subject_key"] for part in parts.values()])
    return SnapshotDiff(
        added=_by_status(added),
        removed=_by_status(removed),
        changed=_by_status(changed),
        subjects=people.drop_nulls().n_unique(),
        examples={
            kind: tuple(part["statement_id"].bottom_k(3).sort())
            for kind, part in parts.items()
            if not part.is_empty()
        },
    )


def _frame(statements: pa.Table) -> pl.DataFrame:
    columns = {}
    for name in SNAPSHOT.names:
        if name in _PLACES:
            continue
        column = statements.column(name)
        columns[name] = (
            name_lists(column)
            if name == "recipients"
            else pl.Series(pl.from_arrow(column))
        )
    return pl.DataFrame(columns)


def _by_status(part: pl.DataFrame) -> tuple[StatusCount, ...]:
    counted = part.group_by(pl.col("status").cast(pl.String)).agg(
        pl.len(), pl.col("subject_key").drop_nulls().n_unique().alias("subjects")
    )
    return tuple(
        StatusCount(*row)
        for row in counted.sort("len", "status", descending=[True, False]).iter_rows()
    )

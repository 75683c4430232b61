"""What a changed policy does to real records: both policies decide, changes count."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentfilter.cli import output

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from consentfilter.engine.footers import Footer
    from consentfilter.engine.shard import Run
    from consentfilter.policy import Policy

#: Ids that are shown for each kind of change.
SAMPLES: Final = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Sources:
    """What both policies decide from; see the options of `policy diff`."""

    consent: tuple[str, ...]
    subjects: str | None = None
    links: str | None = None
    as_of: str | None = None
    id_key: Path | None = None
    dataset: Path | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """Records that the policies decide alike, or differently in the same way.

    Attributes:
        old_decision, new_decision: `keep`, `redact` or `drop`.
        old_reason, new_reason: reason codes.
        is_other_parts: both redact, but not the same parts.
        rows: how many records.
        samples: a few of their ids, the first ones met.
    """

    old_decision: str
    new_decision: str
    old_reason: str
    new_reason: str
    is_other_parts: bool
    rows: int
    samples: tuple[str, ...]

    @property
    def is_change(self) -> bool:
        """Whether something else comes out."""
        return self.old_decision != self.new_decision or self.is_other_parts


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of the records under both policies.

    Attributes:
        as_of: the instant of the decision, RFC 3339.
        changes: every combination that occurs, the most frequent first.
    """

    as_of: str
    changes: tuple[Change, ...]

    @property
    def rows(self) -> int:
        """How many records were decided."""
        return sum(one.rows for one in self.changes)

    @property
    def changed_rows(self) -> int:
        """How many records come out otherwise."""
        return sum(one.rows for one in self.changes if one.is_change)

    def as_json(self) -> dict[str, Any]:
        """Return the effect as JSON values."""
        return {
            "asOf": self.as_of,
            "rows": self.rows,
            "changedRows": self.changed_rows,
            "changes": [
                {
                    "isChange": one.is_change,
                    "oldDecision": one.old_decision,
                    "newDecision": one.new_decision,
                    "oldReason": one.old_reason,
                    "newReason": one.new_reason,
                    "otherParts": one.is_other_parts,
                    "rows": one.rows,
                    "samples": list(one.samples),
                }
                for one in self.changes
            ],
        }

    def text(self) -> str:
        """Return the changes as a table, with a sentence that sums them up."""
        changed = [one for one in self.changes if one.is_change]
        share = f" ({self.changed_rows / self.rows:.2%})" if self.rows else ""
        summary = (
            f"{self.changed_rows:,} of {self.rows:,} records come out otherwise{share}."
        )
        if not changed:
            return summary
        head = ["rows", "old", "new", "old reason", "new reason", "for example"]
        rows = [
            [
                f"{one.rows:,}",
                one.old_decision,
                one.new_decision + (" (other parts)" if one.is_other_parts else ""),
                one.old_reason,
                one.new_reason,
                ", ".join(one.samples),
            ]
            for one in changed
        ]
        return f"{summary}\n\n{output.table([head, *rows], right=[0])}"


def effect(
    records: Sequence[str], old: Policy, new: Policy, sources: Sources
) -> Effect:
    """Decide every record by two policies at the same instant.

    Raises:
        InputError: records, consent or binding cannot be used.
        RunRefused: a policy does not fit the consent snapshot.
    """
    from consentfilter.cli.filter import parse_instant
    from consentfilter.engine.inputs import open_records
    from consentfilter.engine.prepare import compile_run, load_deciders
    from consentfilter.ids import read_key

    key = None if sources.id_key is None else read_key(sources.id_key)
    as_of = None if sources.as_of is None else parse_instant(sources.as_of)
    runs: list[Run] = []
    for policy in (old, new):
        deciders = load_deciders(
            list(sources.consent),
            policy.without_run_rules(),
            dataset=sources.dataset,
            as_of=as_of,
            subjects=sources.subjects,
            links=sources.links,
            id_key=key,
        )
        as_of = deciders.as_of
        runs.append(compile_run(deciders, id_key=key, emits=False))
    footers = open_records(records, runs[0].dataset)
    assert as_of is not None
    instant = as_of.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return Effect(instant, counted(footers, *runs))


def counted(footers: Sequence[Footer], old: Run, new: Run) -> tuple[Change, ...]:
    """Return every combination of old and new outcome, the most frequent first."""
    rows: dict[tuple[str, str, str, str, bool], int] = {}
    samples: dict[tuple[str, str, str, str, bool], list[str]] = {}
    for footer in footers:
        for before, after in _ledgers(footer, old, new):
            for key, count, ids in _batch(before, after):
                rows[key] = rows.get(key, 0) + count
                shown = samples.setdefault(key, [])
                shown += ids[: SAMPLES - len(shown)]
    return tuple(
        Change(*key, rows=count, samples=tuple(samples[key]))
        for key, count in sorted(rows.items(), key=lambda pair: (-pair[1], pair[0]))
    )


def _ledgers(footer: Footer, old: Run, new: Run) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the ledgers of both policies, piece by piece."""
    from consentfilter.engine.shard import PartReader, units

    before, after = PartReader(footer, old), PartReader(footer, new)
    try:
        for unit in units(footer):
            both = zip(before.decide(unit), after.decide(unit), strict=True)
            for one, other in both:
                yield one.ledger, other.ledger
    finally:
        before.close()
        after.close()


def _batch(
    before: pa.Table, after: pa.Table
) -> Iterator[tuple[tuple[str, str, str, str, bool], int, list[str]]]:
    """Yield the combinations of a piece, with their count and a few ids."""
    import numpy as np
    import pyarrow.compute as pc

    names: list[list[str]] = []
    code = np.zeros(before.num_rows, np.int64)
    for column in ("decision", "reason"):
        for ledger in (before, after):
            index, values = _coded(ledger.column(column))
            names.append(values)
            code = code * len(values) + index
    is_other = pc.not_equal(
        pc.binary_join(before.column("redacted"), "\x1f"),
        pc.binary_join(after.column("redacted"), "\x1f"),
    )
    both_redact = pc.and_(
        pc.equal(before.column("decision").cast("string"), "redact"),
        pc.equal(after.column("decision").cast("string"), "redact"),
    )
    differs = pc.fill_null(pc.and_(is_other, both_redact), False)
    code = code * 2 + differs.to_numpy().astype(np.int64)
    for value, count in zip(*np.unique(code, return_counts=True), strict=True):
        at = np.flatnonzero(code == value)[:SAMPLES]
        ids = [str(one) for one in before.column("record_id").take(at).to_pylist()]
        rest, is_changed = divmod(int(value), 2)
        words: list[str] = []
        for values in reversed(names):
            rest, which = divmod(rest, len(values))
            words.append(values[which])
        new_reason, old_reason, new_decision, old_decision = words
        key = (old_decision, new_decision, old_reason, new_reason, bool(is_changed))
        yield key, int(count), ids


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return a column of names as indices into a list of names."""
    import numpy as np

    array = column.combine_chunks().dictionary_encode()  # as it is, if it is one
    return array.indices.to_numpy().astype(np.int64), array.dictionary.to_pylist()

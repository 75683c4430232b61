"""How `consentfilter snapshot` shows snapshots: lines for people, JSON for scripts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from consentfilter.cli import output

if TYPE_CHECKING:
    from consentfilter.consent.diff import SnapshotDiff, StatusCount
    from consentfilter.consent.model import ConsentSnapshot, SnapshotMeta
    from consentfilter.consent.problems import Problem

#: How many located doubts of one code are shown after a build.
SHOWN_PER_CODE = 3


def as_json(snapshot: ConsentSnapshot) -> dict[str, Any]:
    """Return a snapshot's metadata and counts as JSON values."""
    meta = snapshot.meta
    shown: dict[str, Any] = {
        "snapshotId": meta.snapshot_id,
        "asOf": _text(meta.as_of),
        "builtAt": _text(meta.built_at),
        "schemaVersion": meta.schema_version,
        "derivationVersion": meta.derivation_version,
        "taxonomyVersion": meta.taxonomy_version,
        "history": meta.history,
        "idKeyFingerprint": meta.id_key_fingerprint,
        "statements": snapshot.statements.num_rows,
        "subjects": _num_subjects(snapshot),
        "sources": [
            {
                "sourceId": mark.source_id,
                "watermark": None if mark.watermark is None else _text(mark.watermark),
                "events": mark.rows,
            }
            for mark in meta.sources
        ],
        "byStatus": [
            {"status": status, "expression": expression, "statements": many}
            for status, expression, many in _counts(snapshot)
        ],
        "setAside": _doubts_json(meta, meta.quarantine),
        "keptWide": _doubts_json(meta, meta.widened),
    }
    notes = snapshot.notes
    if notes is not None:
        shown["build"] = {
            "files": list(notes.files),
            "read": notes.num_read,
            "recordedLater": notes.num_later,
            "duplicates": notes.num_duplicates,
            "voided": notes.num_voided,
            "problems": [
                {
                    "code": one.code,
                    "file": one.file,
                    "row": one.row,
                    "eventId": one.event_id,
                    "sourceId": one.source_id,
                    "isSetAside": one.is_set_aside,
                }
                for one in notes.problems
            ],
        }
    return shown


def built(snapshot: ConsentSnapshot, out: str) -> Iterator[str]:
    """Say what a build read, what it doubted, and what it wrote."""
    from consentfilter.policy.words import counted

    meta, notes = snapshot.meta, snapshot.notes
    if notes is not None:
        yield from _located(notes.problems, meta)
        yield from _unstated(meta, notes.num_read)
        yield (
            f"{notes.num_read:,} events read from {len(notes.files):,} "
            f"file{'' if len(notes.files) == 1 else 's'}: {notes.num_later:,} recorded "
            f"after {_text(meta.as_of)}, {notes.num_duplicates:,} duplicates, "
            f"{notes.num_voided:,} voided, {_num_set_aside(snapshot):,} other events "
            "not used."
        )
    lost = meta.quarantine.get("denial_names_nobody")
    if lost:
        yield (
            f"WARNING: {lost:,} denials name neither a subject nor a scope and are "
            "applied to nobody; find out whose they are."
        )
    if not snapshot.statements.num_rows:
        refused = "" if meta.quarantine else ", and `filter` refuses such a snapshot"
        yield (
            "WARNING: no statement is left: nothing that needs consent will pass"
            f"{refused}."
        )
    yield (
        f"{out}: {counted(snapshot.statements.num_rows, 'statement')} about "
        f"{counted(_num_subjects(snapshot), 'subject')} as of {_text(meta.as_of)}, "
        f"snapshot {meta.snapshot_id[:12]}."
    )


def inspected(snapshot: ConsentSnapshot, name: str) -> Iterator[str]:
    """Show a snapshot as text."""
    meta = snapshot.meta
    keyed = meta.id_key_fingerprint
    yield name
    yield output.table(
        [
            ("  snapshot", meta.snapshot_id),
            ("  as of", _text(meta.as_of)),
            ("  statements", f"{snapshot.statements.num_rows:,}"),
            ("  subjects", f"{_num_subjects(snapshot):,}"),
            ("  history", meta.history),
            ("  subject ids", f"keyed, key {keyed}" if keyed else "plain"),
            ("  taxonomy", meta.taxonomy_version),
            ("  derivation", meta.derivation_version),
        ]
    )
    yield ""
    rows = [("source", "last recorded", "before as of", "events")]
    for mark in meta.sources:
        heard = mark.watermark
        rows.append(
            (
                mark.source_id,
                "not stated" if heard is None else _text(heard),
                "" if heard is None else _age(meta.as_of - heard),
                f"{mark.rows:,}",
            )
        )
    yield output.table(rows, right=(2, 3))
    yield ""
    counts = [
        (status, expression or "", f"{many:,}")
        for status, expression, many in _counts(snapshot)
    ]
    yield output.table([("status", "expression", "statements"), *counts], right=(2,))
    for title, counted in (
        ("set aside", meta.quarantine),
        ("kept, as wide as they could mean", meta.widened),
    ):
        if counted:
            yield ""
            yield output.table(
                [
                    (title, "events", "for example"),
                    *(
                        (code, f"{many:,}", ", ".join(meta.examples.get(code, ())))
                        for code, many in _by_size(counted)
                    ),
                ],
                right=(1,),
            )


def compared(
    old: ConsentSnapshot, new: ConsentSnapshot, found: SnapshotDiff
) -> Iterator[str]:
    """Show the difference of two snapshots as text."""
    for name, one in (("old", old), ("new", new)):
        yield (
            f"{name}: {one.meta.snapshot_id[:12]} as of {_text(one.meta.as_of)}, "
            f"{one.statements.num_rows:,} statements"
        )
    if found.is_empty:
        yield "Both hold the same statements."
        return
    rows = [("change", "status", "statements", "subjects", "for example")]
    for kind, counts in _kinds(found):
        for at, count in enumerate(counts):
            example = ", ".join(found.examples[kind]) if at == 0 else ""
            rows.append(
                (
                    kind,
                    count.status,
                    f"{count.statements:,}",
                    f"{count.subjects:,}",
                    example,
                )
            )
    yield output.table(rows, right=(2, 3))
    yield f"{found.subjects:,} subjects are concerned."


def diff_json(
    old: ConsentSnapshot, new: ConsentSnapshot, found: SnapshotDiff
) -> dict[str, Any]:
    """Return the difference of two snapshots as JSON values."""
    shown: dict[str, Any] = {
        "old": {"snapshotId": old.meta.snapshot_id, "asOf": _text(old.meta.as_of)},
        "new": {"snapshotId": new.meta.snapshot_id, "asOf": _text(new.meta.as_of)},
        "isSame": found.is_empty,
        "subjects": found.subjects,
    }
    for kind, counts in _kinds(found):
        shown[kind] = {
            "byStatus": [
                {
                    "status": one.status,
                    "statements": one.statements,
                    "subjects": one.subjects,
                }
                for one in counts
            ],
            "examples": list(found.examples.get(kind, ())),
        }
    return shown


def _kinds(found: SnapshotDiff) -> tuple[tuple[str, tuple[StatusCount, ...]], ...]:
    return (
        ("added", found.added),
        ("removed", found.removed),
        ("changed", found.changed),
    )


def _located(problems: Sequence[Problem], meta: SnapshotMeta) -> Iterator[str]:
    """Show a few located doubts of each code, and how many more there are."""
    shown: dict[tuple[str, bool], int] = {}
    for problem in problems:
        kind = problem.code, problem.is_set_aside
        shown[kind] = shown.get(kind, 0) + 1
        if shown[kind] <= SHOWN_PER_CODE:
            yield f"doubt: {problem}"
    for (code, is_set_aside), seen in shown.items():
        counted = meta.quarantine if is_set_aside else meta.widened
        more = counted[code] - min(seen, SHOWN_PER_CODE)
        if more > 0:
            became = "set aside" if is_set_aside else "kept wide"
            yield f"doubt: … and {more:,} more {became} ({code})"


#: What most events lack when their export has no such column, by its doubt.
_CANNOT_KNOW: Final = {
    "no_purpose": ("purpose", "{constant: improve.train_ai}"),
    "no_category": ("category", '{constant: "*"}'),
    "no_time": ("occurred_at", "THEIR_COLUMN"),
}


def _unstated(meta: SnapshotMeta, num_read: int) -> Iterator[str]:
    """Say how to state what most of the events do not."""
    lacking = [
        (column, f"{column}: {said}")
        for code, (column, said) in _CANNOT_KNOW.items()
        if 2 * meta.quarantine.get(code, 0) > num_read
    ]
    if lacking:
        yield (
            f"Most events have no {', no '.join(column for column, _ in lacking)}. "
            "What their export cannot know, say under `events:` of a dataset file "
            f"(--dataset): {'; '.join(said for _, said in lacking)}"
        )


def _doubts_json(meta: SnapshotMeta, counted: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {"code": code, "events": many, "examples": list(meta.examples.get(code, ()))}
        for code, many in _by_size(counted)
    ]


def _by_size(counted: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda one: (-one[1], one[0]))


def _num_subjects(snapshot: ConsentSnapshot) -> int:
    import pyarrow.compute as pc

    counted: int = pc.count_distinct(snapshot.statements.column("subject_key")).as_py()
    return counted


def _num_set_aside(snapshot: ConsentSnapshot) -> int:
    notes = snapshot.notes
    assert notes is not None
    known = notes.num_read - notes.num_later - notes.num_duplicates - notes.num_voided
    num_kept: int = snapshot.statements.num_rows
    return known - num_kept


def _counts(snapshot: ConsentSnapshot) -> list[tuple[str, str | None, int]]:
    """Count statements by status (in the model's order) and expression."""
    from consentfilter.consent.vocabulary import EXPRESSIONS, STATUSES

    grouped = snapshot.statements.select(["status", "expression"]).group_by(
        ["status", "expression"]
    )
    rows = grouped.aggregate([([], "count_all")]).to_pylist()
    found = [(row["status"], row["expression"], row["count_all"]) for row in rows]
    order = [*EXPRESSIONS, None]
    found.sort(key=lambda one: (STATUSES.index(one[0]), order.index(one[1])))
    return found


def _text(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _age(span: dt.timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    days, hours = divmod(hours, 24)
    return f"{days:,} d {hours} h" if days else f"{hours} h {minutes} min"

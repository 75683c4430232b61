"""Verify a release: is it what was signed, and does its evidence hold together?

Two questions, kept apart. The first needs only what is published: signature, index,
bytes, row counts, and the verifier alone answers it. The second needs `private/`:
every ledger row against the data it speaks of, and both roots against the evidence.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from consentfilter import int96
from consentfilter.errors import EvidenceError
from consentfilter.lineage import (
    columns,
    entries,
    evidence,
    evidence_files,
    pages,
    people,
    rows,
    verifier,
)
from consentfilter.lineage.columns import Bytes2D
from consentfilter.lineage.opened import OpenedRelease, refusals
from consentfilter.policy import words

_BATCH_ROWS: Final = 1 << 17
_LEDGER_COLUMNS: Final = (
    "record_id",
    "decision",
    "reason",
    "part",
    "row",
    "out_row",
    "content_sha256",
)
#: What a ledger's decisions are called in the manifest's counts.
_COUNTED: Final = {"keep": "kept", "redact": "redacted", "drop": "dropped"}

Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """What was found; whatever did not hold raised instead.

    Attributes:
        signature: `valid`, `unchecked` (no public key at hand) or `none`.
        evidence: `consistent`, or `absent` where `private/` is not at hand.
        checked: one sentence per thing that was checked.
    """

    signature: Literal["valid", "unchecked", "none"]
    evidence: Literal["consistent", "absent"]
    checked: tuple[str, ...]


def audit(release: OpenedRelease, *, tell: Tell | None = None) -> Audit:
    """Check everything that can be checked without the inputs.

    Args:
        release: as `open_release` returned it (with the public key, if there is one).
        tell: told each sentence as soon as its check is done.

    Raises:
        EvidenceError: something does not hold; all changed files together.
    """
    checked: list[str] = []

    def done(sentence: str) -> None:
        checked.append(sentence)
        if tell is not None:
            tell(sentence)

    done(_about_signature(release))
    with refusals(str(release.root)):
        index = verifier.check_release_files(str(release.root), release.manifest)
    size = sum(line["size"] for line in index)
    done(
        f"{words.counted(len(index), 'published file')}, with the bytes that were "
        f"signed ({size:,} bytes)"
    )
    _check_rows(release.root, index)
    admitted = release.predicate["commitments"]["records"]["entries"]
    done(f"footers that add up to {words.counted(int(admitted), 'row')}")
    named = _check_views(release)
    if named:
        done(f"{', '.join(named)}: made for this manifest (not signed themselves)")
    if release.has_private:
        _audit_private(release, done)
    return Audit(
        signature=release.manifest.signature,
        evidence="consistent" if release.has_private else "absent",
        checked=tuple(checked),
    )


def _audit_private(release: OpenedRelease, done: Tell) -> None:
    with refusals(str(release.root)):
        index = verifier.check_private_files(str(release.root), release.manifest)
    done(f"{words.counted(len(index), 'private file')}, with the bytes signed")
    _check_rows(release.private, index)
    with tempfile.TemporaryDirectory() as scratch:
        _check_ledger(release, Path(scratch))
    read = release.predicate["counts"]["read"]
    done(f"the ledger explains {read} rows, adds up to the signed counts, and fits")
    done("the digest of every admitted row is that of the row in data/")
    done("the ledger gives the signed root of records again")
    _check_set(release, "records", _record_entries)
    _check_set(release, "subjects", _subject_entries)
    _check_people(release)
    done("the evidence gives both signed roots again, and its trees are whole")


def _about_signature(release: OpenedRelease) -> str:
    key = release.manifest.key_id
    return {
        "valid": f"the signature of key {key} is valid",
        "unchecked": f"signed by key {key}; not checked, no public key was given",
        "none": "NOT SIGNED: nobody vouches for this release",
    }[release.manifest.signature]


def _check_rows(root: Path, index: list[dict[str, Any]]) -> None:
    problems = []
    for line in index:
        path = root / line["path"]
        if line["rows"] is None:
            continue
        try:
            found = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowInvalid) as problem:
            problems.append(f"{path}: not a Parquet file ({problem})")
            continue
        if found != line["rows"]:
            problems.append(
                f"{path}: its footer says {found} rows, the index {line['rows']}"
            )
    if problems:
        raise EvidenceError(problems)


def _check_views(release: OpenedRelease) -> list[str]:
    """Return the views that are there; each must name the manifest's digest."""
    found = []
    for name in verifier.VIEW_NAMES:
        path = release.root / name
        if not os.path.lexists(path):
            continue
        with refusals(str(release.root)):
            data = verifier.read_bytes(
                str(release.root), name, verifier.MAX_INDEX_BYTES
            )
        if release.manifest.sha256.encode() not in data:
            raise EvidenceError(
                f"{path}: does not name this manifest, {release.manifest.sha256}; it "
                "was made for another release"
            )
        found.append(name)
    return found


# --- The ledger against the data, the counts and the root of records ----------------


def _check_ledger(release: OpenedRelease, scratch: Path) -> None:
    """Go through every ledger once, beside its data file."""
    key = release.key()
    data_rows = {
        line["path"].removeprefix("data/"): line["rows"]
        for line in release.index()
        if line["path"].startswith("data/")
    }
    parts = release.ledger_parts()
    if set(parts) != set(data_rows):
        odd = sorted(set(parts) ^ set(data_rows))
        raise EvidenceError(
            f"{release.root}: {', '.join(odd)}: has a ledger or data, but not both"
        )
    outcomes: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    bases = []
    for number, part in enumerate(parts):
        bases.append(scratch / str(number))
        with evidence.PartEvidence(bases[-1], key=key, part=part) as again:
            for batch in _checked_ledger(release, part, data_rows[part]):
                again.add(batch, evidence.PEOPLE_SCHEMA.empty_table())
                _count(batch["decision"], outcomes)
                _count(batch["reason"], reasons)
    _check_counts(release, outcomes, reasons)
    made = evidence_files.write_records(
        [f"{base}.records" for base in bases], scratch, workers=1
    )
    if made.root != release.predicate["commitments"]["records"]["root"]:
        raise EvidenceError(
            f"{release.private / 'ledger'}: its rows lead to the root {made.root}, "
            "which is not the signed root of records"
        )


def _checked_ledger(
    release: OpenedRelease, part: str, data_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield a part's ledger; each batch was compared with the data before."""
    where = release.ledger(part)
    found = _data_digests(release.root / "data" / part)
    row = out_row = 0
    with pq.ParquetFile(where) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(_LEDGER_COLUMNS)):
            expected = pa.array(np.arange(row, row + batch.num_rows))
            if not batch["row"].equals(expected):
                raise EvidenceError(f"{where}: its rows are not numbered from 0 on")
            if set(batch["part"].unique().to_pylist()) - {part}:
                raise EvidenceError(f"{where}: has rows of another part")
            admitted = batch.filter(batch["out_row"].is_valid())
            dropped = batch.filter(batch["out_row"].is_null())
            count = admitted.num_rows
            positions = pa.array(np.arange(out_row, out_row + count))
            if not admitted["out_row"].equals(positions) or _is_odd(admitted, dropped):
                raise EvidenceError(
                    f"{where}: around row {row} decisions and positions in the data "
                    "file contradict each other"
                )
            digests = columns.byte_matrix(admitted["content_sha256"])
            _compare(where, digests, found.take(count), out_row)
            row, out_row = row + batch.num_rows, out_row + count
            yield batch
    if out_row != data_rows:
        raise EvidenceError(
            f"{where}: explains {out_row} admitted rows, data/{part} has {data_rows}"
        )


def _is_odd(admitted: pa.RecordBatch, dropped: pa.RecordBatch) -> bool:
    return bool(
        set(admitted["decision"].unique().to_pylist()) - {"keep", "redact"}
        or set(dropped["decision"].unique().to_pylist()) - {"drop"}
        or admitted["content_sha256"].null_count
        or dropped["content_sha256"].null_count != dropped.num_rows
    )


def _compare(where: Path, stated: Bytes2D, found: Bytes2D, first: int) -> None:
    if len(stated) != len(found):
        raise EvidenceError(f"{where}: speaks of more rows than the data file has")
    differs = np.any(stated != found, axis=1)
    if differs.any():
        raise EvidenceError(
            f"{where}: the digest of out_row {first + int(np.argmax(differs))} is not "
            "that of the row in the data file"
        )


class _Digests:
    """Row digests of a data file, taken off in pieces of any size."""

    def __init__(self, batches: Iterator[Bytes2D]) -> None:
        self._batches = batches
        self._rest: Bytes2D = np.empty((0, columns.DIGEST_SIZE), np.uint8)

    def take(self, count: int) -> Bytes2D:
        """Return the next `count` digests, fewer only at the end."""
        pieces, have = [self._rest], len(self._rest)
        while have < count:
            piece = next(self._batches, None)
            if piece is None:
                break
            pieces.append(piece)
            have += len(piece)
        joined = np.concatenate(pieces)
        self._rest = joined[count:]
        return joined[:count]


def _data_digests(path: Path) -> _Digests:
    def batches() -> Iterator[Bytes2D]:
        with int96.open_file(path) as file:
            try:
                for batch in file.iter_batches(_BATCH_ROWS):
                    yield columns.byte_matrix(rows.row_digests(batch))
            except pa.ArrowInvalid as error:
                raise EvidenceError(
                    f"{path}: has the bytes that were signed, but its rows cannot be "
                    f"read ({error})"
                ) from error

    return _Digests(batches())


def _count(values: pa.Array, counter: collections.Counter[str]) -> None:
    for each in values.value_counts().to_pylist():
        counter[each["values"]] += each["counts"]


def _check_counts(
    release: OpenedRelease,
    outcomes: collections.Counter[str],
    reasons: collections.Counter[str],
) -> None:
    counts = release.predicate["counts"]
    problems = [
        f"{release.private / 'ledger'}: has {outcomes[decision]} rows {decision}, "
        f"the manifest says {counts[name]}"
        for decision, name in _COUNTED.items()
        if outcomes[decision] != int(counts[name])
    ]
    signed = {name: int(count) for name, count in counts["byReason"].items()}
    problems += [
        f"{release.private / 'ledger'}: has {reasons[name]} rows {name}, the manifest "
        f"says {signed.get(name, 0)}"
        for name in sorted(set(reasons) | set(signed))
        if reasons[name] != signed.get(name, 0)
    ]
    if problems:
        raise EvidenceError(problems)


# --- The evidence against both roots ------------------------------------------------


def _check_set(
    release: OpenedRelease,
    name: str,
    recomputed: Callable[[pa.Table, bytes], entries.Entries | None],
) -> None:
    """Read a set's entries once, in order, and fold them to the root again."""
    where = release.evidence / f"{name}.parquet"
    signed = release.predicate["commitments"][name]
    depth, count = int(signed["pageBits"]), int(signed["entries"])
    leaves = pages.Leaves(depth)
    key, seen = release.key(), 0
    with pq.ParquetFile(where) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            again = recomputed(table, key)
            matrix = evidence_files.entry_matrix(table)
            if again is not None and not np.array_equal(np.hstack(again), matrix):
                raise EvidenceError(f"{where}: an entry is not that of its fields")
            seen += len(matrix)
            leaves.add(matrix)
    tree = pages.Tree(leaves.close())
    if seen != count or tree.root.hex() != signed["root"]:
        raise EvidenceError(
            f"{where}: its {seen} entries lead to the root {tree.root.hex()}; signed "
            f"are {count} entries and the root {signed['root']}"
        )
    if (release.evidence / f"{name}.tree").read_bytes() != tree.to_bytes():
        raise EvidenceError(
            f"{release.evidence / name}.tree: not the tree of the entries"
        )


def _check_people(release: OpenedRelease) -> None:
    """Compare who is listed with the counts of the subjects, by a sum of heads."""
    listed = counted = total = admitted = 0
    where = release.evidence / "people.parquet"
    with pq.ParquetFile(where) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=["subject_head"]):
            listed += int(batch["subject_head"].to_numpy().sum(dtype=np.uint64))
            total += batch.num_rows
    with pq.ParquetFile(release.evidence / "subjects.parquet") as file:
        names = ["subject_key", "rows_admitted"]
        for batch in file.iter_batches(_BATCH_ROWS, columns=names):
            heads = people.subject_heads(release.key(), batch["subject_key"])
            rows_each = batch["rows_admitted"].to_numpy()
            counted += int((heads * rows_each.astype(np.uint64)).sum(dtype=np.uint64))
            admitted += int(rows_each.sum())
    if total != admitted or (listed - counted) % 2**64:
        raise EvidenceError(
            f"{where}: does not list the {admitted} rows that subjects.parquet counts"
        )


def _record_entries(table: pa.Table, key: bytes) -> entries.Entries | None:
    """Records were recomputed from the ledger already; nothing to do again."""
    return None


def _subject_entries(table: pa.Table, key: bytes) -> entries.Entries:
    paths = table["paths_sha256"].combine_chunks()
    return entries.subject_entries(
        key,
        subject_key=table["subject_key"].combine_chunks(),
        admitted=table["rows_admitted"].to_numpy(),
        dropped=table["rows_dropped"].to_numpy(),
        paths_sha256=columns.byte_matrix(paths),
    )

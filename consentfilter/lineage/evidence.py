"""The evidence of a release: collected part by part, merged into two commitments.

    with PartEvidence(scratch / "part-0", key=key, part="part-0.parquet") as evidence:
        for ledger, people in ...:
            evidence.add(ledger, people)
    commitments = write_evidence([scratch / "part-0", ...], directory, key=key)

Collecting holds one batch in memory, merging one bucket (about a hundred thousand
entries) per worker and 64 bytes per page of 64 entries. The result depends on the
set of entries alone: not on batches, parts, workers or their order.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from consentfilter.errors import InputError
from consentfilter.lineage import columns, entries, evidence_files, people
from consentfilter.lineage.manifest import Commitments, SetCommitment
from consentfilter.lineage.runs import Records, RunWriter
from consentfilter.lineage.verifier import key_commitment

#: One row per (record, person named in it).
PEOPLE_SCHEMA: Final = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),
        pa.field("subject_key", pa.string()),
        pa.field("is_in", pa.bool_(), nullable=False),
    ]
)

_RECORD_SUFFIX: Final = ".records"
_PEOPLE_SUFFIX: Final = ".people"


class PartEvidence:
    """Collects what one part of the release adds to both commitments.

    Writes two scratch files beside each other, `<path>.records` and `<path>.people`.
    They appear when the part is complete; a part that is done again replaces them.
    """

    def __init__(self, path: str | os.PathLike[str], *, key: bytes, part: str) -> None:
        """Start a part.

        Args:
            path: of the scratch files, without suffix; local.
            key: the release key, 32 bytes.
            part: the part's path below `data/` (and below `private/ledger/`).
        """
        self._key = key
        self._part = part
        self._data_path = f"data/{part}"
        base = os.fspath(path)
        self._records = RunWriter(base + _RECORD_SUFFIX, part=part)
        self._people = RunWriter(base + _PEOPLE_SUFFIX, part=part)

    def add(
        self, ledger: pa.Table | pa.RecordBatch, named: pa.Table | pa.RecordBatch
    ) -> None:
        """Add some records of the part, in any order and any number.

        Args:
            ledger: ledger rows (`ledger.LEDGER_SCHEMA`) of these records.
            named: who is named in them (`PEOPLE_SCHEMA`): `row` counts from 0 within
                `ledger`; a null `subject_key` is nobody and left out; `is_in` says
                that something of this person's remains in the release. The same
                person may stand several times in one row.

        Raises:
            InputError: `named` says somebody is in a record that was dropped, or an
                admitted record has no id or no content digest.
        """
        out_row = ledger.column("out_row")
        is_admitted = _flat(out_row.is_valid()).to_numpy(zero_copy_only=False)
        admitted = ledger.select(
            ["record_id", "decision", "reason", "content_sha256", "row", "out_row"]
        )
        if not is_admitted.all():
            admitted = admitted.filter(pa.array(is_admitted))
        self._refuse_nulls(admitted)
        made = entries.record_entries(
            self._key,
            record_id=_flat(admitted.column("record_id")),
            decision=_flat(admitted.column("decision")),
            reason=_flat(admitted.column("reason")),
            content=columns.byte_matrix(_flat(admitted.column("content_sha256"))),
            data_path=self._data_path,
            out_row=_flat(admitted.column("out_row")).to_numpy().astype(np.int64),
        )
        found = np.empty(len(made.path), evidence_files.RECORD)
        columns.put(found, "path", made.path)
        columns.put(found, "value", made.value)
        found["row"] = _flat(admitted.column("row")).to_numpy()
        self._records.add(found)
        paths = np.zeros(len(is_admitted), found.dtype["path"])
        paths[np.flatnonzero(is_admitted)] = found["path"]
        rows = _flat(ledger.column("row")).cast(pa.int64()).to_numpy()
        self._add_people(_occurrences(named), paths, rows, is_admitted)

    def close(self) -> None:
        """Finish the part: both scratch files get their names."""
        self._records.close()
        self._people.close()

    def __enter__(self) -> PartEvidence:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._records.abort()
            self._people.abort()

    def _refuse_nulls(self, admitted: pa.Table | pa.RecordBatch) -> None:
        problems = [
            f"part {self._part}: {admitted.column(name).null_count} admitted records "
            f"have no {name}; every admitted record needs one"
            for name in ("record_id", "decision", "reason", "content_sha256", "row")
            if admitted.column(name).null_count
        ]
        if problems:
            raise InputError(problems)

    def _add_people(
        self,
        named: _Named,
        paths: Records,
        rows: npt.NDArray[np.int64],
        is_admitted: npt.NDArray[np.bool_],
    ) -> None:
        at, is_in = named.row, named.is_in
        if np.any(is_in & ~is_admitted.take(at)):
            raise InputError(
                f"part {self._part}: a person counts as in although the record was "
                "dropped; `is_in` wants an admitted record"
            )
        self._people.add(
            *people.occurrences(
                self._key, named.subject_key, paths.take(at), rows.take(at), is_in
            )
        )


def write_evidence(
    parts: Sequence[str | os.PathLike[str]],
    directory: str | os.PathLike[str],
    *,
    key: bytes,
    scratch: str | os.PathLike[str],
    workers: int = 1,
    note: evidence_files.Note | None = None,
) -> Commitments:
    """Merge the parts' evidence and write the files of `private/evidence/`.

    Args:
        parts: `path` of each `PartEvidence`, in any order.
        directory: local, made if need be; gets `records.parquet`, `records.tree`,
            `subjects.parquet`, `subjects.tree` and `people.parquet`.
        key: the release key.
        scratch: local directory for one more scratch file.
        workers: threads.
        note: told the name of each file that is complete.

    Returns:
        Both roots with their sizes, for the manifest.

    Raises:
        EvidenceError: two admitted records have the same id.
        StorageError: a scratch file is missing, or a file cannot be written.
    """
    bases = sorted(os.fspath(part) for part in parts)
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)

    def write_subjects() -> SetCommitment:
        return evidence_files.write_subjects(
            [base + _PEOPLE_SUFFIX for base in bases],
            target,
            key=key,
            scratch=Path(scratch),
            workers=workers,
            note=note,
        )

    # Each has a thread that writes in order; the other set fills its pauses.
    with ThreadPoolExecutor(1) as pool:
        subjects = pool.submit(write_subjects)
        records = evidence_files.write_records(
            [base + _RECORD_SUFFIX for base in bases],
            target,
            workers=workers,
            note=note,
        )
        return Commitments(key_commitment(key), records, subjects.result())


class _Named(NamedTuple):
    """Who is named where: `PEOPLE_SCHEMA` in columns, without nulls."""

    row: npt.NDArray[np.int32]
    subject_key: pa.Array
    is_in: npt.NDArray[np.bool_]


def _occurrences(named: pa.Table | pa.RecordBatch) -> _Named:
    """Return each (record, person) once; in if any of the mentions is in."""
    if named.column("subject_key").null_count:
        named = named.filter(named.column("subject_key").is_valid())
    found = _columns(named)
    if np.all(found.row[1:] > found.row[:-1]):
        return found
    frame = pl.from_arrow(named)
    assert isinstance(frame, pl.DataFrame)
    grouped = frame.group_by("row", pl.col("subject_key").cast(pl.String))
    return _columns(grouped.agg(pl.col("is_in").any()).to_arrow())


def _columns(named: pa.Table | pa.RecordBatch) -> _Named:
    row, keys, is_in = (
        _flat(named.column(name)) for name in ("row", "subject_key", "is_in")
    )
    return _Named(
        row.to_numpy(),
        keys.cast(pa.large_string()),
        is_in.to_numpy(zero_copy_only=False),
    )


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

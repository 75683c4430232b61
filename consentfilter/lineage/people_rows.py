"""What a person has in a release: their signed counts, and the records themselves."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from consentfilter.errors import EvidenceError
from consentfilter.lineage import entries, lookup, people, verifier
from consentfilter.lineage.opened import OpenedRelease, undamaged
from consentfilter.lineage.proof import prove

_COLUMNS: Final = ("record_id", "decision", "reason", "part", "row", "out_row")


@dataclasses.dataclass(frozen=True, slots=True)
class PersonInRelease:
    """What a release holds of a person.

    Attributes:
        is_known: the person was named in the input, admitted or not.
        rows_admitted: records that something of theirs is in.
        rows_dropped: records that named them, with nothing of theirs in.
        records: one row per admitted record: record_id, decision, reason, part, row,
            out_row; None where `private/` was not asked for them.
    """

    is_known: bool
    rows_admitted: int
    rows_dropped: int
    records: pa.Table


def person_in_release(release: OpenedRelease, subject_key: str) -> PersonInRelease:
    """Look a person up; what is returned was checked against the signed root.

    Raises:
        InputError: `private/` is not at hand.
        EvidenceError: the evidence does not lead to the signed root, or the list of
            records is not the one that the person's entry commits to.
    """
    made = prove(release, "subjects", subject_key)
    if made["kind"] == "out":
        return PersonInRelease(False, 0, 0, _none())
    fields = made["fields"]
    records = ledger_rows(release, records_of_subject(release, subject_key))
    paths = sorted(
        bytes(row[: verifier.PATH_BYTES])
        for row in entries.tokens(
            release.key(), "records", records["record_id"].combine_chunks()
        )
    )
    if hashlib.sha256(b"".join(paths)).hexdigest() != fields["paths_sha256"]:
        raise EvidenceError(
            f"{release.evidence / 'people.parquet'}: lists other records for this "
            "person than the signed entry commits to; `consentfilter verify` says "
            "what was changed"
        )
    return PersonInRelease(
        True, int(fields["rows_admitted"]), int(fields["rows_dropped"]), records
    )


def records_of_subject(release: OpenedRelease, subject_key: str) -> pa.Table:
    """Return where a person is in: `part` and `row` into the ledger.

    The list is by hash of the key, so it may (once in 2^64 pairs of people) hold
    somebody else's rows too; never too few.
    """
    keys = pa.array([subject_key])
    head = int(people.subject_heads(release.key(), keys)[0])
    where = release.evidence / "people.parquet"
    return lookup.read_between(where, "subject_head", head, head).select(
        ["part", "row"]
    )


def ledger_rows(
    release: OpenedRelease,
    places: pa.Table,
    names: tuple[str, ...] = _COLUMNS,
) -> pa.Table:
    """Return the ledger rows at some places, by part and row.

    Args:
        release: with `private/` at hand.
        places: columns `part` and `row`.
        names: which columns of the ledger; reads only row groups that are needed.

    Raises:
        EvidenceError: a place is not in the ledger.
    """
    tables = []
    for part in sorted(set(places["part"].to_pylist())):
        wanted = places.filter(pc.equal(places["part"], part))["row"]
        at = np.sort(wanted.to_numpy())
        where = release.ledger(part)
        with undamaged(where), pq.ParquetFile(where) as file:
            sizes = [
                file.metadata.row_group(group).num_rows
                for group in range(file.num_row_groups)
            ]
            starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            if len(at) and at[-1] >= starts[-1]:
                raise EvidenceError(f"{where}: has no row {at[-1]}")
            bounds = np.searchsorted(at, starts)
            for group in range(len(sizes)):
                rows = at[bounds[group] : bounds[group + 1]]
                if len(rows):
                    table = file.read_row_group(group, columns=list(names))
                    tables.append(table.take(pa.array(rows - starts[group])))
    return pa.concat_tables(tables).select(list(names)) if tables else _none(names)


def _none(names: tuple[str, ...] = _COLUMNS) -> pa.Table:
    from consentfilter.lineage.ledger import LEDGER_SCHEMA

    return LEDGER_SCHEMA.empty_table().select(list(names))

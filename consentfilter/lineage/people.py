"""Who is in a release: occurrences of people, folded into one row per subject.

Occurrences are spread over buckets by the path of the subject's entry, so that a
person's occurrences meet whatever part they come from, and subjects come out in the
order of their entries. What a person is in is also written down in that order
(`people.parquet`), so that a withdrawal finds its records without a scan.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consentfilter.errors import EvidenceError
from consentfilter.kernels.texts import same_texts, taken
from consentfilter.lineage import columns, entries, pages
from consentfilter.lineage.columns import Bytes2D
from consentfilter.lineage.runs import TEXT_SIZE, Bucket, Records
from consentfilter.lineage.verifier import PATH_BYTES

#: An occurrence: the subject's path, the record's path (where `is_in`), the record's
#: row, and the length of the subject key, which is the row's text.
OCCURRENCE: Final = np.dtype(
    [
        ("path", f"V{PATH_BYTES}"),
        ("record_path", f"V{PATH_BYTES}"),
        ("row", "<i8"),
        ("is_in", "?"),
        (TEXT_SIZE, "<u4"),
    ]
)

#: `private/evidence/people.parquet`: one row per person and record they are in, by
#: the first 8 bytes of the person's path, then `part` and `row`; these two point into
#: `private/ledger/`.
PEOPLE_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_head", pa.uint64(), nullable=False),
        pa.field("part", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
)

#: `private/evidence/subjects.parquet`: the entry and the fields of its body.
SUBJECTS_SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.binary(16), nullable=False),
        pa.field("value", pa.binary(32), nullable=False),
        pa.field("subject_key", pa.large_string(), nullable=False),
        pa.field("rows_admitted", pa.int64(), nullable=False),
        pa.field("rows_dropped", pa.int64(), nullable=False),
        pa.field("paths_sha256", pa.binary(32), nullable=False),
    ]
)

_Integers: TypeAlias = npt.NDArray[np.int64]
_Words: TypeAlias = npt.NDArray[np.uint64]


class Folded(NamedTuple):
    """A bucket's people.

    Attributes:
        subjects: one row each (`SUBJECTS_SCHEMA`), sorted by path.
        listing: what they are in (`PEOPLE_SCHEMA`).
    """

    subjects: pa.Table
    listing: pa.Table


def subject_heads(key: bytes, subject_keys: pa.Array) -> npt.NDArray[np.uint64]:
    """Return the first 8 bytes of each subject's path, as one number."""
    return pages.path_heads(entries.tokens(key, "subjects", subject_keys))


def occurrences(
    key: bytes,
    subject_key: pa.Array,
    record_paths: Records,
    rows: _Integers,
    is_in: npt.NDArray[np.bool_],
) -> tuple[Records, pa.Array]:
    """Return occurrences of people and their keys, as `RunWriter.add` takes them.

    Args:
        key: the release key.
        subject_key: text without nulls.
        record_paths: path of the entry of each one's record, where `is_in`
            (16 raw bytes each).
        rows: row of each one's record in its part.
        is_in: whether something of the person's remains in the record.
    """
    texts = subject_key.cast(pa.large_string())
    made = np.zeros(len(texts), OCCURRENCE)
    if not len(texts):
        return made, texts
    token = entries.tokens(key, "subjects", texts)
    columns.put(made, "path", token[:, :PATH_BYTES])
    made["record_path"] = record_paths
    made["row"] = rows
    made["is_in"] = is_in
    ends = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset :][: len(texts) + 1]
    made[TEXT_SIZE] = np.diff(ends)
    return made, texts


def folded(bucket: Bucket, key: bytes, parts: pa.Array) -> Folded:
    """Return the subjects of a bucket, and the list of what they are in.

    Args:
        bucket: all occurrences of these people (`OCCURRENCE`), at least one.
        key: the release key.
        parts: the name of each file's part.

    Raises:
        EvidenceError: two people have one path.
    """
    assert bucket.texts is not None
    paths = columns.field_matrix(bucket.rows, "path")
    row = np.ascontiguousarray(bucket.rows["row"])
    heads, tails = pages.path_heads(paths), pages.path_tails(paths)
    order = pages.sort_order(paths)
    is_new = _starts(heads.take(order), tails.take(order))
    if not _is_in_order(is_new, bucket.file.take(order), row.take(order)):
        order = np.lexsort((row, bucket.file, tails, heads))
    again = np.flatnonzero(~is_new)
    if not same_texts(bucket.texts, order[again], order[again - 1]).all():
        raise EvidenceError("evidence: two people have entries with one path")
    starts = np.flatnonzero(is_new)
    is_in = bucket.rows["is_in"].take(order)
    admitted = np.add.reduceat(is_in.astype(np.int64), starts)
    total = np.diff(np.append(starts, len(order)))
    inside = order[is_in]
    code = (np.cumsum(is_new) - 1)[is_in]
    record_paths = bucket.rows["record_path"].take(inside)
    digests = _paths_sha256(record_paths, code, admitted)
    subject_key = taken(bucket.texts, order.take(starts))
    made = entries.subject_entries(
        key,
        subject_key=subject_key,
        admitted=admitted,
        dropped=total - admitted,
        paths_sha256=digests,
    )
    subjects = [
        columns.fixed_binary(made.path),
        columns.fixed_binary(made.value),
        subject_key,
        pa.array(admitted),
        pa.array(total - admitted),
        columns.fixed_binary(digests),
    ]
    listing = [
        pa.array(heads.take(inside)),
        pa.DictionaryArray.from_arrays(pa.array(bucket.file.take(inside)), parts),
        pa.array(row.take(inside)),
    ]
    return Folded(
        pa.Table.from_arrays(subjects, schema=SUBJECTS_SCHEMA),
        pa.Table.from_arrays(listing, schema=PEOPLE_SCHEMA),
    )


def _starts(heads: _Words, tails: _Words) -> npt.NDArray[np.bool_]:
    """Return where another path begins than in the row before."""
    is_new = np.ones(len(heads), np.bool_)
    is_new[1:] = (heads[1:] != heads[:-1]) | (tails[1:] != tails[:-1])
    return is_new


def _is_in_order(
    is_new: npt.NDArray[np.bool_], file: npt.NDArray[np.int32], row: _Integers
) -> bool:
    """Tell whether the rows of each person ascend by file, then row."""
    is_up = (file[1:] > file[:-1]) | ((file[1:] == file[:-1]) & (row[1:] > row[:-1]))
    return bool(np.all(is_up | is_new[1:]))


def _paths_sha256(paths: Records, code: _Integers, counts: _Integers) -> Bytes2D:
    """Return the SHA-256 of each person's paths, sorted as byte strings.

    Args:
        paths: of records (16 raw bytes each), all of one person together.
        code: per path the person's number, ascending.
        counts: per person, how many paths.
    """
    matrix = paths.view(np.uint8).reshape(-1, PATH_BYTES)
    heads = pages.path_heads(matrix)
    order = pages.packed_order(code.astype(np.uint64), len(counts), heads)
    if order is None:
        order = np.lexsort((pages.path_tails(matrix), heads, code))
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts * PATH_BYTES, out=offsets[1:])
    return columns.sha256_slices(paths.take(order).view(np.uint8), offsets)

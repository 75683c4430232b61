"""Entries of the two authenticated sets, made a whole column at a time.

`t = HMAC-SHA256(K, label ‖ 00 ‖ id)`; its first half is the entry's path, its second
half the salt; `value = SHA-256(salt ‖ body)` with the fields as netstrings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consentfilter.lineage import columns, netstrings
from consentfilter.lineage.columns import Bytes2D
from consentfilter.lineage.verifier import LABELS, PATH_BYTES


class Entries(NamedTuple):
    """Entries in the order of what they were made from.

    Attributes:
        path: shape (n, 16). value: shape (n, 32).
    """

    path: Bytes2D
    value: Bytes2D


def tokens(key: bytes, set_name: str, ids: pa.Array) -> Bytes2D:
    """Return t of each id, shape (n, 32): its path, then its salt."""
    return columns.hmac_sha256_array(key, LABELS[set_name] + b"\x00", ids)


def record_entries(
    key: bytes,
    *,
    record_id: pa.Array,
    decision: pa.Array,
    reason: pa.Array,
    content: Bytes2D,
    data_path: str,
    out_row: npt.NDArray[np.int64],
) -> Entries:
    """Return one entry per admitted record.

    Args:
        key: the release key.
        record_id: text, no nulls; so are the next two, dictionary-encoded or not.
        decision: `keep` or `redact`.
        reason: name of the reason.
        content: row digests, shape (n, 32).
        data_path: path in the release of the data file that holds them all.
        out_row: position of each in that file.
    """
    token = tokens(key, "records", record_id)
    body = [
        record_id,
        decision,
        reason,
        columns.fixed_binary(content),
        pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(record_id), np.int32)), pa.array([data_path])
        ),
        pa.array(out_row),
    ]
    return _entries(token, body)


def subject_entries(
    key: bytes,
    *,
    subject_key: pa.Array,
    admitted: npt.NDArray[np.int64],
    dropped: npt.NDArray[np.int64],
    paths_sha256: Bytes2D,
) -> Entries:
    """Return one entry per subject.

    Args:
        key: the release key.
        subject_key: text, each once, no nulls.
        admitted: number of records the person is in.
        dropped: number of records that name the person, who is not in them.
        paths_sha256: SHA-256 of the sorted paths of the person's admitted records.
    """
    token = tokens(key, "subjects", subject_key)
    body = [
        subject_key,
        pa.array(admitted),
        pa.array(dropped),
        columns.fixed_binary(paths_sha256),
    ]
    return _entries(token, body)


def _entries(token: Bytes2D, body: list[pa.Array]) -> Entries:
    value = netstrings.row_digests(body, len(token), salts=token[:, PATH_BYTES:])
    return Entries(token[:, :PATH_BYTES], value)

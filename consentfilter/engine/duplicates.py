"""Record ids that occur more than once in a run, found in bounded memory.

Every id is hashed to 64 bits while its part is decided; the hashes are sorted in
runs that spill to disk. Equal hashes are only candidates: the ids behind them are
read again and compared exactly, so a hash collision costs time, never a record.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
import threading
from collections.abc import Iterable
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.kernels import strings

#: Hashes held in memory before they are sorted and spilled (8 bytes each).
SPILL_HASHES: Final = 1 << 22
#: How many duplicate ids a message names.
SHOWN_IDS: Final = 5
#: How many rows of a batch are looked at to name duplicate ids.
SHOWN_ROWS: Final = 1_000

#: Sorted hashes, spilled or not.
_Run: TypeAlias = "pathlib.Path | np.ndarray"


def hash_ids(ids: pa.Array) -> np.ndarray:
    """Return a 64-bit hash per non-null id, stable within this process only."""
    present = ids.drop_null() if ids.null_count else ids
    return strings.hashes(present)


class IdHashes:
    """All record ids of a run, as sorted runs of hashes.

    Safe to add to from several threads. The order in which ids are added does not
    matter.
    """

    def __init__(
        self, directory: pathlib.Path, *, spill_hashes: int = SPILL_HASHES
    ) -> None:
        self._directory = directory
        self._spill_hashes = spill_hashes
        self._lock = threading.Lock()
        self._held: list[np.ndarray] = []
        self._held_count = 0
        self._runs: list[pathlib.Path] = []

    def add(self, ids: pa.Array) -> None:
        """Add the ids of a batch; nulls are no ids."""
        hashed = hash_ids(ids)
        with self._lock:
            self._held.append(hashed)
            self._held_count += len(hashed)
            full = self._held if self._held_count >= self._spill_hashes else None
            if full is None:
                return
            self._held, self._held_count = [], 0
            path = self._directory / f"ids-{len(self._runs)}.u64"
            self._runs.append(path)
        _sorted(full).tofile(path)

    def candidates(self, *, workers: int = 1) -> np.ndarray:
        """Return, sorted, the hashes that were added more than once.

        Args:
            workers: how many ranges of hashes are looked at side by side.
        """
        runs: list[_Run] = [*self._runs]
        if self._held_count:
            runs.append(_sorted(self._held))
        total = sum(_size(run) for run in runs)
        if not total:
            return np.empty(0, np.uint64)
        pieces = max(1, -(-total // self._spill_hashes)) * workers
        bounds = np.array([(at << 64) // pieces for at in range(1, pieces)], np.uint64)
        cuts = [_cuts(run, bounds) for run in runs]

        def look(at: int) -> np.ndarray:
            found = [
                _between(run, cut[at], cut[at + 1])
                for run, cut in zip(runs, cuts, strict=True)
            ]
            return _repeated(found)

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(look, range(pieces)))
        return np.concatenate(found)

    def close(self) -> None:
        """Delete what was spilled."""
        for path in self._runs:
            path.unlink(missing_ok=True)
        self._runs = []


def with_hash(ids: pa.Array, candidates: np.ndarray) -> pa.Array:
    """Return the ids whose hash is among the candidates."""
    present = ids.drop_null() if ids.null_count else ids
    return present.filter(pa.array(np.isin(hash_ids(present), candidates)))


def repeated(ids: pa.ChunkedArray) -> pa.Array:
    """Return the distinct ids that stand there more than once."""
    counted = pc.value_counts(ids)
    return counted.field("values").filter(pc.greater(counted.field("counts"), 1))


@dataclasses.dataclass(frozen=True, slots=True)
class Occurrence:
    """Where a candidate id stands: its text, the part's name, the row in the part."""

    record_id: str
    part: str
    row: int


def occurrences(
    ids: pa.Array, candidates: np.ndarray, *, part: str, first_row: int
) -> list[Occurrence]:
    """Return where ids with a candidate hash stand in a batch.

    At most `SHOWN_ROWS` of them: enough to show that and where ids repeat.
    """
    valid = np.asarray(pc.is_valid(ids).to_numpy(zero_copy_only=False))
    hit = np.zeros(len(ids), bool)
    hit[valid] = np.isin(hash_ids(ids), candidates)
    rows = np.flatnonzero(hit)[:SHOWN_ROWS]
    texts = ids.take(pa.array(rows)).to_pylist()
    return [
        Occurrence(text, part, first_row + int(row))
        for text, row in zip(texts, rows, strict=True)
    ]


def confirmed(found: Iterable[Occurrence]) -> dict[str, list[Occurrence]]:
    """Return the ids that really occur more than once, with where they stand."""
    by_id: dict[str, list[Occurrence]] = {}
    for each in found:
        by_id.setdefault(each.record_id, []).append(each)
    return {
        text: sorted(same, key=lambda each: (each.part, each.row))
        for text, same in sorted(by_id.items())
        if len(same) > 1
    }


def describe(repeated_ids: dict[str, list[Occurrence]]) -> list[str]:
    """Return one sentence per duplicate id, for at most `SHOWN_IDS` of them."""
    shown = [
        f"record_id {text!r} occurs more than once: "
        + ", ".join(f"{each.part} row {each.row}" for each in same[:3])
        + (", …" if len(same) > 3 else "")
        + "; ids must be unique within a run: make them so, or say "
        "'on_duplicate: drop' in the policy, which drops all of them"
        for text, same in list(repeated_ids.items())[:SHOWN_IDS]
    ]
    is_more = len(repeated_ids) > SHOWN_IDS
    return [*shown, "more record ids occur more than once"] if is_more else shown


def _size(run: _Run) -> int:
    return run.stat().st_size // 8 if isinstance(run, pathlib.Path) else len(run)


def _cuts(run: _Run, bounds: np.ndarray) -> list[int]:
    """Return where the pieces between bounds start and end."""
    hashes = np.memmap(run, np.uint64, "r") if isinstance(run, pathlib.Path) else run
    return [0, *np.searchsorted(hashes, bounds).tolist(), len(hashes)]


def _between(run: _Run, start: int, end: int) -> np.ndarray:
    """Return hashes of a run; read, as mapped pages would stay in memory."""
    if isinstance(run, pathlib.Path):
        return np.fromfile(run, np.uint64, end - start, offset=8 * start)
    return run[start:end]


def _sorted(pieces: list[np.ndarray]) -> np.ndarray:
    together = np.concatenate(pieces)
    together.sort()
    return together


def _repeated(pieces: list[np.ndarray]) -> np.ndarray:
    together = _sorted(pieces)
    return np.unique(together[1:][together[1:] == together[:-1]])

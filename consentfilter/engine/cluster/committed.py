"""What became of one part, as it travels to the last step: JSON, nothing else."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from consentfilter.engine.shard import ShardRecord
from consentfilter.engine.sink import FileRecord
from consentfilter.engine.tally import Tally
from consentfilter.lineage.manifest import IndexedFile
from consentfilter.reasons import Decision


@dataclasses.dataclass(frozen=True, slots=True)
class DonePart:
    """One finished attempt at a part.

    Attributes:
        attempt: unique name of the attempt; its files bear it until they are
            committed.
        record: what happened to the part.
        source: digest and size of the input part.
    """

    attempt: str
    record: ShardRecord
    source: IndexedFile

    def to_json(self) -> bytes:
        """Return the part as JSON."""
        record = self.record
        said = {
            "attempt": self.attempt,
            "name": record.name,
            "rows": record.rows,
            "admitted_rows": record.admitted_rows,
            "by_reason": [
                [decision.name, reason, rows]
                for (decision, reason), rows in sorted(record.tally.by_reason.items())
            ],
            "by_category": [
                [category, decision.name, rows]
                for (category, decision), rows in sorted(
                    record.tally.by_category.items()
                )
            ],
            "data": _file(record.data),
            "ledger": _file(record.ledger),
            "source": dataclasses.asdict(self.source),
        }
        return json.dumps(said).encode()

    @classmethod
    def from_json(cls, content: bytes) -> DonePart:
        """Return the part that `to_json` wrote."""
        said = json.loads(content)
        tally = Tally(
            {(Decision[d], reason): rows for d, reason, rows in said["by_reason"]},
            {
                (category, Decision[d]): rows
                for category, d, rows in said["by_category"]
            },
        )
        record = ShardRecord(
            said["name"],
            said["rows"],
            said["admitted_rows"],
            tally,
            _read_file(said["data"]),
            _read_file(said["ledger"]),
        )
        return cls(said["attempt"], record, IndexedFile(**said["source"]))


def _file(file: FileRecord | None) -> dict[str, Any] | None:
    return None if file is None else dataclasses.asdict(file)


def _read_file(said: dict[str, Any] | None) -> FileRecord | None:
    return None if said is None else FileRecord(**said)

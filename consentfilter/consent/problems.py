"""What a build has to report: located doubts, and how much was read."""

from __future__ import annotations

import dataclasses

from consentfilter.consent.doubts import SENTENCES


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One doubt about one event.

    Attributes:
        code: a code of `consent.doubts`.
        file: the file it stands in.
        row: its row there, the first is 1.
        event_id: its id, given or derived.
        source_id: its source.
        is_set_aside: it was not used; else it was kept, as wide as it could mean.
    """

    code: str
    file: str
    row: int
    event_id: str
    source_id: str
    is_set_aside: bool

    def __str__(self) -> str:
        """Say what was found, where, and what became of it."""
        said = SENTENCES[self.code][0 if self.is_set_aside else 1]
        said = said or SENTENCES[self.code][1]
        end = "; set aside" if self.is_set_aside else ""
        return (
            f"{self.file}: row {self.row}: event {self.event_id!r} of source "
            f"{self.source_id!r} {said}{end} ({self.code})"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class BuildNotes:
    """What a build saw. Depends on how the files were cut; the snapshot does not.

    Attributes:
        files: the files, in the order read.
        num_read: rows in all files.
        num_later: rows recorded after the cut, so not known.
        num_duplicates: known rows that repeated another one.
        num_voided: events that a `voided` event removed.
        problems: located doubts, at most 1,000 of each code (all are counted in the
            snapshot's `quarantine` and `widened`).
    """

    files: tuple[str, ...]
    num_read: int
    num_later: int
    num_duplicates: int
    num_voided: int
    problems: tuple[Problem, ...]

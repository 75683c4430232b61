"""The meetings of the demo: when, in which account, and who attended."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from consentfilter.demo.cast import Cast
from consentfilter.demo.columns import DAY, instant, numbered
from consentfilter.demo.stories import AS_OF, FIRST_DAY

_MINUTE = 60_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Meetings:
    """Meetings in the order of their start, and one entry per attendance.

    Attributes:
        context_id: one per meeting. account: int. title: int, index of phrase.
        start, length: microseconds. is_announced: bool: the in-meeting notice
            "this meeting may be used to improve our AI" was shown.
        first: int per meeting, plus one: attendances of meeting `m` are
            `first[m] : first[m + 1]`.
        attendee: person per attendance.
    """

    context_id: pa.Array
    account: np.ndarray
    title: np.ndarray
    start: np.ndarray
    length: np.ndarray
    is_announced: np.ndarray
    first: np.ndarray
    attendee: np.ndarray

    def __len__(self) -> int:
        return len(self.account)

    def somebody(self, rng: np.random.Generator, meeting: np.ndarray) -> np.ndarray:
        """Draw one attendee for each of the meetings given."""
        count = self.first[meeting + 1] - self.first[meeting]
        at = (rng.random(len(meeting)) * count).astype(np.int64)
        drawn: np.ndarray = self.attendee[self.first[meeting] + at]
        return drawn


def make_meetings(
    rng: np.random.Generator, cast: Cast, *, meetings: int, titles: int
) -> Meetings:
    """Invent meetings of three to nine people, most of them in office hours."""
    big_enough = np.flatnonzero(np.diff(cast.first_member) >= 3)
    account = rng.choice(big_enough, meetings)
    days = (instant(AS_OF) - instant(FIRST_DAY)) // DAY
    start = np.sort(
        instant(FIRST_DAY)
        + rng.integers(0, days, meetings) * DAY
        + rng.integers(8 * 4, 18 * 4, meetings) * 15 * _MINUTE
    )
    # Invitations: members of the account, and up to two guests; asking somebody
    # twice makes no second attendance.
    members = rng.integers(3, 8, meetings)
    guests = rng.integers(0, 3, meetings)
    of_member = np.repeat(np.arange(meetings), members)
    low = cast.first_member[account[of_member]]
    high = cast.first_member[account[of_member] + 1]
    member = low + (rng.random(len(of_member)) * (high - low)).astype(np.int64)
    of_guest = np.repeat(np.arange(meetings), guests)
    guest = rng.integers(cast.num_members, len(cast), len(of_guest))
    invited = np.concatenate(
        [of_member * len(cast) + member, of_guest * len(cast) + guest]
    )
    attendance = np.unique(invited)
    return Meetings(
        context_id=numbered("meet-", np.arange(meetings), 5),
        account=account,
        title=rng.integers(0, titles, meetings),
        start=start,
        length=rng.integers(15, 75, meetings) * _MINUTE,
        is_announced=rng.random(meetings) < 0.92,
        first=np.searchsorted(attendance // len(cast), np.arange(meetings + 1)),
        attendee=attendance % len(cast),
    )

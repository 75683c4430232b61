"""Who is in the demo: accounts, their members, and guests, each with one story."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.demo import phrases
from consentfilter.demo.columns import DAY, constant, instant, numbered, pick, times
from consentfilter.demo.stories import AS_OF, STORIES

_PLACES: Final = {"US": ("US-CA", "US-NY", "US"), "EU": ("DE", "FR", "IE", "NL")}
_FIRST_USER: Final = 100_000


@dataclasses.dataclass(frozen=True, slots=True)
class Cast:
    """Everybody in the demo; people are numbered, members before guests.

    Attributes:
        account_id: one per account. account_place: its jurisdiction.
        is_eu_account, has_owner_agreed: bool per account.
        ns, id, name, place: one per person.
        account: int, the account a person belongs to; -1 for guests.
        story: int, index into `STORIES`.
        first_member: int per account, plus one: members of account `a` are the
            people `first_member[a] : first_member[a + 1]`.
    """

    account_id: pa.Array
    account_place: pa.Array
    is_eu_account: np.ndarray
    has_owner_agreed: np.ndarray
    ns: pa.Array
    id: pa.Array
    name: pa.Array
    place: pa.Array
    account: np.ndarray
    story: np.ndarray
    birth_day: np.ndarray
    first_member: np.ndarray

    def __len__(self) -> int:
        return len(self.story)

    @property
    def num_members(self) -> int:
        """How many people are members of an account."""
        return int(self.first_member[-1])


def make_cast(
    rng: np.random.Generator, *, accounts: int, members: int, guests: int
) -> Cast:
    """Invent accounts, members and guests, and give each person a story."""
    is_eu_account = np.arange(accounts) % 5 >= 3
    has_owner_agreed = rng.random(accounts) < 0.55
    # The first four accounts cover all combinations, whatever the dice say.
    is_eu_account[:4] = [False, False, True, True]
    has_owner_agreed[:4] = [True, False, True, False]

    account = np.sort(rng.integers(0, accounts, members))
    first_member = np.searchsorted(account, np.arange(accounts + 1))
    is_eu = np.concatenate([is_eu_account[account], rng.random(guests) < 0.4])
    is_eu[:members] |= rng.random(members) < 0.06
    account = np.concatenate([account, np.full(guests, -1)])
    owner = np.where(account < 0, False, has_owner_agreed[account])
    story = _stories(rng, is_guest=account < 0, is_eu=is_eu, has_owner=owner)

    given = rng.integers(0, len(phrases.GIVEN_NAMES), members + guests)
    family = rng.integers(0, len(phrases.FAMILY_NAMES), members + guests)
    name = pc.binary_join_element_wise(
        pick(phrases.GIVEN_NAMES, given), pick(phrases.FAMILY_NAMES, family), " "
    )
    numbers = np.arange(members + guests)
    users = pa.array(numbers + _FIRST_USER).cast(pa.string())
    mails = pc.binary_join_element_wise(
        numbered("guest", numbers - members + 1, 3), pa.scalar("@example.org"), ""
    )
    is_child = np.array([s.age == "child" for s in STORIES])[story]
    age_days = np.where(
        is_child,
        rng.integers(8 * 365, 12 * 365, len(story)),
        rng.integers(20 * 365, 70 * 365, len(story)),
    )
    return Cast(
        account_id=numbered("acct-", np.arange(accounts), 3),
        account_place=_places(rng, is_eu_account),
        is_eu_account=is_eu_account,
        has_owner_agreed=has_owner_agreed,
        ns=pick(("user_id", "email"), (account < 0).astype(int)),
        id=pc.if_else(pa.array(account < 0), mails, users),
        name=name,
        place=_places(rng, is_eu),
        account=account,
        story=story,
        birth_day=instant(AS_OF) // DAY - age_days,
        first_member=first_member,
    )


def _stories(
    rng: np.random.Generator,
    *,
    is_guest: np.ndarray,
    is_eu: np.ndarray,
    has_owner: np.ndarray,
) -> np.ndarray:
    """Draw a story for each person among those that fit, by weight."""
    drawn = np.zeros(len(is_guest), dtype=np.int64)
    kind = is_guest * 4 + is_eu * 2 + has_owner
    for value in np.unique(kind):
        guest, eu, owner = value >= 4, bool(value & 2), bool(value & 1)
        weights = np.array(
            [
                s.weight
                * (s.relation == ("guest" if guest else "member"))
                * (s.region in (None, "EU" if eu else "US"))
                * (guest or s.owner in (None, "agreed" if owner else "silent"))
                for s in STORIES
            ]
        )
        people = np.flatnonzero(kind == value)
        edges = np.cumsum(weights / weights.sum())
        # Evenly spread before shuffling: rare stories occur in a small cast, too.
        even = (np.arange(len(people)) + 0.5) / len(people)
        choices = np.searchsorted(edges, even).clip(max=len(STORIES) - 1)
        drawn[rng.permutation(people)] = choices
    return drawn


def _places(rng: np.random.Generator, is_eu: np.ndarray) -> pa.Array:
    us, eu = _PLACES["US"], _PLACES["EU"]
    at = rng.integers(0, 12, len(is_eu))
    return pick(us + eu, np.where(is_eu, len(us) + at % len(eu), at % len(us)))


def subjects_table(cast: Cast) -> pa.Table:
    """Return the `subjects` side file: birth dates, places, states of accounts."""
    states = ("active", "deleted", "deceased")
    state = np.array([states.index(s.lifecycle) for s in STORIES])[cast.story]
    left_at = np.full(len(cast), instant("2024-01-05"))
    birth = pa.array(cast.birth_day.astype(np.int32), pa.int32()).cast(pa.date32())
    return pa.table(
        {
            "subject_ns": cast.ns,
            "subject_id": cast.id,
            "birth_date": birth,
            "jurisdiction": cast.place,
            "lifecycle": pick(states, state),
            "lifecycle_at": times(left_at, missing=state == 0),
        }
    )


def links_table(cast: Cast) -> tuple[pa.Table, np.ndarray]:
    """Return the identity links, and the member each linked guest really is.

    Returns:
        The `links` side file, and per person the number of the member who is the
        same human being; -1 for everybody else.
    """
    keys = [s.key for s in STORIES]
    twins = np.flatnonzero(cast.story == keys.index("guest_withdrew_elsewhere"))
    withdrew = np.flatnonzero(cast.story == keys.index("withdrew"))
    same_as = np.full(len(cast), -1)
    if len(twins) and len(withdrew):
        same_as[twins] = np.resize(withdrew, len(twins))
    else:
        twins = twins[:0]
    ones, others = pa.array(twins), pa.array(same_as[twins])
    table = pa.table(
        {
            "ns_a": cast.ns.take(ones),
            "id_a": cast.id.take(ones),
            "ns_b": cast.ns.take(others),
            "id_b": cast.id.take(others),
            "source_id": constant("identity_service", len(twins)),
        }
    )
    return table, same_as


def people_table(cast: Cast, same_as: np.ndarray) -> pa.Table:
    """Return who is who: for the reader and the summary, not for the filter."""
    other = pa.array(same_as, mask=same_as < 0)
    return pa.table(
        {
            "subject_ns": cast.ns,
            "subject_id": cast.id,
            "name": cast.name,
            "jurisdiction": cast.place,
            "account_id": cast.account_id.take(
                pa.array(cast.account, mask=cast.account < 0)
            ),
            "same_as": cast.id.take(other),
            "story": pick([s.key for s in STORIES], cast.story),
        }
    )

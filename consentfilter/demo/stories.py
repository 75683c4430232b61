"""The stories people in the demo live: what they did about consent, and when.

A story is data: acts with the window of days in which they happen. Each person of
the dump has exactly one story, so that the summary can say what became of whom.
"""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

#: First and last instant of the demo; the run is "as of" the last.
FIRST_DAY: Final = "2023-06-01"
AS_OF: Final = "2024-02-01T00:00:00Z"


@dataclasses.dataclass(frozen=True, slots=True)
class Act:
    """One consent act, done once by everybody who lives the story.

    Attributes:
        source: the system of record that keeps the act.
        status, expression, actor, terms, purpose, category: as in a consent event.
        window: first and last day (`YYYY-MM-DD`, UTC) on which the act happens.
        data_from: the first day of the data covered; None: from the act on.
        valid_days: how long the permission runs; None: open.
    """

    source: str
    status: str
    window: tuple[str, str]
    expression: str | None = None
    actor: str = "self"
    terms: str | None = None
    purpose: str | None = "improve.train_ai"
    category: str | None = "content"
    data_from: str | None = None
    valid_days: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """What one group of people did, and why the filter should care.

    Attributes:
        key: short name, a value of the `story` column of `people.parquet`.
        who: the group as a reader would call it, a plural.
        why: what follows from the policy of the demo, a clause.
        weight: relative frequency among those who can live it.
        relation: member of an account, or guest in its meetings.
        region: where they live; None: anywhere.
        owner: whether the owner of their account consented for everybody in it.
        age: how old they are.
        lifecycle: the state of their account at the end.
        acts: what they did.
    """

    key: str
    who: str
    why: str
    weight: float
    relation: Literal["member", "guest"] = "member"
    region: Literal["US", "EU"] | None = None
    owner: Literal["agreed", "silent"] | None = None
    age: Literal["adult", "child"] = "adult"
    lifecycle: Literal["active", "deleted", "deceased"] = "active"
    acts: tuple[Act, ...] = ()


_AUGUST = ("2023-08-08", "2023-09-20")
_YES = Act(
    "preference_center", "given", _AUGUST, expression="explicit", terms="2023-08-11"
)
_SWITCH_OFF = Act("preference_center", "withdrawn", ("2023-11-01", "2024-01-20"))

STORIES: Final[tuple[Story, ...]] = (
    Story(
        "agreed",
        "people who switched AI training on themselves",
        "their own consent holds from the click on, where a notice was shown",
        26,
        acts=(_YES,),
    ),
    Story(
        "agreed_with_past",
        "people who switched it on, for their earlier data, too",
        "the consent itself names the earlier data, so that is covered as well",
        3,
        acts=(dataclasses.replace(_YES, data_from=FIRST_DAY),),
    ),
    Story(
        "agreed_late",
        "people who switched it on only in winter",
        "consent does not reach back: what was said before the click stays out",
        5,
        acts=(dataclasses.replace(_YES, window=("2023-12-01", "2024-01-10")),),
    ),
    Story(
        "agreed_before_promise",
        "people who agreed under the March or July terms",
        "those terms carried no promise about training; only the August ones do",
        4,
        owner="silent",
        acts=(
            dataclasses.replace(
                _YES, window=("2023-06-02", "2023-06-20"), terms="2023-03"
            ),
            dataclasses.replace(
                _YES, window=("2023-07-27", "2023-08-05"), terms="2023-07-27"
            ),
        ),
    ),
    Story(
        "box_was_on",
        "people who never touched a box that was on by default",
        "a box that was on by default is nobody's choice",
        12,
        owner="silent",
        acts=(
            Act(
                "client", "given", _AUGUST, expression="default_on", terms="2023-08-07"
            ),
        ),
    ),
    Story(
        "got_it",
        'people who clicked "Got it" on a notice',
        '"Got it" says that a notice was seen, not that anything was agreed to',
        10,
        owner="silent",
        acts=(
            Act("client", "given", _AUGUST, expression="notice", terms="2023-08-07"),
        ),
    ),
    Story(
        "pilot",
        "people who joined a pilot of 60 days",
        "their consent ran out",
        3,
        owner="silent",
        acts=(dataclasses.replace(_YES, valid_days=60),),
    ),
    Story(
        "withdrew",
        "people who agreed and later withdrew",
        "a withdrawal ends the use of everything, earlier data included",
        7,
        acts=(_YES, _SWITCH_OFF),
    ),
    Story(
        "refused",
        "people who refused when they were asked",
        "their own no outranks the yes of an account owner",
        5,
        acts=(Act("preference_center", "refused", _AUGUST),),
    ),
    Story(
        "opted_out",
        "people who opted out of everything with one switch",
        "an opt-out that names no purpose is read as widely as it can be",
        3,
        acts=(
            Act("browser_signal", "opted_out", _AUGUST, purpose=None, category=None),
        ),
    ),
    Story(
        "objected",
        "people who objected in writing (GDPR, Article 21)",
        "an objection stops consent, and legitimate interest for telemetry too",
        4,
        region="EU",
        acts=(
            Act(
                "dsar",
                "objected",
                ("2023-09-01", "2023-12-20"),
                actor="self",
                category="*",
            ),
        ),
    ),
    Story(
        "child_alone",
        "children who agreed by themselves",
        "below the age of consent only a verified guardian can agree",
        3,
        owner="silent",
        age="child",
        acts=(_YES,),
    ),
    Story(
        "child_with_guardian",
        "children whose guardian agreed",
        "a verified guardian may agree for them",
        3,
        age="child",
        acts=(dataclasses.replace(_YES, actor="guardian"),),
    ),
    Story(
        "deleted",
        "people who agreed, then deleted their account",
        "whoever left is out, whatever was agreed before",
        4,
        lifecycle="deleted",
        acts=(_YES,),
    ),
    Story(
        "deceased",
        "people who agreed, and have died since",
        "the policy leaves out people who died",
        1,
        lifecycle="deceased",
        acts=(_YES,),
    ),
    Story(
        "owner_agreed",
        "US members whose account owner agreed for everybody",
        "an account owner may agree for members, outside the EU",
        30,
        region="US",
        owner="agreed",
    ),
    Story(
        "owner_agreed_eu",
        "EU members whose account owner agreed for everybody",
        "in the EU nobody but the person can agree",
        30,
        region="EU",
        owner="agreed",
    ),
    Story(
        "silent",
        "people who were never asked",
        "silence is no consent",
        14,
        owner="silent",
    ),
    Story(
        "guest",
        "guests of a meeting",
        "an account owner cannot consent for guests",
        70,
        relation="guest",
    ),
    Story(
        "guest_agreed",
        "guests who agreed themselves",
        "their own consent counts in anybody's meeting",
        20,
        relation="guest",
        acts=(dataclasses.replace(_YES, source="client", terms="2023-08-07"),),
    ),
    Story(
        "guest_withdrew_elsewhere",
        "guests who agreed, and said no under another identity",
        "a no travels along identity links, a yes does not",
        10,
        relation="guest",
        acts=(dataclasses.replace(_YES, source="client", terms="2023-08-07"),),
    ),
)

BY_KEY: Final[dict[str, Story]] = {story.key: story for story in STORIES}

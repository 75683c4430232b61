"""The library's answer on a world beside the reference's.

The only module here that calls the library, and only through its public functions.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from consentfilter.binding import bind
from consentfilter.consent.load import load_consent
from consentfilter.dataset import Dataset
from consentfilter.decide.redact import redacted_lists
from consentfilter.engine.api import decide
from consentfilter.policy.model import Policy
from consentfilter.reasons import NAME, Decision
from tests.reference.decide import Verdict, decide_world
from tests.reference.tables import (
    dataset_mapping,
    events_table,
    links_table,
    records_table,
    subjects_table,
)

World = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Answer:
    """The library's decision on one record, in the reference's words."""

    decision: str
    reason: str
    rule: str | None
    redacted: tuple[str, ...]
    grant: str | None
    denial: str | None


@dataclasses.dataclass(frozen=True)
class Difference:
    """One record on which the two do not agree."""

    record: int
    what: str
    wanted: str
    found: str

    @property
    def detail(self) -> tuple[str, ...]:
        """What was wanted and found, where that does not name things of one world."""
        return (self.wanted, self.found) if self.what == "decision" else ()

    def __str__(self) -> str:
        return (
            f"record {self.record}: {self.what}: reference says {self.wanted},"
            f" kernel says {self.found}"
        )


def answers(world: World) -> list[Answer]:
    """Return the library's decision on every record of a world."""
    dataset = Dataset.from_dict(dataset_mapping(world))
    policy = Policy.from_dict(world["policy"])
    id_key = world["id_key"].encode() if "id_key" in world else None
    consent = load_consent(
        events_table(world),
        as_of=world["as_of"],
        subjects=subjects_table(world),
        links=links_table(world),
        taxonomy=policy.effective_taxonomy(),
        id_key=id_key,
    )
    records = records_table(world)
    made = decide(records, consent, policy, dataset=dataset, id_key=id_key)
    lists = redacted_lists(bind(records, dataset, id_key=id_key), made).to_pylist()
    return [
        Answer(
            Decision(int(made.decision[at])).name.lower(),
            NAME[int(made.reason[at])],
            made.rule[at].as_py(),
            tuple(sorted(set(lists[at] or ()))),
            made.grant_id[at].as_py(),
            unnumbered(made.denial_id[at].as_py()),
        )
        for at in range(len(made))
    ]


def unnumbered(statement_id: str | None) -> str | None:
    """Return the id of an event; denials that share one are told apart by `#2`."""
    return statement_id and statement_id.partition("#")[0]


def differences(world: World) -> list[Difference]:
    """Return where the library and the reference differ on a world."""
    wanted, found = decide_world(world), answers(world)
    if len(wanted) != len(found):
        return [Difference(-1, "records", str(len(wanted)), str(len(found)))]
    return [
        Difference(at, *difference)
        for at, (w, f) in enumerate(zip(wanted, found, strict=True))
        for difference in between(w, f)
    ]


def between(wanted: Verdict, found: Answer) -> Iterator[tuple[str, str, str]]:
    """Yield what differs on one record: what, the reference's, the library's."""
    if (wanted.decision, wanted.reason) != (found.decision, found.reason):
        yield (
            "decision",
            f"{wanted.decision} {wanted.reason}",
            f"{found.decision} {found.reason}",
        )
        return
    if wanted.redacted != found.redacted:
        yield "redacted", str(wanted.redacted), str(found.redacted)
    # Several rules or statements may give one reason: any of them explains it.
    if found.rule not in wanted.finding.rules:
        yield "rule", str(sorted(map(str, wanted.finding.rules))), str(found.rule)
    if wanted.decision == "keep" and found.grant not in (
        wanted.finding.grants or {None}
    ):
        yield "grant", str(sorted(wanted.finding.grants)), str(found.grant)
    if wanted.finding.denials and found.denial not in wanted.finding.denials:
        yield "denial", str(sorted(wanted.finding.denials)), str(found.denial)


def minimal(world: World, is_wrong: Callable[[World], bool]) -> World:
    """Return a small world of which `is_wrong` still holds, by leaving out parts."""
    small = copy.deepcopy(world)
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for path in list(parts(small)):
            smaller = without(small, path)
            if smaller is not None and is_wrong(smaller):
                small, is_smaller = smaller, True
                break
    return small


Path = tuple[str | int, ...]

#: Without these a world is another one, not a smaller one.
FRAME = (("as_of",), ("columns",), ("collected_as",), ("events",), ("records",))


def parts(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of all that may be left out, the largest parts first."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    children = [(name, child) for name, child in children if name != "columns"]
    for name, _ in reversed(children):
        if (*path, name) not in FRAME:
            yield (*path, name)
    for name, child in children:
        yield from parts(child, (*path, name))


def without(world: World, path: Path) -> World | None:
    """Return a world without one part, or None where the part is not there."""
    smaller = copy.deepcopy(world)
    place: Any = smaller
    try:
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]
    except (KeyError, IndexError):
        return None
    return smaller

"""One decision per record (section 3, `decide` and `decide1`)."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from tests.reference.derive import derive
from tests.reference.ids import closure, subject_key
from tests.reference.law import policy_with_defaults
from tests.reference.person import Finding, judge, united
from tests.reference.record import Record, is_span_valid, standard
from tests.reference.state import Run
from tests.reference.words import CATEGORIES, NEVER_OUTVOTED, PURPOSES, with_parents

World = dict[str, Any]
NOBODY = {"id": None, "key": None, "role": "author", "relation": None}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What one policy, or all of them together, decide for one record.

    Attributes:
        decision: keep, redact or drop.
        finding: the reason, with the rules and statements behind it.
        segments: positions of the segments that go.
        columns: names of the columns that go.
        mentions: positions of the mentions that go.
    """

    decision: str
    finding: Finding
    segments: frozenset[int] = frozenset()
    columns: frozenset[str] = frozenset()
    mentions: frozenset[int] = frozenset()
    redacted: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The reason's name."""
        return self.finding.reason


def drop(reason: str | Finding) -> Verdict:
    """Return a verdict that drops."""
    return Verdict("drop", Finding(reason) if isinstance(reason, str) else reason)


def decide_world(world: World) -> list[Verdict]:
    """Return the verdict on every record of a world, in order.

    A world has `as_of`, `policy`, `events`, and optionally `subjects`, `links`,
    `records` and what binds them (see `standard`).
    """
    policies = world["policy"].get("all_of") or [world["policy"]]
    added = [p["taxonomy"] for p in (world["policy"], *policies) if "taxonomy" in p]
    purposes = PURPOSES.union(*(with_parents(t.get("purposes", ())) for t in added))
    categories = CATEGORIES.union(
        *(with_parents(t.get("categories", ())) for t in added)
    )
    groups = derive(
        world["events"], world["as_of"], purposes=purposes, categories=categories
    )
    subjects = {
        subject_key(s.get("subject_ns"), s["subject_id"]) or "": s
        for s in world.get("subjects", ())
    }
    links = closure(world.get("links", []))
    runs = [
        Run(
            policy_with_defaults(p),
            groups,
            subjects,
            links,
            world["as_of"],
            categories,
        )
        for p in policies
    ]
    records = [standard(r, world) for r in world.get("records", ())]
    count = Counter(r["record_id"] for r in records)
    return [
        drop("RECORD_INVALID")
        if r["record_id"] is not None and count[r["record_id"]] > 1
        else decide(runs, r)
        for r in records
    ]


def decide(runs: list[Run], r: Record) -> Verdict:
    """Return the strictest of what all the policies say, with redactions united."""
    verdicts = [mentioned(run, r, decide1(run, r)) for run in runs]
    for decision in ("drop", "redact", "keep"):
        same = [v for v in verdicts if v.decision == decision]
        if same and decision == "redact" and len(runs) > 1:
            return listed(r, union(runs, r, same))
        if same:
            finding = united(v.finding for v in same)
            return listed(r, dataclasses.replace(same[0], finding=finding))
    raise AssertionError("a run has at least one policy")


def union(runs: list[Run], r: Record, verdicts: list[Verdict]) -> Verdict:
    """Return one redaction that removes everything any of the policies removes."""
    finding = united(v.finding for v in verdicts)
    whole = Verdict(
        "redact",
        finding,
        frozenset[int]().union(*(v.segments for v in verdicts)),
        frozenset[str]().union(*(v.columns for v in verdicts)),
        frozenset[int]().union(*(v.mentions for v in verdicts)),
    )
    least = max(run.policy["multi_subject"]["min_retained"] for run in runs)
    if is_nothing_left(r, whole):
        return drop(finding)
    if r["segments"] and retained(r, whole) < least:
        return drop("BELOW_MIN_RETAINED")
    return whole


def is_nothing_left(r: Record, v: Verdict) -> bool:
    """Tell whether every segment, or without segments every column, goes."""
    if r["segments"]:
        return len(v.segments) == len(r["segments"])
    return bool(r["columns"]) and len(v.columns) == len(r["columns"])


def retained(r: Record, v: Verdict) -> float:
    """Return the share of segments that stay."""
    return (len(r["segments"]) - len(v.segments)) / len(r["segments"])


def listed(r: Record, v: Verdict) -> Verdict:
    """Return the verdict with its redactions by name; what goes anyway is silent."""
    names = [r["segments"][at]["segment_id"] for at in v.segments]
    names += v.columns
    for at in v.mentions:
        mention = r["mentions"][at]
        if mention["column"] not in v.columns and mention["segment"] not in v.segments:
            names.append(f"mention:{mention['id']}")
    return dataclasses.replace(v, redacted=tuple(sorted(set(names))))


def decide1(run: Run, r: Record) -> Verdict:
    """Return what one policy says, before the mentions are looked at."""
    policy = run.policy
    latest = run.as_of + timedelta(seconds=policy["max_skew_s"])
    if r["record_id"] is None or not r["collected_at"] or r["collected_at"] > latest:
        return drop("RECORD_INVALID")
    # Choice: `*` is no category a record can have.
    if any(c not in run.categories for c in (*categories_of(r), *r["stated"])):
        return drop("CATEGORY_UNKNOWN")
    if policy["sources"] is not None and r["source"] not in policy["sources"]:
        return drop("SOURCE_NOT_ALLOWED")
    if r["group_size"] is not None:
        return anonymous(policy["aggregate"], r["group_size"])
    if r["segments"] and policy["multi_subject"]["mode"] == "per_segment":
        return by_segment(run, r)
    if not deciding(run, r) or any(not own(run, s) for s in r["segments"]):
        return drop("SUBJECT_UNKNOWN")
    if policy["on_fail"] == "redact_fields" and r["columns"] and not r["segments"]:
        return by_column(run, r)
    cats = set(categories_of(r))
    finding = permitted(run, r, cats)
    return Verdict("keep", finding) if finding.is_ok else drop(finding)


def categories_of(r: Record) -> Iterator[Any]:
    """Yield every category of a record, its columns, segments and sources."""
    yield r["category"]
    yield from r["derived_from"]
    yield from (segment["category"] for segment in r["segments"])
    yield from (column["category"] for column in r["columns"].values())


def cats(r: Record, part: dict[str, Any]) -> set[str]:
    """Return the categories that a part of a record answers for."""
    return {part["category"], *r["derived_from"]}


def anonymous(aggregate: dict[str, Any], group_size: int) -> Verdict:
    """Return the verdict on a row about a number of people."""
    if not aggregate["allow"]:
        return drop("SUBJECT_UNKNOWN")
    if group_size < aggregate["min_group_size"]:
        return drop("AGGREGATE_TOO_SMALL")
    return Verdict("keep", Finding("OK_ANONYMOUS"))


def own(run: Run, part: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the people of a record or segment whose role decides."""
    roles = run.policy["multi_subject"]["roles"]
    return [p for p in part["people"] if p["role"] in roles]


def deciding(run: Run, r: Record) -> list[dict[str, Any]]:
    """Return the deciding people of a record and of all its segments."""
    return [p for part in (r, *r["segments"]) for p in own(run, part)]


def by_segment(run: Run, r: Record) -> Verdict:
    """Return the verdict on a record that is judged segment by segment."""
    spoken = [
        united(judge(run, r, p, cats(r, s)) for p in own(run, s) or [NOBODY])
        for s in r["segments"]
    ]
    failing = frozenset(at for at, f in enumerate(spoken) if not f.is_ok)
    if len(failing) == len(spoken):
        return drop(united(spoken))
    # Choice: a segment without anybody counts as an unknown person for columns too.
    everybody = own(run, r)
    everybody += [p for s in r["segments"] for p in own(run, s) or [NOBODY]]
    # Choice: a column under `segments.keep` carries nothing of what was said: it is
    # no part of this judgement.
    written = {
        name: united(judge(run, r, p, cats(r, column)) for p in everybody)
        for name, column in r["columns"].items()
        if not column["keep"]
    }
    going = frozenset(
        name for name, found in written.items() if failing or not found.is_ok
    )
    finding = united([*spoken, *written.values()])
    redacted = Verdict("redact", finding, segments=failing, columns=going)
    if not failing and not going:
        return Verdict("keep", finding)
    if retained(r, redacted) < run.policy["multi_subject"]["min_retained"]:
        return drop("BELOW_MIN_RETAINED")
    if any(r["columns"][name]["required"] for name in going):
        return drop(finding)
    return redacted


def by_column(run: Run, r: Record) -> Verdict:
    """Return the verdict on a record whose columns may go one by one."""
    found = {name: permitted(run, r, cats(r, c)) for name, c in r["columns"].items()}
    going = frozenset(name for name, f in found.items() if not f.is_ok)
    finding = united(found.values())
    if not going:
        return Verdict("keep", finding)
    is_required = any(r["columns"][name]["required"] for name in going)
    if is_required or len(going) == len(found):
        return drop(finding)
    return Verdict("redact", finding, columns=going)


def permitted(run: Run, r: Record, cats: set[str]) -> Finding:
    """Return whether the people of a record together permit these categories."""
    persons: dict[Any, list[Finding]] = {}
    for at, p in enumerate(deciding(run, r)):
        who = at if p["key"] is None else p["key"]
        persons.setdefault(who, []).append(judge(run, r, p, cats))
    found = [united(each) for each in persons.values()]
    failing = [f for f in found if not f.is_ok]
    if run.policy["multi_subject"]["mode"] != "quorum" or not failing:
        return united(found)
    reasons = [f.reason for each in persons.values() for f in each]
    if NEVER_OUTVOTED & set(reasons):
        return united(found)
    passing = [f for f in found if f.is_ok]
    if len(passing) / len(found) >= run.policy["multi_subject"]["quorum"]:
        return united(passing)
    rules = frozenset[str | None]([None]).union(*(f.rules for f in failing))
    return Finding("QUORUM_NOT_MET", rules)


def mentioned(run: Run, r: Record, v: Verdict) -> Verdict:
    """Return the verdict after looking at who is named in what is still there."""
    if v.decision == "drop" or r["group_size"] is not None:
        return v
    if run.policy["multi_subject"]["mentions"] != "pseudonymise":
        return v
    refused = {
        at: found
        for at, mention in enumerate(r["mentions"])
        if is_there(r, v, mention)
        and not (found := judge(run, r, mention, mention_cats(r, mention))).is_ok
    }
    broken = frozenset(
        column
        for at in refused
        if (column := r["mentions"][at]["column"]) in r["columns"]
        and not is_span_valid(r["mentions"][at], r["columns"][column]["value"])
    )
    if not refused:
        return v
    earlier = [] if v.decision == "keep" else [v.finding]
    finding = united([*earlier, *refused.values()])
    whole = dataclasses.replace(
        v,
        decision="redact",
        finding=finding,
        columns=v.columns | broken,
        mentions=frozenset(refused),
    )
    # Choice: also here nothing left is dropped.
    is_required = any(r["columns"][name]["required"] for name in broken)
    return drop(finding) if is_required or is_nothing_left(r, whole) else whole


def is_there(r: Record, v: Verdict, mention: dict[str, Any]) -> bool:
    """Tell whether the part that a mention is in stays and is not null."""
    if mention["column"] is not None:
        # Choice: a span in a column that is null in this record counts for nothing.
        return mention["column"] in r["columns"] and mention["column"] not in v.columns
    return mention["segment"] is None or mention["segment"] not in v.segments


def mention_cats(r: Record, mention: dict[str, Any]) -> Iterable[str]:
    """Return the categories a mention is judged for: its column's, else the record's.

    A person mentioned in a segment without a span answers for the record.
    """
    part = r["columns"][mention["column"]] if mention["column"] is not None else r
    return cats(r, part)

"""Runs the cases of `policy test` through the engine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consentfilter.policy import Policy
    from consentfilter.policy.cases import Mismatch, Outcome, Scene


@dataclasses.dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case.

    Attributes:
        name: the case.
        mismatches: records that came out otherwise than expected.
        set_aside: consent events that were not usable, by reason: often the answer
            to why a case fails.
    """

    name: str
    mismatches: tuple[Mismatch, ...]
    set_aside: dict[str, int]

    @property
    def is_passed(self) -> bool:
        """Whether every record came out as expected."""
        return not self.mismatches

    def text(self) -> str:
        """Return the case in words."""
        lines = [f"failed: {self.name}"]
        for one in self.mismatches:
            lines.append(f"  {one.record_id}: wanted {one.wanted}; found {one.found}")
        for reason, count in sorted(self.set_aside.items()):
            events = "event was" if count == 1 else "events were"
            lines.append(f"  {count} consent {events} set aside: {reason}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "name": self.name,
            "isPassed": self.is_passed,
            "mismatches": [
                {"recordId": m.record_id, "wanted": m.wanted, "found": m.found}
                for m in self.mismatches
            ],
            "setAside": self.set_aside,
        }


def run_cases(
    policy: Policy, cases: Path, *, dataset: Path | None = None
) -> tuple[CaseResult, ...]:
    """Decide every case of a file.

    Raises:
        InputError: the file of cases, or a table in it, cannot be used.
        RunRefused: the policy does not fit the consents of a case.
    """
    from consentfilter.errors import InputError
    from consentfilter.policy.cases import compare, read_cases

    decides = policy.without_run_rules()
    results: list[CaseResult] = []
    problems: list[str] = []
    for scene in read_cases(cases):
        try:
            outcomes, set_aside = _decide(scene, decides, dataset)
        except InputError as wrong:
            problems += [
                f"{cases}: case {scene.case.name!r}: {problem}"
                for problem in wrong.problems
            ]
            continue
        mismatches = compare(scene, outcomes)
        results.append(CaseResult(scene.case.name, mismatches, set_aside))
    if problems:
        raise InputError(problems)
    return tuple(results)


def _decide(
    scene: Scene, policy: Policy, dataset: Path | None
) -> tuple[tuple[Outcome, ...], dict[str, int]]:
    from consentfilter.engine.api import filter_table
    from consentfilter.engine.prepare import load_deciders
    from consentfilter.policy.cases import outcomes_of

    deciders = load_deciders(
        scene.consents,
        policy,
        dataset=dataset,
        as_of=scene.as_of,
        subjects=scene.subjects,
        links=scene.links,
    )
    _, ledger = filter_table(
        scene.records,
        deciders.consent,
        policy,
        dataset=deciders.dataset,
        release_key=bytes(32),  # nothing of the case leaves this process
    )
    columns = ledger.select(["decision", "reason", "rule", "redacted"]).to_pydict()
    set_aside = deciders.consent.snapshot.meta.quarantine
    return outcomes_of(columns), {k: n for k, n in set_aside.items() if n}

"""What holds on every world: agreement with the reference, order, monotonicity."""

from __future__ import annotations

import copy
import os
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentfilter.reasons import FAIL_REASONS, KEEP_REASONS
from tests.reference.build import AS_OF, Engine
from tests.reference.compare import answers, differences
from tests.reference.decide import decide_world
from tests.reference.words import GRANTS
from tests.reference.worldfile import dumps, loads
from tests.strategies import THEMES, make_world, worlds

World = dict[str, Any]

#: Records compared in one run of the tests, over all shares; `make fuzz` sets more.
EXAMPLES = int(os.environ.get("CONSENTFILTER_FUZZ_EXAMPLES", "24000"))
SHARES = 8
RECORDS = 25

SOME = settings(max_examples=25)


@pytest.mark.parametrize("share", range(SHARES))
def test_kernel_agrees_with_the_reference(share: int) -> None:
    count = max(1, EXAMPLES // RECORDS // SHARES)
    for seed in range(share * count, (share + 1) * count):
        found = differences(make_world(random.Random(seed)))
        assert not found, f"seed {seed}: " + "; ".join(map(str, found))


@pytest.mark.parametrize("theme", THEMES)
def test_kernel_agrees_with_the_reference_on_one_theme(theme: str) -> None:
    for seed in range(4):
        made = make_world(random.Random(f"{theme} {seed}"), frozenset([theme]))
        found = differences(made)
        assert not found, f"{theme} {seed}: " + "; ".join(map(str, found))


@SOME
@given(worlds())
def test_kernel_agrees_with_the_reference_on_small_worlds(made: World) -> None:
    assert not differences(made), dumps(made)


def test_every_reason_occurs_in_the_worlds_by_chance() -> None:
    counts: Counter[str] = Counter()
    for seed in range(400):
        counts.update(v.reason for v in decide_world(make_world(random.Random(seed))))
    rare = {r: counts[r] for r in (*FAIL_REASONS, *KEEP_REASONS) if counts[r] < 10}
    assert not rare


def test_worlds_survive_being_written() -> None:
    for seed in range(20):
        made = make_world(random.Random(seed))
        assert decide_world(loads(dumps(made))) == decide_world(made)


# -- nothing is admitted without a reason that names what permits it ----------------


@SOME
@given(worlds())
def test_nothing_is_admitted_without_a_grant_or_a_rule(made: World) -> None:
    for answer in answers(made):
        if answer.reason in ("OK_CONSENT", "OK_GUARDIAN", "OK_ON_BEHALF"):
            assert answer.grant is not None
            assert answer.rule is not None
        if answer.reason in ("OK_EXEMPT", "OK_LEGAL_BASIS"):
            assert answer.rule is not None
        assert (answer.decision == "keep") == answer.reason.startswith("OK_")
        assert bool(answer.redacted) == (answer.decision == "redact")


def test_empty_ledger_admits_nothing_that_needs_consent() -> None:
    for seed in range(40):
        made = make_world(random.Random(seed)) | {"events": []}
        for answer in answers(made):
            assert answer.reason not in ("OK_CONSENT", "OK_GUARDIAN", "OK_ON_BEHALF")


# -- neither order nor repetition nor batches change anything -----------------------


@SOME
@given(worlds(), st.randoms(use_true_random=False))
def test_order_and_repetition_of_events_do_not_matter(
    made: World, rng: random.Random
) -> None:
    before = answers(made)
    events = copy.deepcopy(made["events"])
    events += copy.deepcopy(rng.sample(events, min(3, len(events))))
    rng.shuffle(events)
    assert answers(made | {"events": events}) == before


@SOME
@given(worlds(), st.randoms(use_true_random=False))
def test_order_and_batches_of_records_do_not_matter(
    made: World, rng: random.Random
) -> None:
    before = dict(zip(map(id, made["records"]), answers(made), strict=True))
    ids = Counter(str(r["record_id"]) for r in made["records"])
    records = [r for r in made["records"] if ids[str(r["record_id"])] == 1]
    rng.shuffle(records)
    cut = rng.randrange(len(records) + 1)
    for part in filter(None, (records[:cut], records[cut:])):
        found = answers(made | {"records": part})
        assert found == [before[id(r)] for r in part]


@SOME
@given(worlds())
def test_what_is_recorded_after_the_run_does_not_matter(made: World) -> None:
    known = [e for e in made["events"] if e["recorded_at"] <= made["as_of"]]
    assert answers(made | {"events": known}) == answers(made)


# -- a grant less or a denial more never admits more ---------------------------------
#
# As far as that is true. It is not, and should not be, in these places:
# - With `later_explicit_lifts`, a new opt-out takes the place of an older objection of
#   its group, and an opt-out can be lifted where an objection cannot. So the denial
#   that is added here is never an opt-out.
# - A grant displaces the earlier ones of its group. Where it is narrower than they are
#   (a window that is over, `expressed` where only an explicit one lifts a signal),
#   they stand again without it. So windows and signals are left out where one grant
#   is removed; all the grants of a group can be removed whatever they say,
# - but not with `conflict: latest`, where a newer grant hides another group's.
# - An event without a `source_seq` makes its group fall back to the clock; adding or
#   removing the only one reorders ties. So the added one has a number, and sequences
#   are left out where one is removed.

RANK = {"drop": 0, "redact": 1, "keep": 2}
WINDOWS = ("valid_from", "valid_until", "data_from", "data_until")

Admitted = tuple[str, frozenset[str]]


def admitted(engine: Engine, made: World) -> list[Admitted]:
    """Return per record the decision and what goes."""
    found = decide_world(made) if engine == "reference" else answers(made)
    return [(one.decision, frozenset(one.redacted)) for one in found]


def is_wider(after: Admitted, before: Admitted) -> bool:
    """Tell whether more of a record is admitted than before."""
    if after[0] != before[0]:
        return RANK[after[0]] > RANK[before[0]]
    # A mention is not listed any more once its column goes as a whole.
    back = {name for name in before[1] - after[1] if not name.startswith("mention:")}
    has_new_column = any(not name.startswith("mention:") for name in after[1])
    return bool(back) or (bool(before[1] - after[1]) and not has_new_column)


def widened(engine: Engine, before: World, after: World) -> list[int]:
    """Return the records of which more is admitted than before."""
    pairs = zip(admitted(engine, after), admitted(engine, before), strict=True)
    return [at for at, (new, old) in enumerate(pairs) if is_wider(new, old)]


def without_themes(*themes: str) -> st.SearchStrategy[World]:
    """Return worlds in which some themes stay plain."""
    rest = sorted(set(THEMES) - set(themes))
    some = st.lists(st.sampled_from(rest), min_size=3, max_size=8)
    return some.flatmap(lambda chosen: worlds(frozenset(chosen)))


engines = pytest.mark.parametrize("engine", ["reference", "kernel"])


@engines
@SOME
@given(worlds(), st.randoms(use_true_random=False))
def test_one_denial_more_never_admits_more(
    engine: Engine, made: World, rng: random.Random
) -> None:
    nobody_yet = {"source_id": "cmp", "subject_id": "u0", "occurred_at": AS_OF}
    twin = rng.choice(made["events"] or [nobody_yet])
    names = ["source_id", "subject_ns", "subject_id"]
    names += ["account_id", "context_id", "asset_id"]
    denial = {
        **{name: twin.get(name) for name in names},
        "event_id": "one more",
        "status": rng.choice(["refused", "withdrawn", "objected", "revoked"]),
        "purpose": rng.choice([None, "improve.train_ai", "*"]),
        "category": rng.choice([None, "content.chat", "content"]),
        "occurred_at": twin.get("occurred_at") or AS_OF,
        "recorded_at": AS_OF,
        "actor_type": "self",
        "source_seq": 99 if any("source_seq" in e for e in made["events"]) else None,
    }
    after = made | {"events": [*made["events"], denial]}
    assert not widened(engine, made, after)


@engines
@SOME
@given(without_themes("signals", "sequences"), st.randoms(use_true_random=False))
def test_one_grant_less_never_admits_more(
    engine: Engine, made: World, rng: random.Random
) -> None:
    bare = [{k: v for k, v in e.items() if k not in WINDOWS} for e in made["events"]]
    grants = {e["event_id"] for e in bare if e["status"] in GRANTS}
    if grants:
        gone = rng.choice(sorted(grants))
        left = [e for e in bare if e["event_id"] != gone or e["status"] not in GRANTS]
        assert not widened(engine, made | {"events": bare}, made | {"events": left})


@engines
@SOME
@given(without_themes("conflict", "sequences"), st.randoms(use_true_random=False))
def test_no_grants_of_one_source_never_admit_more(
    engine: Engine, made: World, rng: random.Random
) -> None:
    source = rng.choice(["cmp", "crm"])
    left = [
        e
        for e in made["events"]
        if e["source_id"] != source or e["status"] not in GRANTS
    ]
    assert not widened(engine, made, made | {"events": left})

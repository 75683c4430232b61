"""Search for a world on which the library and the reference differ.

`python -m tests.fuzz --seconds 60` or `--examples 100000` (records) prints how often
each reason occurred. On a difference it prints the seed and the smallest world that
still shows it, as JSON, and exits with 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from consentfilter.errors import ConsentFilterError
from consentfilter.reasons import FAIL_REASONS, KEEP_REASONS
from tests.reference.compare import differences, minimal
from tests.reference.decide import decide_world
from tests.reference.worldfile import dumps, loads
from tests.strategies import make_world

World = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare worlds until the time or the number of records is used up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--examples", type=int, default=None, help="records")
    parser.add_argument("--seed", type=int, default=None, help="of the first world")
    parser.add_argument("--world", default=None, help="a JSON file to run again")
    options = parser.parse_args(arguments)
    if options.world is not None:
        with open(options.world, encoding="utf-8") as file:
            return report(loads(file.read()), seed=None)
    first = random.randrange(10**9) if options.seed is None else options.seed
    seconds = 60.0 if options.seconds is options.examples is None else options.seconds
    print(f"first seed: {first}")
    started, records, seed = time.monotonic(), 0, first
    counts: Counter[str] = Counter()
    while (seconds is None or time.monotonic() - started < seconds) and (
        options.examples is None or records < options.examples
    ):
        made = make_world(random.Random(seed))
        if signs(made):
            return report(made, seed=seed)
        verdicts = decide_world(made)
        counts.update(f"{v.decision} {v.reason}" for v in verdicts)
        records, seed = records + len(verdicts), seed + 1
    spent = time.monotonic() - started
    print(f"{records} records in {seed - first} worlds agree ({spent:.0f} s)")
    for name, count in distribution(counts):
        print(f"{count:8}  {name}")
    return 0


#: What a fault in the library may raise on a world that is well formed.
FAULTS: Final = (
    ConsentFilterError,
    pa.ArrowException,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def signs(world: World) -> frozenset[tuple[str, ...]]:
    """Return the kinds of difference on a world; empty where the two agree."""
    try:
        found = differences(world)
    except FAULTS as fault:
        return frozenset([("raises", type(fault).__name__)])
    return frozenset((d.what, *d.detail) for d in found)


def report(world: World, *, seed: int | None) -> int:
    """Print the smallest world that shows a difference, and what it is."""
    wanted = signs(world)
    if not wanted:
        print("no difference")
        return 0
    if seed is not None:
        print(f"seed {seed} differs", file=sys.stderr)
        sign = min(wanted)
        world = minimal(world, lambda smaller: is_world(smaller, sign))
    print(dumps(world))
    for difference in differences(world):
        print(difference, file=sys.stderr)
    return 1


def is_world(world: World, sign: tuple[str, ...]) -> bool:
    """Tell whether a smaller world is one at all, and still shows a difference."""
    try:
        decide_world(world)
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
    return sign in signs(world)


def distribution(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return how often each decision and reason occurred, in the closed order."""
    order = [*FAIL_REASONS, *KEEP_REASONS]

    def place(one: tuple[str, int]) -> tuple[str, int]:
        decision, reason = one[0].split()
        return decision, order.index(reason)

    return sorted(counts.items(), key=place)


if __name__ == "__main__":
    sys.exit(main())

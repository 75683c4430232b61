"""Several values behind one option mean what a reader of the help expects."""

from __future__ import annotations

import pytest

from consentfilter.cli.arguments import spelled_out


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (
            "filter d --consent a b --policy p",
            "filter d --consent a --consent b --policy p",
        ),
        ("filter d e --consent a", "filter d e --consent a"),
        ("filter --consent a d e --policy p", "filter --consent a d e --policy p"),
        (
            "filter --policy p d --consent a b",
            "filter --policy p d --consent a --consent b",
        ),
        ("filter --json --consent a d", "filter --json --consent a d"),
        ("filter d --consent=a b", "filter d --consent=a b"),
        (
            "verify r --replay --records a b --consent c d",
            "verify r --replay --records a --records b --consent c --consent d",
        ),
        (
            "recheck r --consent a b --out o",
            "recheck r --consent a --consent b --out o",
        ),
        ("filter d --consent", "filter d --consent"),
        ("--version", "--version"),
    ],
)
def test_values_up_to_the_next_option_belong_to_it(given, meant):
    assert spelled_out(given.split()) == meant.split()

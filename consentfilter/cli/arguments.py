"""Options that take several values: `--consent a.parquet b.parquet`.

The parser behind typer knows an option with one value only, to be repeated. People
and scripts write the values behind each other, so they are spelled out before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: Options that take all values up to the next option.
SEVERAL: Final = ("--consent", "--records")
#: Options without a value.
FLAGS: Final = frozenset(
    {"--dry-run", "--help", "--json", "--open", "--quiet", "--replay", "--resume"}
    | {"--compact", "--unsigned", "--version"}
)


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """Repeat an option that takes several values before each of them.

    Values that follow such an option belong to it if the command's own arguments
    came before it; otherwise only the first does, and the others are the command's.

    >>> spelled_out(["filter", "dump", "--consent", "a", "b", "--json"])
    ['filter', 'dump', '--consent', 'a', '--consent', 'b', '--json']
    >>> spelled_out(["filter", "--consent", "a", "dump", "--json"])
    ['filter', '--consent', 'a', 'dump', '--json']
    """
    given = list(arguments)
    result: list[str] = []
    own = 0
    at = 0
    while at < len(given):
        word = given[at]
        result.append(word)
        at += 1
        if not _is_option(word):
            own += 1
            continue
        if word in FLAGS or "=" in word or at == len(given):
            continue
        result.append(given[at])
        at += 1
        # The first word is the command's name.
        while word in SEVERAL and own > 1 and at < len(given):
            if _is_option(given[at]):
                break
            result += [word, given[at]]
            at += 1
    return result


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"

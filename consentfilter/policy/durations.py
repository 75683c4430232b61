"""ISO 8601 durations of fixed length: `P1D`, `PT24H`, `P1DT12H30M`, `PT90S`.

Years and months are refused: they have no fixed length, and a freshness limit
that depends on the calendar is not one. Weeks (`P2W`) are seven days each.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from consentfilter.policy.checks import refusal
from consentfilter.yamlfile import show

_PATTERN: Final = re.compile(
    r"P(?:(?P<weeks>\d{1,6})W"
    r"|(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,9})S)?)?)",
    re.ASCII,
)


def parse(value: object) -> timedelta:
    """Read a duration.

    >>> parse("PT24H")
    datetime.timedelta(days=1)

    Raises:
        PydanticCustomError: finding E107: the text is not a duration of fixed length
            above zero.
    """
    if isinstance(value, timedelta):
        length = value
    else:
        match = _PATTERN.fullmatch(value) if isinstance(value, str) else None
        parts = {k: int(v) for k, v in match.groupdict().items() if v} if match else {}
        length = timedelta(**parts)
    if length <= timedelta(0):
        raise refusal(
            "E107",
            f"found {show(value)}, wanted a duration above zero such as PT24H, PT30M"
            " or P1D (years and months have no fixed length)",
        )
    return length


def render(length: timedelta) -> str:
    """Write a duration the one way this package writes it.

    >>> render(timedelta(hours=36))
    'P1DT12H'
    """
    seconds = length.days * 86_400 + length.seconds
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    clock = "".join(
        f"{number}{unit}"
        for number, unit in ((hours, "H"), (minutes, "M"), (rest, "S"))
        if number
    )
    return "P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "")

"""Calendar arithmetic over columns: months after an instant, birthdays."""

from __future__ import annotations

from typing import Final

import numpy as np

from consentfilter.decide.ragged import FAR

_DAY_US: Final = 86_400_000_000


def add_months(instants: np.ndarray, months: int) -> np.ndarray:
    """Return each instant some calendar months later, at the same time of day.

    A day that the month does not have becomes its last day (31 January plus one
    month is 28 or 29 February).

    Args:
        instants: int64 microseconds since 1970 UTC.
        months: calendar months to add.
    """
    days = instants // _DAY_US
    time_of_day = instants - days * _DAY_US
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    day = (dates - month).astype(np.int64)
    later = month + months
    length = ((later + 1).astype("datetime64[D]") - later).astype(np.int64)
    start = later.astype("datetime64[D]").astype(np.int64)
    return (start + np.minimum(day, length - 1)) * _DAY_US + time_of_day


def birthday(born: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Return 00:00 UTC of the birthday on which each person reaches an age.

    Somebody born on 29 February has it on 1 March in other years.

    Args:
        born: days since 1970, `FAR` where unknown.
        age: full years; negative where ages do not matter.

    Returns:
        int64 microseconds since 1970 UTC, `FAR` where unknown.
    """
    known = (born != FAR) & (age >= 0)
    dates = np.where(known, born, 0).astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    day = (dates - month).astype(np.int64)
    later = month + np.where(known, age, 0) * 12
    # One day more than a short February has is the first of March.
    days = later.astype("datetime64[D]").astype(np.int64) + day
    return np.where(known, days * _DAY_US, FAR)

"""Calendar arithmetic agrees with the calendar."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.decide.calendar import add_months, birthday
from consentfilter.decide.ragged import FAR

EPOCH = dt.datetime(1970, 1, 1)


def microseconds(moment: dt.datetime) -> int:
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2024-01-31T08:30:00", 1, "2024-02-29T08:30:00"),
        ("2023-01-31T08:30:00", 1, "2023-02-28T08:30:00"),
        ("2023-12-15T00:00:00", 13, "2025-01-15T00:00:00"),
        ("2024-02-29T23:59:59.999999", 12, "2025-02-28T23:59:59.999999"),
        ("1969-12-31T12:00:00", 2, "1970-02-28T12:00:00"),
    ],
)
def test_months_are_calendar_months_and_short_ones_end_early(start, months, end):
    instants = np.array([microseconds(dt.datetime.fromisoformat(start))])
    assert add_months(instants, months).tolist() == [
        microseconds(dt.datetime.fromisoformat(end))
    ]


@given(
    st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2200, 1, 1)), st.integers(1, 99)
)
def test_adding_months_keeps_the_time_of_day_and_never_leaves_the_month(start, months):
    later = EPOCH + dt.timedelta(
        microseconds=int(add_months(np.array([microseconds(start)]), months)[0])
    )
    assert later.time() == start.time()
    ahead = (later.year - start.year) * 12 + later.month - start.month
    assert ahead == months
    assert later.day == start.day or (later + dt.timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("born", "age", "day"),
    [
        ("2010-05-17", 16, "2026-05-17"),
        ("2008-02-29", 16, "2024-02-29"),
        ("2008-02-29", 18, "2026-03-01"),
    ],
)
def test_a_birthday_starts_at_midnight_utc(born, age, day):
    days = np.array([(dt.date.fromisoformat(born) - EPOCH.date()).days])
    expected = microseconds(dt.datetime.fromisoformat(day))
    assert birthday(days, np.array([age])).tolist() == [expected]


def test_an_unknown_birth_date_or_no_age_gives_no_birthday():
    assert birthday(np.array([FAR, 0]), np.array([16, -1])).tolist() == [FAR, FAR]

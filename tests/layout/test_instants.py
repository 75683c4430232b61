"""Collection times: what is an instant, which one, and what is none."""

from __future__ import annotations

import datetime as dt
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.layout.instants import MAX_US, MIN_US, to_instants

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def us(text: str) -> int:
    return (dt.datetime.fromisoformat(text) - EPOCH) // dt.timedelta(microseconds=1)


def instants(values: pa.Array, zone: str | None = None) -> list[int | None]:
    micros, is_valid = to_instants(values, zone)
    assert micros.dtype == "int64"
    assert is_valid.dtype == bool
    assert not micros[~is_valid].any(), "0 where there is no instant"
    return [
        int(m) if ok else None
        for m, ok in zip(micros.tolist(), is_valid.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00+00:00"),
        ("2024-05-01t12:00:00z", "2024-05-01T12:00:00+00:00"),
        ("2024-05-01 12:00:00Z", "2024-05-01T12:00:00+00:00"),
        (" 2024-05-01T12:00:00Z\n", "2024-05-01T12:00:00+00:00"),
        ("2024-05-01T12:00:00+05:30", "2024-05-01T06:30:00+00:00"),
        ("2024-05-01T12:00:00+0530", "2024-05-01T06:30:00+00:00"),
        ("2024-05-01T12:00:00+05", "2024-05-01T07:00:00+00:00"),
        ("2024-05-01T12:00:00-05", "2024-05-01T17:00:00+00:00"),
        ("2024-05-01T12:00:00-05-05", None),
        ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00+00:00"),
        ("2024-05-01T12:00:00-00:00", "2024-05-01T12:00:00+00:00"),
        ("2024-05-01T12:00:00.5Z", "2024-05-01T12:00:00.5+00:00"),
        ("2024-05-01T12:00:00.000001Z", "2024-05-01T12:00:00.000001+00:00"),
        ("2024-05-01T12:00:00.1234567Z", "2024-05-01T12:00:00.123456+00:00"),
        ("2024-05-01T12:00:00.123456789+00:00", "2024-05-01T12:00:00.123456+00:00"),
        ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
        ("2023-02-29T00:00:00Z", None),
        ("1900-02-29T00:00:00Z", None),
        ("2024-04-31T00:00:00Z", None),
        ("2024-00-01T00:00:00Z", None),
        ("2024-13-01T00:00:00Z", None),
        ("2024-01-00T00:00:00Z", None),
        ("2024-01-01T24:00:00Z", None),
        ("2024-01-01T00:60:00Z", None),
        ("2024-01-01T00:00:61Z", None),
        ("2024-01-01T00:00:00+24:00", None),
        ("2024-01-01T00:00:00+01:60", None),
        ("2024-01-01T00:00:00", None),
        ("2024-01-01T00:00:00.5", None),
        ("2024-01-01T00:00:00.Z", None),
        ("2024-01-01T00:00:00,5Z", None),
        ("2024-01-01T00:00:00.12345678xZ", None),
        ("2024-01-01T00:00Z", None),
        ("2024-01-01", None),
        ("2024-1-01T00:00:00Z", None),
        ("2024/01/01T00:00:00Z", None),
        ("24-01-01T00:00:00.000Z", None),
        ("2024-01-01_00:00:00Z", None),
        ("2024-01-01T00.00.00Z", None),
        ("2024-01-01T00:00:00 Z", None),
        ("２０２４-01-01T00:00:00Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("1714564800", None),
        ("", None),
        ("now", None),
        ("2024-01-01T00:00:00." + "1" * 60 + "Z", None),
    ],
)
def test_text_is_an_instant_only_with_an_offset(
    text: str, expected: str | None
) -> None:
    wanted = None if expected is None else us(expected)
    assert instants(pa.array([text])) == [wanted]
    # The neighbours of a text in its buffer do not matter.
    assert instants(pa.array(["x", None, text, "2024-01-01T00:00:00Z"])[2:3]) == [
        wanted
    ]


OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))
)


@given(
    st.lists(
        st.datetimes(
            dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=OFFSETS
        ),
        max_size=8,
    ),
    st.sampled_from("Tt "),
)
def test_every_instant_parses_as_the_standard_library_says(
    times: list[dt.datetime], separator: str
) -> None:
    texts = [time.isoformat(sep=separator) for time in times]
    assert instants(pa.array(texts, pa.string())) == [us(text) for text in texts]


@given(st.lists(st.text("0123456789-+:.TZtz /", max_size=32), max_size=6))
def test_no_text_is_an_instant_unless_it_is_rfc_3339(texts: list[str]) -> None:
    pattern = re.compile(
        r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d(:?\d\d)?)"
    )
    for text, found in zip(texts, instants(pa.array(texts, pa.string())), strict=True):
        assert found is None or pattern.fullmatch(text.strip())


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_every_unit_are_instants(unit: str) -> None:
    time = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    values = pa.array([time, None, EPOCH], pa.timestamp(unit, "Europe/Berlin"))
    assert instants(values) == [us("2024-05-01T12:00:00+00:00"), None, 0]
    assert instants(values[1:]) == [None, 0]


def test_nanoseconds_are_floored_before_and_after_the_epoch() -> None:
    values = pa.array([1_999, -1, -1_000, -1_001], pa.timestamp("ns", "UTC"))
    assert instants(values) == [1, -1, -1, -2]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("raw", [2**63 - 1, -(2**63)])
def test_timestamps_beyond_year_9999_are_no_instants(unit: str, raw: int) -> None:
    values = pa.array([raw], pa.int64()).cast(pa.timestamp(unit, "UTC"))
    assert instants(values) == [None]


def test_the_years_1_and_9999_are_the_bounds() -> None:
    raw = [MIN_US - 1, MIN_US, MAX_US, MAX_US + 1]
    values = pa.array(raw, pa.int64()).cast(pa.timestamp("us", "UTC"))
    assert instants(values) == [None, MIN_US, MAX_US, None]


def test_naive_timestamps_are_no_instants_unless_a_zone_is_stated() -> None:
    values = pa.array([dt.datetime(2024, 7, 1, 12)], pa.timestamp("ms"))
    assert instants(values) == [None]
    assert instants(values, "UTC") == [us("2024-07-01T12:00:00+00:00")]
    assert instants(values, "Europe/Berlin") == [us("2024-07-01T10:00:00+00:00")]


def test_local_times_that_a_clock_change_doubles_or_skips_are_no_instants() -> None:
    values = pa.array(
        [
            dt.datetime(2024, 3, 31, 2, 30),  # skipped
            dt.datetime(2024, 10, 27, 2, 30),  # there twice
            dt.datetime(2024, 10, 27, 3, 30),
        ],
        pa.timestamp("us"),
    )
    assert instants(values, "Europe/Berlin") == [
        None,
        None,
        us("2024-10-27T02:30:00+00:00"),
    ]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str
)
def test_text_of_any_encoding_is_read(kind: pa.DataType) -> None:
    texts = pa.array(["2024-05-01T12:00:00Z", None, "no"], kind)
    wanted = [us("2024-05-01T12:00:00+00:00"), None, None]
    assert instants(texts) == wanted
    assert instants(texts[1:]) == wanted[1:]


def test_dictionary_encoded_times_are_read() -> None:
    texts = pa.array(["2024-05-01T12:00:00Z", None, "no", "2024-05-01T12:00:00Z"])
    noon = us("2024-05-01T12:00:00+00:00")
    assert instants(texts.dictionary_encode()) == [noon, None, None, noon]
    times = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None, 0], pa.int8()),
        pa.array([5, None], pa.timestamp("us", "UTC")),
    )
    assert instants(times) == [5, None, None, 5]
    empty = pa.DictionaryArray.from_arrays(
        pa.array([None], pa.int8()), pa.array([], pa.string())
    )
    assert instants(empty) == [None]


def test_null_columns_and_empty_columns_have_no_instants() -> None:
    assert instants(pa.nulls(2)) == [None, None]
    assert instants(pa.array([], pa.string())) == []
    assert instants(pa.array([], pa.timestamp("s", "UTC"))) == []

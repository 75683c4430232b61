"""Collection times as microseconds since 1970 UTC, from any column that can hold them.

Timestamps of every unit, and RFC 3339 text with an offset. What has no zone, does
not parse, or lies outside the years 1 to 9999 is not valid; nothing is guessed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.layout.nested import plain_text

MIN_US: Final = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z
MAX_US: Final = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
_SECOND: Final = 1_000_000
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
#: Rows of text parsed at once: bounds the scratch memory.
_BLOCK: Final = 1 << 16
#: `2024-01-02T03:04:05` and then at least `Z`; more than this is no time.
_SHORTEST: Final = 20
_LONGEST: Final = 64

Instants = tuple[np.ndarray, np.ndarray]


def to_instants(values: pa.Array, assume_timezone: str | None = None) -> Instants:
    """Return int64 microseconds (0 where not valid) and a bool array of validity.

    Args:
        values: timestamps of any unit, text (dictionary-encoded too), or null type.
        assume_timezone: IANA zone of timestamps without one. A local time that a
            clock change makes ambiguous or skips is not valid. Text always needs
            an offset of its own.

    Requires the column type to have passed `check_schema`: timestamps without a
    zone and without `assume_timezone` are all not valid.
    """
    kind = values.type
    if pa.types.is_timestamp(kind):
        return _from_timestamps(values, assume_timezone)
    if pa.types.is_dictionary(kind):
        micros, is_valid = to_instants(values.dictionary, assume_timezone)
        at = pc.fill_null(values.indices, 0).to_numpy(zero_copy_only=False)
        has_index = values.indices.is_valid().to_numpy(zero_copy_only=False)
        if not len(micros):
            return _nothing(len(values))
        is_valid = is_valid[at] & has_index
        return np.where(is_valid, micros[at], 0), is_valid
    if pa.types.is_null(kind):
        return _nothing(len(values))
    return parse_rfc3339(plain_text(values))


def _nothing(count: int) -> Instants:
    return np.zeros(count, np.int64), np.zeros(count, bool)


def _from_timestamps(values: pa.Array, assume_timezone: str | None) -> Instants:
    if values.type.tz is None:
        if assume_timezone is None:
            return _nothing(len(values))
        values = _localised(values, assume_timezone)
    raw = values.cast(pa.int64())
    is_valid = values.is_valid().to_numpy(zero_copy_only=False)
    if raw.null_count:
        raw = pc.fill_null(raw, 0)
    units = raw.to_numpy(zero_copy_only=False)
    per_second = _PER_SECOND[values.type.unit]
    if per_second > _SECOND:
        micros = units // (per_second // _SECOND)
    elif per_second < _SECOND:
        scale = _SECOND // per_second
        is_valid = is_valid & (units >= MIN_US // scale) & (units <= MAX_US // scale)
        micros = np.where(is_valid, units, 0) * scale
    else:
        micros = units
    in_range = (micros >= MIN_US) & (micros <= MAX_US) & is_valid
    if in_range.all():
        return micros, in_range
    return np.where(in_range, micros, 0), in_range


def _localised(values: pa.Array, zone: str) -> pa.Array:
    """Give naive timestamps a zone; null where the clock change leaves two answers."""
    first, last = (
        pc.assume_timezone(values, zone, ambiguous=side, nonexistent=side)
        for side in ("earliest", "latest")
    )
    return pc.if_else(pc.equal(first, last), first, None)


def parse_rfc3339(texts: pa.Array) -> Instants:
    """Parse RFC 3339 text: `2024-05-01T12:00:00.25+05:30`.

    `T` and `Z` in either case, a space for the `T`, any number of fraction digits
    (cut to microseconds), offsets `Z`, `+hh:mm`, `+hhmm` and `+hh`, white space
    around it. Text without an offset is not valid.

    Args:
        texts: `pa.string()`.
    """
    micros, is_valid = _parsed(texts)
    odd = np.flatnonzero(~is_valid)
    if len(odd):
        stripped = pc.utf8_trim_whitespace(texts.take(pa.array(odd)))
        micros[odd], is_valid[odd] = _parsed(stripped)
    return micros, is_valid


def _parsed(texts: pa.Array) -> Instants:
    micros, is_valid = _nothing(len(texts))
    data = texts.buffers()[2]
    if data is None or not len(texts):
        return micros, is_valid
    raw = np.frombuffer(data, np.uint8)
    offsets = np.frombuffer(texts.buffers()[1], np.int32)
    offsets = offsets[texts.offset : texts.offset + len(texts) + 1]
    lengths = np.diff(offsets)
    candidate = (lengths >= _SHORTEST) & (lengths <= _LONGEST)
    if texts.null_count:
        candidate &= texts.is_valid().to_numpy(zero_copy_only=False)
    for length in np.unique(lengths[candidate]):
        rows = np.flatnonzero(candidate & (lengths == length))
        for begin in range(0, len(rows), _BLOCK):
            block = rows[begin : begin + _BLOCK]
            # By character, not by text: what follows reads a character of all texts.
            at = np.arange(length, dtype=np.int32)[:, None] + offsets[block]
            micros[block], is_valid[block] = _parse_block(raw[at])
    return micros, is_valid


def _parse_block(chars: np.ndarray) -> Instants:
    """Parse texts of one length; `chars[i]` is character i of every text."""
    length, count = chars.shape
    date_us, is_date = _date_and_time(chars)
    micros, is_valid = _nothing(count)
    lower = chars[length - 1] | 0x20
    for size in (1, 3, 5, 6):
        cut = length - size
        if cut < 19:
            continue
        if size == 1:
            offset_us, fits = np.zeros(count, np.int64), lower == ord("z")
        else:
            offset_us, fits = _offset(chars[cut:])
        fraction_us, is_fraction = _fraction(chars[19:cut])
        fits &= is_date & is_fraction
        micros = np.where(fits, date_us + fraction_us - offset_us, micros)
        is_valid |= fits
    is_valid &= (micros >= MIN_US) & (micros <= MAX_US)
    return np.where(is_valid, micros, 0), is_valid


def _number(chars: np.ndarray) -> Instants:
    """Read digits, most significant first; with whether all of them are digits."""
    value = np.zeros(chars.shape[1], np.int64)
    is_digits = np.ones(chars.shape[1], bool)
    for char in chars:
        digit = char - np.uint8(ord("0"))  # what is less than "0" wraps round
        is_digits &= digit <= 9
        value *= 10
        value += digit
    return value, is_digits


def _date_and_time(chars: np.ndarray) -> Instants:
    ok = (chars[4] == ord("-")) & (chars[7] == ord("-"))
    ok &= (chars[13] == ord(":")) & (chars[16] == ord(":"))
    ok &= (chars[10] | 0x20 == ord("t")) | (chars[10] == ord(" "))
    parts = []
    for begin, end in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)):
        value, is_digits = _number(chars[begin:end])
        ok &= is_digits
        parts.append(value)
    year, month, day, hour, minute, second = parts
    ok &= (month >= 1) & (month <= 12) & (year >= 1)
    months = np.where(ok, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = months + 1
    beyond = after.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    ok &= (day >= 1) & (day <= beyond - first)
    # A leap second is written :60 and counts as the second after :59.
    ok &= (hour <= 23) & (minute <= 59) & (second <= 60)
    seconds = (first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second
    return np.where(ok, seconds, 0) * _SECOND, ok


def _offset(chars: np.ndarray) -> Instants:
    is_minus = chars[0] == ord("-")
    ok = is_minus | (chars[0] == ord("+"))
    hours, is_digits = _number(chars[1:3])
    ok &= is_digits & (hours <= 23)
    minutes = np.zeros_like(hours)
    if len(chars) > 3:
        minutes, is_digits = _number(chars[-2:])
        ok &= is_digits & (minutes <= 59)
    if len(chars) == 6:
        ok &= chars[3] == ord(":")
    offset = (hours * 3_600 + minutes * 60) * _SECOND
    return np.where(is_minus, -offset, offset), ok


def _fraction(chars: np.ndarray) -> Instants:
    count = chars.shape[1]
    if not len(chars):
        return np.zeros(count, np.int64), np.ones(count, bool)
    if len(chars) == 1:
        return _nothing(count)
    _, is_digits = _number(chars[7:])  # all of none are digits
    value, is_leading = _number(chars[1:7])
    value = value * 10 ** (6 - len(chars[1:7]))
    is_fraction: np.ndarray = (chars[0] == ord(".")) & is_leading & is_digits
    return value, is_fraction

"""The order of statements: by group, and by time within a group.

Comparing text is what makes sorting slow, so text is compared by its leading bytes,
packed into integers. Where those cannot tell two rows apart although they differ,
the rows concerned are sorted again by the text itself; so the order is that of the
bytes in every case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from consentfilter.consent import vocabulary as v

#: Text is compared by at most this many words of 8 bytes, beyond what all share.
MAX_WORDS: Final = 4
_WORD_BYTES: Final = 8
#: Texts that are packed at a time; bounds the memory of packing.
_PACKED_ROWS: Final = 524_288


def in_order(statements: pl.DataFrame, group: Sequence[str]) -> pl.DataFrame:
    """Say where each statement stands: by group, and by order in it (spec 1.2 step 7).

    Within a group: effective_at, then source_seq if every statement of the group has
    one, then grants and acts without effect before ends before denials, then
    recorded_at, then statement_id. Null is last.

    Args:
        statements: with the columns of `group`, and those named above.
        group: text columns; the first is the subject.

    Returns:
        One row per statement, in order: `row` (uint32, its row in `statements`),
        `group` (uint32, from 1) and `order_in_group` (int32, from 0).
    """
    nulls = statements.null_count().row(0, named=True)
    present = [
        name for name in group if name == group[0] or nulls[name] < statements.height
    ]
    has_seq = nulls["source_seq"] < statements.height
    if has_seq and nulls["source_seq"]:
        statements = _with_complete_seq(statements, present)
    rows = _sorted_rows(statements, present, has_seq=has_seq)
    is_first = pl.Series(values=[False]).new_from_index(0, len(rows))
    for name in present:
        values = statements[name].gather(rows)
        is_first = is_first | values.ne_missing(values.shift(1))
    placed = pl.DataFrame({"row": rows, "is_first": is_first}).with_columns(
        is_first=pl.col("is_first") | (pl.int_range(pl.len()) == 0),
        at=pl.int_range(pl.len(), dtype=pl.Int64),
    )
    start = pl.when("is_first").then("at").forward_fill()
    return placed.select(
        "row",
        group=pl.col("is_first").cast(pl.UInt32).cum_sum(),
        order_in_group=(pl.col("at") - start).cast(pl.Int32),
    )


def _with_complete_seq(statements: pl.DataFrame, group: list[str]) -> pl.DataFrame:
    """Forget sequence numbers of groups that do not have them throughout."""
    is_complete = pl.col("source_seq").is_not_null().all().over(group)
    return statements.with_columns(source_seq=pl.when(is_complete).then("source_seq"))


def _severity() -> pl.Expr:
    status = pl.col("status")
    return (
        pl.when(status.is_in(list(v.DENIALS)))
        .then(pl.lit(2, pl.UInt8))
        .when(status.is_in(list(v.ENDS)))
        .then(pl.lit(1, pl.UInt8))
        .otherwise(pl.lit(0, pl.UInt8))
    )


def _sorted_rows(
    statements: pl.DataFrame, group: list[str], *, has_seq: bool
) -> pl.Series:
    """Return the rows (uint32) in their order."""
    keys: dict[str, pl.Series] = {}
    doubtful: list[str] = []  # text columns whose words do not tell all texts apart

    def add_text(name: str) -> None:
        words, is_exact = packed(statements[name])
        keys.update({f"{name} {at}": word for at, word in enumerate(words)})
        if not is_exact:
            doubtful.append(name)

    for name in group:
        if statements[name].dtype == pl.String:
            add_text(name)
        else:
            keys[name] = _rank(statements[name])
    keys["effective_at"] = statements["effective_at"].to_physical()
    if has_seq:
        keys["source_seq"] = statements["source_seq"]
    keys["severity"] = statements.select(_severity()).to_series()
    keys["recorded_at"] = statements["recorded_at"].to_physical()
    add_text("statement_id")
    names = list(keys)
    frame = pl.DataFrame(keys).with_row_index("row")
    keys.clear()  # the frame has them now, and is not wanted after the first sort
    # A sort by one integer is fast, and one by many is fast on what is nearly sorted.
    frame = frame.sort(names[0], nulls_last=True)
    frame = frame.sort(names, nulls_last=True)
    if not doubtful:
        return frame["row"]
    return _settled(frame, statements, names, doubtful)


def _settled(
    frame: pl.DataFrame, statements: pl.DataFrame, keys: list[str], doubtful: list[str]
) -> pl.Series:
    """Sort rows again that only their text can tell apart.

    Two neighbours are unsettled when all keys up to the last word of a text are
    equal and the texts are not; everything about their subject is sorted again.
    """
    rows = frame["row"]
    texts = {name: statements[name].gather(rows) for name in doubtful}
    same = pl.lit(True)
    unsettled = pl.lit(False)
    for at, key in enumerate(keys):
        same = same & _as_before(key)
        name = _column_of(key)
        if name in texts and (at + 1 == len(keys) or _column_of(keys[at + 1]) != name):
            unsettled = unsettled | (same & ~_as_before(f"text {name}"))
    subject = [key for key in keys if _column_of(key) == _column_of(keys[0])]
    flags = frame.with_columns(
        text.alias(f"text {name}") for name, text in texts.items()
    ).select(
        unsettled=unsettled & (pl.int_range(pl.len()) > 0),
        block=pl.any_horizontal(~_as_before(key) for key in subject)
        .cast(pl.UInt32)
        .cum_sum(),
    )
    if not flags["unsettled"].any():
        return rows
    blocks = flags["block"].filter(flags["unsettled"]).unique()
    at_rows = flags["block"].is_in(blocks.implode()).arg_true()
    exact = dict.fromkeys(
        f"text {name}" if (name := _column_of(key)) in texts else key for key in keys
    )
    again = frame.select(pl.all().gather(at_rows)).with_columns(
        text.gather(at_rows).alias(f"text {name}") for name, text in texts.items()
    )
    return rows.scatter(at_rows, again.sort(list(exact), nulls_last=True)["row"])


def _as_before(key: str) -> pl.Expr:
    return pl.col(key).eq_missing(pl.col(key).shift(1))


def _column_of(key: str) -> str:
    """Return the column that a key, such as the word `subject_key 1`, comes from."""
    return key.partition(" ")[0]


def _rank(words: pl.Series) -> pl.Series:
    """Return the rank of each value of a column of few values, none of them null."""
    distinct = words.unique()
    text = distinct.cast(pl.String)
    order = text.arg_sort()
    codes = distinct.to_physical().gather(order).to_numpy()
    ranks = np.zeros(int(codes.max(initial=0)) + 1, np.uint32)
    ranks[codes] = np.arange(len(codes), dtype=np.uint32)
    return pl.Series(words.name, ranks[words.to_physical().to_numpy()])


def packed(texts: pl.Series) -> tuple[list[pl.Series], bool]:
    """Return integers that order like the leading bytes of text.

    What all texts share is left out; then come at most `MAX_WORDS` words of 8 bytes,
    big-endian, filled up with zeros. Null stays null.

    Args:
        texts: `pl.String`.

    Returns:
        The words (uint64), the first one first, and whether they are exact: equal
        words are equal texts.
    """
    if texts.null_count() == len(texts):
        nothing = pl.Series(values=[None], dtype=pl.UInt64)
        return [nothing.new_from_index(0, len(texts))], True
    shared = _shared_prefix(str(texts.min()), str(texts.max()))
    longest = int(str(texts.str.len_bytes().max())) - shared
    needed = max(1, -(-longest // _WORD_BYTES))
    words = np.empty((min(MAX_WORDS, needed), len(texts)), np.uint64)
    is_exact = needed <= MAX_WORDS
    for start in range(0, len(texts), _PACKED_ROWS):
        part = texts.slice(start, _PACKED_ROWS).to_arrow().cast(pa.large_string())
        has_zeros = _pack(part, shared, words[:, start : start + len(part)])
        is_exact = is_exact and not has_zeros
    packed_words = [pl.Series(word) for word in words]
    if texts.null_count():
        packed_words = [word.set(texts.is_null(), None) for word in packed_words]
    return packed_words, is_exact


def _pack(texts: pa.Array, shared: int, words: np.ndarray) -> bool:
    """Write the words of `pa.large_string()` texts; tell whether a text has a NUL."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)
    offsets = offsets[texts.offset : texts.offset + len(texts) + 1]
    used = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    data = np.concatenate([used, np.zeros(_WORD_BYTES, np.uint8)])
    window = np.ndarray(
        (len(data) - _WORD_BYTES + 1,), ">u8", buffer=data.data, strides=(1,)
    )
    ends = offsets[1:]
    starts = np.minimum(offsets[:-1] + shared, ends)
    for at, word in enumerate(words):
        first = np.minimum(starts + at * _WORD_BYTES, ends)
        missing = _WORD_BYTES - np.minimum(ends - first, _WORD_BYTES)
        spare = (8 * missing).astype(np.uint64) % 64
        word[:] = (window[first].astype(np.uint64) >> spare) << spare
        # A shift by 64 is undefined; nothing is left of the text there anyway.
        word[missing == _WORD_BYTES] = 0
    return bool((used == 0).any())


def _shared_prefix(least: str, most: str) -> int:
    """Return how many leading bytes the least and the greatest text share."""
    a, b = least.encode(), most.encode()
    size = min(len(a), len(b))
    for at in range(size):
        if a[at] != b[at]:
            return at
    return size

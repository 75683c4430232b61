"""Consent events of any layout as one standard frame, with their doubts.

Parse at the door: whatever a file holds becomes typed columns here, and everything
that is wrong with an event becomes a bit of its `doubts`. The frame is what the
derivation works on; nothing behind it looks at a file again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

import polars as pl
import pyarrow as pa

from consentfilter.consent import vocabulary as v
from consentfilter.consent.binding import STANDARD, EventsBinding
from consentfilter.consent.columns import INSTANT, blank_to_null, stripped
from consentfilter.consent.doubts import BIT
from consentfilter.consent.layout import Layout, mapped
from consentfilter.taxonomy import BASE, Taxonomy

DEFAULT_SOURCE: Final = "default"
STATUS: Final = pl.Enum(v.STATUSES)
EXPRESSION: Final = pl.Enum(v.EXPRESSIONS)
ACTOR_TYPE: Final = pl.Enum(v.ACTOR_TYPES)
LEGAL_BASIS: Final = pl.Enum(v.LEGAL_BASES)

#: The standard frame. `content` is a digest of the columns that decide nothing.
FRAME: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "event_id": pl.String,
    "source_id": pl.Categorical,
    "source_seq": pl.Int64,
    "subject_key": pl.String,
    "account_id": pl.String,
    "context_id": pl.String,
    "asset_id": pl.String,
    "status": STATUS,
    "voids_event_id": pl.String,
    "purpose": pl.Categorical,
    "category": pl.Categorical,
    "expression": EXPRESSION,
    "actor_type": ACTOR_TYPE,
    "actor_verified": pl.Boolean,
    "occurred_at": INSTANT,
    "recorded_at": INSTANT,
    "effective_at": INSTANT,
    "valid_from": INSTANT,
    "valid_until": INSTANT,
    "data_from": INSTANT,
    "data_until": INSTANT,
    "terms_version": pl.Categorical,
    "recipients": pl.Categorical,
    "jurisdiction": pl.Categorical,
    "content": pl.UInt64,
    "doubts": pl.UInt32,
    "at": pl.UInt64,
}
SCOPES: Final = ("account_id", "context_id", "asset_id")
_WINDOWS: Final = {
    "valid_from": "latest",
    "valid_until": "earliest",
    "data_from": "latest",
    "data_until": "earliest",
}
#: Columns that decide nothing; they only tell a conflict from a duplicate.
_FURTHER: Final = (
    "receipt_id",
    "channel",
    "actor_id",
    "legal_basis",
    "notice_id",
    "language",
    "controller",
    "evidence_uri",
    "evidence_sha256",
    "signal_format",
    "signal_raw",
    "mapping_version",
)
_SKEW: Final = dt.timedelta(minutes=5)


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """The events of one table that are known at the cut.

    Attributes:
        frame: columns of `FRAME`.
        unknown_statuses: status text -> (how many, row of the first one).
        num_rows: how many events the table held.
    """

    frame: pl.DataFrame
    unknown_statuses: dict[str, tuple[int, int]]
    num_rows: int


def standardise(
    table: pa.Table,
    binding: EventsBinding = STANDARD,
    *,
    as_of: dt.datetime,
    taxonomy: Taxonomy = BASE,
    id_key: bytes | None = None,
    file: str = "events",
    first_row: int = 0,
) -> Batch:
    """Return the events of a table that were recorded at or before `as_of`.

    Args:
        table: events of any layout; one piece of a file.
        binding: which of its columns is which.
        as_of: the knowledge cut, aware.
        taxonomy: nodes that are known.
        id_key: keys the subject ids.
        file: how messages name the table.
        first_row: number of the table's first row in all that is read; `at` counts
            on from it.

    Raises:
        InputError: with every problem of the table's columns.
    """
    layout = Layout(table, binding, file)
    if not layout.has("status"):
        layout.problems.append(
            f"{file}: no column of statuses; wanted 'status' (given, withdrawn, …) or "
            "`status:` under `events:` in the dataset file; found "
            + ", ".join(map(repr, table.column_names))
        )
    if not any(layout.has(name) for name in ("subject_id", *SCOPES)):
        layout.problems.append(
            f"{file}: no column says whose consent it is; wanted 'subject_id', "
            "'account_id', 'context_id' or 'asset_id', or a column bound to one of "
            "them under `events:` in the dataset file; found "
            + ", ".join(map(repr, table.column_names))
        )
    raw = _raw_frame(layout, binding, id_key)
    layout.refuse()
    frame = raw.with_row_index("at", first_row).cast({"at": pl.UInt64})
    frame = _timed(frame, binding, as_of)
    frame = frame.filter(pl.col("recorded_at") <= pl.lit(as_of, INSTANT))
    unknown = _unknown_statuses(frame, first_row)
    frame = frame.filter(pl.col("status").is_not_null())
    frame = _judged(frame, taxonomy)
    return Batch(_slim(frame.select(*FRAME)), unknown, table.num_rows)


def _slim(frame: pl.DataFrame) -> pl.DataFrame:
    """Let columns that say nothing take no memory: literals are not spread out."""
    if frame.is_empty():
        return frame
    nothing = [name for name in FRAME if frame[name].null_count() == frame.height]
    zero = [name for name in ("doubts", "content") if (frame[name] == 0).all()]
    return frame.with_columns(
        *(pl.lit(None, FRAME[name]).alias(name) for name in nothing),
        *(pl.lit(0, FRAME[name]).alias(name) for name in zero),
    )


def _raw_frame(
    layout: Layout, binding: EventsBinding, id_key: bytes | None
) -> pl.DataFrame:
    """Read every column; `None` columns are filled with the defaults of 1.9."""
    size = layout.num_rows
    status = layout.words("status")
    status_text = _else(status, None, pl.Categorical, size)
    if binding.statuses:
        distinct = mapped(status_text.cast(pl.String), binding.statuses)
        status_text = distinct.cast(pl.Categorical)
    keys, has_id = layout.subject_keys(id_key)
    parts: dict[str, pl.Series] = {
        "status_text": status_text,
        "status": status_text.cast(STATUS, strict=False),
        "subject_key": keys,
        "has_id": has_id,
    }
    for name in ("event_id", "voids_event_id", *SCOPES):
        found = layout.text(name)
        parts[name] = _else(found, None, pl.String, size)
        if found is not None:
            parts[name] = blank_to_null(parts[name])
    source = _else(layout.words("source_id"), None, pl.Categorical, size)
    parts["source_id"] = source.fill_null(DEFAULT_SOURCE)
    for name in ("purpose", "category"):
        parts[name] = _else(layout.words(name), None, pl.Categorical, size)
    for name in ("terms_version", "jurisdiction"):
        change = blank_to_null if name == "terms_version" else _code
        parts[name] = _else(layout.words(name, change), None, pl.Categorical, size)
    recipients = layout.name_lists("recipients")
    parts["recipients"] = _else(recipients, None, pl.Categorical, size)
    for name, kind, default in (
        ("expression", EXPRESSION, "unspecified"),
        ("legal_basis", LEGAL_BASIS, "consent"),
    ):
        word = _else(layout.words(name), default, pl.Categorical, size)
        word = word.fill_null(default)
        parts[name] = word.cast(kind, strict=False)
    actor = _else(layout.words("actor_type"), "self", pl.Categorical, size)
    actor = actor.fill_null("self")
    parts["actor_type"] = actor.cast(ACTOR_TYPE, strict=False)
    verified = _else(layout.booleans("actor_verified"), False, pl.Boolean, size)
    parts["actor_verified"] = verified.fill_null(False)
    parts["source_seq"] = _else(layout.integers("source_seq"), None, pl.Int64, size)
    parts |= _times(layout)
    parts["content"] = _content(layout, size)
    return pl.DataFrame(parts)


def _else(
    found: pl.Series | None,
    default: str | bool | None,
    kind: pl.DataType | type[pl.DataType],
    size: int,
) -> pl.Series:
    if found is not None:
        return found
    one = pl.Series(values=[default]) if default is not None else pl.Series([None])
    return one.cast(kind).new_from_index(0, size)


def _code(values: pl.Series) -> pl.Series:
    return stripped(values).str.to_uppercase()


def _times(layout: Layout) -> dict[str, pl.Series]:
    """Read times; a local time that was shown twice is read against the act."""
    parts: dict[str, pl.Series] = {}
    for name in ("occurred_at", "recorded_at"):
        late, unreadable = layout.instants(name, "latest")
        if name == "recorded_at":
            parts["is_recorded_broken"] = unreadable
        early = late
        if layout.has_two_readings(name):
            early, _ = layout.instants(name, "earliest")
        parts[name], parts[f"{name}_early"] = late, early
    broken = pl.Series(values=[False]).new_from_index(0, layout.num_rows)
    for name, reading in _WINDOWS.items():
        parts[name], unreadable = layout.instants(
            name, "latest" if reading == "latest" else "earliest"
        )
        broken = broken | unreadable
    parts["is_window_broken"] = broken
    return parts


def _content(layout: Layout, size: int) -> pl.Series:
    """Digest the columns that decide nothing; equal only within one process."""
    further = {
        name: found
        for name in _FURTHER
        if layout.has(name) and (found := layout.text(name)) is not None
    }
    if "legal_basis" in further:  # null says the same as the default
        further["legal_basis"] = stripped(further["legal_basis"]).fill_null("consent")
    if not further:
        return _else(None, None, pl.UInt64, size).fill_null(0)
    return pl.DataFrame(further).select(pl.struct(pl.all()).hash()).to_series()


def _permits() -> pl.Expr:
    return pl.col("status").is_in(list(v.PERMITTING))


def _restricts() -> pl.Expr:
    return pl.col("status").is_in(list(v.RESTRICTING))


def _timed(
    frame: pl.DataFrame, binding: EventsBinding, as_of: dt.datetime
) -> pl.DataFrame:
    """Fill in when each event occurred, was recorded and counts from (1.2 step 5)."""
    restricts = _restricts()
    occurred, recorded = pl.col("occurred_at"), pl.col("recorded_at")
    frame = frame.with_columns(
        pl.when(restricts).then(f"{name}_early").otherwise(name).alias(name)
        for name in ("occurred_at", "recorded_at")
    ).with_columns(occurred.alias("acted_at"))
    if binding.day_precision:
        local = occurred.dt.convert_time_zone(binding.assume_timezone or "UTC")
        day = local.dt.truncate("1d")
        frame = frame.with_columns(
            day.dt.convert_time_zone("UTC").alias("occurred_at"),
            pl.when(restricts)
            .then(day)
            .otherwise(day.dt.offset_by("1d"))
            .dt.convert_time_zone("UTC")
            .alias("acted_at"),
        )
    acted = pl.col("acted_at")
    cut = pl.lit(as_of, INSTANT)
    # Not stated, it is when the act occurred; stated and unreadable, it is a doubt.
    no_record = recorded.is_null() & (pl.col("is_recorded_broken") | occurred.is_null())
    frame = frame.with_columns(
        doubts=_bit("no_time", occurred.is_null()) | _bit("no_recorded_at", no_record),
        # Without any time a restriction stands from the cut on, so that no grant
        # lifts it; a permission is set aside whatever stands here.
        recorded_at=pl.coalesce(
            recorded,
            pl.when(no_record).then(pl.min_horizontal(acted, cut)).otherwise(acted),
            cut,
        ),
    )
    ahead = occurred - recorded
    return frame.with_columns(
        doubts=pl.col("doubts") | _bit("from_the_future", ahead > _SKEW),
        effective_at=pl.when(ahead > dt.timedelta(0))
        .then(
            pl.when(restricts)
            .then(recorded)
            .otherwise(
                pl.max_horizontal(
                    recorded, acted if binding.day_precision else recorded
                )
            )
        )
        .otherwise(acted)
        .fill_null(recorded),
    )


def _bit(code: str, is_so: pl.Expr) -> pl.Expr:
    return (
        pl.when(is_so.fill_null(False))
        .then(pl.lit(BIT[code], pl.UInt32))
        .otherwise(pl.lit(0, pl.UInt32))
    )


def _unknown_statuses(
    frame: pl.DataFrame, first_row: int
) -> dict[str, tuple[int, int]]:
    unknown = frame.filter(pl.col("status").is_null())
    if unknown.is_empty():
        return {}
    counted = unknown.group_by(pl.col("status_text").cast(pl.String).fill_null("")).agg(
        pl.len(), pl.col("at").min()
    )
    return {text: (many, at - first_row) for text, many, at in counted.iter_rows()}


def _judged(frame: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Note every doubt, and widen restrictions that are in doubt (1.2 step 2)."""
    permits, restricts = _permits(), _restricts()
    is_grant = pl.col("status").is_in(list(v.GRANTS))
    is_void = pl.col("status") == v.VOIDED
    has_scope = pl.any_horizontal(pl.col(name).is_not_null() for name in SCOPES)
    is_placeholder = pl.col("has_id") & pl.col("subject_key").is_null()
    nobody = pl.col("subject_key").is_null() & ~has_scope & ~is_void
    purposes, categories = _known(taxonomy)
    odd_purpose = restricts & ~pl.col("purpose").is_in(purposes)
    odd_category = restricts & ~pl.col("category").is_in(categories)
    enum_doubt = {
        "unknown_expression": pl.col("expression").is_null(),
        "unknown_actor_type": pl.col("actor_type").is_null(),
        "unknown_legal_basis": pl.col("legal_basis").is_null(),
    }
    is_odd = pl.any_horizontal(*enum_doubt.values())
    noted = {
        "no_purpose": is_grant & pl.col("purpose").is_null(),
        "no_category": is_grant & pl.col("category").is_null(),
        "window_unreadable": permits & pl.col("is_window_broken"),
        "grant_not_consent": is_grant & (pl.col("legal_basis") != "consent"),
        "placeholder_subject": is_placeholder & (has_scope | permits),
        "names_nobody": nobody & permits & ~is_placeholder,
        "denial_names_nobody": nobody & restricts,
        "unknown_purpose": odd_purpose.fill_null(False),
        "unknown_category": odd_category.fill_null(False),
        "void_without_target": is_void & pl.col("voids_event_id").is_null(),
        **{code: ~is_void & is_so for code, is_so in enum_doubt.items()},
    }
    doubts = pl.col("doubts")
    for code, is_so in noted.items():
        doubts = doubts | _bit(code, is_so)
    wide = restricts & is_odd
    return frame.with_columns(
        doubts=pl.when(is_void)
        .then(doubts & pl.lit(BIT["void_without_target"], pl.UInt32))
        .otherwise(doubts),
        purpose=_node("purpose", wide | odd_purpose),
        category=_node("category", wide | odd_category),
        actor_type=pl.col("actor_type").fill_null("unknown"),
        voids_event_id=pl.when(is_void).then("voids_event_id"),
        **{name: pl.when(permits).then(pl.col(name)) for name in _WINDOWS},
    )


def _known(taxonomy: Taxonomy) -> tuple[list[str], list[str]]:
    return (
        [*sorted(taxonomy.purposes), v.EVERYTHING],
        [*sorted(taxonomy.categories), v.EVERYTHING],
    )


def _node(name: str, is_wide: pl.Expr) -> pl.Expr:
    """A restriction without a known node touches everything, a notice nothing."""
    text = pl.Categorical
    return (
        pl.when(_restricts() & (is_wide.fill_null(True) | pl.col(name).is_null()))
        .then(pl.lit(v.EVERYTHING, text))
        .otherwise(pl.col(name).fill_null(pl.lit(v.NOTHING, text)))
    )

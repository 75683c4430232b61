"""From events to the statements known at a cut: one version of each, in order.

Takes the standard frame of `consentfilter.consent.events` and returns the rows of
a snapshot. Nothing depends on the order in which events were read: duplicates are
found by content, ties are broken by id, so any order or split of the event files
gives the same statements.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import polars as pl
import polars_hash
import pyarrow as pa

from consentfilter.consent import vocabulary as v
from consentfilter.consent.arrow import statements_table
from consentfilter.consent.columns import INSTANT
from consentfilter.consent.doubts import BIT, CODES, bits
from consentfilter.consent.events import SCOPES
from consentfilter.consent.order import in_order
from consentfilter.consent.voids import apply_voids

#: Goes up when the same events would give other statements.
DERIVATION_VERSION: Final = "1"
#: Statements of one source about one person or scope are judged in their order.
GROUP: Final = ("subject_key", "source_id", *SCOPES)
#: How many examples of each doubt a snapshot remembers.
MAX_EXAMPLES: Final = 3
#: How many located doubts of each code a build returns.
MAX_LOCATED: Final = 1000

_CONFLICT: Final = BIT["event_id_conflict"]


@dataclasses.dataclass(frozen=True, slots=True)
class Derived:
    """What a derivation found.

    Attributes:
        statements: the surviving statements, in the schema and order of a snapshot.
        sources: per source_id: `rows` (distinct events) and `watermark`.
        set_aside: how many events were not used, by code.
        widened: how many restricting events were kept in spite of a doubt, by code.
        examples: a few event ids of each code, the smallest ones.
        located: doubts with `code`, `at`, `event_id`, `source_id`, `is_set_aside`;
            at most `MAX_LOCATED` of each code.
        num_duplicates: events that came more than once with the same content.
        num_voided: statements that a `voided` event removed.
    """

    statements: pa.Table
    sources: pl.DataFrame
    set_aside: dict[str, int]
    widened: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    located: pl.DataFrame
    num_duplicates: int
    num_voided: int


def derive(events: pl.DataFrame, *, is_compact: bool = False) -> Derived:
    """Return the statements that a frame of events comes to (spec 1.2).

    Args:
        events: the standard frame of all that is known at the cut.
        is_compact: leave out grants that a later denial of the same group covers
            whole: enough for a policy of temporal mode `processing`, and only there.
    """
    named = with_event_ids(events)
    del events
    distinct = without_duplicates(named)
    sources = _sources(distinct)
    num_read, num_distinct = named.height, distinct.height
    del named
    stood = apply_voids(distinct)
    del distinct
    is_aside = _is_set_aside()
    doubted = stood.filter(pl.col("doubts") != 0).with_columns(is_aside=is_aside)
    num_voided = num_distinct - stood.height
    used = ~is_aside & (pl.col("status") != v.VOIDED)
    kept = _with_statement_ids(_filtered(stood, used))
    del stood
    placed = _superseded(kept, in_order(kept, GROUP))
    if is_compact:
        placed = without_covered_grants(kept, placed)
    filled = kept.null_count().row(0, named=True)
    columns = {name: kept[name] for name in filled if filled[name] < kept.height}
    del kept
    return Derived(
        statements=statements_table(columns, placed),
        sources=sources,
        set_aside=_counted(doubted.filter("is_aside")),
        widened=_counted(doubted.filter(~pl.col("is_aside"))),
        examples=_examples(doubted),
        located=_located(doubted),
        num_duplicates=num_read - num_distinct,
        num_voided=num_voided,
    )


def _filtered(frame: pl.DataFrame, is_kept: pl.Expr) -> pl.DataFrame:
    """Filter, but copy nothing where everything stays."""
    mask = frame.select(is_kept.alias("is_kept")).to_series()
    return frame if mask.all() else frame.filter(mask)


def with_event_ids(events: pl.DataFrame) -> pl.DataFrame:
    """Give events without an id one that follows from what they say (1.2 step 3)."""
    if not events["event_id"].null_count():
        return events
    parts = ["source_id", *("subject_key", *SCOPES), "purpose", "category", "status"]
    texts = [pl.col(name).cast(pl.String) for name in parts]
    texts.append(pl.col("occurred_at").cast(pl.Int64).cast(pl.String))
    colon, comma = pl.lit(":"), pl.lit(",")
    netstrings = [
        pl.concat_str(text.str.len_bytes().cast(pl.String), colon, text, comma)
        for text in texts
    ]
    written = polars_hash.concat_str(
        pl.coalesce(netstring, pl.lit("-,")) for netstring in netstrings
    )
    derived = (
        events.filter(pl.col("event_id").is_null())
        .select(
            pl.concat_str(pl.lit("derived:"), written.chash.sha2_256().str.head(32))
        )
        .to_series()
    )
    if derived.len() == events.height:
        return events.with_columns(derived.alias("event_id"))
    at = events["event_id"].is_null().arg_true()
    return events.with_columns(events["event_id"].scatter(at, derived))


def without_duplicates(events: pl.DataFrame) -> pl.DataFrame:
    """Keep one of each event; note ids that stand for different content."""
    ids = events["event_id"]
    if ids.n_unique() == events.height:
        return events
    is_repeated = ids.is_duplicated()
    content = [name for name in events.columns if name != "at"]
    repeated = events.filter(is_repeated).sort("at")
    distinct = repeated.unique(subset=content, keep="first", maintain_order=True)
    conflict = distinct["event_id"].is_duplicated()
    distinct = distinct.with_columns(
        doubts=pl.when(conflict)
        .then(pl.col("doubts") | pl.lit(_CONFLICT, pl.UInt32))
        .otherwise("doubts")
    )
    return pl.concat([events.filter(~is_repeated), distinct])


def _is_set_aside() -> pl.Expr:
    permits = pl.col("status").is_in([*v.PERMITTING, v.VOIDED])
    lost = (pl.col("doubts") & pl.lit(bits("denial_names_nobody"), pl.UInt32)) != 0
    return (permits & (pl.col("doubts") != 0)) | lost


def _sources(events: pl.DataFrame) -> pl.DataFrame:
    """Count events per source; times that we filled in are no watermark."""
    made_up = (pl.col("doubts") & pl.lit(BIT["no_recorded_at"], pl.UInt32)) != 0
    return (
        events.lazy()
        .group_by(pl.col("source_id").cast(pl.String))
        .agg(
            pl.len().alias("rows"),
            pl.col("recorded_at").filter(~made_up).max().alias("watermark"),
        )
        .sort("source_id")
        .collect()
    )


def _with_statement_ids(kept: pl.DataFrame) -> pl.DataFrame:
    """Tell apart what was kept under one id: `id`, `id#2`, `id#3` by content."""
    kept = kept.rename({"event_id": "statement_id"})
    in_conflict = (pl.col("doubts") & pl.lit(_CONFLICT, pl.UInt32)) != 0
    several = kept.filter(in_conflict)
    spent = ["content", "doubts", "at", "voids_event_id", "occurred_at"]
    if several.is_empty():
        return kept.drop(spent)
    content = [name for name in several.columns if name != "at"]
    several = several.sort(content, nulls_last=True).with_columns(
        nth=pl.int_range(1, pl.len() + 1).over("statement_id")
    )
    taken = kept["statement_id"].unique()
    mark = "#"
    while True:
        suffix = pl.concat_str(pl.lit(mark), pl.col("nth").cast(pl.String))
        named = several.select(
            pl.when(pl.col("nth") == 1)
            .then("statement_id")
            .otherwise(pl.concat_str("statement_id", suffix))
        ).to_series()
        if not named.filter(several["nth"] > 1).is_in(taken.implode()).any():
            break
        mark += "#"
    several = several.with_columns(named.alias("statement_id")).drop("nth")
    return pl.concat([kept.filter(~in_conflict), several]).drop(spent)


def _superseded(statements: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Note when the next statement of a group on the same purpose and category is."""
    same = ["group", "purpose", "category"]
    along = placed.select(
        "group",
        *(
            statements[name].to_physical().gather(placed["row"])
            for name in ("purpose", "category", "effective_at")
        ),
    )
    is_next = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in same)
    following = pl.when(is_next).then(pl.col("effective_at").shift(-1))
    superseded = (
        along.lazy()
        .with_row_index("at")
        .sort(same, maintain_order=True)
        .select("at", superseded_at=following)
        .sort("at")
        .select(pl.col("superseded_at").cast(INSTANT))
        .collect()
    )
    return placed.with_columns(superseded.to_series())


def without_covered_grants(
    statements: pl.DataFrame, placed: pl.DataFrame
) -> pl.DataFrame:
    """Leave out grants that a later denial of their group covers whole.

    A denial that stands above or at a grant's purpose and category touches all that
    the grant covers, so from then on the grant can never decide again.
    """
    names = ("status", "purpose", "category")
    acts = placed.select(
        "row",
        "group",
        "order_in_group",
        *(statements[name].gather(placed["row"]) for name in names),
    )
    denials = (
        acts.filter(pl.col("status").is_in(list(v.DENIALS)))
        .group_by("group", "purpose", "category")
        .agg(pl.col("order_in_group").max().alias("denied"))
    )
    grants = acts.filter(pl.col("status").is_in(list(v.GRANTS)))
    for name in ("purpose", "category"):
        grants = grants.join(_above(grants[name]), on=name).drop(name)
        grants = grants.rename({f"{name}_above": name})
    covered = grants.join(denials, on=["group", "purpose", "category"]).filter(
        pl.col("denied") > pl.col("order_in_group")
    )
    left = placed.join(covered, on="row", how="anti", maintain_order="left")
    nth = pl.int_range(pl.len(), dtype=pl.Int32).over("group")
    return left.with_columns(order_in_group=nth)


def _above(nodes: pl.Series) -> pl.DataFrame:
    """Return each distinct node beside itself and every node above it."""
    from consentfilter.taxonomy import ancestors

    distinct = nodes.unique().cast(pl.String).to_list()
    pairs = [(node, up) for node in distinct for up in ancestors(node)]
    names = [nodes.name, f"{nodes.name}_above"]
    return pl.DataFrame(
        pairs, schema=dict.fromkeys(names, pl.Categorical), orient="row"
    )


def _counted(doubted: pl.DataFrame) -> dict[str, int]:
    found = {}
    for code in CODES:
        bit = pl.lit(BIT[code], pl.UInt32)
        many = doubted.filter((pl.col("doubts") & bit) != 0).height
        if many:
            found[code] = many
    return found


def _examples(doubted: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    found = {}
    for code in CODES:
        bit = pl.lit(BIT[code], pl.UInt32)
        ids = doubted.filter((pl.col("doubts") & bit) != 0)["event_id"]
        if len(ids):
            found[code] = tuple(ids.unique().bottom_k(MAX_EXAMPLES).sort())
    return found


def _located(doubted: pl.DataFrame) -> pl.DataFrame:
    parts = []
    for code in CODES:
        bit = pl.lit(BIT[code], pl.UInt32)
        rows = doubted.filter((pl.col("doubts") & bit) != 0)
        parts.append(
            rows.select(
                pl.lit(code).alias("code"),
                "at",
                "event_id",
                pl.col("source_id").cast(pl.String),
                pl.col("is_aside").alias("is_set_aside"),
            )
            .sort("at")
            .head(MAX_LOCATED)
        )
    return pl.concat(parts)

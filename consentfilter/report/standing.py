"""What still stands in a release: admitted rows beside their ledger, decided again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from consentfilter import binding, reasons
from consentfilter.dataset import Dataset
from consentfilter.decide import kernel
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.index import ConsentIndex
from consentfilter.decide.redacted import redacted_lists
from consentfilter.engine.footers import open_parquet, read_footers
from consentfilter.engine.reader import hive_columns, schema_with_hive
from consentfilter.engine.storage import Part
from consentfilter.lineage import people
from consentfilter.lineage.opened import OpenedRelease, undamaged
from consentfilter.reasons import Decision
from consentfilter.records import Bound, People, Segments

#: The removal list: one row per admitted record that may no longer be used as it is.
REMOVAL_SCHEMA: Final = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("data_path", pa.string(), nullable=False),
        pa.field("out_row", pa.int64(), nullable=False),
        pa.field("decision_before", pa.string(), nullable=False),
        pa.field("reason_before", pa.string(), nullable=False),
        pa.field("decision_now", pa.string(), nullable=False),
        pa.field("reason_now", pa.string(), nullable=False),
        pa.field("redacted_now", pa.list_(pa.string())),
        pa.field("subject_key", pa.string()),
        pa.field("denial_id", pa.string()),
    ]
)

#: How a redacted mention is named when it would be redacted again.
_PSEUDONYM: Final = "^mention:@p_[0-9a-f]{16}$"
_NOBODY: Final = reasons.CODE["SUBJECT_UNKNOWN"]
_LEDGER: Final = ["decision", "reason", "redacted", "row", "out_row"]
_WORDS: Final = ["decision", "reason"]


@dataclasses.dataclass(frozen=True, slots=True)
class StandingRows:
    """Some admitted rows of a part, bound as the filter bound them.

    Attributes:
        data_path: of the part's data file.
        ledger: their ledger rows, by `out_row`.
        bound: what the release holds of them, in the same order.
    """

    data_path: str
    ledger: pa.Table
    bound: Bound


def places_of(release: OpenedRelease, keys: pl.Series) -> pa.Table:
    """Return where people are in: distinct `part` and `row` into the ledger."""
    wanted = np.unique(people.subject_heads(release.key(), keys.to_arrow()))
    tables = [people.PEOPLE_SCHEMA.empty_table().select(["part", "row"])]
    listing = release.evidence / "people.parquet"
    with undamaged(listing), pq.ParquetFile(listing, read_dictionary=["part"]) as file:
        for group in range(file.num_row_groups):
            heads = file.read_row_group(group, columns=["subject_head"])
            found = _positions(wanted, heads["subject_head"].to_numpy())
            if len(found):
                rest = file.read_row_group(group, columns=["part", "row"])
                tables.append(rest.take(pa.array(found)).cast(tables[0].schema))
    return pa.concat_tables(tables)


def standing_rows(
    release: OpenedRelease,
    part: str,
    places: pa.Table | None,
    dataset: Dataset,
    *,
    id_key: bytes | None,
) -> Iterator[StandingRows]:
    """Yield the admitted rows of a part, by row group of its data file.

    Args:
        release: with `private/` at hand.
        part: name of the part.
        places: `part` and `row` of the ones that are wanted; None: all of them.
        dataset: the binding of the records.
        id_key: keys subject ids.
    """
    wanted = None
    if places is not None:
        wanted = np.unique(places.filter(pc.equal(places["part"], part))["row"])
        if not len(wanted):
            return
    ledger = _ledger(release, part, wanted)
    out_rows = ledger["out_row"].to_numpy()
    data_path = f"data/{part}"
    where = release.root / data_path
    size = where.stat().st_size
    local = pafs.LocalFileSystem()
    (footer,) = read_footers([Part(local, str(where), part, str(where), size)])
    hive = hive_columns(footer, dataset)
    needed = set(binding.needed_columns(schema_with_hive(footer, dataset), dataset))
    columns = [name for name in footer.schema.names if name in needed]
    first = 0
    with open_parquet(footer.part) as file:
        for group, count in enumerate(footer.row_groups):
            start, end = np.searchsorted(out_rows, [first, first + count])
            if end > start:
                table = file.read_row_group(group, columns)
                table = table.take(pa.array(out_rows[start:end] - first))
                for name, value in hive.items():
                    constant = pa.repeat(pa.scalar(value, pa.string()), len(table))
                    table = table.append_column(name, constant)
                bound = binding.bind(table, dataset, id_key=id_key)
                yield StandingRows(data_path, ledger[start:end], bound)
            first += count


def removals(rows: StandingRows, index: ConsentIndex, dataset: Dataset) -> pa.Table:
    """Return the rows that may no longer be used as they are (`REMOVAL_SCHEMA`).

    A row must go if it would be dropped now, or if something would be redacted that
    the release still shows.
    """
    decided = kernel.decide(rows.bound, index)
    redacted = redacted_lists(rows.bound, decided)
    drops = decided.decision == Decision.DROP
    shows = _shows_more(redacted, rows, dataset)
    must_go = drops | ((decided.decision == Decision.REDACT) & shows)
    at = np.flatnonzero(must_go)
    told = _nearest(rows, index, decided, at)
    ledger, picked = rows.ledger.take(pa.array(at)), pa.array(at)
    names = np.array(["drop", "redact", "keep"], object)
    return pa.table(
        [
            rows.bound.record_id.take(picked),
            pa.repeat(rows.data_path, len(at)),
            ledger["out_row"],
            ledger["decision"].cast(pa.string()),
            ledger["reason"].cast(pa.string()),
            pa.array(names[decided.decision[at]], pa.string()),
            pa.array([reasons.NAME[int(code)] for code in told.reason], pa.string()),
            redacted.take(picked).cast(pa.list_(pa.string())),
            told.subject_key.cast(pa.string()),
            told.denial_id.cast(pa.string()),
        ],
        schema=REMOVAL_SCHEMA,
    )


class _Told(NamedTuple):
    """What the removal list says of each row: why, by whom, by which denial."""

    reason: npt.NDArray[np.uint8]
    subject_key: pa.Array
    denial_id: pa.Array


def _nearest(
    rows: StandingRows,
    index: ConsentIndex,
    decided: Decisions,
    at: npt.NDArray[np.intp],
) -> _Told:
    """Return why rows must go, told from what they still show.

    A masked segment has no people any more, and would be named as the reason
    (SUBJECT_UNKNOWN) although it was taken long ago. It counts for what is retained,
    not for why.
    """
    picked = pa.array(at)
    told = _Told(
        decided.reason[at],
        decided.subject_key.take(picked),
        decided.denial_id.take(picked),
    )
    is_nobody = told.reason == _NOBODY
    is_masked = _masked_segments(rows)
    if not is_nobody.any() or not is_masked.any():
        return told
    again = kernel.decide(_without(rows.bound, is_masked), index)
    is_better = is_nobody & (again.decision[at] != Decision.KEEP)
    better = pa.array(is_better)
    return _Told(
        np.where(is_better, again.reason[at], told.reason),
        pc.if_else(better, again.subject_key.take(picked), told.subject_key),
        pc.if_else(better, again.denial_id.take(picked), told.denial_id),
    )


def _masked_segments(rows: StandingRows) -> npt.NDArray[np.bool_]:
    """Tell for each segment whether the ledger says that it was redacted."""
    segments = rows.bound.segments
    ordinals = pl.Series(segments.ordinal).cast(pl.String)
    frame = pl.DataFrame(
        {
            "row": pl.Series(segments.row).cast(pl.UInt32),
            "id": pl.Series(segments.segment_id, dtype=pl.String),
            "ordinal": ordinals,
        }
    ).with_row_index("at")
    named = frame.with_columns(name=pl.coalesce("id", pl.lit("#") + pl.col("ordinal")))
    taken = pl.DataFrame(
        {"name": pl.Series(rows.ledger["redacted"], dtype=pl.List(pl.String))}
    )
    taken = taken.with_row_index("row").explode("name").drop_nulls()
    found = named.join(taken, on=["row", "name"], how="semi")["at"].to_numpy()
    is_masked = np.zeros(len(segments), np.bool_)
    is_masked[found] = True
    return is_masked


def _without(bound: Bound, is_masked: npt.NDArray[np.bool_]) -> Bound:
    """Return bound records without some of their segments and who is in them."""
    keep = ~is_masked
    segments, named = bound.segments, bound.people
    moved = np.append(np.cumsum(keep) - 1, -1)  # -1: of the record, stays so
    stays = np.append(keep, True)[named.segment]
    kept, staying = pa.array(keep), pa.array(stays)
    return dataclasses.replace(
        bound,
        segments=Segments(
            row=segments.row[keep],
            ordinal=segments.ordinal[keep],
            segment_id=segments.segment_id.filter(kept),
            category=segments.category.filter(kept),
        ),
        people=People(
            row=named.row[stays],
            segment=moved[named.segment[stays]].astype(np.int32),
            key=named.key.filter(staying),
            role=named.role[stays],
            relation=named.relation.filter(staying),
        ),
    )


def _ledger(
    release: OpenedRelease, part: str, wanted: npt.NDArray[np.int64] | None
) -> pa.Table:
    """Return ledger rows of admitted records, by `out_row`."""
    tables = []
    first = 0
    where = release.ledger(part)
    with undamaged(where), pq.ParquetFile(where, read_dictionary=_WORDS) as file:
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if wanted is None:
                table = file.read_row_group(group, columns=_LEDGER)
                tables.append(table.filter(table["out_row"].is_valid()))
            else:
                start, end = np.searchsorted(wanted, [first, first + count])
                if end > start:
                    table = file.read_row_group(group, columns=_LEDGER)
                    tables.append(table.take(pa.array(wanted[start:end] - first)))
            first += count
        schema = file.schema_arrow
    if not tables:
        return schema.empty_table().select(_LEDGER)
    return pa.concat_tables(tables)


def _positions(
    wanted: npt.NDArray[np.uint64], found: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Return where a sorted column holds one of the wanted values (sorted too)."""
    if not len(found):
        return np.empty(0, np.int64)
    first = np.searchsorted(wanted, found[0], side="left")
    last = np.searchsorted(wanted, found[-1], side="right")
    starts = np.searchsorted(found, wanted[first:last], side="left")
    ends = np.searchsorted(found, wanted[first:last], side="right")
    sizes = ends - starts
    offsets = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    return offsets + np.arange(sizes.sum())


def _shows_more(
    redacted: pa.Array, rows: StandingRows, dataset: Dataset
) -> npt.NDArray[np.bool_]:
    """Tell for each row whether something is to be redacted that was not before.

    What was masked before is still there, and would be masked again. A segment that
    was removed is not, so there any segment is one more. A pseudonym in the place of
    a mention names nobody any more.
    """
    frame = pl.DataFrame(
        {
            "now": pl.Series(redacted),
            "before": pl.Series(rows.ledger["redacted"]).fill_null([]),
        }
    )
    element = pl.element()
    is_mention = element.str.starts_with("mention:")
    had_mention = pl.col("before").list.eval(is_mention).list.any()
    named = pl.col("now").list.eval(element.filter(~element.str.contains(_PSEUDONYM)))
    now = pl.when(had_mention).then(named).otherwise("now")
    before = pl.col("before")
    if dataset.redaction.segments == "remove":
        columns = [column.name for column in rows.bound.columns]
        is_lasting = element.is_in(columns) | is_mention
        before = before.list.eval(element.filter(is_lasting))
    more = now.list.set_difference(before).list.len() > 0
    return frame.select(more).to_series().to_numpy()

"""What is known about people beside their consent: age, law, life of the account."""

from __future__ import annotations

import dataclasses
from typing import Final

import polars as pl
import pyarrow as pa

from consentfilter.consent import columns, sidefiles
from consentfilter.consent.canonical import rows_digest
from consentfilter.consent.columns import ColumnError
from consentfilter.consent.vocabulary import LIFECYCLES
from consentfilter.errors import InputError
from consentfilter.ids import is_text

_WHAT: Final = (
    "the subjects file: subject_ns, subject_id, birth_date, jurisdiction, lifecycle "
    f"({', '.join(LIFECYCLES)}), lifecycle_at"
)
SUBJECTS: Final = pa.schema(
    [
        pa.field("subject_key", pa.string(), nullable=False),
        pa.field("birth_date", pa.date32()),
        pa.field("jurisdiction", pa.string()),
        pa.field("lifecycle", pa.string(), nullable=False),
        pa.field("lifecycle_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclasses.dataclass(frozen=True, slots=True)
class Subjects:
    """The people of a subjects file.

    Attributes:
        table: columns of `SUBJECTS`, sorted by the unique subject_key.
        sha256: hex digest of the rows, whatever file they came from.
    """

    table: pa.Table
    sha256: str


def load_subjects(
    given: pa.Table | sidefiles.SidePath, *, id_key: bytes | None = None
) -> Subjects:
    """Read a subjects file.

    An absent column is unknown of everyone; a null lifecycle is `active`.

    Raises:
        InputError: with every problem: no `subject_id`, a row that names nobody, a
            person named twice, an unknown lifecycle, a birth date or time that
            cannot be read.
    """
    name, table = sidefiles.read_side(given, "the subjects file")
    sidefiles.wanted_columns(name, table, ["subject_id"], _WHAT)
    keys = sidefiles.side_keys(name, table, "subject_ns", "subject_id", id_key)
    reader = _Reader(name, table)
    frame = pl.DataFrame(
        {
            "subject_key": keys,
            "birth_date": reader.dates("birth_date"),
            "jurisdiction": reader.words("jurisdiction").str.to_uppercase(),
            "lifecycle": reader.words("lifecycle").fill_null("active"),
            "lifecycle_at": reader.instants("lifecycle_at"),
        }
    )
    problems = reader.problems + _row_problems(name, table, frame)
    if problems:
        raise InputError(problems)
    rows = frame.sort("subject_key").to_arrow().cast(SUBJECTS)
    return Subjects(rows, rows_digest(rows, "subjects", ("jurisdiction", "lifecycle")))


def _row_problems(name: str, table: pa.Table, frame: pl.DataFrame) -> list[str]:
    problems = []
    nobody = frame["subject_key"].is_null()
    if nobody.any():
        problems.append(
            f"{name}: {nobody.sum():,} rows name nobody (a null or placeholder "
            f"subject_id: {sidefiles.first_rows(nobody)}); wanted one person a row; "
            "remove these rows or name the person"
        )
    twice = frame["subject_key"].is_duplicated() & ~nobody
    if twice.any():
        at = twice.arg_true()[0]
        same = frame["subject_key"] == frame["subject_key"][at]
        shown = table.column("subject_id")[at].as_py()
        problems.append(
            f"{name}: {frame['subject_key'].filter(twice).n_unique():,} people are "
            f"named more than once, for example subject_id {shown!r} "
            f"({sidefiles.first_rows(same)}); wanted one row a person (ids count as "
            "the same after normalisation)"
        )
    odd = ~frame["lifecycle"].is_in(list(LIFECYCLES))
    if odd.any():
        found = frame["lifecycle"].filter(odd).unique().sort().head(5)
        problems.append(
            f"{name}: column 'lifecycle' holds {', '.join(map(repr, found))} "
            f"({sidefiles.first_rows(odd)}); wanted {', '.join(LIFECYCLES)}"
        )
    return problems


class _Reader:
    """Optional columns of a subjects table, with what is wrong with them."""

    def __init__(self, name: str, table: pa.Table) -> None:
        self._name, self._table = name, table
        self.problems: list[str] = []

    def words(self, column: str) -> pl.Series:
        if column in self._table.column_names:
            try:
                return columns.stripped(columns.text(self._table.column(column)))
            except ColumnError as error:
                self.problems.append(f"{self._name}: column {column!r} {error}")
        return self._nothing(pl.String)

    def instants(self, column: str) -> pl.Series:
        if column in self._table.column_names:
            try:
                found, broken = columns.instants(
                    self._table.column(column), None, "latest"
                )
            except ColumnError as error:
                self.problems.append(f"{self._name}: column {column!r} {error}")
                return self._nothing(columns.INSTANT)
            self._unreadable(column, broken, "RFC 3339 times")
            return found
        return self._nothing(columns.INSTANT)

    def dates(self, column: str) -> pl.Series:
        """Read dates; a timestamp counts as a date only at midnight."""
        if column not in self._table.column_names:
            return self._nothing(pl.Date)
        values = self._table.column(column)
        kind = values.type
        if pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
            days = values.cast(pa.date32())
            if pa.types.is_timestamp(kind) and not days.cast(kind).equals(values):
                self.problems.append(
                    f"{self._name}: column {column!r} is of type {kind} and holds "
                    "times of day, wanted dates"
                )
                return self._nothing(pl.Date)
            return pl.Series(pl.from_arrow(days))
        if pa.types.is_timestamp(kind) or not _is_textual(kind):
            self.problems.append(
                f"{self._name}: column {column!r} is of type {kind}, wanted dates or "
                "text such as '2009-04-30'"
            )
            return self._nothing(pl.Date)
        written = self.words(column)
        found = written.str.to_date("%Y-%m-%d", strict=False)
        broken = written.is_not_null() & found.is_null()
        self._unreadable(column, broken, "dates such as '2009-04-30'")
        return found

    def _unreadable(self, column: str, broken: pl.Series, wanted: str) -> None:
        if broken.any():
            self.problems.append(
                f"{self._name}: column {column!r} has {broken.sum():,} values that "
                f"cannot be read ({sidefiles.first_rows(broken)}); wanted {wanted}"
            )

    def _nothing(self, kind: pl.DataType | type[pl.DataType]) -> pl.Series:
        nothing = pl.Series(values=[None]).cast(kind)
        return nothing.new_from_index(0, self._table.num_rows)


def _is_textual(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(is_text(kind) or pa.types.is_null(kind))

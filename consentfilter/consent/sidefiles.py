"""Reading the small files that stand beside consent: people and identity links."""

from __future__ import annotations

import os

import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

from consentfilter.consent import files
from consentfilter.consent.parquet import SNAPSHOT_KEY, open_parquet
from consentfilter.errors import InputError
from consentfilter.ids import normalise_ids

SidePath = str | os.PathLike[str]


def read_side(given: pa.Table | SidePath, what: str) -> tuple[str, pa.Table]:
    """Return the name and the rows of a side file (Parquet or CSV) or a table.

    Raises:
        InputError: it cannot be read, or holds no rows of the wanted kind.
    """
    if isinstance(given, pa.Table):
        return what, given
    tables = []
    for path in files.expand([given]):
        if path.lower().endswith(".csv"):
            tables.append(_read_csv(path))
            continue
        with open_parquet(path) as file:
            if SNAPSHOT_KEY in (file.metadata.metadata or {}):
                raise InputError(
                    f"{path}: this is a consent snapshot, wanted {what}; give the "
                    "snapshot as consent"
                )
            tables.append(file.read().replace_schema_metadata(None))
    name = os.fspath(given)
    try:
        return name, pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise InputError(f"{name}: its files do not fit together ({error})") from error


def wanted_columns(name: str, table: pa.Table, wanted: list[str], what: str) -> None:
    """Refuse a table that lacks columns.

    Raises:
        InputError: naming the missing columns and those found.
    """
    missing = [column for column in wanted if column not in table.column_names]
    if missing:
        raise InputError(
            f"{name}: no column {', '.join(map(repr, missing))}; found "
            f"{', '.join(map(repr, table.column_names))}; wanted {what}"
        )


def side_keys(
    name: str, table: pa.Table, ns: str, ids: str, id_key: bytes | None
) -> pl.Series:
    """Return the subject keys of two columns, of which the namespace may be absent.

    Raises:
        InputError: the ids are of a type that holds no ids.
    """
    spaces = table.column(ns) if ns in table.column_names else "user_id"
    try:
        keys = normalise_ids(spaces, table.column(ids), key=id_key)
    except InputError as error:
        raise InputError([f"{name}: column {ids!r}: {error}"]) from error
    return pl.Series("key", pl.from_arrow(keys))


def first_rows(is_so: pl.Series, many: int = 3) -> str:
    """Return `row 4, row 9, …`, the first rows (from 1) where something holds."""
    found = is_so.arg_true()
    listed = ", ".join(f"row {at + 1}" for at in found.head(many))
    return listed + (", …" if len(found) > many else "")


def _read_csv(path: str) -> pa.Table:
    try:
        with pacsv.open_csv(path) as peek:
            names = peek.schema.names
        options = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        return pacsv.read_csv(path, convert_options=options)
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path}: not a readable CSV file ({said})") from error

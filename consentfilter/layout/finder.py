"""Finding columns by name, and saying what was found instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from consentfilter.dataset import Dataset
from consentfilter.layout.nested import (
    Path,
    find_path,
    is_list,
    is_text,
    is_uuid,
    is_whole,
    storage_type,
)
from consentfilter.yamlfile import did_you_mean

#: Standard columns with one value per record, beside id and time.
SCALARS: Final = (
    "category",
    "account_id",
    "context_id",
    "asset_id",
    "jurisdiction",
    "source",
    "group_size",
    "derived_from",
)
#: Columns without which no record can be decided.
REQUIRED: Final = ("record_id", "collected_at", "category")


class Finder:
    """Finds columns by name and notes what is missing."""

    def __init__(self, schema: pa.Schema, problems: list[str]) -> None:
        self.schema, self.problems = schema, problems

    def find(self, key: str, name: str, wanted: str, hint: str = "") -> Path | None:
        """Return where a column or dotted path is; None, noted, if nowhere."""
        path = find_path(self.schema, name)
        if path is None:
            listed = listed_names(self.schema.names)
            self.problems.append(
                f"{key}: there is no column {name!r} (columns: {listed}); wanted "
                f"{wanted}{hint}{did_you_mean(name, self.schema.names)}"
            )
        return path

    def wrong(
        self, key: str, name: str, kind: pa.DataType, wanted: str, hint: str = ""
    ) -> None:
        """Note that a column is of a type that cannot be used."""
        self.problems.append(f"{key}: column {name!r} is {kind}; wanted {wanted}{hint}")


def listed_names(names: Iterable[str], most: int = 30) -> str:
    """Return names for a message, at most so many of them."""
    names = list(names)
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"


WANTED: Final = {
    "record_id": "the records' ids (text, whole numbers or fixed binary)",
    "collected_at": "the time of collection (a timestamp with time zone, or RFC 3339 "
    "text with an offset)",
    "category": "the records' categories (text)",
    "group_size": "how many people an aggregate covers (whole numbers)",
    "derived_from": "the categories a row was derived from (text or a list of it)",
}


def wanted_of(name: str) -> str:
    """Say what a standard column holds."""
    return WANTED.get(name, f"the records' {name} (text)")


def switch_off(dataset: Dataset, name: str) -> str:
    """Say how a payload column that happens to bear a standard name is freed."""
    if name in REQUIRED or dataset.states(name):
        return ""
    return f"; if it is payload, say '{name}: null' in dataset.yaml"


def is_id(kind: pa.DataType) -> bool:
    """Tell whether values of a type can be ids of people."""
    stored = storage_type(kind)
    return is_text(kind) or is_whole(kind) or is_uuid(kind) or pa.types.is_null(stored)


def struct_of(kind: pa.DataType) -> pa.StructType | None:
    """Return the struct that a list holds, or None."""
    if not is_list(kind):
        return None
    stored = storage_type(kind.value_type)
    return stored if pa.types.is_struct(stored) else None

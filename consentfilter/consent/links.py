"""Identity links: two keys that are known to be one person.

Denials travel along links, grants do not. A link holds both ways and chains: what
follows from that is computed by whoever decides; here pairs are read and made
canonical.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from consentfilter.consent import sidefiles
from consentfilter.consent.canonical import rows_digest

_WHAT: Final = "the identity links: ns_a, id_a, ns_b, id_b"
LINKS: Final = pa.schema(
    [
        pa.field("key_a", pa.string(), nullable=False),
        pa.field("key_b", pa.string(), nullable=False),
    ]
)


@dataclasses.dataclass(frozen=True, slots=True)
class Links:
    """The pairs of an identity links file.

    Attributes:
        table: columns of `LINKS`, key_a < key_b, sorted and distinct.
        sha256: hex digest of the rows, whatever file they came from.
        num_ignored: rows of which one side names nobody; a placeholder never joins.
    """

    table: pa.Table
    sha256: str
    num_ignored: int


def load_links(
    given: pa.Table | sidefiles.SidePath, *, id_key: bytes | None = None
) -> Links:
    """Read an identity links file.

    Raises:
        InputError: columns are missing or hold no ids.
    """
    name, table = sidefiles.read_side(given, "the identity links")
    sidefiles.wanted_columns(name, table, ["id_a", "id_b"], _WHAT)
    a = sidefiles.side_keys(name, table, "ns_a", "id_a", id_key)
    b = sidefiles.side_keys(name, table, "ns_b", "id_b", id_key)
    pairs = pl.DataFrame({"a": a, "b": b})
    named = pairs.drop_nulls()
    rows = (
        named.filter(pl.col("a") != pl.col("b"))
        .select(
            key_a=pl.min_horizontal("a", "b"),
            key_b=pl.max_horizontal("a", "b"),
        )
        .unique()
        .sort("key_a", "key_b")
        .to_arrow()
        .cast(LINKS)
    )
    return Links(rows, rows_digest(rows, "links"), pairs.height - named.height)


def components(links: pa.Table) -> tuple[pa.Array, np.ndarray]:
    """Return every linked key and the number of the person it belongs to.

    Links are followed both ways and all the way.

    Args:
        links: columns `key_a` and `key_b`.

    Returns:
        The distinct keys, sorted, and an int64 array as long: equal numbers are one
        person, numbered from 0 in the order of their first key.
    """
    a = pl.Series(pl.from_arrow(links.column("key_a"))).cast(pl.String)
    b = pl.Series(pl.from_arrow(links.column("key_b"))).cast(pl.String)
    keys = pl.concat([a, b]).unique().sort()
    at_a, at_b = keys.search_sorted(a).to_numpy(), keys.search_sorted(b).to_numpy()
    label = np.arange(len(keys), dtype=np.int64)
    while True:
        least = np.minimum(label[at_a], label[at_b])
        lower = label.copy()
        for at in (label[at_a], label[at_b], at_a, at_b):
            np.minimum.at(lower, at, least)
        lower = lower[lower]
        if (lower == label).all():
            break
        label = lower
    number = np.unique(label, return_inverse=True)[1].astype(np.int64)
    return keys.to_arrow().cast(pa.string()), number

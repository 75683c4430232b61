"""Consent too large for a worker: in buckets by key, and what a part needs of them.

A snapshot is sorted by subject key, so a bucket is a range of it. What a part needs
is small: the statements and the side data of the people who occur in it (and of the
identities linked to them), and what is said about everybody in a scope. Out of these
the same index is compiled, only smaller, and decides the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter import binding
from consentfilter.consent.load import Consent
from consentfilter.dataset import Dataset
from consentfilter.engine.cluster.carried import CarriedConsent, carry
from consentfilter.engine.cluster.files import below, read_checked, write_file
from consentfilter.engine.cluster.tables import alone, from_bytes, to_bytes
from consentfilter.engine.footers import Footer, open_parquet
from consentfilter.engine.reader import (
    hive_columns,
    read_pieces,
    schema_with_hive,
    units,
)
from consentfilter.engine.storage import Location
from consentfilter.layout.resolve import lay_out

#: Statements in one bucket, about.
BUCKET_ROWS: Final = 262_144
#: Bytes in one element of a shuffle, about.
SLICE_BYTES: Final = 1 << 20
_KEY: Final = "subject_key"


@dataclasses.dataclass(frozen=True, slots=True)
class Buckets:
    """Where the buckets lie, and what every worker has to know.

    Attributes:
        place: the directory. first_keys: least key of each bucket but the first.
        sha256s: hex digest of the bytes of each bucket.
        common: consent without anybody's own statements and side data: what is said
            about everybody in a scope, and the links.
    """

    place: Location
    first_keys: pa.Array
    sha256s: tuple[str, ...]
    common: CarriedConsent

    def __len__(self) -> int:
        return len(self.first_keys) + 1

    def of(self, keys: pa.Array) -> Iterator[tuple[int, pa.Array]]:
        """Yield (bucket, keys) of distinct keys."""
        asked = pl.Series(pl.from_arrow(keys)).sort()
        bounds = pl.Series(pl.from_arrow(self.first_keys), dtype=pl.String)
        if not len(bounds):
            yield 0, asked.to_arrow().cast(pa.string())
            return
        at = bounds.search_sorted(asked, side="right").to_numpy()
        cuts = np.searchsorted(at, np.arange(len(self) + 1))
        for bucket in np.unique(at).tolist():
            found = asked[int(cuts[bucket]) : int(cuts[bucket + 1])]
            yield bucket, found.to_arrow().cast(pa.string())

    def read(self, bucket: int) -> tuple[pa.Table, pa.Table | None]:
        """Return a bucket's statements and side data."""
        place = below(self.place, str(bucket))
        content = read_checked(place, self.sha256s[bucket], "the consent")
        # Our own bytes: they have the digest that came with the pipeline.
        own, side = pickle.loads(content)
        return from_bytes(own), None if side is None else from_bytes(side)


def write_buckets(
    consent: Consent, place: Location, *, bucket_rows: int = BUCKET_ROWS
) -> Buckets:
    """Cut consent into buckets and write them.

    Args:
        consent: all of it.
        place: a directory of this run, which nobody else writes to.
        bucket_rows: statements in one bucket, about; a person is never cut.

    Raises:
        StorageError: a bucket cannot be written.
    """
    statements = consent.snapshot.statements
    named = len(statements) - statements.column(_KEY).null_count
    keys = statements.column(_KEY).slice(0, named)
    starts = range(bucket_rows, named, bucket_rows)
    first_keys = pc.unique(keys.take(pa.array(starts, pa.int64())))
    first_keys = _flat(first_keys).cast(pa.string())
    cuts = _cuts(keys, first_keys)
    people = consent.subjects
    if people is not None:
        people = people.sort_by(_KEY)
    people_cuts = None if people is None else _cuts(people.column(_KEY), first_keys)
    sha256s = []
    for at in range(len(first_keys) + 1):
        own = statements.slice(cuts[at], cuts[at + 1] - cuts[at])
        side = None
        if people is not None and people_cuts is not None:
            side = people.slice(people_cuts[at], people_cuts[at + 1] - people_cuts[at])
        content = pickle.dumps(
            (to_bytes(own), None if side is None else to_bytes(side))
        )
        write_file(below(place, str(at)), content)
        sha256s.append(hashlib.sha256(content).hexdigest())
    snapshot = dataclasses.replace(
        consent.snapshot, statements=alone(statements.slice(named)), notes=None
    )
    common = dataclasses.replace(
        consent,
        snapshot=snapshot,
        subjects=None if people is None else people.schema.empty_table(),
    )
    return Buckets(place, first_keys, tuple(sha256s), carry(common, place))


def read_keys(footer: Footer, dataset: Dataset, id_key: bytes | None) -> pa.Array:
    """Return the distinct keys of all people in a part; reads no payload."""
    schema = schema_with_hive(footer, dataset)
    layout = lay_out(schema, dataset)
    payload = {column.name for column in layout.payload}
    constants = hive_columns(footer, dataset)
    names = [
        name for name in schema.names if name not in payload and name not in constants
    ]
    # Names of payload columns mean nothing where there are none.
    bare = dataset
    if dataset.segments is not None and dataset.segments.keep:
        segments = dataset.segments.model_copy(update={"keep": ()})
        bare = dataset.model_copy(update={"segments": segments})
    found = [pa.array([], pa.string())]
    with open_parquet(footer.part) as opened:
        tables = (
            table
            for unit in units(footer)
            for table in read_pieces(opened, unit, names)
        )
        for table in tables:
            for name, value in constants.items():
                constant = pa.repeat(pa.scalar(value, pa.string()), table.num_rows)
                table = table.append_column(name, constant)
            bound = binding.bind(table, bare, id_key=id_key)
            found += [pc.unique(bound.people.key), pc.unique(bound.mentions.key)]
    return pc.unique(pa.concat_arrays(found)).drop_null()


def with_linked(keys: pa.Array, links: pa.Table | None) -> pa.Array:
    """Return keys and every key linked to them, directly or by others."""
    if links is None or not len(links):
        return keys
    pairs = pl.DataFrame(pl.from_arrow(links.select(["key_a", "key_b"])))
    both = pl.concat(
        [pairs, pairs.select(key_a=pl.col("key_b"), key_b=pl.col("key_a"))]
    )
    found = pl.DataFrame({"key_a": pl.from_arrow(keys)})
    newest = found
    while len(newest):
        reached = both.join(newest, on="key_a", how="semi").select(key_a="key_b")
        newest = reached.unique().join(found, on="key_a", how="anti")
        found = pl.concat([found, newest])
    return found["key_a"].to_arrow().cast(pa.string())


def answer(
    asked: Iterable[tuple[str, pa.Array]],
    statements: pa.Table,
    people: pa.Table | None,
) -> Iterator[tuple[str, pa.Table, pa.Table | None]]:
    """Answer all parts that ask one bucket.

    Args:
        asked: (part, keys).
        statements: the bucket's, in the snapshot's order.
        people: the bucket's side data, or None.

    Yields:
        (part, statements of its people in their order, their side data).
    """
    for part, keys in asked:
        own = statements.filter(_is_asked(statements, keys))
        side = None if people is None else people.filter(_is_asked(people, keys))
        if len(own) or (side is not None and len(side)):
            yield part, own, side


def consent_of(
    common: Consent, own: Sequence[pa.Table], people: Sequence[pa.Table]
) -> Consent:
    """Return the consent that one part needs.

    Args:
        common: what every worker has.
        own: statements of the part's people, in the order of the buckets.
        people: their side data.
    """
    statements = pa.concat_tables([*own, common.snapshot.statements])
    statements = statements.unify_dictionaries().combine_chunks()
    snapshot = dataclasses.replace(common.snapshot, statements=statements)
    subjects = common.subjects
    if subjects is not None:
        subjects = pa.concat_tables([*people, subjects])
    return dataclasses.replace(common, snapshot=snapshot, subjects=subjects)


def sliced(table: pa.Table) -> Iterator[bytes]:
    """Yield a table as Arrow IPC streams of about `SLICE_BYTES`."""
    rows = max(1, SLICE_BYTES * len(table) // max(1, table.nbytes))
    for start in range(0, len(table), rows):
        yield to_bytes(table.slice(start, rows).combine_chunks())


def leave_answer(table: pa.Table, place: Location) -> tuple[str, str]:
    """Write a table below a place, under a name of its own; return name and digest.

    Raises:
        StorageError: it cannot be written.
    """
    name, content = uuid.uuid4().hex, to_bytes(table)
    write_file(below(place, name), content)
    return name, hashlib.sha256(content).hexdigest()


def fetch_answer(name: str, sha256: str, place: Location) -> pa.Table:
    """Return the table that `leave_answer` wrote.

    Raises:
        StorageError: it cannot be read.
        InputError: it holds something else.
    """
    return from_bytes(read_checked(below(place, name), sha256, "the consent"))


def _is_asked(table: pa.Table, keys: pa.Array) -> pa.ChunkedArray:
    return pc.is_in(table.column(_KEY), value_set=keys)


def _cuts(keys: pa.ChunkedArray, first_keys: pa.Array) -> list[int]:
    """Return where each bucket begins in sorted keys, and the end."""
    if not len(first_keys):
        return [0, len(keys)]
    ordered = pl.Series(pl.from_arrow(keys))
    bounds = pl.Series(pl.from_arrow(first_keys))
    at = ordered.search_sorted(bounds, side="left")
    return [0, *at.to_list(), len(keys)]


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

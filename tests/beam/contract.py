"""The contract: every decision case through a Beam runner, and what came out."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from consentfilter.beam import ConsentFilter, Decided
from tests.beam.cases import KEY, Case, told

#: Rows per batch: small, so that a case has several.
BATCH_ROWS = 7


@dataclasses.dataclass(frozen=True)
class Got:
    """What came out of one case: sorted, whatever the order."""

    kept: list[dict[str, Any]]
    dropped: list[Any]
    ledger: list[dict[str, Any]]


def run_batches(
    cases: Sequence[Case], options: PipelineOptions, directory: pathlib.Path
) -> list[Got]:
    """Send every case through one pipeline as record batches."""
    with beam.Pipeline(options=options) as pipeline:
        for at, case in enumerate(cases):
            batches = case.records.combine_chunks().to_batches(BATCH_ROWS)
            decided = (
                pipeline
                | f"Case {at}" >> beam.Create(batches).with_output_types(pa.RecordBatch)
                | f"Filter {at}" >> _filter(case)
            )
            _write(decided, directory, at)
    return [
        Got(
            _sorted(_rows(directory, at, "kept")),
            _sorted(_rows(directory, at, "dropped")),
            _ledger(directory, at),
        )
        for at in range(len(cases))
    ]


def run_rows(
    cases: Sequence[Case], options: PipelineOptions, directory: pathlib.Path
) -> list[Got]:
    """Send every case through one pipeline as dicts."""
    with beam.Pipeline(options=options) as pipeline:
        for at, case in enumerate(cases):
            rows = case.records.to_pylist()
            decided = (
                pipeline
                | f"Case {at}" >> beam.Create(rows).with_output_types(dict[str, Any])
                | f"Filter {at}" >> _filter(case, schema=case.records.schema)
            )
            schema = case.records.schema
            kept = decided.kept | f"Batch kept {at}" >> beam.Map(
                _one_row, schema
            ).with_output_types(pa.RecordBatch)
            dropped = decided.dropped | f"Batch dropped {at}" >> beam.Map(
                lambda pair, schema: _one_row(pair[1], schema), schema
            ).with_output_types(pa.RecordBatch)
            _write(decided._replace(kept=kept, dropped=dropped), directory, at)
    return [
        Got(
            _sorted(_rows(directory, at, "kept")),
            _sorted(_rows(directory, at, "dropped")),
            _ledger(directory, at),
        )
        for at in range(len(cases))
    ]


#: Sends cases through a pipeline, in one shape.
Run = Callable[[Sequence[Case], PipelineOptions, pathlib.Path], list[Got]]


def wanted(case: Case) -> list[dict[str, Any]]:
    """Return the rows that the local engine admits, sorted."""
    return _sorted(case.admitted.to_pylist())


def _filter(case: Case, **more: Any) -> ConsentFilter:
    return ConsentFilter(
        case.policy,
        case.consent,
        dataset=case.dataset,
        release_key=KEY,
        **more,
    )


def _one_row(row: dict[str, Any], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([row], schema)


def _write(decided: Decided, directory: pathlib.Path, at: int) -> None:
    """Write each output of a case to a file, once, however often a bundle runs."""
    for tag in ("kept", "dropped", "ledger"):
        path = str(directory / f"{at}-{tag}")
        _ = (
            getattr(decided, tag)
            | f"Key {tag} {at}"
            >> beam.Map(lambda batch: (0, batch)).with_output_types(
                tuple[int, pa.RecordBatch]
            )
            | f"Gather {tag} {at}" >> beam.GroupByKey()
            | f"Write {tag} {at}" >> beam.Map(_write_file, path)
        )


def _write_file(gathered: tuple[int, Iterable[pa.RecordBatch]], path: str) -> None:
    table = pa.Table.from_batches(list(gathered[1]))
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def _tables(directory: pathlib.Path, at: int, tag: str) -> Iterator[pa.Table]:
    path = directory / f"{at}-{tag}"
    if path.exists():
        with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
            yield reader.read_all()


def _rows(directory: pathlib.Path, at: int, tag: str) -> list[dict[str, Any]]:
    return [row for table in _tables(directory, at, tag) for row in table.to_pylist()]


def _ledger(directory: pathlib.Path, at: int) -> list[dict[str, Any]]:
    return [row for table in _tables(directory, at, "ledger") for row in told(table)]


def _sorted(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=repr)

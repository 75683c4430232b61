"""Beam beside the local engine, and beside a join written the usual way.

`python -m benchmarks.beam [release] [transform] [join] [--rows N] [--repeat N]`

- `release`: the whole command with `--engine local` and with `--engine beam`, the
  same workers.
- `transform`: `ConsentFilter` over record batches and over rows, in a pipeline on
  `FnApiRunner`, beside `CoGroupByKey` over dicts with the latest consent of each
  person (which is less than what the filter decides).
- `join`: `--join keys` beside `--join broadcast` at many subjects, with memory.

Each job is a process of its own; rates are rows by the wall time of the pipeline. For
`transform` that is reading Parquet, making the elements, loading consent, deciding, and
a sink that counts; without interpreter start and imports. As making and counting a
million rows in Python takes longer than deciding them, the same pipeline without
`ConsentFilter` runs beside it (`read ...`, where the sink counts all rows instead of
the kept ones), and `step` is the rate by the difference between the two. Rows are
Python objects, and the two threads share one interpreter lock: they use one core,
batches use both. `rows, 2 processes` gives rows both cores, as a runner does that
starts a process per core; starting them is in its time, and in that of its reader.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from benchmarks.measure import Usage, run

WORKERS: Final = 2
BATCH_ROWS: Final = 65_536
MODE: Final = "multi_processing"


def main() -> int:
    """Run the chosen parts and print what each took."""
    options = _options()
    if options.job:
        print(json.dumps(JOBS[options.job](options.data)))
        return 0
    parts = options.parts or ["release", "transform", "join"]
    for part in parts:
        {"release": _release, "transform": _transform, "join": _join}[part](options)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="default: all three")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--subjects", type=int, default=200_000)
    parser.add_argument("--join-subjects", type=int, default=5_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cache", type=pathlib.Path, default=_cache())
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--data", type=pathlib.Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _cache() -> pathlib.Path:
    return pathlib.Path(__file__).with_name(".cache")


def _data(options: argparse.Namespace, subjects: int) -> pathlib.Path:
    """Make the data in a process of its own; return where they lie."""
    sizes = {"rows": options.rows, "subjects": subjects, "statements": 2 * subjects}
    code = (
        "import pathlib, sys; from benchmarks.data import make_data; "
        f"print(make_data(pathlib.Path(sys.argv[1]), **{sizes!r}).root)"
    )
    command = [sys.executable, "-c", code, str(options.cache)]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return pathlib.Path(made.stdout.strip())


def _release(options: argparse.Namespace) -> None:
    root = _data(options, options.subjects)
    engines = {"local": ["--engine", "local"], "beam": ["--engine", "beam"]}
    print(f"release: {options.rows:,} rows, {options.subjects:,} subjects")
    used = _commands(options, root, engines)
    ratio = _wall(used["beam"]) / _wall(used["local"])
    print(f"  beam takes {ratio:.2f} times the local engine's time")


def _join(options: argparse.Namespace) -> None:
    root = _data(options, options.join_subjects)
    joins = {
        name: ["--engine", "beam", "--join", name] for name in ("broadcast", "keys")
    }
    print(f"join: {options.rows:,} rows, {options.join_subjects:,} subjects")
    used = _commands(options, root, joins)
    ratio = _wall(used["broadcast"]) / _wall(used["keys"])
    print(f"  keys has {ratio:.2f} times the speed of broadcast")


def _commands(
    options: argparse.Namespace, root: pathlib.Path, kinds: dict[str, list[str]]
) -> dict[str, list[Usage]]:
    """Run the filter command in each kind in turn; print what each used."""
    used: dict[str, list[Usage]] = {name: [] for name in kinds}
    with tempfile.TemporaryDirectory(dir=options.cache) as scratch:
        for _ in range(options.repeat):
            for name, more in kinds.items():
                out = pathlib.Path(scratch) / name
                shutil.rmtree(out, ignore_errors=True)
                used[name].append(run([*_filter(root, out), *more]))
    for name, usages in used.items():
        peak = max(usage.peak_bytes for usage in usages) / 2**20
        rate = options.rows / _wall(usages)
        print(
            f"  {name:10} {_wall(usages):7.1f} s  {rate:>12,.0f} rows/s"
            f"  peak {peak:,.0f} MiB"
        )
    return used


def _filter(root: pathlib.Path, out: pathlib.Path) -> list[str]:
    return [
        *(sys.executable, "-m", "consentfilter", "filter", str(root / "records")),
        *("--consent", str(root / "snapshot.parquet")),
        *("--policy", str(root / "policy.yaml"), "--out", str(out)),
        *("--unsigned", "--quiet", "--workers", str(WORKERS)),
    ]


def _wall(usages: Iterable[Usage]) -> float:
    return statistics.median(usage.wall_s for usage in usages)


def _transform(options: argparse.Namespace) -> None:
    root = _data(options, options.subjects)
    print(f"transform: {options.rows:,} rows, {options.subjects:,} subjects")
    wall_s: dict[str, float] = {}
    for name in JOBS:
        said = []
        for _ in range(options.repeat):
            # Not by `-m`: other processes must find `Record` in a module of its name.
            code = "from benchmarks.beam import main; main()"
            command = [sys.executable, "-c", code, "--job", name]
            done = subprocess.run(
                [*command, "--data", str(root)],
                check=True,
                capture_output=True,
                text=True,
            )
            said.append(json.loads(done.stdout.splitlines()[-1]))
        wall_s[name] = statistics.median(each["wall_s"] for each in said)
        cpu_s = statistics.median(each["cpu_s"] for each in said)
        rows, kept = said[0]["rows"], said[0]["kept"]
        line = f"  {name:22} {wall_s[name]:7.1f} s  CPU {cpu_s:6.1f} s"
        line += f"  {rows / wall_s[name]:>12,.0f} rows/s  kept {kept:,}"
        if name in SOURCES:
            step_s = wall_s[name] - wall_s[SOURCES[name]]
            line += f"  step {rows / step_s:,.0f} rows/s"
        print(line)


class Record(NamedTuple):
    """A row of the benchmark's dump."""

    record_id: str
    subject_id: str | None
    category: str
    collected_at: str
    text: str


def _batches(path: str) -> Iterator[Any]:
    import pyarrow.parquet as pq

    yield from pq.ParquetFile(path).iter_batches(BATCH_ROWS)


def _rows(path: str) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in _batches(path):
        at = batch.schema.get_field_index("collected_at")
        text = batch.column(at).cast(pa.timestamp("us")).cast(pa.string())
        times = pc.binary_join_element_wise(text, "Z", "")
        batch = batch.set_column(at, "collected_at", times)
        yield from map(
            Record, *(batch.column(name).to_pylist() for name in Record._fields)
        )


def _dicts(batch: Any, time_column: str) -> list[dict[str, Any]]:
    """Return rows as dicts, their time as an integer: datetimes take far more room."""
    import pyarrow as pa

    at = batch.schema.get_field_index(time_column)
    time = batch.column(at).cast(pa.int64())
    rows: list[dict[str, Any]] = batch.set_column(at, time_column, time).to_pylist()
    return rows


def _parts(root: pathlib.Path, most: int | None = None) -> list[str]:
    return [str(path) for path in sorted((root / "records").glob("*.parquet"))][:most]


def _count(
    root: pathlib.Path,
    parts: list[str],
    kept: Callable[[pathlib.Path, str | None], Any],
    *,
    in_processes: bool = False,
) -> Any:
    """Run a pipeline from parts to what is kept; return rows, kept and time."""
    import logging

    import apache_beam as beam
    import pyarrow.parquet as pq
    from apache_beam.transforms.window import GlobalWindows

    from consentfilter.engine.beam.runners import pipeline_options

    class Count(beam.DoFn):  # type: ignore[misc]  # Beam has no types
        """Counts a bundle: one element a bundle goes on, not one a row."""

        def start_bundle(self) -> None:
            self._rows = 0

        def process(self, element: Any) -> None:
            self._rows += getattr(element, "num_rows", 1)

        def finish_bundle(self) -> Iterator[Any]:
            yield GlobalWindows.windowed_value(self._rows)

    logging.disable(logging.WARNING)
    rows = sum(pq.read_metadata(path).num_rows for path in parts)
    processes = [f"--direct_num_workers={WORKERS}", f"--direct_running_mode={MODE}"]
    options = pipeline_options(processes if in_processes else [], threads=WORKERS)
    with tempfile.TemporaryDirectory() as scratch:
        note = pathlib.Path(scratch) / "count"
        start, start_cpu = time.perf_counter(), _cpu_s()
        with beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | "Parts" >> beam.Create(parts)
                | "Spread" >> beam.Reshuffle()
                | "Keep" >> kept(root, scratch if in_processes else None)
                | "Count" >> beam.ParDo(Count()).with_output_types(int)
                | "Sum" >> beam.CombineGlobally(sum)
                | "Note" >> beam.Map(_note, str(note))
            )
        return {
            "rows": rows,
            "kept": int(note.read_text()),
            "wall_s": time.perf_counter() - start,
            "cpu_s": _cpu_s() - start_cpu,
        }


def _cpu_s() -> float:
    """Return the CPU time of this process and of those it has waited for."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _note(count: int, path: str) -> None:
    pathlib.Path(path).write_text(str(count))


def _read(make: Callable[[str], Iterator[Any]], kind: Callable[[], Any]) -> Any:
    """Return what gives all elements: what a pipeline takes without the filter."""
    import apache_beam as beam

    def expand(parts: Any) -> Any:
        return parts | "Read" >> beam.FlatMap(make).with_output_types(kind())

    return beam.ptransform_fn(expand)()


def _filtered(
    root: pathlib.Path,
    staging: str | None,
    make: Callable[[str], Iterator[Any]],
    kind: Callable[[], Any],
) -> Any:
    """Return what gives the elements that the filter keeps."""
    import apache_beam as beam

    from consentfilter.beam import ConsentFilter

    decide = ConsentFilter(
        root / "policy.yaml", root / "snapshot.parquet", staging=staging
    )

    def expand(parts: Any) -> Any:
        return (parts | _read(make, kind) | decide).kept

    return beam.ptransform_fn(expand)()


def _batch_kind() -> Any:
    import pyarrow as pa

    return pa.RecordBatch


def _usual(root: pathlib.Path, _: str | None) -> Any:
    """Return the join as it is usually written: dicts, CoGroupByKey, latest wins."""
    import apache_beam as beam
    import pyarrow.parquet as pq

    def events(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        columns = ["subject_id", "purpose", "status", "occurred_at"]
        for batch in pq.ParquetFile(path).iter_batches(columns=columns):
            for row in _dicts(batch, "occurred_at"):
                yield row["subject_id"], row

    def records(path: str) -> Iterator[tuple[str | None, dict[str, Any]]]:
        for batch in _batches(path):
            for row in _dicts(batch, "collected_at"):
                yield row["subject_id"], row

    def permitted(joined: Any) -> Iterator[dict[str, Any]]:
        _, both = joined
        acts = [e for e in both["events"] if e["purpose"] != "marketing.email"]
        last = max(acts, key=lambda e: e["occurred_at"], default=None)
        if last is not None and last["status"] == "given":
            for row in both["records"]:
                if row["collected_at"] >= last["occurred_at"]:
                    yield row

    paths = [str(path) for path in sorted((root / "events").glob("*.parquet"))]

    def expand(parts: Any) -> Any:
        consents = (
            parts.pipeline
            | "Events" >> beam.Create(paths)
            | "Read events" >> beam.FlatMap(events)
        )
        keyed = parts | "Read" >> beam.FlatMap(records)
        return (
            {"events": consents, "records": keyed}
            | beam.CoGroupByKey()
            | beam.FlatMap(permitted)
        )

    return beam.ptransform_fn(expand)()


def _job(
    kept: Callable[[pathlib.Path, str | None], Any],
    *,
    most: int | None = None,
    in_processes: bool = False,
) -> Callable[[pathlib.Path], Any]:
    return lambda root: _count(
        root, _parts(root, most), kept, in_processes=in_processes
    )


def _row_kind() -> Any:
    return Record


def _read_rows(_: pathlib.Path, __: str | None) -> Any:
    return _read(_rows, _row_kind)


def _filtered_rows(root: pathlib.Path, staging: str | None) -> Any:
    return _filtered(root, staging, _rows, _row_kind)


def _read_batches(_: pathlib.Path, __: str | None) -> Any:
    return _read(_batches, _batch_kind)


def _filtered_batches(root: pathlib.Path, staging: str | None) -> Any:
    return _filtered(root, staging, _batches, _batch_kind)


#: The usual way is given one part only: it holds everything as dicts.
JOBS: Final[dict[str, Callable[[pathlib.Path], Any]]] = {
    "read batches": _job(_read_batches),
    "record batches": _job(_filtered_batches),
    "read rows": _job(_read_rows),
    "rows": _job(_filtered_rows),
    "read rows, 2 processes": _job(_read_rows, in_processes=True),
    "rows, 2 processes": _job(_filtered_rows, in_processes=True),
    "CoGroupByKey": _job(_usual, most=1),
}
#: What each filter reads without filtering.
SOURCES: Final = {
    "record batches": "read batches",
    "rows": "read rows",
    "rows, 2 processes": "read rows, 2 processes",
}

if __name__ == "__main__":
    sys.exit(main())

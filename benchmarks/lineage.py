"""What it costs to check, prove and re-check a release, beside what it costs to make.

`python -m benchmarks.lineage [--rows N] [--repeat N]`. Every line is a whole process:
the filter that makes the release; `sha256sum` over its published files and `verify`
of the same; `verify` with the private evidence; `prove` and `check` of a record;
`recheck` after 1 % of the people withdrew.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from benchmarks.filter import STATEMENTS_PER_ROW, SUBJECTS_PER_ROW
from benchmarks.measure import Usage, run

_WITHDRAWN: Final = 100  # one person in a hundred
_LATER: Final = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
_OURS: Final = (sys.executable, "-m", "consentfilter")


def main() -> int:
    """Make a release, measure each command on it, print a table."""
    options = _options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # ours compile as an install's do
    root, records, snapshot, policy = _data(options)
    newer = _newer_snapshot(root)
    key = root / "bench"
    if not key.with_suffix(".pem").exists():
        subprocess.run([*_OURS, "keygen", "--out", str(key), "--quiet"], check=True)
    out = options.cache / "out" / "lineage"
    make = [*_OURS, "filter", str(records), "--consent", str(snapshot)]
    make += ["--policy", str(policy), "--out", str(out), "--quiet"]
    used: dict[str, list[Usage]] = {}
    for _ in range(options.repeat):
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        signed = [*make, "--sign-key", f"{key}.pem"]
        used.setdefault("filter (signed)", []).append(run(signed))
        for name, command in _commands(out, newer, key).items():
            (out.parent / "proof.json").unlink(missing_ok=True)
            if name == "check":
                _prove(out)
            used.setdefault(name, []).append(run(command))
    _print(options, used, _published(out))
    shutil.rmtree(options.cache / "out", ignore_errors=True)
    return 0


def _commands(
    out: pathlib.Path, newer: pathlib.Path, key: pathlib.Path
) -> dict[str, Sequence[str]]:
    published = out.with_name("published")
    shutil.rmtree(published, ignore_errors=True)
    shutil.copytree(
        out,
        published,
        ignore=shutil.ignore_patterns("private"),
        copy_function=lambda source, target: pathlib.Path(target).hardlink_to(source),
    )
    files = [str(path) for path in published.rglob("*") if path.is_file()]
    public = ["--public-key", f"{key}.pub.pem", "--quiet"]
    proof = str(out.with_name("proof.json"))
    manifest = str(out / "manifest.intoto.json")
    recheck = [*_OURS, "recheck", str(out), "--consent", str(newer), "--quiet"]
    return {
        "sha256sum (published)": ["sha256sum", *files],
        "verify (published)": [*_OURS, "verify", str(published), *public],
        "verify (with evidence)": [*_OURS, "verify", str(out), *public],
        "prove": [*_OURS, "prove", str(out), "--record", _a_record(out), "--quiet",
                  "--out", proof],
        "check": [*_OURS, "check", proof, "--manifest", manifest, *public],
        "recheck (1 % withdrew)": ["sh", "-c", '"$@"; test $? = 1', "-", *recheck],
    }  # fmt: skip


def _a_record(out: pathlib.Path) -> str:
    code = (
        "import sys, pyarrow.parquet as pq, pathlib;"
        "part = sorted(pathlib.Path(sys.argv[1]).rglob('*.parquet'))[0];"
        "print(pq.ParquetFile(part).read_row_group(0, ['record_id'])[0][7])"
    )
    command = [sys.executable, "-c", code, str(out / "data")]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return found.stdout.strip()


def _prove(out: pathlib.Path) -> None:
    proof = str(out.with_name("proof.json"))
    command = [*_OURS, "prove", str(out), "--record", _a_record(out), "--quiet"]
    subprocess.run([*command, "--out", proof], check=True)


def _published(out: pathlib.Path) -> int:
    index = json.loads((out / "release-index.json").read_bytes())
    return sum(int(line["size"]) for line in index)


def _options() -> argparse.Namespace:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path(tempfile.gettempdir()) / "consentfilter-bench",
    )
    options = parser.parse_args()
    options.statements = int(options.rows * STATEMENTS_PER_ROW)
    options.subjects = int(options.rows * SUBJECTS_PER_ROW)
    return options


def _data(options: argparse.Namespace) -> tuple[pathlib.Path, ...]:
    sizes = [
        f"--{name}={getattr(options, name)}"
        for name in ("rows", "subjects", "statements")
    ]
    command = [sys.executable, "-m", "benchmarks.data", str(options.cache), *sizes]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    root = pathlib.Path(found.stdout.strip().splitlines()[-1])
    return root, root / "records", root / "snapshot.parquet", root / "policy.yaml"


def _newer_snapshot(root: pathlib.Path) -> pathlib.Path:
    """Have a snapshot made in which one person in a hundred has withdrawn since."""
    target = root / "newer.parquet"
    if not target.exists():
        command = [sys.executable, "-m", "benchmarks.lineage", "--make", str(root)]
        subprocess.run(command, check=True)
    return target


def make_newer(root: pathlib.Path) -> None:
    """Write the newer snapshot, in a process of its own: the caller stays small."""
    import polars as pl

    from consentfilter.consent.snapshot import build_snapshot, write_snapshot

    files = sorted((root / "events").glob("*.parquet"))
    events = pl.concat([pl.read_parquet(file) for file in files])
    people = events["subject_id"].unique().sort().gather_every(_WITHDRAWN)
    withdrawn = pl.DataFrame({"subject_id": people}).with_columns(
        event_id=pl.lit("withdrawn-") + pl.col("subject_id"),
        status=pl.lit("withdrawn"),
        occurred_at=pl.lit(_LATER).dt.cast_time_unit("us"),
        recorded_at=pl.lit(_LATER).dt.cast_time_unit("us"),
    )
    kept = [name for name in events.columns if name in withdrawn.columns]
    later = pl.concat([events.head(0), withdrawn.select(kept)], how="diagonal")
    if "source_id" in events.columns:
        later = later.with_columns(source_id=pl.lit(events["source_id"][0]))
    path = root / "withdrawn.parquet"
    later.write_parquet(path)
    snapshot = build_snapshot([*files, path], as_of=_LATER)
    write_snapshot(snapshot, root / "newer.parquet")


def _print(
    options: argparse.Namespace, used: dict[str, list[Usage]], size: int
) -> None:
    """Print one line per command; MB/s over the published bytes where that fits."""
    print(
        f"{options.rows:,} rows read, {size / 1e6:,.0f} MB published, "
        f"{options.repeat} runs"
    )
    print(f"{'command':<26}{'wall s':>9}{'CPU s':>9}{'peak GB':>9}{'MB/s':>9}{'%':>8}")
    whole = statistics.median(each.wall_s for each in used["filter (signed)"])
    for name, turns in used.items():
        wall = statistics.median(each.wall_s for each in turns)
        cpu = statistics.median(each.cpu_s for each in turns)
        peak = max(each.peak_bytes for each in turns) / 1e9
        speed = f"{size / 1e6 / wall:,.0f}" if "published" in name else "-"
        share = f"{100 * wall / whole:.1f}"
        print(f"{name:<26}{wall:>9.2f}{cpu:>9.2f}{peak:>9.2f}{speed:>9}{share:>8}")
    print("wall and CPU: median; %: of the filter's wall time")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make_newer(pathlib.Path(sys.argv[2]))
        sys.exit(0)
    sys.exit(main())

"""The whole filter command beside hand-written DuckDB and Polars jobs.

`python -m benchmarks.filter [--rows N] [--repeat N]`; `README.md` beside this file
says how to read what it prints. This process stays small on purpose: data are
made, jobs are run and answers are counted in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from typing import Final

from benchmarks.measure import Usage, run

#: 4.5 M statements of 2.5 M subjects beside 10 M records, and in proportion.
STATEMENTS_PER_ROW: Final = 0.45
SUBJECTS_PER_ROW: Final = 0.25
HAND_WRITTEN: Final = ("duckdb", "polars")
OURS: Final = "consentfilter"
#: The same without evidence: neither digests nor commitments nor a manifest.
PLAIN: Final = "without-evidence"


def main() -> int:
    """Run the jobs in turn, print what each used, and compare their answers."""
    options = _options()
    records, snapshot, policy = _data(options)
    used: dict[str, list[Usage]] = {name: [] for name in options.jobs}
    answers: dict[str, dict[str, int]] = {}
    for turn in range(options.repeat):
        for name in options.jobs:
            out = options.cache / "out" / name
            shutil.rmtree(out, ignore_errors=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            used[name].append(run(_command(name, records, snapshot, policy, out)))
            print(f"  {turn + 1}/{options.repeat} {name}", file=sys.stderr)
            if turn == 0:
                answers[name] = _answer(out)
    shutil.rmtree(options.cache / "out", ignore_errors=True)
    if options.json:
        print(json.dumps(_summary(options, used, answers), indent=2))
    else:
        _print(options, used)
    return _compare(answers)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--statements", type=int, help="default: 0.45 per row")
    parser.add_argument("--subjects", type=int, help="default: 0.25 per row")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--jobs",
        nargs="+",
        choices=(OURS, PLAIN, *HAND_WRITTEN),
        default=[OURS, PLAIN, *HAND_WRITTEN],
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path(tempfile.gettempdir()) / "consentfilter-bench",
        help="where generated data are kept between runs",
    )
    options = parser.parse_args()
    options.statements = options.statements or int(options.rows * STATEMENTS_PER_ROW)
    options.subjects = options.subjects or int(options.rows * SUBJECTS_PER_ROW)
    return options


def _data(options: argparse.Namespace) -> tuple[pathlib.Path, ...]:
    """Have the data made, and return where records, snapshot and policy are."""
    sizes = [
        f"--{name}={getattr(options, name)}"
        for name in ("rows", "subjects", "statements")
    ]
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.data", str(options.cache), *sizes],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    root = pathlib.Path(found.strip().splitlines()[-1])
    return root / "records", root / "snapshot.parquet", root / "policy.yaml"


def _command(
    name: str,
    records: pathlib.Path,
    snapshot: pathlib.Path,
    policy: pathlib.Path,
    out: pathlib.Path,
) -> list[str]:
    """Return the command line of a job, as a user would run it."""
    if name in HAND_WRITTEN:
        job = ["-m", f"benchmarks.jobs.{name}_job", str(records), str(snapshot)]
        return [sys.executable, *job, str(out)]
    if name == PLAIN:
        job = ["-m", "benchmarks.jobs.plain_job", str(records), str(snapshot)]
        return [sys.executable, *job, str(policy), str(out)]
    return [
        *(sys.executable, "-m", "consentfilter", "filter", str(records)),
        *("--consent", str(snapshot), "--policy", str(policy)),
        *("--out", str(out), "--unsigned", "--quiet"),
    ]


def _answer(out: pathlib.Path) -> dict[str, int]:
    """Return rows by reason, and rows kept, counted from the files written."""
    counted = subprocess.run(
        [sys.executable, "-m", "benchmarks.answer", str(out)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    answer: dict[str, int] = json.loads(counted)
    return answer


def _best(turns: list[Usage]) -> float:
    return statistics.median(usage.wall_s for usage in turns)


def _peak(turns: list[Usage]) -> int:
    return max(usage.peak_bytes for usage in turns)


def _summary(
    options: argparse.Namespace,
    used: dict[str, list[Usage]],
    answers: dict[str, dict[str, int]],
) -> dict[str, object]:
    return {
        "rows": options.rows,
        "statements": options.statements,
        "subjects": options.subjects,
        "cpus": os.cpu_count(),
        "jobs": {
            name: {
                "wall_s": [round(usage.wall_s, 3) for usage in turns],
                "cpu_s": [round(usage.cpu_s, 3) for usage in turns],
                "peak_bytes": _peak(turns),
                "answer": answers[name],
            }
            for name, turns in used.items()
        },
    }


def _print(options: argparse.Namespace, used: dict[str, list[Usage]]) -> None:
    """Print one line per job, with its ratio to the faster hand-written one."""
    print(
        f"{options.rows:,} rows, {options.statements:,} statements of "
        f"{options.subjects:,} subjects, {os.cpu_count()} CPUs, "
        f"{options.repeat} interleaved runs"
    )
    print(f"{'job':<18}{'wall s':>9}{'min':>8}{'CPU s':>9}{'peak GB':>9}{'ratio':>8}")
    theirs = [_best(used[name]) for name in HAND_WRITTEN if name in used]
    for name, turns in used.items():
        ratio = f"{_best(turns) / min(theirs):.2f}" if theirs else "-"
        cpu = statistics.median(usage.cpu_s for usage in turns)
        fastest = min(usage.wall_s for usage in turns)
        print(
            f"{name:<18}{_best(turns):>9.2f}{fastest:>8.2f}{cpu:>9.2f}"
            f"{_peak(turns) / 1e9:>9.2f}{ratio:>8}"
        )
    print("wall and CPU: median; ratio: wall, to the faster hand-written job")


def _compare(answers: dict[str, dict[str, int]]) -> int:
    """Return 1, and say so, when the jobs do not agree on every count."""
    if len({json.dumps(answer, sort_keys=True) for answer in answers.values()}) <= 1:
        counts = next(iter(answers.values()))
        said = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        print(f"same answer from every job: {said}", file=sys.stderr)
        return 0
    print("the jobs do not agree:", json.dumps(answers, indent=2), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""What the small case costs: `--help`, and a dump of a thousand rows.

`python -m benchmarks.small [--repeat N]` prints wall and CPU time of whole processes,
beside an interpreter that only imports pyarrow and polars: the difference is the
filter's own work. As in an installed package, modules are compiled before.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from benchmarks.measure import run


def main() -> None:
    """Time three commands, several times each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # ours compile as an install's do
    with tempfile.TemporaryDirectory() as scratch:
        cache = pathlib.Path(scratch)
        sizes = ["--rows=1000", "--subjects=250", "--statements=450"]
        found = subprocess.run(
            [sys.executable, "-m", "benchmarks.data", str(cache), *sizes],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        root = pathlib.Path(found.strip().splitlines()[-1])
        out = cache / "release"
        ours = [sys.executable, "-m", "consentfilter"]
        commands = {
            "--help": [*ours, "--help"],
            "import pyarrow, polars": [
                *(sys.executable, "-c", "import pyarrow.parquet, polars")
            ],
            "filter 1,000 rows": [
                *(*ours, "filter", str(root / "records")),
                *("--consent", str(root / "snapshot.parquet")),
                *("--policy", str(root / "policy.yaml")),
                *("--out", str(out), "--unsigned", "--quiet"),
            ],
        }
        for name, command in commands.items():
            used = []
            for _ in range(1 + options.repeat):
                shutil.rmtree(out, ignore_errors=True)
                used.append(run(command))
            counted = used[1:]  # the first one compiles what was changed
            wall = statistics.median(each.wall_s for each in counted)
            cpu = statistics.median(each.cpu_s for each in counted)
            print(f"{name:<24}{wall:6.2f} s{cpu:6.2f} s CPU")


if __name__ == "__main__":
    main()

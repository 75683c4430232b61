"""What the small case costs: `--help`, and a dump of a thousand rows.

`python -m benchmarks.small [--repeat N]` prints the wall time of whole processes,
beside an interpreter that only imports pyarrow and polars: the difference is the
filter's own work.
"""

from __future__ import annotations

import argparse
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
            walls = []
            for _ in range(options.repeat):
                shutil.rmtree(out, ignore_errors=True)
                walls.append(run(command).wall_s)
            print(f"{name:<24}{statistics.median(walls):6.2f} s")


if __name__ == "__main__":
    main()

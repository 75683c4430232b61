"""The Python that its page tells runs, as written, after the guide's first command."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pyarrow.parquet as pq

import consentfilter as cf
from tests.docs import markdown
from tests.docs.test_commands import place as place
from tests.docs.test_commands import run

PAGE = markdown.ROOT / "docs" / "python.md"


def test_the_python_of_the_page_works(place: pathlib.Path) -> None:
    init = run("consentfilter init dump/chat --out .", place)
    assert init.returncode == 0, init.stderr
    told = [block.text for block in markdown.blocks(PAGE) if block.language == "python"]
    assert told
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(told)],
        cwd=place,
        env={"PYTHONPATH": str(markdown.ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    release = place / "release-from-python"
    rows = pq.read_table(release / "private" / "ledger").num_rows
    assert rows == pq.read_table(place / "dump" / "chat").num_rows
    kept = pq.read_table(release / "data").num_rows
    assert done.stdout.splitlines()[-1].split()[1] == str(kept)


def test_the_page_names_every_public_function() -> None:
    text = PAGE.read_text("utf-8")
    for name in cf.__all__:
        if name.islower() and name.isidentifier() and not name.startswith("_"):
            assert f"`{name}(" in text, name

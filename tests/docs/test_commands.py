"""The commands that README and guide tell work, one after the other, as written.

Every ```bash block is executed in a directory with a small dump, unless the line
before it is a comment `<!-- not run: why -->`.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.demo.write import write_demo
from tests.docs import markdown

PAGES = [
    page
    for page in (markdown.ROOT / "README.md", markdown.ROOT / "docs" / "guide.md")
    if page.exists()
]


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory as the pages assume it: `dump/`, `consent.parquet`, and more."""
    demo = write_demo(tmp_path / "made", scale=0.1)
    home = tmp_path / "home"
    home.mkdir()
    for kind in ("chat", "transcripts"):
        shutil.copytree(demo.records / kind, home / "dump" / kind)
    shutil.copy(demo.subjects, home)
    shutil.copy(demo.links, home)
    shutil.copy(demo.later, home / "later.parquet")
    events = sorted(demo.consent.glob("*.parquet"))
    pq.write_table(
        pa.concat_tables([pq.read_table(path) for path in events]),
        home / "consent.parquet",
    )
    return home


def run(block: str, place: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a person would: `consentfilter` is on the path."""
    tools = place.parent / "bin"
    tools.mkdir(exist_ok=True)
    command = tools / "consentfilter"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m consentfilter "$@"\n')
    command.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(markdown.ROOT),
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_work(page: pathlib.Path, place: pathlib.Path) -> None:
    told = [block for block in markdown.blocks(page) if block.language == "bash"]
    assert told, f"{page.name} tells no command"

    for block in told:
        if block.is_exempt:
            continue
        done = run(block.text, place)
        said = f"{page.name}:{block.line}\n{block.text}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        # A command may be told with `|| …` where its "no" is an answer, not a fault.
        assert "Traceback" not in done.stderr, said
        assert "error:" not in done.stderr, said

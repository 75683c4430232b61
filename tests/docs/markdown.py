"""What tests need to know of a Markdown page: its links, anchors and code blocks."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
NOT_RUN = "<!-- not run:"

_FENCE = re.compile(r"^(```+)\s*(\w*)[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and whether it says why it is not run."""

    language: str
    text: str
    line: int
    is_exempt: bool


def pages() -> list[pathlib.Path]:
    """Return every page of the project."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found += [*(ROOT / "benchmarks").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted(found)


def blocks(page: pathlib.Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    for match in _FENCE.finditer(text):
        before = text[: match.start()].rstrip().rsplit("\n", 1)[-1]
        line = text.count("\n", 0, match.start()) + 1
        yield Block(match[2], match[3], line, before.startswith(NOT_RUN))


def links(page: pathlib.Path) -> list[str]:
    """Return the targets of a page's links, outside of code."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", text))


def anchors(page: pathlib.Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", head.lower()) for head in _HEADING.findall(text))
    return {head.replace(" ", "-") for head in plain}

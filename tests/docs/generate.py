"""The pages that are taken from the code: `python -m tests.docs.generate`.

`make docs` rewrites them; a test fails when a page and the code have parted.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import typer.main

from consentfilter import reasons
from consentfilter.cli.app import COMMANDS, app

ROOT = pathlib.Path(__file__).parents[2]
WIDTH = 88


def pages() -> dict[str, str]:
    """Return the text of every generated page, by path below the root."""
    return {"docs/cli.md": cli_page(), "docs/reasons.md": reasons_page()}


def reasons_page() -> str:
    """Return the page of reasons, in their order of precedence."""
    lines = [
        "# Reasons",
        "",
        "<!-- Taken from consentfilter/reasons.py by `make docs`; edit there. -->",
        "",
        "Every record has exactly one reason. Names never change.",
        "",
        "## Why a record is dropped or redacted",
        "",
        "In order of precedence: of several that apply the first is reported (near",
        "misses come before far ones).",
        "",
        *_table(reasons.FAIL_SENTENCES),
        "",
        "## Why a record is kept",
        "",
        "Weakest first: over several people, purposes and categories the weakest is",
        "reported.",
        "",
        *_table(reasons.KEEP_SENTENCES),
        "",
        "## Why a run is refused",
        "",
        "Nothing is written then: "
        + ", ".join(f"`{code}`" for code in reasons.RUN_CODES)
        + ".",
        "",
    ]
    return "\n".join(lines)


def _table(sentences: dict[str, str]) -> list[str]:
    rows = [f"| `{name}` | {sentence} |" for name, sentence in sentences.items()]
    return ["| reason | what it says |", "|---|---|", *rows]


def cli_page() -> str:
    """Return the page of commands: the help texts as they are printed."""
    lines = [
        "# Command line",
        "",
        "<!-- Taken from `--help` by `make docs`; edit the commands. -->",
        "",
        "Every command takes `--json` (one JSON object on stdout) and `--quiet`;",
        "progress and messages go to stderr. Exit status: 0 fine, 1 the answer is no,",
        "2 usage or input, 3 storage or engine.",
        "",
    ]
    for path, text in help_texts():
        lines += [f"## `{path}`", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def help_texts() -> Iterator[tuple[str, str]]:
    """Yield every command's full name and its help text."""
    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="consentfilter", **_width())
    yield "consentfilter", root.get_help(context)
    for name in COMMANDS:
        command = root.get_command(context, name)
        yield from _help_below(command, name, context)


def _help_below(command: Any, name: str, above: Any) -> Iterator[tuple[str, str]]:
    context = command.context_class(command, info_name=name, parent=above, **_width())
    yield context.command_path, command.get_help(context)
    for below, child in getattr(command, "commands", {}).items():
        yield from _help_below(child, below, context)


def _width() -> dict[str, int]:
    return {"terminal_width": WIDTH, "max_content_width": WIDTH}


def main() -> None:
    """Write every page whose text has changed."""
    for path, text in pages().items():
        target = ROOT / path
        if not target.exists() or target.read_text("utf-8") != text:
            target.write_text(text, "utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()

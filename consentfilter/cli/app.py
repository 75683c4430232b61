"""The command line's table of contents: which command lives in which module.

Commands are loaded when they are called, so that `consentfilter --help` imports
nothing but the standard library and typer. A command is a plain typed function in
a module of its own (or, for a family such as `policy`, a `typer.Typer`), which
returns its exit status or nothing for 0.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
import typer.core
import typer.main


@dataclasses.dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives, and its one line in `--help`.

    Attributes:
        target: `module:attribute`; a function or a `typer.Typer`.
        summary: one line, at most 60 characters.
    """

    target: str
    summary: str


#: Every command, in the order in which `--help` lists them.
COMMANDS: Final[dict[str, LazyCommand]] = {
    "demo": LazyCommand(
        "consentfilter.cli.demo:demo",
        "Make a small realistic dump, filter it, and look at it.",
    ),
    "init": LazyCommand(
        "consentfilter.cli.init:init",
        "Look at a dump and write a policy and a binding for it.",
    ),
    "filter": LazyCommand(
        "consentfilter.cli.filter:filter_records",
        "Keep what may train a model, with a reason for every row.",
    ),
    "snapshot": LazyCommand(
        "consentfilter.cli.snapshot:app",
        "Build, inspect and compare consent snapshots.",
    ),
    "policy": LazyCommand(
        "consentfilter.cli.policy:app",
        "Check, explain, compare and test policies.",
    ),
    "explain": LazyCommand(
        "consentfilter.cli.explain:explain",
        "Say why one record was kept, redacted or dropped.",
    ),
    "verify": LazyCommand(
        "consentfilter.cli.verify:verify",
        "Check that a release is what was signed.",
    ),
    "prove": LazyCommand(
        "consentfilter.cli.prove:prove",
        "Prove that a record or a person is in or out.",
    ),
    "check": LazyCommand(
        "consentfilter.cli.check:check",
        "Check a proof against a manifest.",
    ),
    "trace": LazyCommand(
        "consentfilter.cli.trace:trace",
        "Find the releases that hold a person's records.",
    ),
    "diff": LazyCommand(
        "consentfilter.cli.diff:diff",
        "Compare two releases: what entered, what left, why.",
    ),
    "recheck": LazyCommand(
        "consentfilter.cli.recheck:recheck",
        "List the admitted rows that must go under newer consent.",
    ),
    "report": LazyCommand(
        "consentfilter.cli.report:report",
        "Write a release's report as one HTML file.",
    ),
    "keygen": LazyCommand(
        "consentfilter.cli.keygen:keygen",
        "Make a key pair that signs releases.",
    ),
}


_HELP: Final = """Decide, and prove, which records may train a model.

Start with `consentfilter demo`, or with your own dump:

  consentfilter init dump/ --out .
  consentfilter filter dump/ --consent consent.parquet --policy policy.yaml \\
      --dataset dataset.yaml --out release --unsigned
"""


def _load(name: str, lazy: LazyCommand) -> Any:
    """Import a command's module and make the command of its function or app."""
    module, _, attribute = lazy.target.partition(":")
    found: Callable[..., Any] | typer.Typer = getattr(
        importlib.import_module(module), attribute
    )
    if isinstance(found, typer.Typer):
        loaded: Any = typer.main.get_group(found)
        loaded.rich_markup_mode = None
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(found)
        loaded = typer.main.get_command(single)
    loaded.name = name
    for command in (loaded, *getattr(loaded, "commands", {}).values()):
        command.help = _keep_examples(command.help or "")
    return loaded


def _keep_examples(text: str) -> str:
    """Mark the paragraphs that hold indented lines: help shows them as they are."""
    return "\n\n".join(
        f"\b\n{paragraph}" if "\n  " in paragraph else paragraph
        for paragraph in text.split("\n\n")
    )


class LazyGroup(typer.core.TyperGroup):
    """A group that knows its commands by name and imports one when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Typer suggests near misses from this mapping's keys; values come lazily.
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        if self.commands[cmd_name] is None:
            self.commands[cmd_name] = _load(cmd_name, COMMANDS[cmd_name])
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.summary) for name, command in COMMANDS.items()]
            )


app = typer.Typer(
    name="consentfilter",
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    epilog="Exit status: 0 fine, 1 the answer is no, 2 usage or input, 3 storage.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from consentfilter import __version__

        typer.echo(f"consentfilter {__version__}")
        raise typer.Exit


@app.callback(help=_keep_examples(_HELP))
def consentfilter(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and leave.",
        ),
    ] = False,
) -> None:
    """Decide, and prove, which records may train a model."""

"""`consentfilter snapshot`: build, inspect and compare consent snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentfilter.cli import output

if TYPE_CHECKING:
    from consentfilter.consent.binding import EventsBinding
    from consentfilter.taxonomy import Taxonomy

app = typer.Typer(
    help="Build, inspect and compare consent snapshots.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no messages.")]


@app.command(
    short_help="Derive the statements known at an instant from event files.",
)
def build(
    events: Annotated[
        list[str],
        typer.Argument(
            metavar="EVENTS",
            help="Consent events: Parquet or CSV files, directories, globs.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The snapshot to write.")
    ],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="INSTANT",
            help="Take what was recorded up to here (RFC 3339); default: now.",
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset", metavar="FILE", help="Says how the events are laid out."
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="Know the purposes and categories that this policy adds, too.",
        ),
    ] = None,
    id_key: Annotated[
        Path | None,
        typer.Option("--id-key", metavar="FILE", help="Key subject ids with this."),
    ] = None,
    compact: Annotated[
        bool,
        typer.Option(
            "--compact",
            help="Leave out grants that a later denial covers; serves policies of "
            "temporal mode `processing` only.",
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Derive the statements known at an instant from files of consent events.

    Example:
      consentfilter snapshot build events/ --out consent.parquet \
          --as-of 2026-01-31T00:00:00Z

    The same events give the same file, in whatever order or pieces they come.
    """
    import datetime as dt

    from consentfilter.cli import snapshot_text
    from consentfilter.cli.filter import parse_instant
    from consentfilter.consent.snapshot import build_snapshot, write_snapshot
    from consentfilter.ids import read_key

    _refuse_overwriting(out, events)
    binding, trees = _layout(dataset, policy)
    cut = dt.datetime.now(dt.UTC) if as_of is None else parse_instant(as_of)
    snapshot = build_snapshot(
        events,
        as_of=cut,
        taxonomy=trees,
        binding=binding,
        id_key=None if id_key is None else read_key(id_key),
        compact=compact,
    )
    write_snapshot(snapshot, out)
    if as_json:
        output.print_json({"out": str(out), **snapshot_text.as_json(snapshot)})
        return
    for line in snapshot_text.built(snapshot, str(out)):
        output.say(line, is_quiet=quiet)


@app.command(
    short_help="Show sources, counts and doubts of a snapshot.",
)
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A consent snapshot.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what a snapshot holds: sources, watermarks, statements, doubts.

    Example:
      consentfilter snapshot inspect consent.parquet

    The snapshot is checked first: its rows against its id, and its keys.
    """
    from consentfilter.cli import snapshot_text
    from consentfilter.consent.snapshot import read_snapshot

    snapshot = read_snapshot(file)
    if as_json:
        output.print_json({"file": str(file), **snapshot_text.as_json(snapshot)})
    elif not quiet:
        typer.echo("\n".join(snapshot_text.inspected(snapshot, str(file))))


@app.command(
    short_help="Say which statements two snapshots do not share.",
)
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The snapshot before.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The snapshot after.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say which statements were added, removed or changed, by status and people.

    Example:
      consentfilter snapshot diff january.parquet february.parquet
    """
    from consentfilter.cli import snapshot_text
    from consentfilter.consent.diff import diff_snapshots
    from consentfilter.consent.snapshot import read_snapshot

    before, after = read_snapshot(old), read_snapshot(new)
    found = diff_snapshots(before, after)
    if as_json:
        output.print_json(snapshot_text.diff_json(before, after, found))
    elif not quiet:
        typer.echo("\n".join(snapshot_text.compared(before, after, found)))


def _layout(
    dataset: Path | None, policy: Path | None
) -> tuple[EventsBinding | None, Taxonomy]:
    from consentfilter.taxonomy import BASE

    binding, trees = None, BASE
    if dataset is not None:
        from consentfilter.dataset import load_dataset_binding

        loaded = load_dataset_binding(dataset)
        binding, trees = loaded.events, loaded.effective_taxonomy(trees)
    if policy is not None:
        from consentfilter.policy import load_policy

        trees = load_policy(policy, taxonomy=trees).effective_taxonomy(trees)
    return binding, trees


def _refuse_overwriting(out: Path, events: list[str]) -> None:
    """Refuse to write over anything that is not a snapshot."""
    from consentfilter.consent import files
    from consentfilter.errors import InputError

    if not out.exists():
        return
    problem: Any = None
    if out.is_dir():
        problem = "is a directory; wanted the name of a file"
    elif str(out.resolve()) in {str(Path(path).resolve()) for path in events}:
        problem = "is also one of the inputs; choose another name"
    else:
        try:
            is_snapshot = files.is_snapshot(str(out))
        except InputError:
            is_snapshot = False
        if not is_snapshot:
            problem = "exists and is no snapshot; choose another name or remove it"
    if problem:
        raise InputError(f"--out {out}: {problem}")

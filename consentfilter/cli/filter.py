"""`consentfilter filter`: keep what may train a model, with a reason for every row."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentfilter.cli import output, summary
from consentfilter.cli.unneeded import importing
from consentfilter.engine.options import parse_size, previous_sha256, read_release_key
from consentfilter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consentfilter.consent.ahead import AnyPath
    from consentfilter.engine.filtering import Summary
    from consentfilter.lineage.sign import Signer


class Engine(enum.StrEnum):
    """Which engine runs it."""

    LOCAL = "local"
    BEAM = "beam"


class Join(enum.StrEnum):
    """How records and consent meet on Beam."""

    AUTO = "auto"
    BROADCAST = "broadcast"
    KEYS = "keys"


def filter_records(
    ctx: typer.Context,
    records: Annotated[
        list[str],
        typer.Argument(
            help="Parquet files, directories, globs or URLs.",
            metavar="RECORDS",
            show_default=False,
        ),
    ],
    consent: Annotated[
        list[str],
        typer.Option(
            metavar="PATH", help="Consent events (several times), or a snapshot."
        ),
    ],
    policy: Annotated[Path, typer.Option(metavar="FILE", help="The policy (YAML).")],
    out: Annotated[
        str | None,
        typer.Option(
            metavar="RELEASE", help="The release to make; it must not exist yet."
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="How the records are laid out (dataset.yaml)."
        ),
    ] = None,
    subjects: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Birth dates, places, closed accounts."),
    ] = None,
    links: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Identities that belong to one person."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Decide as of then (RFC 3339); default: the snapshot's, or now.",
            metavar="INSTANT",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide and report; emit nothing.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the data set; default: that of --out."
        ),
    ] = None,
    release_version: Annotated[
        str, typer.Option(metavar="V", help="Version of the release.")
    ] = "1",
    previous: Annotated[
        Path | None,
        typer.Option(metavar="RELEASE", help="The release that this one follows."),
    ] = None,
    release_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="32 bytes that repeat a release exactly; default: random.",
        ),
    ] = None,
    id_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The key of subject ids, if they are keyed."),
    ] = None,
    sign_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Private key (PEM) that signs the release."),
    ] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Do not sign the release.")
    ] = False,
    engine: Annotated[Engine, typer.Option(help="Which engine runs it.")] = (
        Engine.LOCAL
    ),
    join: Annotated[
        Join, typer.Option(help="Beam only: how records meet consent.")
    ] = Join.AUTO,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Threads; default: one per core."),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory that rows in flight may take, e.g. 2G; default: 320M per "
            "worker.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a run of the same that was stopped."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Read only so many rows (to try it out)."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    r"""Keep what may train a model, with a reason for every row.

    Example:
      consentfilter filter dump/ --consent consent.parquet \
          --policy policy.yaml --out release --sign-key key.pem

    The release holds the admitted rows under data/, in the layout of the input; a
    ledger with a reason for every row under private/; and a manifest. It is there
    as a whole or not at all.
    """
    problems = [
        *_open_choices(dry_run=dry_run, out=out, sign_key=sign_key, unsigned=unsigned),
        *_misplaced(engine, join, memory, ctx.obj or (), resume=resume),
    ]
    if problems:
        raise InputError(problems)
    with _begun(consent, engine, knows_as_of=as_of is not None) as given:
        with importing():
            from consentfilter.engine import filtering, progress
            from consentfilter.engine.finish import Naming
            from consentfilter.ids import read_key

        shared: dict[str, Any] = {
            "out": out,
            "dataset": dataset,
            "as_of": None if as_of is None else parse_instant(as_of),
            "subjects": subjects,
            "links": links,
            "naming": Naming(
                name,
                release_version,
                None if previous is None else previous_sha256(previous),
            ),
            "release_key": None
            if release_key is None
            else read_release_key(release_key),
            "id_key": None if id_key is None else read_key(id_key),
            "signer": _signer(sign_key),
            "dry_run": dry_run,
            "limit": limit,
            "workers": workers,
            "on_start": None if quiet or as_json else summary.say_start,
        }
        if engine is Engine.BEAM:
            done = _beam()(
                records,
                given,
                policy,
                beam_options=ctx.obj or (),
                join=join.value,
                **shared,
            )
        else:
            shows_bar = output.is_terminal() and not (quiet or as_json)
            done = filtering.filter_dataset(
                records,
                given,
                policy,
                memory_bytes=None if memory is None else parse_size(memory),
                resume=resume,
                show_progress=progress.terminal_progress if shows_bar else None,
                **shared,
            )
    if as_json:
        output.print_json(summary.as_json(done))
    elif not quiet:
        output.say(summary.as_text(done, is_limited=limit is not None))


def parse_instant(text: str) -> dt.datetime:
    """Read an RFC 3339 instant.

    Raises:
        InputError: it is none, or has no offset.
    """
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InputError(
            f"--as-of: {text!r} is no instant; wanted RFC 3339 with an offset, such as "
            "2026-01-31T00:00:00Z"
        )
    return instant.astimezone(dt.UTC)


def _open_choices(
    *,
    dry_run: bool,
    out: str | None,
    sign_key: Path | None,
    unsigned: bool,
) -> list[str]:
    """Return which options contradict each other or leave a choice open."""
    problems = []
    if not dry_run and out is None:
        problems.append(
            "--out is missing: name the release to make (or look first, with --dry-run)"
        )
    if not dry_run and sign_key is None and not unsigned:
        problems.append(
            "say --sign-key FILE or --unsigned: whether a release is signed is a "
            "choice. `consentfilter keygen --out key` makes a key"
        )
    if sign_key is not None and unsigned:
        problems.append("--sign-key and --unsigned contradict each other; drop one")
    return problems


def _misplaced(
    engine: Engine,
    join: Join,
    memory: str | None,
    beam_options: tuple[str, ...],
    *,
    resume: bool,
) -> list[str]:
    """Return which options belong to the other engine."""
    problems = []
    if engine is Engine.LOCAL and join is not Join.AUTO:
        problems.append("--join needs --engine beam")
    if engine is Engine.LOCAL and beam_options:
        problems.append(
            f"{' '.join(beam_options)}: options after -- are for --engine beam"
        )
    if engine is Engine.BEAM and memory is not None:
        problems.append("--memory is for --engine local; a Beam runner has its own")
    if engine is Engine.BEAM and resume:
        problems.append("--resume is for --engine local; a Beam runner retries itself")
    return problems


def _begun(
    consent: list[str], engine: Engine, *, knows_as_of: bool
) -> contextlib.AbstractContextManager[Sequence[AnyPath]]:
    """Begin to read a snapshot: it is read while the engine is imported."""
    if engine is Engine.BEAM:
        return contextlib.nullcontext(consent)
    with importing():
        from consentfilter.engine import memory

        memory.share_arenas()
        from consentfilter.consent.ahead import reading_ahead
        from consentfilter.decide.gather import COLUMNS
    # To decide as of another instant, `load_consent` looks at this one, too.
    return reading_ahead(consent, [*COLUMNS, *["recorded_at"] * knows_as_of])


def _beam() -> Callable[..., Summary]:
    """Return what runs the filter on Beam, which is an extra of the package."""
    try:
        from consentfilter.engine.beam.run import run_beam
    except ModuleNotFoundError as error:
        if error.name != "apache_beam":
            raise
        raise InputError(
            "--engine beam needs Apache Beam, which is not installed; "
            "pip install 'consentfilter[beam]'"
        ) from None
    return run_beam


def _signer(path: Path | None) -> Signer | None:
    if path is None:
        return None
    from consentfilter.lineage.sign import load_signer

    return load_signer(path)

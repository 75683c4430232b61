"""`consentfilter recheck`: which admitted rows must go under newer consent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consentfilter.cli import output
from consentfilter.cli.unneeded import importing
from consentfilter.errors import InputError

if TYPE_CHECKING:
    from consentfilter.report.recheck import Recheck


def recheck(
    release: Annotated[
        Path, typer.Argument(help="The release, with its private/.", metavar="RELEASE")
    ],
    consent: Annotated[
        list[str],
        typer.Option(
            metavar="PATH", help="All consent, old and new; or a newer snapshot."
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Another policy; default: the release's."),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="How consent files are laid out, if it changed."
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
    id_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The key of subject ids, if they are keyed."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Consent known by then (RFC 3339); default: the newest act on record.",
            metavar="INSTANT",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the removal list (Parquet)."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> int:
    r"""List the admitted rows that may no longer be used under newer consent.

    Example:
      consentfilter recheck release --consent consent/ \
          --consent withdrawals.parquet --out removal.parquet

    Only rows of people whose consent changed are decided again, so it takes a
    fraction of a filter run. Exit status 1: something must be removed; make a new
    release with --previous, and stop using this one.
    """
    if out is not None and out.exists():
        raise InputError(
            f"{out}: exists already and is not overwritten; choose another --out"
        )
    with importing():
        from consentfilter.consent.ahead import reading_ahead

    with reading_ahead(consent, None) as given:
        with importing():
            from consentfilter.cli.filter import parse_instant
            from consentfilter.lineage import opened
            from consentfilter.report.recheck import recheck as check_again

        found = check_again(
            opened.open_release(release),
            given,
            policy=policy,
            dataset=dataset,
            subjects=subjects,
            links=links,
            id_key=id_key,
            as_of=None if as_of is None else parse_instant(as_of),
        )
    if out is not None:
        import pyarrow.parquet as pq

        temporary = out.with_name(f".{out.name}.tmp")
        pq.write_table(found.removals, temporary, compression="zstd")
        temporary.replace(out)
    if as_json:
        output.print_json(
            {
                "release": str(release),
                "asOf": found.as_of.isoformat().replace("+00:00", "Z"),
                "rowsAdmitted": found.rows_admitted,
                "rowsChecked": found.rows_checked,
                "rowsToRemove": found.removals.num_rows,
                "byReason": found.by_reason,
                "peopleChanged": found.people_changed,
                "everybodyBecause": found.why_all,
                "removalList": None if out is None else str(out),
            }
        )
    elif not quiet:
        typer.echo(_text(found, out))
    return 1 if found.removals.num_rows else 0


def _text(found: Recheck, out: Path | None) -> str:
    from consentfilter.reasons import sentence

    as_of = found.as_of.isoformat().replace("+00:00", "Z")
    whose = (
        f"all rows, because {found.why_all}"
        if found.people_changed is None
        else f"those of {found.people_changed:,} people whose consent changed"
    )
    lines = [
        f"Consent as of {as_of}: {found.rows_checked:,} of {found.rows_admitted:,} "
        f"rows decided again ({whose})."
    ]
    if not found.removals.num_rows:
        lines.append("Nothing has to be removed.")
        return "\n".join(lines)
    lines.append(f"{found.removals.num_rows:,} rows may no longer be used as they are:")
    rows = [
        (f"  {count:,}", name, sentence(name))
        for name, count in found.by_reason.items()
    ]
    lines.append(output.table(rows, right=[0]))
    listed = (
        f"The list is in {out}."
        if out
        else "Write the list with --out removal.parquet."
    )
    lines.append(f"{listed} Filter again with --previous to replace this release.")
    return "\n".join(lines)

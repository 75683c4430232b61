"""`consentfilter trace`: in which releases a person is, and with which records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentfilter.cli import output
from consentfilter.cli.prove import subject_key

if TYPE_CHECKING:
    from consentfilter.lineage.opened import OpenedRelease
    from consentfilter.lineage.people_rows import PersonInRelease

_SHOWN = 10


def trace(
    releases: Annotated[
        list[Path],
        typer.Argument(help="Releases, with their private/.", metavar="RELEASE"),
    ],
    subject: Annotated[str, typer.Option(metavar="ID", help="The person.")],
    namespace: Annotated[
        str, typer.Option(metavar="NS", help="Namespace of the person's id.")
    ] = "user_id",
    id_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The key of subject ids, if they are keyed."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all records as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    """Find the releases that hold a person's records, and the records.

    Example:
      consentfilter trace --subject 42 releases/*

    What is found was checked against each release's signed root: neither a release
    nor a record can be left out of the answer unnoticed.
    """
    from consentfilter.lineage import opened
    from consentfilter.lineage.people_rows import person_in_release

    key = subject_key(subject, namespace, id_key)
    found = []
    for path in releases:
        release = opened.open_release(path)
        found.append((path, release, person_in_release(release, key)))
    if as_json:
        output.print_json(
            {
                "subjectKey": key,
                "releases": [_as_json(*each) for each in found],
            }
        )
    elif not quiet:
        for each in found:
            typer.echo(_text(*each))


def _as_json(
    path: Path, release: OpenedRelease, person: PersonInRelease
) -> dict[str, Any]:
    return {
        "release": str(path),
        "dataset": release.predicate["release"]["dataset"],
        "version": release.predicate["release"]["version"],
        "manifestSha256": release.manifest.sha256,
        "isKnown": person.is_known,
        "rowsAdmitted": person.rows_admitted,
        "rowsDropped": person.rows_dropped,
        "records": [
            {
                "recordId": row["record_id"],
                "decision": row["decision"],
                "reason": row["reason"],
                "dataPath": f"data/{row['part']}",
                "outRow": row["out_row"],
            }
            for row in person.records.to_pylist()
        ],
    }


def _text(path: Path, release: OpenedRelease, person: PersonInRelease) -> str:
    if not person.is_known:
        return f"{path}: {release.name}: never named in what was read"
    head = (
        f"{path}: {release.name}: in {person.rows_admitted} records, kept out of "
        f"{person.rows_dropped}"
    )
    rows = person.records.slice(0, _SHOWN).to_pylist()
    lines = [
        (
            f"  {row['record_id']}",
            row["decision"],
            row["reason"],
            f"data/{row['part']}, row {row['out_row']}",
        )
        for row in rows
    ]
    more = person.rows_admitted - len(rows)
    end = f"\n  … and {more} more (all of them: --json)" if more > 0 else ""
    return f"{head}\n{output.table(lines)}{end}" if lines else head

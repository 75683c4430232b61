"""`consentfilter prove`: prove that one record or one person is in or out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consentfilter.cli import output
from consentfilter.errors import InputError


def prove(
    release: Annotated[
        Path,
        typer.Argument(help="The release, with its private/.", metavar="RELEASE"),
    ],
    record: Annotated[
        str | None, typer.Option(metavar="ID", help="The record to prove.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="ID", help="The person to prove.")
    ] = None,
    namespace: Annotated[
        str, typer.Option(metavar="NS", help="Namespace of the person's id.")
    ] = "user_id",
    id_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The key of subject ids, if they are keyed."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write it; default: stdout."),
    ] = None,
    is_opened: Annotated[
        bool,
        typer.Option(
            "--open",
            help="Name the id and its token, for an auditor who has the release key.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the proof or where it went as JSON.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    """Prove that a record or a person is in a release, or is not.

    Example:
      consentfilter prove release --record m-1234 --out proof.json
      consentfilter prove release --subject 42 --out proof.json

    Whoever has the proof and the manifest can check it with `consentfilter check`,
    without the release. A proof shows a page of about 64 entries as hashes; an `in`
    proof also shows the fields of the one entry it is about.
    """
    if (record is None) == (subject is None):
        raise InputError("say either --record ID or --subject ID: what to prove")
    from consentfilter.lineage import opened
    from consentfilter.lineage import proof as proofs

    found = opened.open_release(release)
    if subject is None:
        assert record is not None
        made = proofs.prove(found, "records", record, is_opened=is_opened)
    else:
        key = subject_key(subject, namespace, id_key)
        made = proofs.prove(found, "subjects", key, is_opened=is_opened)
    data = proofs.proof_json(made)
    what = "record" if subject is None else "person"
    verdict = f"the {what} is {'IN' if made['kind'] == 'in' else 'NOT in'} {found.name}"
    if out is None:
        typer.echo(data, nl=False)
        output.say(verdict, is_quiet=quiet or as_json)
        return
    write_new(out, data)
    if as_json:
        output.print_json({"kind": made["kind"], "set": made["set"], "proof": str(out)})
    else:
        output.say(f"{verdict}; the proof is in {out}", is_quiet=quiet)


def subject_key(identity: str, namespace: str, id_key: Path | None) -> str:
    """Return the subject key of an id as it was typed.

    Raises:
        InputError: the id is a placeholder that names nobody.
    """
    import pyarrow as pa

    from consentfilter.ids import normalise_ids, read_key

    key = None if id_key is None else read_key(id_key)
    found: str | None = normalise_ids(namespace, pa.array([identity]), key=key)[
        0
    ].as_py()
    if found is None:
        raise InputError(
            f"--subject {identity!r}: names nobody (a placeholder or empty); wanted "
            "the id of a person"
        )
    return found


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not be there yet.

    Raises:
        InputError: something of that name exists.
    """
    try:
        with path.open("xb") as stream:
            stream.write(data)
    except FileExistsError as problem:
        raise InputError(
            f"{path}: exists already and is not overwritten; choose another --out"
        ) from problem

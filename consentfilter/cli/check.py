"""`consentfilter check`: check a proof against a manifest, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consentfilter.cli import output

if TYPE_CHECKING:
    from consentfilter.lineage.verifier import Manifest, ProofResult

_SIGNATURE = {
    "valid": "the manifest's signature is valid",
    "unchecked": "the manifest's signature was not checked (no --public-key)",
    "none": "the manifest is NOT SIGNED: nobody vouches for it",
}


def check(
    proof: Annotated[Path, typer.Argument(help="What `prove` wrote.", metavar="PROOF")],
    manifest: Annotated[
        Path, typer.Option(metavar="FILE", help="manifest.intoto.json of the release.")
    ],
    public_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public key (PEM) that must have signed."),
    ] = None,
    release_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The release key (auditors): is it the id's path?"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    r"""Check a proof: in, out, or invalid (exit status 1).

    Example:
      consentfilter check proof.json --manifest manifest.intoto.json \
          --public-key key.pub.pem

    Reads the two files and trusts neither; the release itself is not needed.
    """
    from consentfilter.lineage import opened, verifier

    signed = opened.read_manifest(manifest, public_key=public_key)
    data = opened.read_file(proof, "the proof")
    key = None
    if release_key is not None:
        key = opened.read_release_key(release_key)
    with opened.refusals(f"{proof}: proof invalid"):
        found = verifier.check_proof(data, signed, key)
    if as_json:
        output.print_json(
            {
                "kind": found.kind,
                "set": found.set,
                "id": found.id,
                "path": found.path,
                "fields": found.fields,
                "idChecked": found.is_bound,
                "signature": signed.signature,
                "manifestSha256": signed.sha256,
            }
        )
    elif not quiet:
        typer.echo("\n".join(_sentences(found, signed)))


def _sentences(found: ProofResult, signed: Manifest) -> list[str]:
    release = signed.predicate["release"]
    name = f"{release['dataset']} {release['version']}"
    what = "record" if found.set == "records" else "person"
    if found.kind == "in":
        shown = (found.id or "").replace("\x1f", " ")
        lines = [f"IN: the {what} {shown} is in {name}"]
        lines += [
            f"  {field}: {value}".replace("\x1f", " ")
            for field, value in found.fields.items()
        ]
    else:
        lines = [f"OUT: no {what} with the path {found.path} is in {name}"]
    if found.is_bound:
        lines.append(f"with the release key: that is the path of {found.id!r}")
    elif found.kind == "out":
        about = "an id" if found.id is None else repr(found.id)
        lines.append(
            f"that the path is that of {about} was not checked; only the release key "
            "can show it (--release-key)"
        )
    lines.append(_SIGNATURE[signed.signature])
    return lines

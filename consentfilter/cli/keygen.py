"""`consentfilter keygen`: make a key pair that signs releases."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from consentfilter.cli import output


class Algorithm(enum.StrEnum):
    """Which signature."""

    ED25519 = "ed25519"
    ECDSA_P256 = "ecdsa-p256"


def keygen(
    out: Annotated[
        Path,
        typer.Option(
            metavar="PREFIX", help="Writes PREFIX.pem (private) and PREFIX.pub.pem."
        ),
    ] = Path("release-signing"),
    algorithm: Annotated[
        Algorithm, typer.Option(help="Which kind of signature.")
    ] = Algorithm.ED25519,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    """Make a key pair that signs releases.

    Example:
      consentfilter keygen --out keys/training-data

    The private key is written for its owner alone and never overwritten. Publish
    the public one where whoever verifies will look for it, not beside the release.
    """
    from consentfilter.lineage import sign

    pair = sign.generate_key(out, algorithm.value)
    if as_json:
        output.print_json(
            {
                "private": str(pair.private),
                "public": str(pair.public),
                "keyId": pair.key_id,
                "algorithm": algorithm.value,
            }
        )
    else:
        output.say(
            f"{pair.private}      signs (keep it secret)\n"
            f"{pair.public}  verifies (publish it)\n"
            f"key id {pair.key_id}",
            is_quiet=quiet,
        )

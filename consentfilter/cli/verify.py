"""`consentfilter verify`: is a release what was signed, and does its evidence hold?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consentfilter.cli import output
from consentfilter.errors import InputError

if TYPE_CHECKING:
    from consentfilter.lineage.audit import Audit

_SIGNATURE = {
    "valid": "signature valid",
    "unchecked": "signature not checked: give --public-key FILE",
    "none": "NOT SIGNED: nobody vouches for this release",
}
_EVIDENCE = {
    "consistent": "evidence consistent",
    "absent": "evidence not at hand: this copy has no private/",
}


def verify(
    release: Annotated[Path, typer.Argument(help="The release.", metavar="RELEASE")],
    public_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public key (PEM) that must have signed."),
    ] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Also filter the same inputs again and compare."),
    ] = False,
    records: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="For --replay: the records."),
    ] = None,
    consent: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="For --replay: consent events or snapshot."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For --replay: the policy.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For --replay: the binding.")
    ] = None,
    subjects: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="For --replay: the subjects file."),
    ] = None,
    links: Annotated[
        str | None, typer.Option(metavar="PATH", help="For --replay: identity links.")
    ] = None,
    id_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For --replay: the key of subject ids."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    r"""Check that a release is what was signed, and that its evidence holds.

    Example:
      consentfilter verify release --public-key key.pub.pem
      consentfilter verify release --replay --records dump/ \
          --consent consent.parquet --policy policy.yaml

    Exit status 1 names the first thing that does not hold, or all changed files.
    """
    _check_choices(replay, records, consent, policy)
    from consentfilter.lineage import audit, opened

    found = opened.open_release(release, public_key=public_key)
    is_silent = quiet or as_json
    done = audit.audit(
        found, tell=lambda line: output.say(f"  {line}", is_quiet=is_silent)
    )
    reproduced = None
    if replay:
        from consentfilter.report import replay as replaying

        assert records is not None
        assert consent is not None
        assert policy is not None
        replaying.replay(
            found,
            records,
            consent,
            policy,
            dataset=dataset,
            subjects=subjects,
            links=links,
            id_key=id_key,
        )
        reproduced = True
    if as_json:
        output.print_json(
            {
                "release": str(release),
                "signature": done.signature,
                "keyId": found.manifest.key_id,
                "evidence": done.evidence,
                "reproduced": reproduced,
                "manifestSha256": found.manifest.sha256,
                "checked": list(done.checked),
            }
        )
    elif not quiet:
        typer.echo(_verdict(done, reproduced))


def _verdict(done: Audit, reproduced: bool | None) -> str:
    lines = [_SIGNATURE[done.signature], _EVIDENCE[done.evidence]]
    if reproduced:
        lines.append("reproduced: the same inputs give the same release again")
    return "\n".join(lines)


def _check_choices(
    replay: bool,
    records: list[str] | None,
    consent: list[str] | None,
    policy: Path | None,
) -> None:
    given = {"--records": records, "--consent": consent, "--policy": policy}
    missing = [name for name, value in given.items() if not value]
    if replay and missing:
        raise InputError(f"--replay also needs {', '.join(missing)}")
    if not replay and len(missing) < len(given):
        present = ", ".join(name for name in given if name not in missing)
        raise InputError(f"{present}: only with --replay, which filters again")

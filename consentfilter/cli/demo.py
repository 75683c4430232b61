"""`consentfilter demo`: a small believable dump, filtered, checked, and explained."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentfilter.cli import output
from consentfilter.errors import InputError

if TYPE_CHECKING:
    from consentfilter.demo.summary import Summary
    from consentfilter.demo.write import DemoFiles
    from consentfilter.lineage.sign import KeyPair


def demo(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Where to put it; it must not exist, or be empty."
        ),
    ] = Path("consentfilter-demo"),
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Another number, other people.")
    ] = 20230807,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    r"""Make a small realistic dump, filter it, verify it, and say what happened.

    Example:
      consentfilter demo demo/

    The dump is that of an invented conferencing product: meetings with many
    speakers, chats, recordings, telemetry; people who agreed, withdrew, never
    touched a box that was on, or were guests. Everybody in it is made up.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(
            f"{directory}: is there already and not empty; name another directory, or "
            "remove it first"
        )
    from consentfilter.demo import render, summary, write
    from consentfilter.lineage.sign import generate_key

    output.say("Making up meetings, people and what they agreed to …", is_quiet=quiet)
    files = write.write_demo(directory, seed=seed)
    keys = generate_key(directory / "demo")
    output.say("Filtering …", is_quiet=quiet)
    release = _filter(files, keys)
    output.say("Verifying …\n", is_quiet=quiet)
    verified = _verify(release, keys)
    found = summary.summarise(files, release)
    if as_json:
        output.print_json(_as_json(found, files, release, verified))
    elif not quiet:
        typer.echo(render.render(found, place=str(directory), verified=verified))


def _filter(files: DemoFiles, keys: KeyPair) -> Path:
    """Build the snapshot and the release; return where the release is."""
    import datetime as dt

    from consentfilter.consent.snapshot import build_snapshot, write_snapshot
    from consentfilter.demo.stories import AS_OF
    from consentfilter.engine.filtering import Naming, filter_dataset
    from consentfilter.lineage.sign import load_signer

    events = sorted(files.consent.glob("*.parquet"))
    as_of = dt.datetime.fromisoformat(AS_OF)
    snapshot = build_snapshot(events, as_of=as_of)
    write_snapshot(snapshot, files.snapshot)
    release = files.root / "release"
    filter_dataset(
        files.records,
        files.snapshot,
        files.policy,
        out=release,
        dataset=files.dataset,
        as_of=as_of,
        subjects=files.subjects,
        links=files.links,
        naming=Naming("conferencing-demo"),
        signer=load_signer(keys.private),
    )
    return release


def _verify(release: Path, keys: KeyPair) -> str:
    """Check the release as `verify` does; return the outcome in a few words.

    Raises:
        EvidenceError: it does not hold.
    """
    from consentfilter.lineage import audit, opened

    done = audit.audit(opened.open_release(release, public_key=keys.public))
    return f"signature {done.signature}, evidence {done.evidence}"


def _as_json(
    found: Summary, files: DemoFiles, release: Path, verified: str
) -> dict[str, Any]:
    return {
        "directory": str(files.root),
        "release": str(release),
        "verified": verified,
        **dataclasses.asdict(found),
    }

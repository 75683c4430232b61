"""`consentfilter report`: write a release's report as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consentfilter.cli import output


def report(
    release: Annotated[Path, typer.Argument(help="The release.", metavar="RELEASE")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to; default: RELEASE/report.html."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print where it went as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    """Write a release's report: one HTML file, with a proof checker inside.

    Example:
      consentfilter report release --out report.html

    Counts by reason, consent sources, warnings, and what is not claimed. It is made
    of the manifest and the index; an older report is replaced.
    """
    from consentfilter.lineage import opened
    from consentfilter.lineage.manifest import IndexedFile
    from consentfilter.lineage.verifier import MANIFEST_NAME
    from consentfilter.report.html import report_html

    found = opened.open_release(release)
    files = [
        IndexedFile(line["path"], line["sha256"], line["size"], line["rows"])
        for line in found.index()
    ]
    manifest = opened.read_file(release / MANIFEST_NAME, "the manifest")
    target = release / "report.html" if out is None else out
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_bytes(report_html(manifest, files))
    temporary.replace(target)
    if as_json:
        output.print_json(
            {"report": str(target), "manifestSha256": found.manifest.sha256}
        )
    else:
        output.say(f"{target}: open it in a browser", is_quiet=quiet)

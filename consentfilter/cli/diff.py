"""`consentfilter diff`: what entered and what left between two releases, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consentfilter.cli import output

if TYPE_CHECKING:
    from consentfilter.lineage.compared import Comparison


def diff(
    release_a: Annotated[
        Path, typer.Argument(help="The older release.", metavar="RELEASE_A")
    ],
    release_b: Annotated[
        Path, typer.Argument(help="The newer release.", metavar="RELEASE_B")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    """Compare two releases: what entered, what left, what changed, and why.

    Example:
      consentfilter diff releases/2026-01 releases/2026-02

    Records are matched by id through the ledgers, so both need their private/.
    """
    from consentfilter.lineage import compared, opened

    before, after = opened.open_release(release_a), opened.open_release(release_b)
    found = compared.compare(before, after)
    if as_json:
        output.print_json(
            {
                "before": before.manifest.sha256,
                "after": after.manifest.sha256,
                "isSuccessor": found.is_successor,
                "rows": {move: found.rows(move) for move in compared.MOVES},
                "moves": [
                    {
                        "move": each.move,
                        "before": each.before,
                        "after": each.after,
                        "rows": each.rows,
                        "sample": list(each.sample),
                    }
                    for each in found.moves
                ],
            }
        )
    elif not quiet:
        typer.echo(_text(found, before.name, after.name))


def _text(found: Comparison, before: str, after: str) -> str:
    chained = (
        "the second names the first as its previous release"
        if found.is_successor
        else "the second does not name the first as its previous release"
    )
    from consentfilter.lineage import compared

    lines = [f"{before} → {after} ({chained})"]
    for move in compared.MOVES:
        lines.append(f"{move}: {found.rows(move):,} records")
        rows = [
            (
                f"  {each.before or '(not read)'} → {each.after or '(not read)'}",
                f"{each.rows:,}",
                "e.g. " + ", ".join(each.sample),
            )
            for each in found.moves
            if each.move == move
        ]
        if rows and move != "same":
            lines.append(output.table(rows, right=[1]))
    return "\n".join(lines)

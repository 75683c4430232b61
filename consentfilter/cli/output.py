"""What commands print: messages and errors on stderr, one JSON object on stdout."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from consentfilter.errors import ConsentFilterError

#: Exit status of a command that was stopped with Ctrl-C (128 + SIGINT).
INTERRUPTED = 130


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout, keys in the order given."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def say(text: str, *, is_quiet: bool = False) -> None:
    """Print a message for a person on stderr, unless told to be quiet."""
    if not is_quiet:
        typer.echo(text, err=True)


def is_terminal() -> bool:
    """Tell whether messages go to a terminal, where a progress bar makes sense."""
    return sys.stderr.isatty()


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Lay rows out in columns two spaces apart.

    Args:
        rows: rows of equal length.
        right: indices of the columns that are aligned to the right (numbers).
    """
    if not rows:
        return ""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]

    def cell(row: Sequence[str], at: int) -> str:
        return row[at].rjust(widths[at]) if at in right else row[at].ljust(widths[at])

    return "\n".join(
        "  ".join(cell(row, at) for at in range(len(row))).rstrip() for row in rows
    )


def render_error(error: ConsentFilterError, *, as_json: bool) -> int:
    """Show an error that was raised on purpose; return its exit status.

    With `as_json` it is one object on stdout, for example
    `{"error": {"type": "RunRefused", "code": "RUN_SNAPSHOT_STALE",
    "problems": ["…"]}}`; else one `error:` line per problem on stderr.
    """
    if as_json:
        print_json(
            {
                "error": {
                    "type": type(error).__name__,
                    "code": getattr(error, "code", None),
                    "problems": list(error.problems),
                }
            }
        )
    else:
        for problem in error.problems:
            typer.echo(f"error: {problem}", err=True)
    return error.exit_status


def from_os_error(error: OSError) -> ConsentFilterError:
    """Say what the operating system refused, and what to do about it."""
    from consentfilter.errors import InputError, StorageError

    where = ", ".join(
        str(name) for name in (error.filename, error.filename2) if name is not None
    )
    found = (error.strerror or str(error)) + (f": {where}" if where else "")
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return InputError(f"{found}; check the path.")
    advice = {
        errno.ENOSPC: "free some space or write to another disk, then run again",
        errno.EDQUOT: "the quota is used up; free some space, then run again",
        errno.EFBIG: "the file would be larger than allowed here; raise the limit",
        errno.EACCES: "this user may not do that; check owner and permissions",
        errno.EPERM: "this user may not do that; check owner and permissions",
        errno.EROFS: "that file system is read-only; write somewhere else",
    }.get(error.errno or 0, "run again once the storage answers")
    return StorageError(f"{found}; no release was written; {advice}.")

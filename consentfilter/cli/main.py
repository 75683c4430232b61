"""The entry point: run one command line, turn its end into an exit status."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

import typer
import typer.main
from typer.exceptions import TyperException

from consentfilter.cli import output
from consentfilter.cli.app import app
from consentfilter.cli.arguments import spelled_out
from consentfilter.cli.unneeded import leave_out
from consentfilter.errors import ConsentFilterError, InputError, StorageError


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; never raises for bad input.

    What follows a lone `--` is not parsed here: the command finds it in the
    context's `obj` as a tuple of strings (options of a Beam runner).
    """
    ours, passed_on = _split(arguments)
    ours = spelled_out(ours)
    as_json = "--json" in ours
    try:
        status = typer.main.get_command(app).main(
            args=ours,
            prog_name="consentfilter",
            standalone_mode=False,
            obj=passed_on,
        )
    except TyperException as error:
        return _render_usage(error, as_json=as_json)
    except typer.Abort:
        return output.INTERRUPTED
    except ConsentFilterError as error:
        return output.render_error(error, as_json=as_json)
    except BrokenPipeError:
        return _leave_quietly()
    except OSError as error:
        return output.render_error(output.from_os_error(error), as_json=as_json)
    except MemoryError:
        short = StorageError(
            "The memory is used up; no release was written; run again with a "
            "smaller --memory or fewer --workers."
        )
        return output.render_error(short, as_json=as_json)
    if status == output.INTERRUPTED:
        output.say(
            "Interrupted; what is finished is kept: the same command goes on from here."
            if "--resume" in ours
            else "Interrupted; nothing half-written was left."
        )
    return status if isinstance(status, int) else 0


def main() -> None:
    """Run the process's own command line and leave with its exit status.

    A request to terminate (SIGTERM) is met like Ctrl-C: what was begun is removed.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    leave_out(sys.argv[1:])
    sys.exit(run(sys.argv[1:]))


def _split(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    given = list(arguments)
    if "--" not in given:
        return given, ()
    at = given.index("--")
    return given[:at], tuple(given[at + 1 :])


def _render_usage(error: TyperException, *, as_json: bool) -> int:
    if as_json:
        problem = InputError(error.format_message().replace("\n\t", " "))
        return output.render_error(problem, as_json=True)
    show = getattr(error, "show", None)  # usage line and hint, or the help itself
    if show is None:
        output.say(f"error: {error.format_message()}")
    else:
        show()
    return error.exit_code


def _leave_quietly() -> int:
    # The reader of our output went away (`| head`): not an error worth words, but
    # the interpreter must not fail again when it flushes stdout at the end.
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0

"""Options of more than one command, and what they set for the whole process."""

from __future__ import annotations

from typing import Annotated

import typer

from vsrcli.console import Verbosity, check_stdout, set_verbosity

_traceback = False


def wants_traceback() -> bool:
    """Whether `--traceback` was given: show where an error came from, for bug reports."""
    return _traceback


def _set_traceback(value: bool) -> bool:
    global _traceback
    _traceback = value
    return value


def _set_quiet(value: bool) -> bool:
    # This callback runs first (eager), so it also clears what an earlier call in the process set.
    set_verbosity(Verbosity.QUIET if value else Verbosity.NORMAL)
    return value


def _set_verbose(value: bool) -> bool:
    if value:
        set_verbosity(Verbosity.VERBOSE)
    return value


def _check_json(value: bool) -> bool:
    if value:
        check_stdout()  # not only when the work is done
    return value


QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=_set_quiet, is_eager=True, help="Say nothing but errors."
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", callback=_set_verbose, help="Say more on stderr.")
]
TracebackOption = Annotated[
    bool,
    typer.Option(
        "--traceback", callback=_set_traceback, help="On an error, show where it came from."
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", "-y", help="Replace an existing output.")
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", callback=_check_json, help="Print one JSON document on stdout."),
]

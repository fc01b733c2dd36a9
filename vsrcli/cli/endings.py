"""What a command ends in: what became of a folder, or an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from vsrcli.console import clock, note, print_json, tell_failures
from vsrcli.errors import CheckError, ExitStatus, Interrupted

if TYPE_CHECKING:
    from vsrcli.batch import BatchResult


def end_batch(result: BatchResult[Any], *, json: bool, more: str = "") -> None:
    """Say what became of a folder; raises CheckError if some failed, with MORE to say of that, and
    ends in the status of damage if some were damaged.
    """
    print_json(asdict(result)) if json else note(_text(result))
    if result.failed:
        tell_failures(why for _, why in result.failed)
        failed = f"{len(result.failed)} of {result.total} files failed: see above"
        raise CheckError(f"{failed}{more}")
    if result.damaged:
        raise typer.Exit(ExitStatus.DAMAGED)


def _text(result: BatchResult[Any]) -> str:
    """What became of a folder, in one line."""
    text = f"{len(result.done)} of {result.total} files done in {clock(result.seconds)}"
    if skipped := len(result.skipped):
        text += f", {skipped} {'was' if skipped == 1 else 'were'} there before"
    return text


@contextmanager
def resumable(goes_on: bool, otherwise: str = "nothing was kept") -> Iterator[None]:
    """Say of an interrupted job whether it can go on; OTHERWISE what is true of it then."""
    try:
        yield
    except KeyboardInterrupt:
        after = "the same command goes on from what is finished" if goes_on else otherwise
        raise Interrupted(f"interrupted; {after}") from None


def resumable_folder(overwrite: bool) -> AbstractContextManager[None]:
    """The same of a folder; with OVERWRITE the same command would make all its files anew."""
    return resumable(not overwrite, "the files that are finished are kept")

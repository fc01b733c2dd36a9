"""What the programs of this folder are told, and how they end: errors are one sentence."""

from __future__ import annotations

import argparse
import functools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from vsrcli.errors import ExitStatus, UsageError, VsrError


def told(main: Callable[[], None]) -> Callable[[], None]:
    """MAIN, which ends with a sentence on stderr where a file or an option is wrong.

    The exit status is 1; after Ctrl-C it is 130.
    """

    @functools.wraps(main)
    def run() -> None:
        try:
            main()
        except VsrError as error:
            raise SystemExit(f"error: {error}") from None
        except OSError as error:
            if error.filename is None:
                raise
            raise SystemExit(f"error: {error.filename}: {error.strerror}") from None
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise SystemExit(int(ExitStatus.INTERRUPTED)) from None

    return run


def say(text: str) -> None:
    """A note on stderr."""
    print(text, file=sys.stderr, flush=True)


def positive(text: str) -> int:
    """Reads a whole number above 0."""
    found = int(text)
    if found < 1:
        raise argparse.ArgumentTypeError(f"{found} is not above 0")
    return found


def one_of(names: Sequence[str]) -> Callable[[str], list[str]]:
    """Reads a list of NAMES separated by commas."""

    def read(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(names)}")
        return chosen

    return read


def above_zero(text: str) -> float:
    """Reads a number above 0 that is finite."""
    found = float(text)
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return found


def check_target(path: Path) -> None:
    """Check, before hours of work, that PATH can be a file. Raises UsageError if not."""
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder, so {path} could not be written")
    if path.is_dir():
        raise UsageError(f"{path} is a folder, so no file of that name could be written")

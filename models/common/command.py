"""What the programs of this folder are told, and how they end: errors are one sentence."""

from __future__ import annotations

import argparse
import functools
import io
import math
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from vsrcli.errors import ExitStatus, UsageError, VsrError


def told(main: Callable[[], None]) -> Callable[[], None]:
    """MAIN, which ends with a sentence on stderr where a file or an option is wrong.

    The exit status is 1; after Ctrl-C, and what else stops it from outside, it is 130.
    """

    @functools.wraps(main)
    def run() -> None:
        _end_as_by_ctrl_c()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be any bytes
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


def _end_as_by_ctrl_c() -> None:
    """Have what stops the program from outside interrupt it, so that it clears up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:  # not under nohup
        signal.signal(hangup, signal.default_int_handler)


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

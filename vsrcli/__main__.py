"""`python -m vsrcli` and the `vsr` console script."""

import contextlib
import ctypes
import os
import signal
import sys

from vsrcli.errors import ExitStatus

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""malloc.h: how much memory is kept at the heap's end; from which size on allocations are no part
of the heap and are given back to the system when they are freed."""


def main() -> None:
    """Run the command line."""
    # What stops a job from outside ends it as Ctrl-C does: cleanly, to be continued.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # So does a terminal that is closed, unless nohup has the job outlast it.
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:
        signal.signal(hangup, _interrupt_once)
    _keep_memory_flat()
    try:
        _run()
    except KeyboardInterrupt:  # too early or too late for the command line itself
        with contextlib.suppress(OSError):
            os.write(2, b"vsr: error: interrupted\n")
        sys.exit(ExitStatus.INTERRUPTED)


def _run() -> None:
    # These take a while, in which Ctrl-C may be pressed.
    from vsrcli.cli import app
    from vsrcli.console import let_go_of_streams

    try:
        app(prog_name="vsr")
    finally:
        let_go_of_streams()


def _interrupt_once(number: int, _: object) -> None:
    """Interrupt, but not the clearing up after that: a hangup may be told more than once."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _keep_memory_flat() -> None:
    """Hold glibc to fixed thresholds; it otherwise raises them with every large block freed.

    Large pictures would then come from the heap, and every segment's encoder leave it more
    fragmented: it grew by 30 MB each at 1920x1080. With glibc's own first thresholds, 128 KiB, most
    arrays would be new memory, which the system has to clear: 25 ms for a frame of that size.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, 4 << 20)
            mallopt(_M_TRIM_THRESHOLD, 64 << 20)


if __name__ == "__main__":
    main()

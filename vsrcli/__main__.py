"""`python -m vsrcli` and the `vsr` console script."""

import ctypes
import signal
import sys

from vsrcli.cli import app

_M_MMAP_THRESHOLD = -3
"""malloc.h: allocations from this size on are given back to the system when they are freed."""


def main() -> None:
    """Run the command line."""
    # What stops a job from outside ends it as Ctrl-C does: cleanly, to be continued.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _keep_memory_flat()
    app(prog_name="vsr")


def _keep_memory_flat() -> None:
    """Hold glibc to its default threshold, which it otherwise raises with every large block freed.

    Pictures would then come from the heap, and every segment's encoder leave it more fragmented.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, 128 * 1024)


if __name__ == "__main__":
    main()

"""What all threads of the process share, changed for a moment and put back.

Two jobs in two threads, or one whose stages overlap, would else put back each what the other had
set, for good: so one thread at a time changes any of it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from threading import RLock

import av.logging

_turn = RLock()


@contextlib.contextmanager
def ffmpeg_heard(level: int) -> Iterator[list[tuple[int, str, str]]]:
    """Gather what FFmpeg says up to `level`: how grave, who, and what.

    Of all threads: what others say meanwhile would be printed.
    """
    with _turn:
        before = av.logging.get_level(), av.logging.get_skip_repeated()
        av.logging.set_level(level)
        av.logging.set_skip_repeated(False)  # what was said of another job is said again
        try:
            with av.logging.Capture(local=False) as said:
                yield said
        finally:
            av.logging.set_level(before[0])
            av.logging.set_skip_repeated(before[1])


@contextlib.contextmanager
def no_warnings() -> Iterator[None]:
    """Leave out what Pillow warns of: damaged entries of a file, one by one, on stderr."""
    with _turn, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

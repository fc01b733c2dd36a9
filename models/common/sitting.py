"""A sitting: the part of a training that lies between the start of a program and its end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 180
"""Seconds between checkpoints."""
ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, what stops a job from outside, and a terminal that is closed."""


@contextmanager
def _in_good_order() -> Iterator[list[int]]:
    """What would end the program is noted in the list that is given instead, for the block to end
    and to save what it has; then it is interrupted. What is ignored, as under nohup, stays so."""
    asked: list[int] = []
    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    before = {
        number: signal.signal(number, lambda which, _: asked.append(which))
        for number in numbers
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt


class Sitting:
    """How long it has gone on, and what has been saved of it."""

    def __init__(self, hours: float, save: Callable[[], None], asked: list[int]) -> None:
        self._hours, self._save, self._asked = hours, save, asked
        self._started = self._saved = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._started

    @property
    def over(self) -> bool:
        """Whether its time is up, or it was asked to end."""
        return bool(self._asked) or self.seconds >= self._hours * 3600

    def save_at_times(self) -> None:
        """Save, if that was long ago."""
        if time.monotonic() - self._saved > EVERY:
            self._save()
            self._saved = time.monotonic()


@contextmanager
def sitting(hours: float, save: Callable[[], None]) -> Iterator[Sitting]:
    """A sitting of so many hours at most; SAVE is called when the block has come to its end."""
    with _in_good_order() as asked:
        yield Sitting(hours, save, asked)
        save()

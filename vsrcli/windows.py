"""Sliding windows over a stream: lazily, in bounded memory, whatever the items are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_FRAMES = 31


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """A reference item and its neighbours, in order of time, all of one scene."""

    items: tuple[T, ...]
    reference: int
    """Position of the reference in `items`."""
    first: bool
    """The reference is the first of its scene: nothing remembered applies to it."""


def reach(frames: int) -> tuple[int, int]:
    """How many neighbours before and after the reference a window of FRAMES items has.

    An even window has one more before than after, so that it waits less.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise ValueError(f"a window has 1 to {MAX_FRAMES} frames, not {frames}")
    return frames // 2, (frames - 1) // 2


class SlidingWindows(Generic[T]):
    """Push items in, get finished windows out: one for every item, in order.

    Holds at most FRAMES items. A window is finished as soon as its last neighbour is there, or
    the scene ends. Neighbours beyond the scene are left out, not replaced by copies: a copy holds
    no new samples.
    """

    def __init__(self, frames: int) -> None:
        """FRAMES items at most in each window, 1 to MAX_FRAMES; raises ValueError."""
        self._before, self._after = reach(frames)
        self._held: deque[T] = deque()
        self._next = 0  # position in _held of the next reference
        self._first = True

    def push(self, item: T, *, cut: bool = False) -> list[Window[T]]:
        """Windows finished by ITEM; CUT: it is the first of a new scene."""
        finished = self.flush() if cut else []
        self._held.append(item)
        if len(self._held) - self._next > self._after:
            finished.append(self._take())
        return finished

    def flush(self) -> list[Window[T]]:
        """The windows still waiting, now that their scene has ended; then a new scene starts."""
        finished = []
        while self._next < len(self._held):
            finished.append(self._take())
        self._held.clear()
        self._next, self._first = 0, True
        return finished

    def _take(self) -> Window[T]:
        finished = Window(tuple(self._held), self._next, self._first)
        self._first = False
        self._next += 1
        if self._next > self._before:
            self._held.popleft()
            self._next -= 1
        return finished

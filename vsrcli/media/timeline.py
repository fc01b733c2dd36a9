"""Timestamps made whole: one for every picture, strictly increasing, with exact durations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Payload = TypeVar("Payload")

_SOON = 25
"""Frames that pictures may lag behind their times and catch up; more are another clock's."""


@dataclass(frozen=True, slots=True)
class Timed(Generic[Payload]):
    """A picture, or anything else, with the time it is shown at."""

    payload: Payload
    pts: int | None
    """In ticks of the stream's time base; None if the file has none."""
    duration: int
    """In the same ticks; 0 if unknown."""


@dataclass(frozen=True, slots=True)
class Shown(Generic[Payload]):
    """A picture with a time that is later than the one before, and a duration above 0."""

    payload: Payload
    pts: int
    duration: int


def settle(
    items: Iterable[Timed[Payload]], nominal: int, repaired: Callable[[], None]
) -> Iterator[Shown[Payload]]:
    """Yield every item with a strictly increasing PTS and a duration above 0.

    A missing PTS follows from the durations before it. One that does not increase is moved between
    its neighbours, or `nominal` ticks on when the next one is no help; `repaired` is called each
    time. Where times go on from a little further back, pictures follow each other twice as fast
    until they are in time again, as sound is at once. A picture lasts until the next one. The last
    keeps its declared duration if those before told the truth (Matroska and FLV make them up), else
    repeats it. Holds two items back.
    """
    before: Shown[Payload] | None = None  # waits for its duration
    honest = True  # whether declared durations agree with the times
    declared = 0  # duration of the one before
    for item, following in _pairs(items):
        pts = _place(before, item, following, nominal, repaired)
        duration = item.duration or nominal
        if before:
            gap = pts - before.pts
            honest = honest and abs(gap - declared) <= 1
            yield Shown(before.payload, before.pts, gap)
            duration = item.duration if item.duration and honest else gap
        declared = item.duration or nominal
        before = Shown(item.payload, pts, duration)
    if before:
        yield before


def _place(
    before: Shown[Payload] | None,
    item: Timed[Payload],
    following: Timed[Payload] | None,
    nominal: int,
    repaired: Callable[[], None],
) -> int:
    if item.pts is None:
        return before.pts + before.duration if before else 0
    if before is None or item.pts > before.pts:
        return item.pts
    repaired()
    step = nominal
    if following is not None and following.pts is not None:
        own, left = following.pts - item.pts, following.pts - before.pts
        if left > 1:
            step = min(step, left // 2)
        elif own > 0 and before.pts - item.pts <= _SOON * nominal:
            step = max(1, min(step, own // 2))
    return before.pts + step


def _pairs(items: Iterable[Payload]) -> Iterator[tuple[Payload, Payload | None]]:
    """Yield every item with the one after it, None for the last."""
    iterator = iter(items)
    current = next(iterator, None)
    while current is not None:
        following = next(iterator, None)
        yield current, following
        current = following

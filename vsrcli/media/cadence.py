"""Whether frames come evenly: some kinds of output have a constant rate and no other times."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import av

from vsrcli.media.clock import Clock
from vsrcli.media.probe import MediaInfo
from vsrcli.media.sources import opened
from vsrcli.media.telecine import CYCLE, KEPT, spread

AVI_ROUNDS = "AVI has a constant frame rate: the times of this variable one were rounded"
Y4M_DROPS = "y4m has a constant frame rate: the variable times are lost"
_VISIBLE = Fraction(1, 4)
"""Frames by which one may be off its place in a constant rate, as clocks of 1 ms make it."""


def times_of(info: MediaInfo) -> tuple[int, ...]:
    """Return when the frames of a video are shown, in units of its time base, by its packets alone.

    Nothing is decoded. Empty if a packet has no time, or it is a sequence of pictures. By fields,
    as if all frames were interlaced, without the very last one; of film, without the last few.
    """
    if info.sequence:
        return ()
    try:
        with opened(info.path) as container:
            packets = Clock(container, info.video_index).joined(container.demux())
            own = (packet for packet in packets if packet.stream_index == info.video_index)
            times = [packet.pts for packet in own if packet.size]
    except av.FFmpegError:  # damaged: the work will say so
        return ()
    known = sorted(time for time in times if time is not None)
    if len(known) < len(times):
        return ()
    if info.pictures == "film":
        begins = known[::CYCLE]
        cycles = (spread(begin, after - begin, KEPT) for begin, after in pairwise(begins))
        return tuple(time for cycle in cycles for time, _ in cycle)
    if info.pictures == "fields":  # in its ticks, which are half those of the file
        between = (before + after for before, after in pairwise(known))
        return tuple(sorted([*(2 * time for time in known), *between]))
    return tuple(known)


def off_grid(times: Sequence[int], base: Fraction, rate: Fraction) -> bool:
    """Whether a frame lies between the places of a constant `rate`; places may be empty."""
    tick = base * rate
    places = ((time - times[0]) * tick for time in times)
    return any(abs(place - round(place)) > _VISIBLE for place in places)


def uneven(times: Sequence[int], base: Fraction, rate: Fraction) -> bool:
    """Whether two frames follow each other sooner or later than a constant `rate` has them."""
    tick = base * rate
    steps = ((after - before) * tick for before, after in pairwise(times))
    return any(abs(step - 1) > _VISIBLE for step in steps)


def off_ticks(times: Sequence[int], base: Fraction, tick: Fraction) -> bool:
    """Whether a frame lies visibly beside the next whole `tick` (seconds) from the first on.

    That is by more than a quarter of the mean distance of two frames.
    """
    if len(times) < 2:
        return False
    mean = (times[-1] - times[0]) * base / (len(times) - 1)
    moments = ((time - times[0]) * base for time in times)
    return any(abs(moment - round(moment / tick) * tick) > _VISIBLE * mean for moment in moments)

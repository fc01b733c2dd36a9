"""Outputs that begin at 0 where their source does not: AVI, and what a running clock timed."""

from __future__ import annotations

import math
from collections.abc import Collection
from fractions import Fraction
from typing import NamedTuple

from vsrcli.media.clock import may_jump
from vsrcli.media.packets import begin_of
from vsrcli.media.probe import MediaInfo
from vsrcli.media.sources import opened

_UNNOTICED = Fraction(1, 20)
"""Seconds that sound may be late without being noticed, and more (ITU-R BT.1359)."""
_LONG = 10
"""Seconds beyond which it is told that a clock had run; FFmpeg's own muxer begins at 1.4."""


class Shift(NamedTuple):
    """How all times of an output differ from those of its source."""

    seconds: Fraction
    """Added to them; below 0."""
    line: str
    """What to say of that; empty: nothing."""


def shift_to_zero(
    info: MediaInfo, muxer: str, decoded: Fraction, shown: Fraction, sound: Collection[int]
) -> Shift | None:
    """How all times are moved in the container of `muxer` so that they begin at 0; None: not.

    `decoded`, `shown`: seconds at which the first frame is; `sound`: indices of the streams of
    sound that the output has.
    """
    if muxer == "avi":
        seconds = _in_avi(info, decoded, sound)
        line = f"all times are {float(-seconds):.5g} s earlier: AVI begins at 0"
    else:
        seconds = _of_running_clock(info, muxer, shown)
        early = f"all times are {float(-seconds):.8g} s earlier"
        had_run = f"{early}: the clock of the recording had run that long before"
        line = had_run if -seconds > _LONG else ""
    return Shift(seconds, line) if seconds else None


def lead(info: MediaInfo) -> Fraction:
    """How much, in seconds, sound that begins before the pictures may begin late in an AVI.

    A frame, at least: to keep it in time, pictures would have to begin at a later place. FFmpeg's
    muxer leaves no place empty before the first frame, but behind it, as if that were shown for so
    long.
    """
    return max(1 / info.nominal_rate, _UNNOTICED)


def _in_avi(info: MediaInfo, first: Fraction, sound: Collection[int]) -> Fraction:
    """So that the earliest packet lies at 0, in seconds.

    The first frame comes to lie at a place of the constant rate: at 0, unless sound has more than
    the `lead`.
    """
    begin = None if info.sequence else begin_of(info.path, info.video_index, sound)
    begin = first if begin is None else min(first, begin)
    if first >= 0 and first - begin <= lead(info):
        return -first
    if begin <= 0:  # the muxer moves all to 0 by itself
        return Fraction(0)
    rate = info.nominal_rate
    return math.floor((first - begin) * rate + Fraction(1, 2)) / rate - first


def _of_running_clock(info: MediaInfo, muxer: str, first: Fraction) -> Fraction:
    """So that what was timed by a clock that runs on by itself (MPEG-TS, DVD, Ogg) begins at 0.

    Elsewhere than in MPEG-TS, what comes before the begin is a part of the video: an empty one, of
    a second, or of hours after a broadcast.
    """
    if info.sequence or muxer == "mpegts" or first <= 0:
        return Fraction(0)
    with opened(info.path) as source:
        if not may_jump(source):
            return Fraction(0)
    others = [stream.index for stream in info.streams if stream.index != info.video_index]
    begin = begin_of(info.path, info.video_index, others)
    begin = first if begin is None else min(first, begin)
    return -max(begin, Fraction(0))

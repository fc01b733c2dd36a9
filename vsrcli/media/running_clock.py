"""Recordings whose clock had run for long when they began: broadcasts, parts of a DVD or HLS."""

from __future__ import annotations

from fractions import Fraction

from vsrcli.media.clock import may_jump
from vsrcli.media.feeds import begin_of
from vsrcli.media.probe import MediaInfo
from vsrcli.media.sources import opened

_LONG = 10
"""Seconds beyond which a begin says nothing about the video; FFmpeg's muxer begins at 1.4."""


def shift_of_clock(info: MediaInfo, first: Fraction, muxer: str) -> Fraction:
    """How far all is moved so that such a recording begins at 0, in seconds; 0 or less.

    `first`: when the first frame is shown. Elsewhere than in MPEG-TS, what comes before the begin
    is a part of the video: an empty one, of hours.
    """
    if info.sequence or muxer == "mpegts" or first <= _LONG:
        return Fraction(0)
    with opened(info.path) as source:
        if not may_jump(source):
            return Fraction(0)
    others = [stream.index for stream in info.streams if stream.index != info.video_index]
    begin = begin_of(info.path, info.video_index, others)
    begin = first if begin is None else min(first, begin)
    return -begin if begin > _LONG else Fraction(0)


def begun_at_0(shift: Fraction) -> str:
    """What to say of that."""
    seconds = f"{float(-shift):.8g} s"
    return f"all times are {seconds} earlier: the clock of the recording had run that long before"

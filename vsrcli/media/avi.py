"""Times in an AVI, which begins at 0, and only counts its frames from there."""

from __future__ import annotations

import math
from collections.abc import Collection
from fractions import Fraction

from vsrcli.media.feeds import begin_of
from vsrcli.media.probe import MediaInfo

_UNNOTICED = Fraction(1, 20)
"""Seconds that sound may be late without being noticed, and more (ITU-R BT.1359)."""


def lead(info: MediaInfo) -> Fraction:
    """How much, in seconds, sound that begins before the pictures may begin late.

    A frame, at least: to keep it in time, pictures would have to begin at a later place. FFmpeg's
    muxer leaves no place empty before the first frame, but behind it, as if that were shown for so
    long.
    """
    return max(1 / info.nominal_rate, _UNNOTICED)


def shift_to_zero(first: Fraction, info: MediaInfo, sound: Collection[int]) -> Fraction:
    """How far all is moved so that the earliest packet lies at 0, in seconds; 0 or less.

    `first`: when the first frame is decoded; `sound`: indices of the streams of sound. The first
    frame comes to lie at a place of the constant rate: at 0, unless sound has more than the `lead`.
    """
    begin = None if info.sequence else begin_of(info.path, info.video_index, sound)
    begin = first if begin is None else min(first, begin)
    if first >= 0 and first - begin <= lead(info):
        return -first
    if begin <= 0:  # the muxer moves all to 0 by itself
        return Fraction(0)
    rate = info.nominal_rate
    return math.floor((first - begin) * rate + Fraction(1, 2)) / rate - first


def moved(shift: Fraction) -> str:
    """What to say of that."""
    return f"all times are {float(-shift):.5g} s earlier: AVI begins at 0"

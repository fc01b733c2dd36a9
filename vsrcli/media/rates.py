"""How long a video is, how many frames it has and how many a second, by what its file declares."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vsrcli.media.length import own_duration

_HIGHEST_RATE = 240
"""Rates above are mostly the clock of a container that keeps no rate (FLV, Matroska: 1000)."""
_FINEST_RATE = 100_000


def above_zero(value: Any) -> Fraction | None:
    """Return PyAV's rational, which may be None or 0, as a Fraction above 0."""
    return Fraction(value) if value and value > 0 else None


def duration_of(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Seconds of the video, or of the whole file."""
    if own := own_duration(stream):
        return own
    if container.duration and container.duration > 0:
        return Fraction(container.duration, av.time_base)
    return None


def rate_of(stream: VideoStream, duration: Fraction | None) -> Fraction | None:
    """Frames per second in the mean; `duration` in seconds."""
    stated = [above_zero(r) for r in (stream.average_rate, stream.guessed_rate, stream.base_rate)]
    known = [r for r in stated if r is not None]
    if slow := [r for r in known if r <= _HIGHEST_RATE]:
        return slow[0]
    if stream.frames and duration:
        # Odd counts and clocks make fractions FFmpeg has no room for.
        rate = (stream.frames / duration).limit_denominator(_FINEST_RATE)
        return rate if 0 < rate < 1000 else None
    return known[0] if known and known[0] < 1000 else None


def frame_count(
    container: InputContainer,
    stream: VideoStream,
    duration: Fraction | None,
    rate: Fraction | None,
) -> int | None:
    """How many frames are declared, or follow from `duration` (seconds) and `rate`; not exact."""
    if "mp4" in container.format.name and len(stream.index_entries) > stream.frames:
        return _frames_in_fragments(stream, duration)
    if stream.frames:
        return stream.frames
    tags = stream.metadata.items()
    stated = [v for k, v in tags if k.startswith("NUMBER_OF_FRAMES") and v.isdecimal()]
    if stated:
        return int(stated[0])
    return max(1, round(duration * rate)) if duration and rate else None


def _frames_in_fragments(stream: VideoStream, duration: Fraction | None) -> int:
    """Estimate the frames of an MP4 in fragments, of which FFmpeg may have read but the first."""
    index = stream.index_entries
    steps = len(index) - 1
    span = (index[-1].timestamp - index[0].timestamp) * (stream.time_base or 0)
    return max(len(index), round(steps / span * duration)) if duration and span > 0 else len(index)

"""Segments: a job is cut into stretches of frames, each closed as its own file, so it can resume.

What a segment holds depends on its frames and those around it alone, not on whether the job ran in
one go or who made it, so a resumed job ends in the same bytes.

Segments have a fixed length and do not end at scene cuts. Where they begin is so known to everybody
without a look at the pictures before; a search for cuts there would cost every process that passes
over what another makes about ten milliseconds a frame. Nothing would be gained: the warm-up already
keeps the frames as they are, and encoders begin anew after about as many frames by themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from vsrcli.media.planes import Frame

WARM_UP = 8
"""Frames before a segment that bring the recurrent state up: what lies further back would change no
frame by 0.02 dB, which a test holds it to."""
_SECONDS = 10
_USUAL_FRAMES = 240
"""Ten seconds of film; shared out, still so many that the warm-up is below 5 % of the work."""


def segment_length(rate: Fraction | None, frames: int | None = None) -> int:
    """Frames in a segment: about ten seconds.

    If the number of `frames` there will be is known, and more than that, they are shared out evenly
    over an even number of segments, so that two workers end at the same time.
    """
    usual = max(_USUAL_FRAMES, round((rate or 0) * _SECONDS))
    if frames is None or frames <= usual:
        return usual
    return -(-frames // (2 * max(1, round(frames / (2 * usual)))))


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of frames with the context its network needs on both sides."""

    number: int
    frames: Iterator[tuple[Frame, bool]]
    """Each frame with whether it belongs to the segment (True) or is context (False).

    To be read to its end before the next segment is asked for.
    """


def cut(frames: Iterable[Frame], length: int, lookahead: int) -> Iterator[Segment]:
    """Cut a stream into segments of `length` frames; memory stays that of the context.

    A segment is preceded by up to `WARM_UP` frames and followed by up to `lookahead`, as far as the
    stream has them. Frames are counted from the first of the stream.
    """
    source = enumerate(frames)
    kept: deque[tuple[int, Frame]] = deque()
    number = 0
    while True:
        begin, end = number * length, (number + 1) * length
        if not kept or kept[-1][0] < begin:
            following = next(source, None)
            if following is None:
                return
            kept.append(following)
        yield Segment(number, _with_context(source, kept, begin, end, lookahead))
        number += 1


def _with_context(
    source: Iterator[tuple[int, Frame]],
    kept: deque[tuple[int, Frame]],
    begin: int,
    end: int,
    lookahead: int,
) -> Iterator[tuple[Frame, bool]]:
    for index, frame in list(kept):
        yield frame, begin <= index < end
    while kept[-1][0] < end + lookahead - 1:
        following = next(source, None)
        if following is None:
            break
        kept.append(following)
        yield following[1], following[0] < end
        while kept[0][0] < min(end, kept[-1][0] + 1) - WARM_UP:
            kept.popleft()
    while kept and kept[0][0] < end - WARM_UP:
        kept.popleft()

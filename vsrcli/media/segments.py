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

WARM_UP = 11
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


def cut(frames: Iterable[tuple[Frame, bool]], length: int, lookahead: int) -> Iterator[Segment]:
    """Cut a stream into segments of `length` frames; memory stays that of the context.

    A segment is preceded by up to `WARM_UP` frames and followed by up to `lookahead`, as far as the
    stream has them. It may begin and end with frames that are context throughout (False) and belong
    to no segment; frames are counted from the first that is not.
    """
    source = _numbered(frames)
    kept: deque[_Numbered] = deque()
    number = 0
    while True:
        begin, end = number * length, (number + 1) * length
        while not kept or kept[-1].index < begin:
            following = next(source, None)
            if following is None:
                return
            kept.append(following)
        if not any(each.own for each in kept if each.index >= begin):
            return
        yield Segment(number, _with_context(source, kept, begin, end, lookahead))
        number += 1


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A frame and where it stands."""

    index: int
    """From the first frame that belongs to a segment; negative before it."""
    frame: Frame
    own: bool
    """Whether it belongs to a segment."""


def _numbered(frames: Iterable[tuple[Frame, bool]]) -> Iterator[_Numbered]:
    leading: list[Frame] = []
    index = 0
    for frame, own in frames:
        if not own and not index:
            leading.append(frame)
            continue
        for place, earlier in enumerate(leading, -len(leading)):
            yield _Numbered(place, earlier, own=False)
        leading.clear()
        yield _Numbered(index, frame, own)
        index += 1


def _with_context(
    source: Iterator[_Numbered],
    kept: deque[_Numbered],
    begin: int,
    end: int,
    lookahead: int,
) -> Iterator[tuple[Frame, bool]]:
    for each in list(kept):
        yield each.frame, each.own and begin <= each.index < end
    while kept[-1].index < end + lookahead - 1:
        following = next(source, None)
        if following is None:
            break
        kept.append(following)
        yield following.frame, following.own and following.index < end
        while kept[0].index < min(end, kept[-1].index + 1) - WARM_UP:
            kept.popleft()
    while kept and kept[0].index < end - WARM_UP:
        kept.popleft()

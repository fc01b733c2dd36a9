"""The times of all segments together: decoding order, delay, and where each packet goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from vsrcli.errors import OutputError
from vsrcli.media.segment_times import SegmentTimes, check_segment, read_times

_MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Timing:
    """Times of a video in several segments, in units of `base`."""

    base: Fraction
    parts: tuple[SegmentTimes, ...]

    @classmethod
    def of(cls, segments: Sequence[Path]) -> Timing:
        """Read the footers; raises OutputError if a segment is damaged or they do not follow.

        All of every segment is read and checked: this is the last moment in which one can be made
        again.
        """
        parts = tuple(read_times(path) for path in segments)
        if not parts or not all(part.pts for part in parts):
            raise OutputError("there are no frames to write; choose another start or end")
        for path, before, after in zip(segments[1:], parts, parts[1:], strict=False):
            if max(before.pts) >= min(after.pts) or before.time_base != after.time_base:
                raise OutputError(f"{path}: does not follow the segment before it; delete both")
        for path in segments:
            check_segment(path)
        return cls(parts[0].time_base, parts)

    @cached_property
    def decoded(self) -> tuple[int, ...]:
        """PTS in the order of decoding."""
        return tuple(pts for part in self.parts for pts in part.pts)

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """PTS in the order of presentation."""
        return tuple(sorted(self.decoded))

    @cached_property
    def dts(self) -> tuple[int, ...]:
        """Decoding times: those of presentation, as much earlier as reordering needs.

        Each encoder guesses them from its own segment; only here are the neighbours known.
        """
        rank = {pts: number for number, pts in enumerate(self.shown)}
        delay = max(number - rank[pts] for number, pts in enumerate(self.decoded))
        first = self.shown[: delay + 2]
        step = min((b - a for a, b in zip(first, first[1:], strict=False)), default=1)
        # The mean frame keeps the rate players see; a clip that begins slowly needs no long lead.
        mean = Fraction(self.shown[-1] - first[0], max(1, len(self.shown) - 1))
        step_lead = min(mean, Fraction(2 * step))
        if first[0] > 0:
            # FFmpeg's muxer of MP4 takes the least that frames decoded before 0 are shown later by
            # for what the first one is, and has all begin as much too early.
            ahead = enumerate(self.decoded[1:delay], 1)
            step_lead = min([step_lead, *(Fraction(pts - first[0], n) for n, pts in ahead)])
        step_lead = max(Fraction(1), step_lead)
        lead = [first[0] - round(step_lead * (delay - number)) for number in range(delay)]
        return (*lead, *self.shown[: len(self.shown) - delay])

    def has_frames_of(self, seconds: Fraction) -> bool:
        """Tell whether any frame lasts so long, by the milliseconds of Matroska."""
        steps = zip(self.shown, self.shown[1:], strict=False)
        lengths = ((after - before) * self.base for before, after in steps)
        return len(self.shown) < 2 or any(abs(n - seconds) <= _MILLISECOND for n in lengths)

    @property
    def begin(self) -> Fraction:
        """When the first frame is shown, in seconds."""
        return self.shown[0] * self.base

    @property
    def end(self) -> Fraction:
        """When the last frame ends, in seconds."""
        last = self.parts[-1]
        return (self.shown[-1] + last.durations[last.pts.index(self.shown[-1])]) * self.base

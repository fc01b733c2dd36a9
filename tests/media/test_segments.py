"""Cutting a stream into segments: every frame once, with its context, in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest

from tests.clips import make_frame
from vsrcli.media.planes import Frame
from vsrcli.media.segments import WARM_UP, cut, segment_length


def stream(count: int, before: int = 0, after: int = 0) -> Iterator[tuple[Frame, bool]]:
    """COUNT frames that differ in their index alone, from 0, with others just outside of them."""
    frame = make_frame("gray", 8, 8)
    for index in range(-before, count + after):
        numbered = Frame(frame.planes, frame.layout, index, 1, frame.time_base, frame.tags, index)
        yield numbered, 0 <= index < count


@pytest.mark.parametrize("count", [0, 1, 11, 12, 13, 24, 40, 61])
@pytest.mark.parametrize("length", [1, 4, 12, 30])
@pytest.mark.parametrize("lookahead", [0, 2, 15])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (3, 2), (WARM_UP, 0), (0, 40)])
def test_every_frame_once_with_its_context(
    count: int, length: int, lookahead: int, before: int, after: int
) -> None:
    seen = []
    if not count:
        before = 0  # of a range that holds no frame there is nothing to give context to
    for number, segment in enumerate(cut(stream(count, before, after), length, lookahead)):
        assert segment.number == number
        frames = [(frame.index, own) for frame, own in segment.frames]
        begin, end = number * length, min((number + 1) * length, count)
        first = max(-before, begin - WARM_UP)
        last = min(count + after, (number + 1) * length + lookahead)
        assert frames == [(i, begin <= i < end) for i in range(first, last)]
        seen += [i for i, own in frames if own]
    assert seen == list(range(count))


def test_reads_no_further_than_it_needs() -> None:
    given = 0

    def counted() -> Iterator[tuple[Frame, bool]]:
        nonlocal given
        for item in stream(100):
            given += 1
            yield item

    segments = cut(counted(), 20, 2)
    frames = next(segments).frames
    for _, _own in frames:
        pass
    assert given == 22


@pytest.mark.parametrize(
    ("rate", "length"),
    [(None, 240), (Fraction(1, 10), 240), (Fraction(24000, 1001), 240), (Fraction(60), 600)],
)
def test_ten_seconds_but_not_too_few_frames(rate: Fraction | None, length: int) -> None:
    assert segment_length(rate) == length


@pytest.mark.parametrize("frames", [241, 250, 400, 719, 720, 721, 750, 1000, 5000, 90_001])
def test_known_frames_are_shared_out_evenly(frames: int) -> None:
    length = segment_length(Fraction(24), frames)
    count = -(-frames // length)
    assert count % 2 == 0 and 120 <= length <= 360
    assert frames - (count - 1) * length > length - count  # the last is as long as the others
    assert (count - 1) * WARM_UP / frames < 0.05


def test_short_clips_are_one_segment() -> None:
    assert segment_length(Fraction(25), 250) == 250 and segment_length(Fraction(25), 3) == 250

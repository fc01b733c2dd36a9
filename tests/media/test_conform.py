from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from tests.clips import flagged_interlaced, make_frame
from vsrcli.media.conform import Conform, FirstField, deinterlaced
from vsrcli.media.planes import ColourTags, from_video_frame, to_video_frame
from vsrcli.media.timeline import Shown


def pictures(pix_fmt: str, interlaced: list[bool]) -> list[Shown[av.VideoFrame]]:
    items = []
    for index, fields in enumerate(interlaced):
        frame = make_frame(pix_fmt, 64, 48, index, interlaced=fields, velocity=(5, 0))
        picture = to_video_frame(replace(frame, tags=ColourTags(5, 1, 1, 1)))
        if picture.format.name != pix_fmt:
            picture = VideoReformatter().reformat(picture, format=pix_fmt, threads=1)
            picture.colorspace = 5
            picture.time_base = Fraction(1, 25)
        items.append(Shown(flagged_interlaced(picture) if fields else picture, index * 7, 7))
    return items


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj422p", "yuv422p10le", "nv12", "uyvy422"])
def test_only_interlaced_pictures_are_changed(pix_fmt: str) -> None:
    fields = [False] * 3 + [True] * 3 + [False] * 3
    items = pictures(pix_fmt, fields)
    found: list[int] = []
    result = list(deinterlaced(items, lambda: found.append(1)))
    assert [(r.pts, r.duration) for r in result] == [(i * 7, 7) for i in range(9)]
    assert found == [1]
    for item, made, interlaced in zip(items, result, fields, strict=True):
        before, after = from_video_frame(item.payload), from_video_frame(made.payload)
        assert before.layout == after.layout
        assert before.tags == after.tags
        same = [np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True)]
        assert all(same) is not interlaced
        np.testing.assert_array_equal(before.planes[0][::2], after.planes[0][::2])


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("stated", [True, False])
def test_each_field_becomes_a_picture_for_half_the_time(order: FirstField, stated: bool) -> None:
    """`stated`: the container tells of the fields, not the frames."""
    first = 0 if order == "tff" else 1
    woven = [
        make_frame("yuv420p", 64, 48, t, interlaced=True, first_field=order, velocity=(5, 0))
        for t in range(6)
    ]
    frames = [flagged_interlaced(to_video_frame(frame), order) for frame in woven]
    if stated:
        frames = [to_video_frame(frame) for frame in woven]
    items = [Shown(frame, 7 * number, 7) for number, frame in enumerate(frames)]
    result = list(deinterlaced(items, lambda: None, order if stated else None, by_fields=True))
    assert [(made.pts, made.duration) for made in result] == [(7 * i, 7) for i in range(12)]
    for number, made in enumerate(result):
        luma, own = from_video_frame(made.payload).planes[0], (number + first) % 2
        np.testing.assert_array_equal(luma[own::2], woven[number // 2].planes[0][own::2])


def test_whole_frames_among_others_are_given_once_for_all_of_their_time() -> None:
    fields = [False, False, True, True, False, True, False, False]
    times = [0, 7, 14, 30, 31, 40, 45, 52]
    lasts = [7, 7, 16, 1, 9, 5, 7, 3]
    items = [
        Shown(each.payload, pts, duration)
        for each, pts, duration in zip(pictures("yuv420p", fields), times, lasts, strict=True)
    ]
    result = list(deinterlaced(items, lambda: None, by_fields=True))
    expected: list[tuple[int, int]] = []
    for pts, duration, two in zip(times, lasts, fields, strict=True):
        halves = [(2 * pts, duration), (2 * pts + duration, duration)]
        expected += halves if two else [(2 * pts, 2 * duration)]
    assert [(made.pts, made.duration) for made in result] == expected
    kept = iter(result)
    for item, two in zip(items, fields, strict=True):
        made = [from_video_frame(next(kept).payload).planes[0] for _ in range(1 + two)]
        before = from_video_frame(item.payload).planes[0]
        if not two:
            np.testing.assert_array_equal(made[0], before)
        for row, luma in enumerate(made):
            np.testing.assert_array_equal(luma[row::2], before[row::2])


@pytest.mark.parametrize("by_fields", [False, True])
def test_pictures_are_given_as_soon_as_they_can_be(by_fields: bool) -> None:
    """What is held back is in memory."""
    taken: list[int] = []

    def given() -> Iterator[Shown[av.VideoFrame]]:
        for item in pictures("yuv420p", [True] * 8):
            taken.append(item.pts)
            yield item

    for made in deinterlaced(given(), lambda: None, by_fields=by_fields):
        ticks = 2 if by_fields else 1
        assert len(taken) <= made.pts // (7 * ticks) + 3


def test_no_frame_is_lost_where_the_form_changes() -> None:
    """As that of H.264 does where full range begins or ends."""
    forms = ["yuv420p", "yuvj420p", "yuv420p"]
    items = [
        replace(item, pts=7 * number)
        for number, item in enumerate(chain(*(pictures(form, [True] * 3) for form in forms)))
    ]
    result = list(deinterlaced(items, lambda: None))
    assert [(made.pts, made.duration) for made in result] == [(7 * i, 7) for i in range(9)]
    for item, made in zip(items, result, strict=True):
        before, after = from_video_frame(item.payload), from_video_frame(made.payload)
        assert before.tags == after.tags
        np.testing.assert_array_equal(before.planes[0][::2], after.planes[0][::2])


@pytest.mark.parametrize("pix_fmt", ["nv12", "uyvy422"])
def test_packed_fields_of_full_range_keep_their_levels(pix_fmt: str) -> None:
    items = pictures(pix_fmt, [True] * 3)
    for item in items:
        item.payload.color_range = 2
    for item, made in zip(items, deinterlaced(items, lambda: None), strict=True):
        before, after = from_video_frame(item.payload), from_video_frame(made.payload)
        assert after.tags == before.tags == ColourTags(5, 1, 1, 2)
        for old, new in zip(before.planes, after.planes, strict=True):
            np.testing.assert_array_equal(old[::2], new[::2])


def test_frames_like_the_first_are_passed_on_themselves() -> None:
    changes: list[str] = []
    conform = Conform(changes.append)
    first, second = (to_video_frame(make_frame("yuv420p", 64, 48, t)) for t in (0, 1))
    full = to_video_frame(make_frame("yuv420p", 64, 48, tags=ColourTags(range=2)))
    assert all(conform(frame) is frame for frame in (first, second, full))
    assert not changes


@pytest.mark.parametrize("span", [0, 1, 2])
def test_another_depth_keeps_the_levels(span: int) -> None:
    conform = Conform(lambda change: None)
    conform(to_video_frame(make_frame("yuv420p", 64, 48)))
    deep = make_frame("yuv420p10le", 64, 48, tags=ColourTags(9, 9, 16, span))
    made = from_video_frame(conform(to_video_frame(deep)))
    assert made.layout.pix_fmt == "yuv420p"
    assert made.tags == deep.tags
    for plane, samples in zip(made.planes, deep.planes, strict=True):
        ratio = 255 / 1023 if span == 2 else 1 / 4
        assert np.abs(plane - samples * ratio).max() < 1.5  # dithered


@pytest.mark.parametrize(
    "formats", [("gbrp", "gbrap"), ("gbrp10le", "gbrap10le"), ("gbrp16le", "gbrap16le")]
)
@pytest.mark.parametrize("loses", [True, False])
def test_alpha_that_comes_or_goes_leaves_colour_alone(
    formats: tuple[str, str], loses: bool
) -> None:
    first, second = formats if loses else formats[::-1]
    conform = Conform(lambda change: None)
    conform(to_video_frame(make_frame(first, 64, 48)))
    before = make_frame(second, 64, 48)
    after = from_video_frame(conform(to_video_frame(before)))
    assert after.layout.pix_fmt == first
    for one, other in zip(before.planes[:3], after.planes[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    if after.layout.alpha:
        assert after.planes[3].min() == (1 << after.layout.depth) - 1


def test_another_size_keeps_the_picture() -> None:
    conform = Conform(lambda change: None)
    conform(to_video_frame(make_frame("gbrp", 40, 30)))
    made = from_video_frame(conform(to_video_frame(make_frame("gbrp", 80, 60))))
    exact = make_frame("gbrp", 80, 60).planes[0].astype(float)
    assert made.planes[0].shape == (30, 40)
    boxes = exact.reshape(30, 2, 40, 2).mean((1, 3))
    assert np.abs(made.planes[0] - boxes).mean() < 6


def test_rgb_after_video_takes_the_colour_of_the_video() -> None:
    conform = Conform(lambda change: None)
    tags = ColourTags(1, 1, 1, 1)
    conform(to_video_frame(make_frame("yuv444p", 32, 32, tags=tags)))
    white = make_frame("gbrp", 32, 32, tags=ColourTags(0, 2, 2, 2))
    green = replace(
        white,
        planes=tuple(np.full_like(p, v) for p, v in zip(white.planes, (255, 0, 0), strict=True)),
    )
    made = from_video_frame(conform(to_video_frame(green)))
    assert made.tags == tags
    assert [int(p[16, 16]) for p in made.planes] == pytest.approx([173, 42, 26], abs=1)  # BT.709


@pytest.mark.parametrize(
    ("tags", "red"),
    [
        (ColourTags(matrix=1, range=1), (63, 102, 240)),
        (ColourTags(matrix=5, range=1), (81, 90, 240)),
        (ColourTags(matrix=5, range=2), (76, 85, 255)),
    ],
)
def test_video_after_rgb_has_the_colours_its_tags_say(
    tags: ColourTags, red: tuple[int, int, int]
) -> None:
    conform = Conform(lambda change: None)
    conform(to_video_frame(make_frame("gbrp", 64, 48)))
    video = make_frame("yuv444p", 64, 48, tags=tags)
    planes = [np.full((48, 64), level, np.uint8) for level in red]
    made = from_video_frame(conform(to_video_frame(replace(video, planes=tuple(planes)))))
    for plane, level in zip(made.planes, (0, 0, 255), strict=True):
        assert np.abs(plane.astype(int) - level).max() <= 2

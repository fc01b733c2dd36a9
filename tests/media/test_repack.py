"""Frames in the pixel format that an encoder takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.clips import make_frame
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags, from_video_frame
from vsrcli.media.repack import FULL_RANGE, LIMITED_RANGE, RGB, Repacker, target_tags

SOURCES = ["yuv420p", "yuv422p10le", "yuva444p", "yuva420p10le", "yuva444p12le", "yuva444p16le"]
TARGETS = ["gbrap10le", "gbrap12le", "gbrap16le", "rgba64be", "gbrp10le", "rgb48le"]


@pytest.mark.parametrize("pix_fmt", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("span", [LIMITED_RANGE, FULL_RANGE])
def test_white_and_alpha_of_video_have_all_the_levels_of_rgb(
    source: str, pix_fmt: str, span: int
) -> None:
    layout, tags = layout_of(source), ColourTags(1, 1, 1, span)
    peak, target = (1 << layout.depth) - 1, (1 << layout_of(pix_fmt).depth) - 1
    repack = Repacker(tags, pix_fmt, replace(tags, matrix=RGB, range=FULL_RANGE))
    black, white = (
        (0, peak) if span == FULL_RANGE else (16 << layout.depth - 8, 235 << layout.depth - 8)
    )
    for share in (0.0, 0.5, 1.0):
        level = round(black + share * (white - black)), round(share * peak)
        frame = make_frame(source, 32, 24, tags=tags)
        values = level[0], (peak + 1) // 2, (peak + 1) // 2, level[1]
        planes = [np.full_like(*each) for each in zip(frame.planes, values, strict=False)]
        made = from_video_frame(repack(replace(frame, planes=tuple(planes))))
        opaque = level[1] / peak if layout.alpha else 1.0
        wanted = [(level[0] - black) / (white - black)] * 3 + [opaque]
        for plane, light in zip(made.planes, wanted, strict=False):
            # By swscale's arithmetic; for white and black there is no rounding.
            assert np.abs(plane / target - light).max() <= (
                2 / min(peak, target) if share == 0.5 else 0
            )


@pytest.mark.parametrize("depth", ["", "10le", "12le", "14le", "16le"])
@pytest.mark.parametrize("source", ["gbrp", "gbrap"])
def test_alpha_comes_and_goes_without_a_change_of_colour(source: str, depth: str) -> None:
    layout, other = layout_of(source + depth), {"gbrp": "gbrap", "gbrap": "gbrp"}[source] + depth
    tags = ColourTags(RGB, 1, 1, FULL_RANGE)
    frame = make_frame(layout.pix_fmt, 37, 23, tags=tags)
    made = from_video_frame(Repacker(tags, other, tags)(frame))
    assert made.layout.pix_fmt == other
    for before, after in zip(frame.planes[:3], made.planes, strict=False):
        np.testing.assert_array_equal(after, before)
    assert layout.alpha or (made.planes[3] == (1 << layout.depth) - 1).all()


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("source", ["yuv420p", "yuv422p10le", "yuva444p"])
def test_gray_of_video_is_its_luma(source: str, matrix: int) -> None:
    tags = ColourTags(matrix, 1, 1, LIMITED_RANGE)
    frame = make_frame(source, 32, 24, tags=tags)
    unit, depth = 1 << frame.layout.depth - 8, "" if frame.layout.depth == 8 else "10le"
    noise = np.random.default_rng(matrix).integers
    luma, *chroma = (noise(16 * unit, 235 * unit, each.shape) for each in frame.planes[:3])
    planes = (*(each.astype(frame.layout.dtype) for each in (luma, *chroma)), *frame.planes[3:])
    target = target_tags(tags, frame.layout, f"gray{depth}")
    made = from_video_frame(
        Repacker(tags, f"gray{depth}", target)(replace(frame, planes=planes))
    ).planes[0]
    peak = (1 << frame.layout.depth) - 1
    assert np.abs(made - (luma - 16 * unit) * (peak / (219 * unit))).max() <= 1


@pytest.mark.parametrize("source", ["gray", "gray10le", "ya16le"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "p010le", "p016le", "nv12", "yuv444p"])
@pytest.mark.parametrize("span", [LIMITED_RANGE, FULL_RANGE])
def test_gray_has_no_colour_in_any_format(source: str, pix_fmt: str, span: int) -> None:
    tags = ColourTags(5, 1, 1, span)
    frame = make_frame(source, 32, 24, tags=tags)
    made = from_video_frame(Repacker(tags, pix_fmt, tags)(frame))
    for plane in made.planes[1:3]:
        assert (plane == 1 << made.layout.depth - 1).all()


def test_chroma_does_not_depend_on_the_number_of_cores() -> None:
    tags = ColourTags(5, 1, 1, LIMITED_RANGE)
    frame = make_frame("yuv410p", 64, 192, tags=tags)
    stripes = np.tile(np.array([[60], [200]], np.uint8), (24, 16))
    frame = replace(frame, planes=(frame.planes[0], stripes, stripes))
    for plane in from_video_frame(Repacker(tags, "yuv420p", tags)(frame)).planes[1:]:
        # Between the borders it repeats itself; where slices met, it did not.
        np.testing.assert_array_equal(plane[2:-6], plane[6:-2])

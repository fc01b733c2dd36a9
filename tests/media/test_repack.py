"""Frames in the pixel format that an encoder takes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.clips import make_frame
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import UNSPECIFIED, ColourTags, Frame, from_video_frame
from vsrcli.media.repack import FULL_RANGE, LIMITED_RANGE, RGB, SMPTE170M, Repacker

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


@pytest.mark.parametrize("pix_fmt", ["gbrp16le", "gbrap16le", "gbrp10le", "gray16le", "ya16le"])
def test_fewer_bits_of_rgb_and_gray_are_the_nearest_levels(pix_fmt: str) -> None:
    layout = layout_of(pix_fmt)
    peak = (1 << layout.depth) - 1
    ramp = np.linspace(0, peak, 256).round().astype(np.uint16).reshape(4, 64)
    tags = ColourTags(matrix=RGB if layout.kind == "rgb" else UNSPECIFIED, range=FULL_RANGE)
    planes = tuple(ramp for _ in layout.shapes(64, 4))
    frame = Frame(planes, layout, 0, 1, Fraction(1, 25), tags, 0)
    for target, matrix in (("bgra", RGB), ("yuvj444p", SMPTE170M)):
        made = Repacker(tags, target, ColourTags(matrix=matrix, range=FULL_RANGE))(frame)
        found = from_video_frame(made).planes[0].astype(int)
        np.testing.assert_array_equal(found.ravel(), np.arange(256))

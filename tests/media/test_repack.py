"""Frames in the pixel format that an encoder takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clips import make_frame
from vsrcli.media.colour import RGB, SMPTE170M
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import (
    LIMITED_RANGE,
    UNSPECIFIED,
    ColourTags,
    Frame,
    from_video_frame,
    to_video_frame,
)
from vsrcli.media.repack import FULL_RANGE, Repacker, target_tags
from vsrcli.media.swscale import RgbConverter

SOURCES = ["yuv420p", "yuv422p10le", "yuva444p", "yuva420p10le", "yuva444p12le", "yuva444p16le"]
TARGETS = ["gbrap10le", "gbrap12le", "gbrap16le", "rgba64be", "gbrp10le", "rgb48le"]
Unit = list[NDArray[np.float64]]
"""Planes, from 0 to 1."""
SITES = [(0, 0, 0.5), (1, 0, 0.5), (2, 0.5, 0.5), (3, 0, 0), (4, 0.5, 0), (5, 0, 1), (6, 0.5, 1)]
"""AVCHROMA_LOC_*, and which luma column and row the first chroma lies at: untagged is left."""


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


def _of_pictures(frame: Frame) -> Unit:
    repack = Repacker(frame.tags, "gbrp16le", replace(frame.tags, matrix=RGB, range=FULL_RANGE))
    return [plane / 65535 for plane in from_video_frame(repack(frame)).planes]


def _of_metrics(frame: Frame) -> Unit:
    picture = RgbConverter(16)(frame)
    red, green, blue = (plane / picture.peak for plane in picture.planes)
    return [green, blue, red]


@pytest.mark.parametrize("rgb_of", [_of_pictures, _of_metrics])
@pytest.mark.parametrize(("location", "column", "row"), SITES)
def test_chroma_of_every_siting_becomes_rgb_where_it_lies(
    location: int, column: float, row: float, rgb_of: Callable[[Frame], Unit]
) -> None:
    tags = ColourTags(1, 1, 1, LIMITED_RANGE, location)
    frame = make_frame("yuv420p10le", 64, 64, tags=tags)
    across, down = np.meshgrid(np.arange(32), np.arange(32))  # luma is level, chroma rises
    planes = (np.full((64, 64), 480), 256 + 16 * across, 256 + 16 * down)
    frame = replace(frame, planes=tuple(plane.astype(np.uint16) for plane in planes))
    green, blue, red = rgb_of(frame)
    luma = 0.7152 * green + 0.0722 * blue + 0.2126 * red
    cb, cr = (blue - luma) / 1.8556, (red - luma) / 1.5748
    inner, grid = slice(16, 48), np.arange(16, 48)
    found = [(np.mean(each, axis) * 896 + 256) / 16 for each, axis in ((cb, 0), (cr, 1))]
    np.testing.assert_allclose(found[0][inner], (grid - column) / 2, atol=0.05)
    np.testing.assert_allclose(found[1][inner], (grid - row) / 2, atol=0.05)


@pytest.mark.parametrize(("location", "column", "row"), SITES)
def test_rgb_becomes_chroma_of_the_siting_that_is_tagged(
    location: int, column: float, row: float
) -> None:
    tags = ColourTags(1, 1, 1, LIMITED_RANGE, location)
    frame = make_frame("gbrp10le", 64, 64, tags=ColourTags(RGB, 1, 1, FULL_RANGE))
    across, down = np.meshgrid(np.arange(64), np.arange(64))
    planes = (np.full((64, 64), 500), 200 + 8 * across, 200 + 8 * down)
    frame = replace(frame, planes=tuple(plane.astype(np.uint16) for plane in planes))
    made = from_video_frame(Repacker(frame.tags, "yuv420p10le", tags)(frame)).planes
    x, y = 2 * np.arange(32)[None, :] + column, 2 * np.arange(32)[:, None] + row
    red, green, blue = (200 + 8 * y) / 1023, 500 / 1023, (200 + 8 * x) / 1023
    luma = 0.7152 * green + 0.0722 * blue + 0.2126 * red
    inner = slice(8, 24), slice(8, 24)
    for plane, wanted in ((made[1], (blue - luma) / 1.8556), (made[2], (red - luma) / 1.5748)):
        np.testing.assert_allclose(plane[inner], (512 + 896 * wanted)[inner], atol=1.1)


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgra", "gbrp"])
def test_full_range_video_becomes_the_nearest_levels_of_8_bits(pix_fmt: str) -> None:
    layout, tags = layout_of("yuv444p10le"), ColourTags(1, 1, 1, FULL_RANGE)
    luma = np.arange(1024, dtype=np.uint16).reshape(16, 64)
    neutral = np.full_like(luma, 512)
    frame = Frame((luma, neutral, neutral), layout, 0, 1, Fraction(1, 25), tags, 0)
    made = from_video_frame(Repacker(tags, pix_fmt, replace(tags, matrix=RGB))(frame))
    for plane in made.planes[:3]:
        assert np.abs(plane - luma * (255 / 1023)).max() <= 0.51


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


@pytest.mark.parametrize("source", ["gbrp", "gbrp9le", "gbrap10le", "gbrp14le", "gbrap16le"])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuva444p10le", "yuv444p12le"])
@pytest.mark.parametrize("span", [LIMITED_RANGE, FULL_RANGE])
def test_rgb_of_any_depth_becomes_the_levels_of_its_matrix(
    source: str, pix_fmt: str, span: int
) -> None:
    frame = _noise(source, RGB)
    target = ColourTags(1, 1, 1, span)
    made = from_video_frame(Repacker(frame.tags, pix_fmt, target)(frame))
    green, blue, red, *alpha = _in_unit(frame)
    luma = 0.7152 * green + 0.0722 * blue + 0.2126 * red
    unit, peak = 1 << made.layout.depth - 8, (1 << made.layout.depth) - 1
    black, whole = (16 * unit, 219 * unit) if span == LIMITED_RANGE else (0, peak)
    across = 224 * unit if span == LIMITED_RANGE else peak
    wanted = [black + whole * luma, 128 * unit + across * (blue - luma) / 1.8556]
    for plane, levels in zip(made.planes, wanted, strict=False):
        assert abs((plane - levels).mean()) < (0.2 if span == LIMITED_RANGE else 0.6)
        assert np.abs(plane - levels).max() < (1.1 if span == LIMITED_RANGE else 1.6)
    if made.layout.alpha:
        opaque = alpha[0] if alpha else np.ones(luma.shape)
        assert np.abs(made.planes[3] - peak * opaque).max() < 0.51


@pytest.mark.parametrize("source", ["gray", "gray10le", "ya16le", "gbrp", "gbrap10le", "gbrp16le"])
@pytest.mark.parametrize("pix_fmt", ["gbrap", "gbrp10le", "gbrap12le", "rgb48be"])
def test_rgb_of_another_depth_has_the_nearest_levels(source: str, pix_fmt: str) -> None:
    frame = _noise(source, RGB)
    made = from_video_frame(Repacker(frame.tags, pix_fmt, ColourTags(RGB, 1, 1, FULL_RANGE))(frame))
    first, *others = _in_unit(frame)
    colours, alpha = [first, *others[:2]], others[2:]
    if frame.layout.kind == "gray":
        colours, alpha = [first] * 3, others
    wanted = [*colours, *(alpha or [np.ones(first.shape)])]
    for plane, levels in zip(made.planes, wanted, strict=False):
        assert np.abs(plane - levels * ((1 << made.layout.depth) - 1)).max() < 0.51


def _noise(pix_fmt: str, matrix: int) -> Frame:
    """Samples of every level, of full range."""
    frame = make_frame(pix_fmt, 64, 64, tags=ColourTags(matrix, 1, 1, FULL_RANGE))
    peak, dtype = (1 << frame.layout.depth) - 1, frame.layout.dtype
    noise = np.random.default_rng(3).integers(0, peak, (len(frame.planes), 64, 64), endpoint=True)
    noise[:, :2] = np.array([0, peak])[:, None]
    return replace(frame, planes=tuple(noise.astype(dtype)))


def _in_unit(frame: Frame) -> Unit:
    return [plane / ((1 << frame.layout.depth) - 1) for plane in frame.planes]


@pytest.mark.parametrize("location", [1, 2, 3])
def test_chroma_of_jpeg_lies_amid_its_luma(location: int) -> None:
    """As JFIF has it, wherever it lay: left-sited it had been read half a pixel off."""
    x, y = np.arange(32) * 2.0, np.arange(16)[:, None] * 2.0
    left, top = {1: (0.0, 0.5), 2: (0.5, 0.5), 3: (0.0, 0.0)}[location]

    def colour(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return 128 + 60 * np.sin(x / 9) + 60 * np.sin(y / 9)

    sent = np.rint(colour(x + left, y + top)).astype(np.uint8)
    planes = (np.full((32, 64), 90, np.uint8), sent, sent)
    tags = ColourTags(6, range=2, chroma_location=location)
    frame = Frame(planes, layout_of("yuv420p"), 0, 1, Fraction(1, 25), tags, 0)
    target = target_tags(tags, frame.layout, "yuvj420p", "mjpeg")
    made = from_video_frame(Repacker(tags, "yuvj420p", target)(frame)).planes
    assert (made[0] == planes[0]).all()
    wanted = colour(x + 0.5, y + 0.5)
    for plane in made[1:]:
        assert np.abs(plane - wanted)[2:-2, 2:-2].max() < 1.1


@pytest.mark.parametrize("location", [1, 3, 4, 6])
def test_chroma_of_full_range_video_stays_where_its_tag_has_it(location: int) -> None:
    tags = ColourTags(6, range=FULL_RANGE, chroma_location=location)
    frame = make_frame("yuv420p", 64, 32, tags=tags)
    target = target_tags(tags, frame.layout, "yuvj420p", "libx264")
    made = from_video_frame(Repacker(tags, "yuvj420p", target)(frame)).planes
    assert target == tags
    for plane, same in zip(made, frame.planes, strict=True):
        np.testing.assert_array_equal(plane, same)


@pytest.mark.parametrize(
    ("source", "location", "codec", "pix_fmt", "column"),
    [
        ("yuv420p", 2, "prores_ks", "yuv422p10le", 0.0),  # as MPEG-1, into what has no tag
        ("yuv422p", 2, "prores_ks", "yuv422p10le", 0.0),  # as Motion JPEG
        ("yuv420p", 3, "prores_ks", "yuv422p10le", 0.0),
        ("yuv411p", 2, "prores_ks", "yuv422p10le", 0.0),
        ("yuv411p", 3, "mjpeg", "yuvj422p", 0.5),  # as DV
        ("yuv422p", 1, "mjpeg", "yuvj420p", 0.5),
        ("yuv410p", 0, "libx264", "yuv420p", 0.5),  # as Indeo, amid 4x4
        ("yuv410p", 0, "prores_ks", "yuv422p10le", 0.0),
        ("yuv410p", 0, "ffv1", "yuv410p", 1.5),
        ("yuv420p", 1, "ffv1", "yuv410p", 1.5),
        ("yuv444p", 2, "ffv1", "yuv410p", 1.5),
    ],
)
def test_chroma_lies_where_the_coding_has_it(
    source: str, location: int, codec: str, pix_fmt: str, column: float
) -> None:
    """Where nothing tells of the siting, swscale had kept that of the source: half a pixel off."""
    layout, new = layout_of(source), layout_of(pix_fmt)
    left = {0: 1.5, 1: 0.0, 2: ((1 << layout.log2_chroma[0]) - 1) / 2, 3: 0.0}[location]

    def colour(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return 128 + 80 * np.sin(x / 9)

    shape = layout.shapes(128, 64)[1]
    sent = np.rint(colour(np.arange(shape[1]) * (1 << layout.log2_chroma[0]) + left))
    picture = make_frame(source, 128, 64, tags=ColourTags(6, 6, 6, LIMITED_RANGE))
    planes = (picture.planes[0], *[np.tile(sent.astype(np.uint8), (shape[0], 1))] * 2)
    video = to_video_frame(replace(picture, planes=planes))
    frame = from_video_frame(video, chroma_location=location)
    target = target_tags(frame.tags, layout, pix_fmt, codec)
    made = from_video_frame(Repacker(frame.tags, pix_fmt, target)(frame)).planes[1]
    gain = 255 / 224 if target.range == FULL_RANGE else 1.0
    found = (made / (1 << new.depth - 8) - 128) / gain + 128
    wanted = colour(np.arange(made.shape[1]) * (1 << new.log2_chroma[0]) + column)
    assert np.abs(found - wanted)[4:-4, 4:-4].max() < 2.5
    assert target.chroma_location == (2 if codec != "prores_ks" else 0)

"""PSNR and SSIM against scikit-image, FFmpeg's psnr filter and figures worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.video.format import VideoFormat
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tests.clips import make_frame
from tests.lossless import noisy
from vsrcli.errors import InputError
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags, Frame, to_video_frame
from vsrcli.media.swscale import RgbConverter, RgbPicture
from vsrcli.metrics import Distortion, FrameComparer, FrameScore, luma_of_rgb, squared_error, ssim

BT709 = ColourTags(matrix=1, range=1)


def score(reference: Frame, output: Frame, **options: Any) -> FrameScore:
    return FrameComparer(reference, output, **options).compare(reference, output)


def flat(pix_fmt: str, *values: int, tags: ColourTags | None = None) -> Frame:
    layout = layout_of(pix_fmt)
    shapes = layout.shapes(24, 16)
    planes = tuple(np.full(s, v, layout.dtype) for s, v in zip(shapes, values, strict=True))
    return Frame(planes, layout, 0, 1, Fraction(1, 25), tags or ColourTags(), 0)


def ffmpeg_psnr(reference: Frame, output: Frame) -> dict[str, float]:
    """What FFmpeg's psnr filter says, by component."""
    graph = av.filter.Graph()
    form = VideoFormat(reference.layout.pix_fmt)
    sources = [
        graph.add_buffer(
            width=reference.width, height=reference.height, format=form, time_base=Fraction(1, 25)
        )
        for _ in range(2)
    ]
    psnr, sink = graph.add("psnr"), graph.add("buffersink")
    for number, source in enumerate(sources):
        source.link_to(psnr, 0, number)
    psnr.link_to(sink)
    graph.configure()
    for source, frame in zip(sources, (output, reference), strict=True):
        source.push(to_video_frame(replace(frame, tags=ColourTags())))
        source.push(None)
    metadata = sink.pull().metadata
    prefix = "lavfi.psnr.psnr"
    return {key[len(prefix) + 1 :]: float(v) for key, v in metadata.items() if prefix in key}


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv422p10le", "gbrp"])
def test_psnr_is_that_of_ffmpeg(pix_fmt: str) -> None:
    reference = make_frame(pix_fmt, 96, 64)
    output = noisy(reference, 4.0)
    expected, result = ffmpeg_psnr(reference, output), score(reference, output)
    if pix_fmt == "gbrp":
        assert result.psnr("rgb") == pytest.approx(expected["avg"], abs=1e-3)
        return
    for component in ("y", "u", "v"):
        assert result.psnr(component) == pytest.approx(expected[component], abs=1e-3)
    assert result.psnr("yuv") == pytest.approx(expected["avg"], abs=1e-3)


@pytest.mark.parametrize(("pix_fmt", "peak"), [("yuv420p", 255), ("yuv420p10le", 1023)])
def test_figures_are_those_of_scikit_image(pix_fmt: str, peak: int) -> None:
    reference = make_frame(pix_fmt, 96, 64)
    output = noisy(reference, 6.0)
    a, b = reference.planes[0], output.planes[0]
    result = score(reference, output)
    expected = peak_signal_noise_ratio(a, b, data_range=peak)
    assert result.psnr("y") == pytest.approx(expected, abs=1e-3)
    expected = structural_similarity(
        a.astype(np.float64),
        b.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=peak,
    )
    assert 0.5 < expected < 0.99
    assert result.ssim == pytest.approx(expected, abs=1e-6)


def test_ssim_of_large_pictures_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = make_frame("gray", 96, 64)
    planes = reference.planes[0], noisy(reference, 6.0).planes[0]
    whole = ssim(*planes, 255)
    for samples in (1, 96 * 7, 96 * 53, 96 * 54):  # in bands of 1, 7, 53 and all 54 windows
        monkeypatch.setattr("vsrcli.metrics._BAND", samples)
        assert ssim(*planes, 255) == pytest.approx(whole, abs=1e-9)


def test_ssim_of_bright_smooth_pictures_is_not_above_1() -> None:
    bright = (59000 + np.arange(64) * 10).astype(np.uint16)[None].repeat(64, axis=0)
    other = bright.copy()
    other[::2] += 1
    assert 1 - 2e-5 < ssim(bright, other, 65535) <= 1


def test_rgb_of_video_is_scored_over_all_three_channels() -> None:
    reference = make_frame("yuv420p", 96, 64)
    output = noisy(reference, 4.0)
    pictures = [np.stack(RgbConverter()(frame).planes) for frame in (reference, output)]
    expected = peak_signal_noise_ratio(*pictures, data_range=255)
    assert score(reference, output).psnr("rgb") == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("tags", "samples", "expected"),
    [
        (ColourTags(), (81, 90, 240), (254, 0, 0)),  # BT.601 red
        (ColourTags(matrix=5, range=1), (81, 90, 240), (254, 0, 0)),
        (BT709, (63, 102, 240), (255, 0, 0)),  # BT.709 red
        (ColourTags(matrix=5, range=2), (76, 85, 255), (254, 0, 0)),  # JPEG red
        (ColourTags(), (235, 128, 128), (255, 255, 255)),
    ],
)
def test_rgb_follows_the_tags(
    tags: ColourTags, samples: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    picture = RgbConverter()(flat("yuv420p", *samples, tags=tags))
    found = [int(plane[8, 8]) for plane in picture.planes]
    assert found == pytest.approx(expected, abs=1)
    assert picture.peak == 255


def test_luma_of_rgb_is_rgb2ycbcr_of_matlab() -> None:
    def luma(*rgb: int) -> float:
        red, green, blue = (np.full((1, 1), value, np.uint8) for value in rgb)
        return float(luma_of_rgb(RgbPicture((red, green, blue), 255))[0, 0])

    assert luma(0, 0, 0) == pytest.approx(16)
    assert luma(255, 255, 255) == pytest.approx(235)
    assert luma(255, 0, 0) == pytest.approx(81.481)
    assert luma(100, 150, 200) == pytest.approx(16 + 25.6788 + 75.6194 + 19.5812, abs=1e-3)


def test_rgb_clips_have_the_luma_of_matlab_and_no_planes() -> None:
    reference = make_frame("gbrp", 48, 32)
    output = noisy(reference, 5.0)
    lumas = [luma_of_rgb(RgbConverter()(frame)) for frame in (reference, output)]
    expected = peak_signal_noise_ratio(*lumas, data_range=255)
    result = score(reference, output)
    assert result.psnr("y") == pytest.approx(expected, abs=1e-3)
    assert result.psnr("yuv") is None


def test_identical_is_infinite() -> None:
    frame = make_frame("yuv420p", 48, 32)
    result = score(frame, frame)
    assert result.identical
    assert result.psnr("rgb") == math.inf
    assert result.ssim == 1.0


def test_pooling_is_not_the_mean() -> None:
    small, large = Distortion(1e-4 * 100, 100), Distortion(1e-2 * 300, 300)
    assert small.psnr == pytest.approx(40.0)
    assert large.psnr == pytest.approx(20.0)
    assert (small + large).psnr == pytest.approx(-10 * math.log10((1e-4 + 3e-2) / 4))


def test_depths_are_compared_on_the_deeper_scale() -> None:
    shallow = make_frame("yuv420p", 48, 32)
    planes = tuple(plane.astype(np.uint16) << 2 for plane in shallow.planes)
    deep = replace(shallow, planes=planes, layout=layout_of("yuv420p10le"))
    result = score(shallow, deep)
    assert result.psnr("yuv") == math.inf
    assert result.psnr("rgb") == math.inf
    one_off = replace(deep, planes=(planes[0] + 1, *planes[1:]))
    assert score(shallow, one_off).psnr("y") == pytest.approx(20 * math.log10(1023))
    full = replace(shallow, tags=ColourTags(range=2), layout=layout_of("gray"))
    full = replace(full, planes=full.planes[:1])
    white = (np.rint(full.planes[0] * (1023 / 255)).astype(np.uint16),)
    deep = replace(full, planes=white, layout=layout_of("gray10le"))
    assert score(full, deep).psnr("y") > 20 * math.log10(1023 / 0.5)  # type: ignore[operator]


def test_full_range_without_colour_is_so_at_any_depth() -> None:
    full = replace(make_frame("yuv420p", 48, 32), tags=ColourTags(range=2))
    luma, *chroma = full.planes
    planes = [np.full_like(plane, 128) for plane in chroma]
    planes[1][:4] = 255
    full = replace(full, planes=(luma, *planes))
    deep = [np.full_like(plane, 512, np.uint16) for plane in chroma]
    deep[1][:4] = 1022  # 511.5 above it, and the top is 511
    white = np.rint(luma * (1023 / 255)).astype(np.uint16)
    other = replace(full, planes=(white, *deep), layout=layout_of("yuv420p10le"))
    result = score(full, other)
    assert result.psnr("u") == math.inf
    assert result.psnr("v") > 20 * math.log10(1023)  # type: ignore[operator]


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_rgb_of_full_range_has_its_white_at_any_depth(depth: int) -> None:
    bits = "" if depth == 8 else f"{depth}le"
    middle, white = 1 << (depth - 1), (1 << depth) - 1
    for level in (middle, white):
        video = flat(f"yuv444p{bits}", level, middle, middle, tags=ColourTags(1, range=2))
        picture = flat("gbrp16le", *[round(level * 65535 / white)] * 3)
        assert score(video, picture).psnr("rgb") > 80  # type: ignore[operator]


def test_rgb_of_two_depths_differs_by_shares_of_white() -> None:
    output = flat("gbrp16le", 100 * 257, 101 * 257, 102 * 257)
    found = score(flat("gbrp", 100, 100, 100), output).psnr("rgb")
    assert found == pytest.approx(20 * math.log10(255) - 10 * math.log10(5 / 3), abs=1e-3)


def test_what_does_not_compare_well_is_named() -> None:
    plain = make_frame("yuv420p", 48, 32)
    bright = replace(plain, tags=ColourTags(transfer=16))
    (told,) = FrameComparer(bright, plain).notes
    assert told.startswith("the reference is PQ (HDR), the output standard dynamic range")
    assert not FrameComparer(bright, bright).notes
    assert not FrameComparer(plain, replace(plain, tags=ColourTags(transfer=1))).notes
    (told,) = FrameComparer(make_frame("gray", 48, 32), make_frame("gbrp", 48, 32)).notes
    assert told.startswith("one clip is RGB and the other gray: both are compared as RGB")


def test_crop_leaves_the_border_out() -> None:
    reference = make_frame("yuv420p", 48, 32)
    planes = tuple(plane.copy() for plane in reference.planes)
    for plane, border in zip(planes, (5, 3, 3), strict=True):
        plane[:border] = plane[-border:] = 0
        plane[:, :border] = plane[:, -border:] = 0
    output = replace(reference, planes=planes)
    assert score(reference, output).psnr("yuv") < 25  # type: ignore[operator]
    assert score(reference, output, crop=5).psnr("yuv") == math.inf
    assert score(reference, output, crop=4).psnr("y") < math.inf  # type: ignore[operator]
    with pytest.raises(InputError, match="crop of 16 pixels .* 48x32"):
        FrameComparer(reference, output, crop=16)
    upright = make_frame("yuv420p", 32, 48)
    with pytest.raises(InputError, match="crop of 16 pixels .* 32x48"):
        FrameComparer(upright, upright, crop=16)


def test_video_against_rgb_is_compared_as_rgb() -> None:
    video = make_frame("yuv444p", 48, 32)
    red, green, blue = RgbConverter()(video).planes
    picture = replace(video, planes=(green, blue, red), layout=layout_of("gbrp"))
    comparer = FrameComparer(video, picture)
    result = comparer.compare(video, picture)
    assert result.psnr("rgb") == result.psnr("y") == math.inf
    assert result.psnr("yuv") is None
    assert any("compared as RGB" in note for note in comparer.notes)


def test_other_range_is_compared_as_rgb() -> None:
    limited, full = flat("yuv420p", 126, 128, 128), flat("yuv420p", 128, 128, 128)
    full = replace(full, tags=ColourTags(range=2))
    comparer = FrameComparer(limited, full)
    assert comparer.compare(limited, full).psnr("rgb") == math.inf
    assert any("full range" in note for note in comparer.notes)


def test_missing_matrix_is_taken_from_the_other_clip() -> None:
    untagged = make_frame("yuv420p", 48, 32)
    tagged = replace(untagged, tags=BT709)
    comparer = FrameComparer(untagged, tagged)
    assert comparer.compare(untagged, tagged).psnr("rgb") == math.inf
    assert any("BT.709" in note for note in comparer.notes)
    other = replace(untagged, tags=ColourTags(matrix=5, range=1))
    comparer = FrameComparer(other, tagged)
    assert comparer.compare(other, tagged).psnr("rgb") < 45  # type: ignore[operator]
    assert any("BT.601" in note and "BT.709" in note for note in comparer.notes)


@pytest.mark.parametrize(("one", "other"), [(5, 6), (6, 2), (2, 5)])
def test_two_numbers_of_one_matrix_are_the_same(one: int, other: int) -> None:
    frame = make_frame("yuv420p", 48, 32)
    first, second = (replace(frame, tags=ColourTags(matrix=matrix)) for matrix in (one, other))
    comparer = FrameComparer(first, second)
    assert comparer.compare(first, second).psnr("yuv") == math.inf
    assert comparer.notes == []


def test_grey_has_the_luma_of_video_of_any_matrix() -> None:
    video = make_frame("yuv420p", 48, 32, tags=BT709)
    tags = ColourTags(matrix=5, range=1)
    grey = replace(video, planes=video.planes[:1], layout=layout_of("gray"), tags=tags)
    result = score(video, grey)
    assert result.psnr("y") == math.inf and result.psnr("u") is None


@pytest.mark.parametrize("depth", [8, 10])
def test_limited_grey_is_shown_with_its_black_and_white(depth: int) -> None:
    bits = "" if depth == 8 else f"{depth}le"
    luma = make_frame(f"yuv444p{bits}", 48, 32, tags=BT709)
    neutral = np.full_like(luma.planes[0], 1 << (depth - 1))
    video = replace(luma, planes=(luma.planes[0], neutral, neutral))
    grey = replace(luma, planes=luma.planes[:1], layout=layout_of(f"gray{bits}"))
    assert score(video, grey).psnr("rgb") == math.inf
    black, white = (flat("gray", level, tags=BT709) for level in (16, 235))
    shown = [RgbConverter()(frame).planes[0][0, 0] for frame in (black, white)]
    assert shown == [0, 255]


@pytest.mark.parametrize("depth", [10, 16])
def test_grey_without_a_range_is_full(depth: int) -> None:
    picture = flat("gray", 200)
    deep = flat(f"gray{depth}le", round(200 * ((1 << depth) - 1) / 255))
    assert score(picture, deep).psnr("y") > 20 * math.log10((1 << depth) / 0.5)  # type: ignore[operator]
    video = flat("yuv420p", 188, 128, 128)  # the same gray in limited range
    comparer = FrameComparer(video, picture)
    result = comparer.compare(video, picture)
    assert result.psnr("rgb") == result.psnr("y") == math.inf
    assert any("output BT.601 full range" in note for note in comparer.notes)


def test_rgb_needs_no_matrix_and_nothing_is_said_of_one() -> None:
    picture, video = make_frame("gbrp", 48, 32), make_frame("yuv444p", 48, 32, tags=BT709)
    (note,) = FrameComparer(picture, video).notes
    assert "one clip is RGB" in note
    assert not FrameComparer(picture, picture).notes


def test_what_matrix_large_untagged_video_is_taken_to_have_is_told_beside_rgb() -> None:
    def told(width: int, tags: ColourTags | None = None) -> list[str]:
        picture, video = make_frame("gbrp", width, 48), make_frame("yuv420p", width, 48, tags=tags)
        return FrameComparer(video, picture, ssim=False).notes[1:]

    (note,) = told(1280, ColourTags())
    assert "taken as BT.601" in note and "BT.709" in note
    assert not told(1278, ColourTags()) and not told(1280, BT709)


def test_a_matrix_that_cannot_be_converted_cannot_be_compared_with_rgb() -> None:
    video = make_frame("yuv444p", 48, 32, tags=ColourTags(matrix=14))
    with pytest.raises(InputError, match="matrix 14"):
        FrameComparer(make_frame("gbrp", 48, 32), video)


@pytest.mark.parametrize("component", ["rgb", "y", "u", "v"])
def test_one_component_that_differs_is_not_identical(component: str) -> None:
    same, other = Distortion(0.0, 100), Distortion(1e-9, 100)
    whole = FrameScore(index=0, output_index=0, rgb=same, y=same, u=same, v=same, ssim=1.0)
    assert whole.identical
    assert not replace(whole, **{component: other}).identical


def test_very_wide_pictures_are_summed_exactly() -> None:
    black, white = np.zeros((2, 40_000), np.uint8), np.full((2, 40_000), 255, np.uint8)
    assert squared_error(black, white) == 2 * 40_000 * 255**2


def test_other_subsampling_has_no_chroma_figures() -> None:
    reference, output = make_frame("yuv420p", 48, 32), make_frame("yuv444p", 48, 32)
    comparer = FrameComparer(reference, output)
    result = comparer.compare(reference, output)
    assert result.psnr("y") == math.inf
    assert result.psnr("u") is None
    assert any("yuv444p" in note for note in comparer.notes)


def test_matrix_that_cannot_be_converted_leaves_luma() -> None:
    frame = make_frame("yuv420p", 48, 32, tags=ColourTags(matrix=14))
    comparer = FrameComparer(frame, frame)
    result = comparer.compare(frame, frame)
    assert result.rgb is None
    assert result.psnr("y") == math.inf
    assert any("matrix 14" in note for note in comparer.notes)


def test_too_small_for_ssim_is_said() -> None:
    frame = make_frame("yuv420p", 16, 10)
    comparer = FrameComparer(frame, frame)
    assert comparer.compare(frame, frame).ssim is None
    assert any("16x10" in note for note in comparer.notes)
    least = make_frame("yuv420p", 16, 11)
    assert score(least, least).ssim == 1.0
    plane = make_frame("gray", 11, 11).planes[0]
    assert ssim(plane, plane, 255) == 1.0


def test_frames_of_another_size_are_refused() -> None:
    first = make_frame("yuv420p", 48, 32)
    with pytest.raises(InputError, match="frame 7 is 46x32.* 48x32"):
        score(first, make_frame("yuv420p", 46, 32, index=7))
    with pytest.raises(InputError, match="frame 7 is 48x30.* 48x32"):
        score(first, make_frame("yuv420p", 48, 30, index=7))

"""Resampling: against MATLAB's imresize written out in loops, siting of chroma, flat and ramp."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import ColourTags
from vsrcli.media.resample import (
    PlanesResampler,
    along_columns,
    chroma_location,
    chroma_shift,
    gaussian_matrix,
    in_column_of,
    resample,
    resample_matrix,
    to_samples,
)

YUV420 = layout_of("yuv420p")
LEFT, CENTRE, TOP_LEFT, TOP, BOTTOM_LEFT, BOTTOM = 1, 2, 3, 4, 5, 6


def imresize_1d(signal: NDArray[np.float64], n_out: int) -> NDArray[np.float64]:
    """MATLAB's imresize along the first axis: `contributions` of imresize.m, one tap at a time."""
    n_in, scale = len(signal), n_out / len(signal)
    width = 4 / scale if scale < 1 else 4.0

    def cubic(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    mirror = [*range(n_in), *reversed(range(n_in))]
    result = []
    for position in range(1, n_out + 1):
        u = position / scale + 0.5 * (1 - 1 / scale)  # one-based
        left = math.floor(u - width / 2)
        taps = [left + k for k in range(math.ceil(width) + 2)]
        weights = [cubic((u - k) * min(scale, 1)) for k in taps]
        values = [signal[mirror[(k - 1) % (2 * n_in)]] for k in taps]
        total = sum(weights)
        result.append(sum(w / total * v for w, v in zip(weights, values, strict=True)))
    return np.array(result)


@pytest.mark.parametrize(("n_in", "n_out"), [(40, 10), (10, 40), (33, 21), (21, 33), (17, 17)])
def test_bicubic_is_matlab_imresize(n_in: int, n_out: int) -> None:
    picture = np.random.default_rng(n_in).integers(0, 256, (n_in, 3)).astype(np.float64)
    expected = np.stack([imresize_1d(column, n_out) for column in picture.T], axis=1)
    result = resample_matrix(n_in, n_out) @ picture
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize("n_out", [160, 70, 25, 10])
@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "lanczos"])
def test_kernels_are_those_of_pillow(kernel: str, n_out: int) -> None:
    """Which knows no mirrored samples: away from the borders."""
    column = np.random.default_rng(n_out).random((40, 1)).astype(np.float32)
    expected = Image.fromarray(column).resize((1, n_out), Image.Resampling[kernel.upper()])
    inner = slice(n_out * 15 // 40, n_out * 25 // 40)
    found = resample_matrix(40, n_out, kernel=kernel) @ column
    np.testing.assert_allclose(found[inner], np.asarray(expected)[inner], atol=1e-6)


def test_two_axes_are_separable_in_either_order() -> None:
    plane = np.random.default_rng(0).random((24, 48)).astype(np.float32)
    for height, width in ((96, 192), (6, 12), (6, 192), (96, 12)):
        rows, columns = resample_matrix(24, height), resample_matrix(48, width)
        result = resample(plane, rows, columns)
        assert result.dtype == np.float32
        assert result.flags.c_contiguous
        np.testing.assert_allclose(result, rows.toarray() @ plane @ columns.toarray().T, atol=1e-5)


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos"])
@pytest.mark.parametrize("value", [0, 1, 127, 200, 255])
def test_flat_stays_flat_and_comes_back(kernel: str, value: int) -> None:
    flat = np.full((12, 20), value, np.uint8)
    up = PlanesResampler(layout_of("gray"), (20, 12), (80, 48), location=LEFT, kernel=kernel)(
        (flat,)
    )
    down = PlanesResampler(layout_of("gray"), (80, 48), (20, 12), location=LEFT, kernel=kernel)(up)
    assert np.array_equal(up[0], np.full((48, 80), value))
    assert np.array_equal(down[0], flat)


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos"])
@pytest.mark.parametrize("n_out", [160, 100, 25, 10])
def test_ramp_is_not_shifted(kernel: str, n_out: int) -> None:
    ramp = np.arange(40, dtype=np.float32)
    result = resample_matrix(40, n_out, kernel=kernel) @ ramp
    expected = (np.arange(n_out) + 0.5) * 40 / n_out - 0.5
    inner = slice(n_out * 15 // 40, n_out * 25 // 40)
    # Lanczos-3 does not reproduce a ramp exactly; a wrong phase would be off by 0.1 at least.
    tolerance = 1e-4 if kernel == "bicubic" and n_out > 40 else 0.03
    np.testing.assert_allclose(result[inner], expected[inner], atol=tolerance)


def test_shift_moves_the_sampling_position() -> None:
    ramp = np.arange(40, dtype=np.float32)
    moved = resample_matrix(40, 160, shift=0.25) @ ramp - resample_matrix(40, 160) @ ramp
    np.testing.assert_allclose(moved[40:120], 0.25, atol=1e-4)


def test_the_kernel_is_widened_as_much_as_it_shrinks() -> None:
    assert resample_matrix(40, 10).count_nonzero(axis=1).max() == 16


def test_gaussian_matrix_is_the_bd_kernel() -> None:
    """Twelve taps at half-integer distances, as fspecial('gaussian', 12, 1.6) and every 4th."""
    taps = np.exp(-0.5 * ((np.arange(12) - 5.5) / 1.6) ** 2)
    taps /= taps.sum()
    signal = np.random.default_rng(1).random(40)
    padded = np.pad(signal, 8, mode="edge")
    centre = [8 + 4 * i + 1.5 for i in range(10)]
    expected = [padded[int(c - 5.5) : int(c + 6.5)] @ taps for c in centre]
    np.testing.assert_allclose(gaussian_matrix(40, 10, sigma=1.6) @ signal, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("location", "expected"),
    [(LEFT, (1.5, 0.75)), (CENTRE, (1.5, 1.5)), (TOP_LEFT, (0.75, 0.75)), (TOP, (0.75, 1.5)),
     (BOTTOM_LEFT, (2.25, 0.75))],
)  # fmt: skip
def test_chroma_lands_where_it_is_sited(location: int, expected: tuple[float, float]) -> None:
    """LR chroma sample i lies at HR chroma position 4i + expected: found from a resampled ramp."""
    for shift, offset in zip(chroma_shift(YUV420, 4.0, location), expected, strict=True):
        ramp = np.arange(30, dtype=np.float32)
        positions = resample_matrix(30, 120, shift=shift) @ ramp  # HR sample -> LR coordinate
        inner = np.arange(40, 80)
        np.testing.assert_allclose(4 * positions[inner] + offset, inner, atol=1e-3)


@pytest.mark.parametrize("location", [LEFT, CENTRE, TOP_LEFT, TOP, BOTTOM_LEFT])
@pytest.mark.parametrize("factor", [4.0, 0.25, 1.5])
def test_chroma_stays_on_its_luma(location: int, factor: float) -> None:
    """A colour edge that is a ramp in luma coordinates is the same ramp after resampling."""
    n_in, n_out = 64, round(64 * factor)
    site_x = 0.0 if location in (LEFT, TOP_LEFT, BOTTOM_LEFT) else 0.5
    site_y = {TOP_LEFT: 0.0, TOP: 0.0, BOTTOM_LEFT: 1.0}.get(location, 0.5)
    for site, axis in ((site_y, 0), (site_x, 1)):
        shift = chroma_shift(YUV420, factor, location)[axis]
        luma_in = 2 * np.arange(n_in) + site
        luma_out = 2 * np.arange(n_out) + site
        expected = (luma_out + 0.5) / factor - 0.5
        result = resample_matrix(n_in, n_out, scale=factor, shift=shift) @ luma_in
        inner = slice(n_out * 3 // 8, n_out * 5 // 8)
        np.testing.assert_allclose(result[inner], expected[inner], atol=0.05)


@pytest.mark.parametrize("kernel", ["bicubic", "gaussian"])
@pytest.mark.parametrize("size", [(99, 34), (11, 11)])
def test_chroma_of_odd_sizes_stays_on_its_luma(kernel: str, size: tuple[int, int]) -> None:
    """Chroma of 33x17 is 17x9: not enlarged as much as the luma, nor as much down as across."""
    layout = layout_of("yuv420p16le")
    luma, chroma = ([np.arange(n) for n in shape] for shape in layout.shapes(33, 17)[:2])
    across, down = luma[1] + 0 * luma[0][:, None], luma[0][:, None] + 0 * luma[1]
    blue, red = 2 * chroma[1] + 0 * chroma[0][:, None], 2 * chroma[0][:, None] + 0 * chroma[1]
    resampler = PlanesResampler(layout, (33, 17), size, location=TOP_LEFT, kernel=kernel, sigma=1)
    found = resampler.floats([across, blue, red]), resampler.floats([down, blue, red])
    middle = tuple(slice(n * 3 // 8, -(-n * 5 // 8)) for n in layout.shapes(*size)[1])
    for ours, theirs in ((found[0][0], found[0][1]), (found[1][0], found[1][2])):
        np.testing.assert_allclose(theirs[middle], ours[::2, ::2][middle], atol=0.1)


def test_no_shift_without_subsampling_or_scaling() -> None:
    assert chroma_shift(layout_of("yuv444p"), 4.0, LEFT) == (0.0, 0.0)
    assert chroma_shift(YUV420, 1.0, TOP_LEFT) == (0.0, 0.0)


def test_default_siting_follows_the_range() -> None:
    def tags(colour_range: int) -> ColourTags:
        return ColourTags(matrix=2, primaries=2, transfer=2, range=colour_range)

    assert chroma_location(tags(0)) == LEFT
    assert chroma_location(tags(1)) == LEFT
    assert chroma_location(tags(2)) == CENTRE


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuva420p", "gbrp", "gray"])
def test_planes_resampler_keeps_the_layout(pix_fmt: str) -> None:
    layout: PixelLayout = layout_of(pix_fmt)
    top = (1 << layout.depth) - 1
    shapes = layout.shapes(33, 17)
    planes = tuple(np.full(shape, top - i, layout.dtype) for i, shape in enumerate(shapes))
    result = PlanesResampler(layout, (33, 17), (131, 67), location=LEFT)(planes)
    assert [plane.dtype for plane in result] == [layout.dtype] * len(shapes)
    for index, shape in enumerate(layout.shapes(131, 67)):
        assert np.array_equal(result[index], np.full(shape, top - index))


def test_planes_can_be_resampled_alone() -> None:
    resampler = PlanesResampler(YUV420, (20, 12), (80, 48), location=LEFT)
    rng = np.random.default_rng(2)
    planes = tuple(rng.integers(0, 256, shape).astype(np.uint8) for shape in YUV420.shapes(20, 12))
    every, chroma = resampler(planes), resampler.only(planes, (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(every[1:], chroma, strict=True))
    luma = resample(planes[0].astype(np.float32), *resampler.full)
    assert np.array_equal(to_samples(luma, 8), every[0])
    assert np.array_equal(luma, resampler.floats(planes)[0])


def test_samples_are_rounded_and_clipped() -> None:
    values = np.array([[-3.0, 0.4, 0.6, 254.7, 300.0]], np.float32)
    assert to_samples(values, 8).tolist() == [[0, 0, 1, 255, 255]]
    assert to_samples(values * 4, 10).tolist() == [[0, 2, 2, 1019, 1023]]
    assert to_samples(values, 10).dtype == np.uint16


@pytest.mark.parametrize("shape", [(1, 1), (1080, 1920), (3, 70_000), (0, 5)])
def test_samples_are_those_of_the_plane_in_one_piece(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(1).normal(0.5, 0.5, shape).astype(np.float32)
    for depth in (8, 10, 16):
        peak = (1 << depth) - 1
        expected = np.clip(np.rint(plane * np.float32(peak)), 0, peak)
        assert np.array_equal(to_samples(plane, depth, peak), expected)


@pytest.mark.parametrize(("shape", "width"), [((540, 960), 1920), ((3, 140_000), 70), ((1, 1), 4)])
def test_width_is_that_of_the_plane_in_one_piece(shape: tuple[int, int], width: int) -> None:
    plane = np.random.default_rng(2).normal(0.5, 0.5, shape).astype(np.float32)
    columns = resample_matrix(shape[1], width)
    assert np.array_equal(along_columns(plane, columns), (columns @ plane.T).T)


@pytest.mark.parametrize("column", [(LEFT, TOP_LEFT, BOTTOM_LEFT), (CENTRE, TOP, BOTTOM)])
def test_a_column_of_one_siting_and_the_row_of_another(column: tuple[int, ...]) -> None:
    for other in (LEFT, TOP_LEFT, BOTTOM_LEFT), (CENTRE, TOP, BOTTOM):
        for place in column:
            assert tuple(in_column_of(place, row) for row in other) == column

"""Chroma from luma: what it gains where colour follows luma, and that it does no harm elsewhere."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from vsrcli.media import chroma
from vsrcli.media.chroma import ChromaFromLuma, follows_luma
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import Plane
from vsrcli.media.resample import PlanesResampler

WIDTH, HEIGHT = 48, 40
LOCATIONS = {1: "left", 2: "centre", 3: "top left", 4: "top", 5: "bottom left", 6: "bottom"}


def texture(seed: int) -> NDArray[np.float32]:
    """Luma [4 HEIGHT, 4 WIDTH] in 0.1..0.9 with detail that the low resolution has not."""
    noise = np.random.default_rng(seed).standard_normal((4 * HEIGHT, 4 * WIDTH))
    shapes = gaussian_filter(noise, 5) > 0
    return np.where(shapes, 0.7, 0.3).astype(np.float32)


def planes_of(
    luma: NDArray[np.float32], chroma: NDArray[np.float32], pix_fmt: str, location: int
) -> tuple[list[Plane], list[Plane]]:
    """Planes at four times and at one time the size; CHROMA [4H, 4W] is that of both Cb and Cr."""
    layout = layout_of(pix_fmt)
    full = layout_of(pix_fmt.replace("yuv420", "yuv444"))
    size = (4 * WIDTH, 4 * HEIGHT)
    peak = (1 << layout.depth) - 1
    whole = [np.rint(plane * peak).astype(layout.dtype) for plane in (luma, chroma, chroma)]
    sited = {1: (0.5, 0.0), 2: (0.5, 0.5), 3: (0.0, 0.0), 4: (0.0, 0.5), 5: (1.0, 0.0), 6: (1, 0.5)}
    large = [whole[0], *(at(plane, *sited[location]) for plane in whole[1:])]
    reduced = PlanesResampler(full, size, (WIDTH, HEIGHT), location=location)(whole)
    return large, [reduced[0], *(at(plane, *sited[location]) for plane in reduced[1:])]


def at(plane: Plane, row: float, column: float) -> Plane:
    """PLANE halved by linear interpolation that far behind the first of each two samples."""
    rows = plane[0::2] * (1 - row) + plane[1::2] * row
    found = rows[:, 0::2] * (1 - column) + rows[:, 1::2] * column
    return np.rint(found).astype(plane.dtype)


def errors(
    luma: NDArray[np.float32],
    chroma: NDArray[np.float32],
    pix_fmt: str = "yuv420p",
    place: int = 1,
    told: int | None = None,
) -> tuple[float, float]:
    """Mean squared errors of chroma: from luma, and interpolated. TOLD: where it is said to lie."""
    large, small = planes_of(luma, chroma, pix_fmt, place)
    layout = layout_of(pix_fmt)
    resampler = PlanesResampler(layout, (WIDTH, HEIGHT), (4 * WIDTH, 4 * HEIGHT), location=place)
    found = ChromaFromLuma(layout, told or place, resampler)(small, luma)
    plain = resampler(small)[1:]
    for ours in found:
        assert ours.dtype == layout.dtype and ours.shape == large[1].shape
    return mean_square(found, large[1:]), mean_square(plain, large[1:])


def mean_square(found: Sequence[Plane], wanted: Sequence[Plane]) -> float:
    """Of the differences of planes."""
    pairs = zip(found, wanted, strict=True)
    return float(np.mean([(a.astype(float) - b.astype(float)) ** 2 for a, b in pairs]))


@pytest.mark.parametrize("place", LOCATIONS, ids=LOCATIONS.values())
def test_colour_that_follows_luma_gets_its_detail(place: int) -> None:
    luma = texture(1)
    ours, theirs = errors(luma, 0.6 - 0.4 * luma, place=place)
    assert ours < 0.45 * theirs
    others = LOCATIONS.keys() - {place}
    assert ours < min(errors(luma, 0.6 - 0.4 * luma, place=place, told=o)[0] for o in others)


def test_ten_bits_are_kept() -> None:
    luma = texture(2)
    ours, theirs = errors(luma, 0.3 + 0.5 * luma, "yuv420p10le")
    assert ours < 0.35 * theirs


def test_colour_that_does_not_follow_luma_stays_as_it_is() -> None:
    ours, theirs = errors(texture(3), 0.3 + 0.4 * texture(4))
    assert ours < 1.05 * theirs


def test_flat_colour_stays_exactly_flat() -> None:
    luma = texture(5)
    _, small = planes_of(luma, np.full_like(luma, 0.5), "yuv420p", 1)
    layout = layout_of("yuv420p")
    resampler = PlanesResampler(layout, (WIDTH, HEIGHT), (4 * WIDTH, 4 * HEIGHT), location=1)
    for plane in ChromaFromLuma(layout, 1, resampler)(small, luma):
        assert (plane == small[1][0, 0]).all()


def test_odd_sizes_come_out_as_the_layout_says() -> None:
    layout = layout_of("yuva420p")
    for size, target in (((17, 11), (33, 21)), ((5, 3), (20, 12)), ((1, 1), (4, 4))):
        small = [np.full(shape, 90, np.uint8) for shape in layout.shapes(*size)]
        luma = np.full(target[::-1], 90 / 255, np.float32)
        resampler = PlanesResampler(layout, size, target, location=1)
        found = ChromaFromLuma(layout, 1, resampler)(small, luma)
        assert [plane.shape for plane in found] == list(layout.shapes(*target)[1:3])
        assert all((plane == 90).all() for plane in found)


def test_only_chroma_of_half_the_size_is_changed() -> None:
    kinds = ("yuv420p", "yuva420p", "yuv420p12le", "yuv422p", "yuv444p", "gbrp", "gray")
    assert [follows_luma(layout_of(kind)) for kind in kinds] == [True] * 3 + [False] * 4


def test_large_pictures_are_the_same_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    luma = texture(6)
    _, small = planes_of(luma, 0.6 - 0.4 * luma, "yuv420p", 1)
    layout = layout_of("yuv420p")
    resampler = PlanesResampler(layout, (WIDTH, HEIGHT), (4 * WIDTH, 4 * HEIGHT), location=1)
    whole = ChromaFromLuma(layout, 1, resampler)(small, luma)
    monkeypatch.setattr(chroma, "_STRIP", 7 * 2 * WIDTH)  # rows, the last strip is shorter
    for ours, theirs in zip(ChromaFromLuma(layout, 1, resampler)(small, luma), whole, strict=True):
        off = np.abs(ours.astype(int) - theirs)
        assert off.max() <= 1 and off.mean() < 0.01


def test_large_pictures_take_little_memory() -> None:
    layout, (width, height) = layout_of("yuv420p"), (1920, 1080)
    resampler = PlanesResampler(layout, (width, height), (4 * width, 4 * height), location=1)
    small = [np.full(shape, 90, np.uint8) for shape in layout.shapes(width, height)]
    luma = np.full((4 * height, 4 * width), 0.35, np.float32)
    enlarge = ChromaFromLuma(layout, 1, resampler)
    enlarge(small, luma)
    tracemalloc.start()
    try:
        found = enlarge(small, luma)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.4 * luma.nbytes  # whole planes in between would be as large as the luma
    assert (
        [int(plane.max()) for plane in found] == [int(plane.min()) for plane in found] == [90, 90]
    )

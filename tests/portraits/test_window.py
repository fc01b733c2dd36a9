"""What the network sees of a picture, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vsrcli.portraits.faces import Face
from vsrcli.portraits.reversal import ovals
from vsrcli.portraits.window import Window, resized


def test_a_window_has_the_face_in_its_middle_as_large_as_those_of_the_training() -> None:
    window = Window.around(121.5, 140.5, 40.0, 64, (112, 96))
    assert (window.scale, window.left, window.top) == (1.6, 121.5 - 30, 140.5 - 35)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_face_is_an_oval_of_its_size_at_its_place(scale: float) -> None:
    window = Window(10.0, 20.0, scale, (160, 320))
    oval = ovals(window, [Face(60.0, 50.0, 40.0)])
    rows, columns = np.nonzero(oval)
    middle = (rows.mean() / scale + 20, columns.mean() / scale + 10)
    assert middle == pytest.approx((50, 60), abs=0.01)
    extent = np.ptp(rows) / scale, np.ptp(columns) / scale
    assert extent == pytest.approx((0.92 * 40, 0.72 * 40), abs=2.1 / scale)
    assert oval.sum() == pytest.approx(np.pi * 0.46 * 0.36 * (40 * scale) ** 2, rel=0.03)
    both = ovals(window, [Face(60.0, 50.0, 40.0), Face(90.0, 50.0, 40.0)])
    assert both.sum() > 1.5 * oval.sum() and both[oval].all()
    assert ovals(window, []).all() and ovals(window, [Face(-500.0, 50.0, 40.0)]).all()


def test_a_window_and_back_is_the_identity_on_smooth_pictures() -> None:
    y, x = np.mgrid[:300, :260].astype(np.float32)
    smooth = np.stack([x / 260, y / 300, 0.5 + 0.3 * np.sin(x / 40) * np.cos(y / 30)], axis=2)
    for height in (40.0, 64.0, 100.0):
        window = Window.around(121.3, 140.7, height, 64, (112, 96))
        there = window.take(smooth.astype(np.float32))
        assert there.shape == (112, 96, 3)
        rows, columns = window.place((300, 260))
        back = window.give_back(there, (300, 260))
        inner = (slice(4, -4), slice(4, -4))
        assert np.abs(back - smooth[rows, columns])[inner].max() < 0.01


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((100.25, 60.5, 180.75, 140.25), (31, 40)),  # smaller, inside
        ((3.5, 1.25, 90.0, 199.5), (260, 300)),  # larger, near three edges
        ((0.0, 0.0, 240.0, 200.0), (50, 60)),  # all of it
    ],
)
def test_a_part_is_resized_as_the_whole_picture_would_be(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (200, 240, 1), dtype=np.uint8)
    whole = Image.fromarray(picture[..., 0].astype(np.float32))
    expected = whole.resize(size[::-1], Image.Resampling.BICUBIC, box)
    assert np.abs(resized(picture, size, box)[..., 0] - np.asarray(expected)).max() < 0.01


@pytest.mark.parametrize("scale", [0.6, 1.7])
def test_a_window_beyond_the_picture_shows_it_where_it_lies(scale: float) -> None:
    """Along both axes, although it begins and ends within a pixel of the picture."""
    y, x = np.mgrid[:40, :56]
    window = Window(-10.3, -7.2, scale, (round(54 * scale), round(75 * scale)))
    seen = window.take(np.dstack([x, y]).astype(np.float32))
    for channel, (start, length, axis) in enumerate(((-10.3, 56, 1), (-7.2, 40, 0))):
        shown = start + (np.arange(seen.shape[axis]) + 0.5) / scale - 0.5
        inside = (shown > 3 / scale) & (shown < length - 1 - 3 / scale)
        lines = seen[..., channel].mean(1 - axis)
        np.testing.assert_allclose(lines[inside], shown[inside], atol=0.02)

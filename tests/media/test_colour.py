import numpy as np
import pytest
from skimage.color import rgb2ycbcr

from vsrcli.media.colour import BT470BG, BT709, SMPTE170M, luma_bt601, rgb_to_ycbcr, ycbcr_to_rgb


def test_primaries_have_the_luma_and_difference_of_the_standard() -> None:
    red, green, blue = np.eye(3, dtype=np.float32)[:, None, :]
    luma, cb, cr = rgb_to_ycbcr(red, green, blue, BT709)
    np.testing.assert_allclose(luma[0], [0.2126, 0.7152, 0.0722], atol=1e-6)
    assert cb[0, 2] == pytest.approx(0.5) and cr[0, 0] == pytest.approx(0.5)
    luma, cb, cr = rgb_to_ycbcr(red, green, blue, SMPTE170M)
    np.testing.assert_allclose(luma[0], [0.299, 0.587, 0.114], atol=1e-6)
    np.testing.assert_allclose(cb[0], [-0.168736, -0.331264, 0.5], atol=1e-6)


@pytest.mark.parametrize("matrix", [SMPTE170M, BT709, BT470BG])
def test_there_and_back_is_exact_to_a_sixteenth_bit(matrix: int) -> None:
    rgb = np.random.default_rng(1).random((3, 20, 30), dtype=np.float32)
    back = ycbcr_to_rgb(*rgb_to_ycbcr(*rgb, matrix), matrix)
    assert all(plane.dtype == np.float32 for plane in back)
    np.testing.assert_allclose(back, rgb, atol=2e-6)


def test_gray_has_no_colour_difference() -> None:
    gray = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    luma, cb, cr = rgb_to_ycbcr(gray, gray, gray)
    np.testing.assert_allclose(luma, gray, atol=1e-7)
    assert np.abs([cb, cr]).max() < 1e-6


def test_metric_luma_is_that_of_matlab() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (16, 16, 3), np.uint8)
    luma = luma_bt601(rgb)
    np.testing.assert_allclose(luma, rgb2ycbcr(rgb)[..., 0], atol=1e-9)
    assert luma_bt601(np.full((1, 1, 3), 255, np.uint8))[0, 0] == pytest.approx(235)

"""Luma and colour difference of RGB pictures, in floating point and full range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RGB, BT709, BT470BG, SMPTE170M = 0, 1, 5, 6
"""AVCOL_SPC_*: matrices between RGB and Y'CbCr (ITU-T H.273). The last two are BT.601's."""

RED_AND_BLUE = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    BT470BG: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Shares of red and blue in luma, by the matrix (ITU-T H.273, table 4)."""
SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""swscale's number (SWS_CS_*) for each matrix it knows; BT.601 (5) stands in for the others."""


def rgb_to_ycbcr(
    red: Array, green: Array, blue: Array, matrix: int = SMPTE170M
) -> tuple[Array, Array, Array]:
    """Return Y, Cb and Cr, float32 [H, W], of red, green and blue in 0..1.

    Y is 0..1, Cb and Cr are -0.5..0.5 (ITU-T H.273, equations 38 to 40).
    """
    kr, kb = RED_AND_BLUE[matrix]
    luma: Array = kr * red + (1 - kr - kb) * green + kb * blue
    cb: Array = (blue - luma) * (0.5 / (1 - kb))
    cr: Array = (red - luma) * (0.5 / (1 - kr))
    return luma, cb, cr


def ycbcr_to_rgb(
    luma: Array, cb: Array, cr: Array, matrix: int = SMPTE170M
) -> tuple[Array, Array, Array]:
    """Return red, green and blue, float32 [H, W]: the inverse of `rgb_to_ycbcr`, not clipped."""
    kr, kb = RED_AND_BLUE[matrix]
    red: Array = luma + cr * (2 * (1 - kr))
    blue: Array = luma + cb * (2 * (1 - kb))
    green: Array = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return red, green, blue


def luma_bt601(rgb: NDArray[Any]) -> NDArray[np.float64]:
    """Return luma [H, W] in 16..235 of 8-bit RGB [H, W, 3], as MATLAB's rgb2ycbcr but not rounded.

    The channel in which the literature states PSNR.
    """
    weights = np.array([65.481, 128.553, 24.966]) / 255
    return 16.0 + rgb.astype(np.float64) @ weights

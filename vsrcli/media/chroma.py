"""Chroma enlarged with the help of luma, which the network has seen more of.

Where a picture changes colour it mostly changes luma as well. As in the cross-component prediction
of video coding ("chroma from luma", AV1 section 7.11.5; CCLM of H.266) and in joint upsampling with
a guided filter (He, Sun, Tang, ECCV 2010), chroma is taken for a linear function of luma in every
small neighbourhood. Its slope is measured on the low-resolution picture; what the enlarged luma has
beyond interpolation, times the slope, is what interpolated chroma lacks. No plane has more of it
than its correlation with luma warrants: the slope is multiplied by its square.

For 4:2:0 alone. Chroma of 4:4:4 was often 4:2:0 before, and has no detail at the size of luma's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vsrcli.media.formats import PixelLayout
from vsrcli.media.planes import Plane
from vsrcli.media.resample import (
    Matrix,
    PlanesResampler,
    chroma_offsets,
    gaussian_matrix,
    resample,
    resample_matrix,
    to_samples,
)

Field = NDArray[np.float32]

_STRIP = 1 << 19
"""Samples that are finished at once: all of a 1920x1080 picture, 2 MiB of what lies in between."""
_SIGMA = 0.8
"""Standard deviation of the neighbourhood, in low-resolution chroma samples."""
_LUMA_NOISE, _CHROMA_NOISE = 8 / 255**2, 0.5 / 255**2
"""Variances, of 0..1, that are taken for noise: below them no slope is trusted."""


def follows_luma(layout: PixelLayout) -> bool:
    """Whether LAYOUT is one whose chroma is enlarged so: 4:2:0, with alpha or without."""
    return layout.kind == "yuv" and layout.log2_chroma == (1, 1)


class ChromaFromLuma:
    """Enlarges the chroma of the pictures of one stream."""

    def __init__(self, layout: PixelLayout, location: int, resampler: PlanesResampler) -> None:
        """LAYOUT is 4:2:0; LOCATION is of `chroma_location`; RESAMPLER leads to the target size."""
        self._peak, self._depth = layout.peak, layout.depth
        self._offsets = chroma_offsets(layout, location)
        self._matrices = resampler.chroma
        # scipy.ndimage would do as well, but takes an eighth of a second to import.
        self._blur = _blur(self._matrices[0].shape[1]), _blur(self._matrices[1].shape[1])
        self._halving: dict[tuple[int, ...], tuple[Matrix, Matrix]] = {}

    def __call__(self, planes: Sequence[Plane], luma: Field) -> list[Plane]:
        """Cb and Cr of PLANES (Y, Cb, Cr) at the size of the enlarged LUMA [H, W] in 0..1."""
        low = resample(self._unit(planes[0]), *self._to_chroma_grid(planes[0].shape))
        slope_of = _Slope(low, self._blur)
        chroma = [self._unit(plane) for plane in planes[1:3]]
        slopes = [slope_of(plane) for plane in chroma]
        rows, columns = self._to_chroma_grid(luma.shape)
        shape = rows.shape[0], columns.shape[0]
        found = [np.empty(shape, planes[1].dtype) for _ in chroma]
        # Strip by strip: whole planes in between would be several times as large as the result.
        tall = max(1, _STRIP // shape[1])
        for top in range(0, shape[0], tall):
            part = slice(top, top + tall)
            detail = resample(luma, rows[part], columns) - self._enlarged(low, part)
            for plane, slope, small in zip(found, slopes, chroma, strict=True):
                strip = self._enlarged(slope, part) * detail
                strip += self._enlarged(small, part)
                plane[part] = to_samples(strip, self._depth, self._peak)
        return found

    def _enlarged(self, small: Field, part: slice) -> Field:
        """The rows `part` of a plane of low-resolution chroma, interpolated."""
        rows, columns = self._matrices
        return resample(small, rows[part], columns)

    def _unit(self, plane: Plane) -> Field:
        return plane.astype(np.float32) * np.float32(1 / self._peak)

    def _to_chroma_grid(self, shape: tuple[int, ...]) -> tuple[Matrix, Matrix]:
        """What takes luma of SHAPE (H, W) to the grid of 4:2:0 chroma, half as large."""
        if shape not in self._halving:
            down, across = map(_halving, shape, self._offsets)
            self._halving[shape] = down, across
        return self._halving[shape]


def _halving(size: int, offset: float | None) -> Matrix:
    """1-3-3-1 amid each pair (OFFSET None), or 1-2-1 around its first (0) or second (1)."""
    shift = 0.0 if offset is None else offset - 0.5
    return resample_matrix(size, -(-size // 2), scale=0.5, shift=shift, kernel="bilinear")


def _blur(size: int) -> Matrix:
    """What takes the mean around each of SIZE samples."""
    return gaussian_matrix(size, size, sigma=_SIGMA)


class _Slope:
    """How chroma follows LUMA, both on the low-resolution chroma grid: least squares around."""

    def __init__(self, luma: Field, blur: tuple[Matrix, Matrix]) -> None:
        self._blur = blur
        self._luma, self._mean = luma, self._around(luma)
        self._variance = self._around(luma * luma) - self._mean**2 + np.float32(_LUMA_NOISE)

    def __call__(self, chroma: Field) -> Field:
        """The slope, times the square of the correlation."""
        mean = self._around(chroma)
        covariance = self._around(self._luma * chroma) - self._mean * mean
        variance = self._around(chroma * chroma) - mean**2 + np.float32(_CHROMA_NOISE)
        slope: Field = covariance / self._variance
        slope *= slope * covariance / variance
        return slope

    def _around(self, field: Field) -> Field:
        """The mean around every sample."""
        return resample(field, *self._blur)

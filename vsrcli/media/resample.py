"""Resampling of planes: centre-aligned bicubic, Lanczos and Gaussian filters as sparse matrices.

A plane is resampled along each axis by one sparse matrix, built once for a stream. Output pixel `o`
sits at input position `(o + 0.5) / scale - 0.5`, as in MATLAB's imresize, PIL and FFmpeg's swscale;
`shift` moves it, which is what chroma needs when it does not lie amid its luma pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vsrcli.media.formats import PixelLayout
from vsrcli.media.planes import FULL_RANGE, ColourTags, Frame, Plane

Kernel = Literal["bicubic", "bilinear", "lanczos"]
Matrix: TypeAlias = Any
"""A scipy.sparse.csr_array of float32, [n_out, n_in]; scipy has no type information."""

_STRIP = 1 << 17
"""Samples that are worked on at once: few enough to stay in a core's cache."""
LEFT, CENTRE, _TOP_LEFT, _TOP, _BOTTOM_LEFT, _BOTTOM = 1, 2, 3, 4, 5, 6
"""AVCHROMA_LOC_*."""


def _bicubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution with a = -0.5 (IEEE ASSP 29(6), 1981), as MATLAB's imresize."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _lanczos3(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_KERNELS: dict[Kernel, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]] = {
    "bicubic": (_bicubic, 2.0),
    "bilinear": (lambda x: np.maximum(0.0, 1 - np.abs(x)), 1.0),
    "lanczos": (_lanczos3, 3.0),
}


def resample_matrix(
    n_in: int,
    n_out: int,
    *,
    scale: float | None = None,
    shift: float = 0.0,
    kernel: Kernel = "bicubic",
) -> Matrix:
    """The [n_out, n_in] float32 matrix that resamples one axis from `n_in` to `n_out` samples.

    `scale` is output over input (default `n_out / n_in`) and `shift` is in input samples: output
    `o` is taken at `(o + 0.5) / scale - 0.5 + shift`. When shrinking, the kernel is widened by
    `1 / scale`: no aliasing. Beyond the borders the signal is mirrored (half-sample symmetric),
    as MATLAB's imresize does; the weights of a row sum to one.
    """
    factor = n_out / n_in if scale is None else scale
    function, support = _KERNELS[kernel]
    stretch = min(factor, 1.0)
    centres = _centres(n_out, factor, shift)
    return _matrix(n_in, centres, lambda d: function(d * stretch), support / stretch)


def gaussian_matrix(
    n_in: int, n_out: int, *, sigma: float, scale: float | None = None, shift: float = 0.0
) -> Matrix:
    """The [n_out, n_in] matrix of a Gaussian blur of `sigma` input samples, then decimation.

    Centre aligned: at scale 1/4 the taps lie 0.5, 1.5 ... 5.5 samples either side (12 taps), the
    kernel of BasicVSR's BD_degradation.m. Beyond the borders the last sample is repeated.
    """
    factor = n_out / n_in if scale is None else scale
    centres = _centres(n_out, factor, shift)
    support = math.ceil(3 * sigma) + 1.0

    def weight(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = np.abs(distance) < support
        return np.where(inside, np.exp(-0.5 * (distance / sigma) ** 2), 0.0)

    return _matrix(n_in, centres, weight, support, mirror=False)


def _centres(n_out: int, factor: float, shift: float) -> NDArray[np.float64]:
    return (np.arange(n_out, dtype=np.float64) + 0.5) / factor - 0.5 + shift


def _matrix(
    n_in: int,
    centres: NDArray[np.float64],
    weight: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    support: float,
    *,
    mirror: bool = True,
) -> Matrix:
    """Sparse rows of normalised weights of the samples within `support` of each centre."""
    taps = math.ceil(2 * support) + 1
    indices = np.floor(centres - support).astype(np.int64)[:, None] + np.arange(taps)
    weights = weight(centres[:, None] - indices)
    weights /= weights.sum(axis=1, keepdims=True)
    if mirror:
        indices = np.mod(indices, 2 * n_in)
        indices = np.where(indices >= n_in, 2 * n_in - 1 - indices, indices)
    else:
        indices = np.clip(indices, 0, n_in - 1)
    rows = np.broadcast_to(np.arange(len(centres))[:, None], indices.shape)
    shape = (len(centres), n_in)
    coo = sparse.coo_array((weights.ravel(), (rows.ravel(), indices.ravel())), shape=shape)
    matrix = sparse.csr_array(coo)  # sums the weights of mirrored samples
    matrix.data[np.abs(matrix.data) < 1e-12] = 0.0
    matrix.eliminate_zeros()
    return matrix.astype(np.float32)


def resample(plane: NDArray[np.float32], rows: Matrix, columns: Matrix) -> NDArray[np.float32]:
    """`rows @ plane @ columns.T`: [h, w] to [rows.shape[0], columns.shape[0]], float32.

    The axis that costs less multiplications in total goes first.
    """
    height, width = plane.shape
    rows_first = rows.nnz * width + columns.nnz * rows.shape[0]
    columns_first = columns.nnz * height + rows.nnz * columns.shape[0]
    plane = np.ascontiguousarray(plane, dtype=np.float32)
    if rows_first <= columns_first:
        return along_columns(rows @ plane, columns)
    return np.asarray(rows @ along_columns(plane, columns), dtype=np.float32)


def along_columns(plane: NDArray[np.float32], columns: Matrix) -> NDArray[np.float32]:
    """`plane @ columns.T`: the half of `resample` that changes the width.

    Strip by strip, as `to_samples`: turned round whole, a plane would be in memory twice more.
    """
    height, width = plane.shape
    found = np.empty((height, columns.shape[0]), np.float32)
    rows = max(1, _STRIP // max(1, width, columns.shape[0]))
    for top in range(0, height, rows):
        # A sparse matrix times a contiguous dense one runs along contiguous rows: turn it round.
        turned = np.ascontiguousarray(plane[top : top + rows].T)
        found[top : top + rows] = (columns @ turned).T
    return found


def to_samples(plane: NDArray[np.float32], depth: int, gain: float = 1.0) -> Plane:
    """Round `gain` times the samples, [h, w], on the scale of `depth` bits, clipped to that scale.

    It goes strip by strip: whole planes in between would cost five times as much, for the memory.
    """
    height, width = plane.shape
    rounded = np.empty((height, width), np.uint8 if depth <= 8 else np.uint16)
    rows = max(1, _STRIP // max(1, width))
    strip = np.empty((min(rows, height), width), np.float32)
    for top in range(0, height, rows):
        piece = plane[top : top + rows]
        whole = strip[: len(piece)]
        np.multiply(piece, np.float32(gain), out=whole)
        np.rint(whole, out=whole)
        np.clip(whole, 0, (1 << depth) - 1, out=whole)
        rounded[top : top + rows] = whole
    return rounded


def chroma_location(tags: ColourTags) -> int:
    """Where chroma is sited, an AVCHROMA_LOC integer, never 0.

    Without a tag: between the luma pixels (centre) for full-range video, which is JPEG's habit, and
    left (level with the even luma columns) for everything else, MPEG-2's and H.264's default.
    """
    if tags.chroma_location:
        return tags.chroma_location
    return CENTRE if tags.range == FULL_RANGE else LEFT


def chroma_shift(layout: PixelLayout, scale: float, location: int) -> tuple[float, float]:
    """(rows, columns) `shift` that keeps chroma on its luma when both are resampled by `scale`.

    In units of input chroma samples. A chroma sample i of a grid subsampled by f lies at luma
    position f*i + p; carrying that through a centre-aligned luma resampling gives
    (1 - 1/scale) * (0.5 - (p + 0.5) / f). For left-sited 4:2:0 at scale 4 the input chroma sample
    i then lies at output chroma position 4*i + 0.75.
    """
    horizontal, vertical = layout.log2_chroma
    rows, columns = chroma_offsets(layout, location)
    return _siting_shift(vertical, scale, rows), _siting_shift(horizontal, scale, columns)


def chroma_offsets(layout: PixelLayout, location: int) -> tuple[float | None, float | None]:
    """(row, column) of the luma sample that the first chroma sample lies on; None: amid them."""
    column = 0.0 if location in (LEFT, _TOP_LEFT, _BOTTOM_LEFT) else None
    if location in (_TOP_LEFT, _TOP):
        return 0.0, column
    if location in (_BOTTOM_LEFT, _BOTTOM):
        return (1 << layout.log2_chroma[1]) - 1.0, column
    return None, column


def in_column_of(location: int, row: int) -> int:
    """The location in the column of one `location` and in the row of another, ROW."""
    rows = (LEFT, CENTRE), (_TOP_LEFT, _TOP), (_BOTTOM_LEFT, _BOTTOM)
    pair = next(pair for pair in rows if row in pair)
    return pair[location in (CENTRE, _TOP, _BOTTOM)]


def _siting_shift(log2: int, scale: float, offset: float | None) -> float:
    """Shift along one axis; `offset` is the luma position of chroma sample 0, None if centred."""
    factor = 1 << log2
    position = (factor - 1) / 2 if offset is None else offset
    return (1 - 1 / scale) * (0.5 - (position + 0.5) / factor)


class PlanesResampler:
    """Resamples all planes of pictures of one layout and size, chroma at its right siting."""

    def __init__(
        self,
        layout: PixelLayout,
        size_in: tuple[int, int],
        size_out: tuple[int, int],
        *,
        location: int,
        kernel: Kernel | Literal["gaussian"] = "bicubic",
        sigma: float = 0.0,
    ) -> None:
        """Sizes are (width, height) of luma; `location` is from `chroma_location`.

        `sigma`, in input pixels, belongs to the kernel "gaussian" alone.
        """
        self._layout = layout
        scale = size_out[0] / size_in[0], size_out[1] / size_in[1]

        def axis(n_in: int, n_out: int, factor: float, shift: float) -> Matrix:
            if kernel == "gaussian":
                return gaussian_matrix(n_in, n_out, sigma=sigma, scale=factor, shift=shift)
            return resample_matrix(n_in, n_out, scale=factor, shift=shift, kernel=kernel)

        shapes_in, shapes_out = layout.shapes(*size_in), layout.shapes(*size_out)

        def plane(index: int, shift: tuple[float, float]) -> tuple[Matrix, Matrix]:
            inner, outer = shapes_in[index], shapes_out[index]
            return (
                axis(inner[0], outer[0], scale[1], shift[0]),
                axis(inner[1], outer[1], scale[0], shift[1]),
            )

        self.full = self.chroma = plane(0, (0.0, 0.0))
        """The matrices (rows, columns) for planes of the picture's full size, and of chroma."""
        if layout.kind == "yuv" and any(layout.log2_chroma):
            down = chroma_shift(layout, scale[1], location)[0]
            across = chroma_shift(layout, scale[0], location)[1]
            self.chroma = plane(1, (down, across))

    def floats(self, planes: Sequence[Plane]) -> tuple[NDArray[np.float32], ...]:
        """The planes resampled, float32 on the scale of the layout's depth, not clipped."""
        return tuple(
            resample(plane.astype(np.float32), *self._matrices(index))
            for index, plane in enumerate(planes)
        )

    def __call__(self, planes: Sequence[Plane]) -> tuple[Plane, ...]:
        """The planes resampled, rounded and clipped to the integers of the layout's depth."""
        return self.only(planes, range(len(planes)))

    def only(self, planes: Sequence[Plane], indices: Iterable[int]) -> tuple[Plane, ...]:
        """As calling it, for the planes at `indices` alone."""
        return tuple(
            to_samples(
                resample(planes[index].astype(np.float32), *self._matrices(index)),
                self._layout.depth,
            )
            for index in indices
        )

    def _matrices(self, index: int) -> tuple[Matrix, Matrix]:
        return self.chroma if index in (1, 2) else self.full


def resampler_for(
    frame: Frame, size: tuple[int, int], kernel: Kernel = "bicubic"
) -> PlanesResampler:
    """What resamples FRAME, and others of its stream, to SIZE (width, height)."""
    return PlanesResampler(
        frame.layout,
        (frame.width, frame.height),
        size,
        location=chroma_location(frame.tags),
        kernel=kernel,
    )

"""The part of a picture the network sees, at the face size it was trained at, and the way back.

A window is a canvas of fixed size with the face in its middle. Only what is predicted on it is ever
resampled to the picture; the picture's own pixels are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
_BICUBIC_REACH = 2
"""Pixels to either side, of the coarser of the two grids."""


@dataclass(frozen=True, slots=True)
class Window:
    """Canvas pixel t shows picture position left + t / scale (x), top + t / scale (y).

    Positions are of pixel corners: pixel i covers i to i + 1.
    """

    left: float
    top: float
    scale: float
    """Canvas pixels per picture pixel."""
    size: tuple[int, int]
    """Height and width of the canvas."""

    @classmethod
    def around(
        cls, x: float, y: float, face_height: float, trained_height: int, size: tuple[int, int]
    ) -> Window:
        """The canvas of SIZE centred at (x, y) on which FACE_HEIGHT becomes TRAINED_HEIGHT."""
        scale = trained_height / face_height
        return cls(x - size[1] / 2 / scale, y - size[0] / 2 / scale, scale, size)

    def _inside(self, extent: int, axis: int) -> tuple[int, int]:
        """First and end canvas pixel that lie wholly in a picture of EXTENT pixels on AXIS."""
        start = (self.top, self.left)[axis]
        first = max(0, math.ceil(-start * self.scale - 1e-6))
        end = min(self.size[axis], math.floor((extent - start) * self.scale + 1e-6))
        return first, max(end, first + 1)

    def take(self, picture: NDArray[Any]) -> Floats:
        """The canvas [size, c] of PICTURE [h, w, c], of any type, mirrored where it ends."""
        height, width = picture.shape[:2]
        (top, bottom), (left, right) = self._inside(height, 0), self._inside(width, 1)
        box = (
            max(0.0, self.left + left / self.scale),
            max(0.0, self.top + top / self.scale),
            min(float(width), self.left + right / self.scale),
            min(float(height), self.top + bottom / self.scale),
        )
        inner = resized(picture, (bottom - top, right - left), box)
        around = ((top, self.size[0] - bottom), (left, self.size[1] - right), (0, 0))
        return np.pad(inner, around, mode="symmetric")

    def place(self, extent: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of a picture of EXTENT (h, w) whose pixels the canvas covers."""
        spans = []
        for axis, start in enumerate((self.top, self.left)):
            end = start + self.size[axis] / self.scale
            first = max(0, math.ceil(start - 1e-6))
            spans.append(slice(first, max(first + 1, min(extent[axis], math.floor(end + 1e-6)))))
        return spans[0], spans[1]

    def give_back(self, canvas: Floats, extent: tuple[int, int]) -> Floats:
        """CANVAS [size, c] at the pixels `place(extent)` of the picture."""
        rows, columns = self.place(extent)
        box = (
            max(0.0, (columns.start - self.left) * self.scale),
            max(0.0, (rows.start - self.top) * self.scale),
            min(float(self.size[1]), (columns.stop - self.left) * self.scale),
            min(float(self.size[0]), (rows.stop - self.top) * self.scale),
        )
        return resized(canvas, (rows.stop - rows.start, columns.stop - columns.start), box)


def resized(
    picture: NDArray[Any], size: tuple[int, int], box: tuple[float, float, float, float]
) -> Floats:
    """BOX (left, top, right, bottom; fractions count) of PICTURE [h, w, c] at SIZE (h, w).

    Bicubic, widened where it shrinks.
    """
    rows, top, bottom = _needed(picture.shape[0], box[1], box[3], size[0])
    columns, left, right = _needed(picture.shape[1], box[0], box[2], size[1])
    result = np.empty((*size, picture.shape[2]), np.float32)
    for index in range(picture.shape[2]):
        channel = Image.fromarray(
            np.ascontiguousarray(picture[rows, columns, index], np.float32)
        ).resize((size[1], size[0]), Image.Resampling.BICUBIC, (left, top, right, bottom))
        result[..., index] = np.asarray(channel)
    return result


def _needed(extent: int, start: float, end: float, size: int) -> tuple[slice, float, float]:
    """What START to END of EXTENT pixels needs, bicubic, to become SIZE; and where they are there.

    A face is a small part of a large photo: the rest need not be turned into floats.
    """
    reach = math.ceil(_BICUBIC_REACH * max(1.0, (end - start) / size)) + 1
    first, last = max(0, math.floor(start) - reach), min(extent, math.ceil(end) + reach)
    return slice(first, last), start - first, end - first

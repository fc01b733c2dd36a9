"""Where the faces are, with the cascade of local binary patterns that scikit-image ships."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LONG_SIDE = 480
"""Pictures are searched at this size: it takes half a second and finds faces from 1/15 of it."""
_SMALLEST = 32
_HEIGHT_OF_BOX = 1.2
"""Chin to hairline, over the side of the cascade's square: the mean over 400 portraits."""
_TOO_SMALL = 0.5
"""A hit smaller than this share of the largest is an eye or a pattern, hardly ever a face."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face, in pixels of the picture."""

    x: float
    """Centre, from the left."""
    y: float
    """Centre, from the top."""
    height: float
    """Chin to hairline."""

    @classmethod
    def in_box(cls, x: float, y: float, width: float, height: float) -> Face:
        """The face that fills the box with its top left corner at (x, y)."""
        return cls(x + width / 2, y + height / 2, height)


def find_faces(picture: NDArray[np.uint8], threads: int = 1) -> list[Face]:
    """Upright frontal faces in PICTURE [h, w, 3], largest first; at least 7 % of its long side.

    Looked for in the picture and its mirror image: a pattern that passes for a face seldom does so
    in both. What only one of them shows counts if both show nothing. THREADS: 1, or both at once.
    """
    height, width = picture.shape[:2]
    scale = _LONG_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if min(size) < _SMALLEST:
        return []
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    _cascade()  # loaded once, not by either of two threads
    with ThreadPoolExecutor(1 if threads == 1 else 2) as pool:  # the cascade lets go of the GIL
        seen, turned = pool.map(_hits, (small, small[:, ::-1].copy()))
    mirrored = [(size[0] - x - side, y, side) for x, y, side in turned]
    both = [
        (*square, first)
        for squares, first in ((seen, True), (mirrored, False))
        for square in squares
    ]
    return [
        Face((x + side / 2) / scale, (y + side / 2) / scale, _HEIGHT_OF_BOX * side / scale)
        for x, y, side in _merged(both)
    ]


def _hits(picture: NDArray[np.uint8]) -> list[tuple[float, float, float]]:
    """Squares (x, y, side) the cascade takes for faces."""
    found = _cascade().detect_multi_scale(
        img=picture,
        scale_factor=1.1,
        step_ratio=1,
        min_size=(_SMALLEST, _SMALLEST),
        max_size=(max(picture.shape[:2]), max(picture.shape[:2])),
        min_neighbor_number=3,
    )
    return [(hit["c"], hit["r"], hit["width"]) for hit in found]


def _merged(squares: list[tuple[float, float, float, bool]]) -> list[tuple[float, float, float]]:
    """One square (x, y, side) a face, of squares and whether they are of the picture or its mirror.

    Hits on one face come in several sizes: those of like size are averaged, and those within it but
    far smaller are noses and eyes.
    """
    faces: list[tuple[float, float, float]] = []
    confirmed: list[bool] = []
    left = sorted(squares, key=lambda square: -square[2])
    while left:
        x, y, side, _ = left[0]
        inside = [
            s for s in left if x < s[0] + s[2] / 2 < x + side and y < s[1] + s[2] / 2 < y + side
        ]
        left = [s for s in left if s not in inside]
        alike = [s for s in inside if s[2] > 0.7 * side]
        mean = np.array([s[:3] for s in alike]).mean(axis=0)
        faces.append((float(mean[0]), float(mean[1]), float(mean[2])))
        confirmed.append(len({s[3] for s in alike}) == 2)
    kept = [face for face, sure in zip(faces, confirmed, strict=True) if sure]
    largest = max((side for *_, side in kept), default=0.0)
    return [face for face in kept if face[2] > _TOO_SMALL * largest]


@cache
def _cascade() -> Any:
    from skimage.feature import Cascade

    # Read from the installed package: skimage.data would ask a registry it may download from.
    name = "lbpcascade_frontalface_opencv.xml"
    with resources.as_file(resources.files("skimage") / "data" / name) as path:
        return Cascade(str(path))

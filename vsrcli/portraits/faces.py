"""Where the faces are, with the cascade of local binary patterns that scikit-image ships."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Square = tuple[float, float, float]
"""Left, top and side."""
_LONG_SIDE = 480
"""Pictures are searched at this size: it takes half a second and finds faces from 1/15 of it."""
_SMALLEST = 32
_HEIGHT_OF_BOX = 1.2
"""Chin to hairline, over the side of the cascade's square: the mean over 400 portraits."""
_TOO_SMALL = 0.5
"""A hit smaller than this share of the largest is an eye or a pattern, hardly ever a face."""
_LOOKS = (48, 57, 68, 80)
"""Sides of the square in which what may be one of several faces is looked at again."""
_AROUND = 1.6
"""What is seen then, over that side."""
_NEAR, _ALIKE = 0.25, 0.6
"""Hits belong to a square whose centre is within this share of its side, and their size."""
_DOUBTED, _LESS = 30, 0.4
"""A square of fewer hits then, and of less than this share of the surest one's, is a pattern: 35 of
the 54 taken for faces in 84 versions of one picture and in 408 portraits, and none of the faces in
those. Beside a surer face 14 of 394 faces would have been taken for one."""


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
    in both. If there are several, each is looked at again, closer and in several sizes, which
    patterns seldom pass either. THREADS: 1, or both images at once.
    """
    height, width = picture.shape[:2]
    scale = _LONG_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if min(size) < _SMALLEST:
        return []
    image = Image.fromarray(picture)
    small = np.asarray(image.resize(size, Image.Resampling.BOX))
    _cascade()  # loaded once, not by either of two threads
    with ThreadPoolExecutor(1 if threads == 1 else 2) as pool:  # the cascade lets go of the GIL
        seen, turned = pool.map(_hits, (small, small[:, ::-1].copy()))
    mirrored = [(size[0] - x - side, y, side) for x, y, side in turned]
    both = [
        (*square, first)
        for squares, first in ((seen, True), (mirrored, False))
        for square in squares
    ]
    squares = [(x / scale, y / scale, side / scale) for x, y, side in _merged(both)]
    return [
        Face(x + side / 2, y + side / 2, _HEIGHT_OF_BOX * side)
        for x, y, side in _believed(image, squares)
    ]


def _believed(image: Image.Image, squares: list[Square]) -> list[Square]:
    """Those of SQUARES in IMAGE that are faces by a closer look, largest first."""
    if len(squares) < 2:
        return squares
    support = {square: _support(image, square) for square in squares}
    least = min(_DOUBTED, _LESS * max(support.values()))
    kept = [square for square in squares if support[square] >= least]
    largest = max(side for *_, side in kept)
    return [square for square in kept if square[2] > _TOO_SMALL * largest]


def _support(image: Image.Image, square: Square) -> int:
    """How many hits there are on SQUARE of IMAGE, in several sizes and mirrored."""
    x, y, side = square
    middle, reach = (x + side / 2, y + side / 2), _AROUND * side / 2
    left, top = (max(0.0, each - reach) for each in middle)
    right, bottom = (
        min(float(end), each + reach) for end, each in zip(image.size, middle, strict=True)
    )
    hits = 0
    for look in _LOOKS:
        scale = look / side
        size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
        seen = np.asarray(image.resize(size, Image.Resampling.BICUBIC, (left, top, right, bottom)))
        across, down = (middle[0] - left) * scale, (middle[1] - top) * scale
        hits += _hits_on(seen, (across, down), look)
        hits += _hits_on(seen[:, ::-1].copy(), (size[0] - across, down), look)
    return hits


def _hits_on(picture: NDArray[np.uint8], middle: tuple[float, float], side: float) -> int:
    """How many squares about MIDDLE (x, y) of PICTURE, of about SIDE, pass for faces."""
    return sum(
        math.hypot(x + found / 2 - middle[0], y + found / 2 - middle[1]) < _NEAR * side
        and _ALIKE * side < found < side / _ALIKE
        for x, y, found in _hits(picture, together=False)
    )


def _hits(picture: NDArray[np.uint8], *, together: bool = True) -> list[Square]:
    """Squares the cascade takes for faces: means of three and more, or not TOGETHER each hit."""
    found = _cascade().detect_multi_scale(
        img=picture,
        scale_factor=1.1,
        step_ratio=1,
        min_size=(_SMALLEST, _SMALLEST),
        max_size=(max(picture.shape[:2]), max(picture.shape[:2])),
        min_neighbor_number=3 if together else 1,
        intersection_score_threshold=0.5 if together else 2.0,  # no two of them share more than 1
    )
    return [(hit["c"], hit["r"], hit["width"]) for hit in found]


def _merged(squares: list[tuple[float, float, float, bool]]) -> list[Square]:
    """One square a face, of squares and whether they are of the picture or its mirror.

    Hits on one face come in several sizes: those of like size are averaged, and those within it but
    far smaller are noses and eyes.
    """
    faces: list[Square] = []
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
    return [face for face, sure in zip(faces, confirmed, strict=True) if sure]


@cache
def _cascade() -> Any:
    from skimage.feature import Cascade

    # Read from the installed package: skimage.data would ask a registry it may download from.
    # Which one that is, the class says: from 0.27 on, scikit-image is but a front of another.
    package, name = Cascade.__module__.partition(".")[0], "lbpcascade_frontalface_opencv.xml"
    with resources.as_file(resources.files(package) / "data" / name) as path:
        return Cascade(str(path))

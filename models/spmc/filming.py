"""Training clips out of photographs: a camera moves over them, and things within them move."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from models.common.depth import eight_bits
from models.spmc.reduction import Clip, reduce
from vsrcli.errors import InputError

PHOTOS = (".jpg", ".jpeg", ".png")
"""How the names of photographs end."""
SIDE = 320
"""Side of a clip made from a photograph, in HR pixels."""
LEAST_DETAIL = 3.0
"""Mean difference along rows, in levels, below which a place teaches nothing."""


@dataclass(frozen=True)
class Path2d:
    """A camera path: position (y, x), turn (radians) and zoom of every frame, and local motion."""

    position: NDArray[np.float64]
    turn: NDArray[np.float64]
    zoom: NDArray[np.float64]
    local: torch.Tensor
    """[2, SIDE, SIDE] pixels a frame: what moves within the scene."""


def camera_path(length: int) -> Path2d:
    """A random path: steady velocity at sub-pixel steps, acceleration, shake, turn and zoom."""
    t = np.arange(length)[:, None]
    velocity = np.random.randn(2) * random.choice([0.3, 1, 2, 4, 7])
    shake = np.cumsum(np.random.randn(length, 2) * random.choice([0, 0, 0.5]), 0)
    turn = random.uniform(-0.5, 0.5) * random.choice([0, 1]) + np.random.randn() * 0.004 * t[:, 0]
    zoom = random.uniform(0.95, 1.15) * np.exp(np.random.randn() * 0.004 * t[:, 0])
    coarse = torch.randn(1, 2, random.choice([3, 5, 8]), random.choice([3, 5, 8]))
    local = F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=False)[0]
    position = velocity * t + np.random.randn(2) * 0.075 * t * t + shake
    return Path2d(position, turn, zoom, local * random.choice([0, 0.3, 0.8, 1.5]))


def film(photo: torch.Tensor, centre: tuple[float, float], path: Path2d) -> torch.Tensor:
    """[T, SIDE, SIDE]: PHOTO [1, 1, H, W] seen along PATH, which begins at CENTRE (y, x)."""
    height, width = photo.shape[2:]
    axis = torch.arange(SIDE).float() - SIDE / 2
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    frames = []
    middle = len(path.turn) / 2
    for t in range(len(path.turn)):
        cosine, sine = np.cos(path.turn[t]), np.sin(path.turn[t])
        x = columns + path.local[1] * (t - middle)
        y = rows + path.local[0] * (t - middle)
        across = (cosine * x - sine * y + path.position[t, 1]) * path.zoom[t] + centre[1]
        down = (sine * x + cosine * y + path.position[t, 0]) * path.zoom[t] + centre[0]
        grid = torch.stack([(across + 0.5) * 2 / width - 1, (down + 0.5) * 2 / height - 1], -1)
        seen = F.grid_sample(
            photo, grid[None], mode="bicubic", padding_mode="reflection", align_corners=False
        )
        frames.append(seen[0, 0].clamp(0, 1))
    return torch.stack(frames)


def photographs(folder: Path) -> list[Path]:
    """The photographs of FOLDER, by name. Raises InputError if there are none."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTOS)
    if not found:
        raise InputError(f"{folder} holds no photographs ({', '.join(PHOTOS)})")
    return found


def photo_luma(path: Path) -> NDArray[np.uint8]:
    """Luma of a photograph, reduced by a whole factor to a short side of 900 to 1400 pixels.

    Raises InputError if it cannot be read.
    """
    try:
        with Image.open(path) as image:
            image.draft("L", (2200, 2200))
            luma = np.asarray(eight_bits(image).convert("L"))
    except Image.DecompressionBombError:
        raise InputError(f"{path} has too many pixels to be opened; reduce it first") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} is no picture, or is damaged") from error
    factor = max(1, round(min(luma.shape) / random.choice([900, 1100, 1400])))
    return reduce(luma[None], factor)[0]


def moving_photo(
    luma: NDArray[np.uint8], foreground: NDArray[np.uint8] | None, length: int
) -> Clip | None:
    """A clip of LENGTH frames; with a FOREGROUND, patches of that photo move over it and occlude.

    None if no place tried has enough detail.
    """
    centre = detailed_place(luma)
    if centre is None:
        return None
    clip = film(unit(luma), centre, camera_path(length))
    if foreground is not None and random.random() < 0.45:
        over = film(unit(foreground), random_place(foreground), camera_path(length))
        blobs = F.interpolate(torch.rand(1, 1, 6, 6), luma.shape, mode="bicubic")
        mask = ((blobs - 0.62) * 60).sigmoid()
        middle = (luma.shape[0] / 2, luma.shape[1] / 2)
        mask = film(mask, middle, camera_path(length))
        clip = clip * (1 - mask) + over * mask
    return (clip * 255).round().byte().numpy()


def unit(luma: NDArray[np.uint8]) -> torch.Tensor:
    """[1, 1, H, W] in 0..1."""
    return torch.from_numpy(luma.astype(np.float32))[None, None] / 255


def random_place(luma: NDArray[np.uint8]) -> tuple[float, float]:
    """A centre (y, x) around which a clip mostly fits."""
    height, width = luma.shape
    y, x = (random.uniform(SIDE * 0.6, size - SIDE * 0.6) for size in (height, width))
    return y, x


def detailed_place(luma: NDArray[np.uint8]) -> tuple[float, float] | None:
    """Of five random places the one with most detail; None if that is next to none."""

    def detail(place: tuple[float, float]) -> float:
        top, left = (int(at) - SIDE // 2 for at in place)
        part = luma[top : top + SIDE, left : left + SIDE].astype(int)
        return float(np.abs(np.diff(part, axis=1)).mean())

    best = max((random_place(luma) for _ in range(5)), key=detail)
    return best if detail(best) >= LEAST_DETAIL else None

"""Portraits of a folder, each face on a canvas as `vsr unmakeup` makes it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from models.common.depth import eight_bits
from models.crn import edits, filters
from vsrcli.errors import InputError
from vsrcli.portraits.faces import Face, find_faces
from vsrcli.portraits.window import Window

FACE_HEIGHT = 512
"""Pixels from chin to hairline at which everything happens."""
CANVAS = (896, 768)
COLUMNS = ("file", "group", "split", "face_height")
"""Of the manifest, the height in pixels."""
SPLITS = ("train", "test")
LEAST_FACE = 250
"""Smaller faces are enlarged more than twice and teach nothing about skin."""


@dataclass(frozen=True)
class Portrait:
    """One face on its canvas."""

    name: str
    group: str
    truth: NDArray[np.uint8]
    """[896, 768, 3]."""
    skin: NDArray[np.uint8]
    """[896, 768], 255 where there is skin."""
    sharp: bool
    """Whether the face was at least as high as here: its texture is its own."""


def read(path: Path) -> NDArray[np.uint8]:
    """The picture as it is looked at. Raises InputError if it cannot be read."""
    try:
        with Image.open(path) as image:
            return np.asarray(eight_bits(ImageOps.exif_transpose(image)).convert("RGB"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing, though the manifest names it") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path} has too many pixels to be opened; reduce it first") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} is no picture, or is damaged") from error


def portraits(folder: Path, split: str) -> Iterator[dict[str, str]]:
    """Rows of the manifest with faces large enough. Raises InputError if it is none."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise InputError(f"{manifest} is missing: it says which portraits there are")
    with manifest.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise InputError(f"{manifest} has no column called {lacking[0]}")
            for row in reader:
                if row["split"] not in SPLITS:
                    raise ValueError(f"split {row['split']!r} is none of {', '.join(SPLITS)}")
                if row["split"] == split and float(row["face_height"]) >= LEAST_FACE:
                    yield row
        except (ValueError, TypeError, csv.Error) as error:
            raise InputError(f"{manifest}, line {reader.line_num}: {error}") from None


def face_of(picture: NDArray[np.uint8], expected: float) -> Face | None:
    """The face in PICTURE about as high as EXPECTED."""
    for face in find_faces(picture):
        if 0.6 < face.height / expected < 1.7:
            return face
    return None


def canvas(folder: Path, row: dict[str, str]) -> Portrait | None:
    """The face of ROW on its canvas; None if the finder does not see it.

    Raises InputError if its picture cannot be read.
    """
    picture = read(folder / row["file"])
    face = face_of(picture, float(row["face_height"]))
    if face is None:
        return None
    window = Window.around(face.x, face.y, face.height, FACE_HEIGHT, CANVAS)
    truth = np.clip(window.take(picture.astype(np.float32) / 255), 0, 1)
    skin = edits.quantise(skin_of(truth))
    sharp = float(row["face_height"]) >= 0.9 * FACE_HEIGHT
    return Portrait(row["file"], row["group"], edits.quantise(truth), skin, sharp)


def skin_of(picture: filters.Picture) -> filters.Plane:
    """Where PICTURE (a canvas) has the colour of its middle, 0..1, feathered.

    Measured on this face, not on a fixed range of chroma, which fails on dark skin.
    """
    height, width = picture.shape[:2]
    soft = filters.blur(picture, 4)
    light = filters.luma(soft) + 0.02
    chroma = np.stack([soft[..., 0] / light, soft[..., 2] / light, 0.5 * np.log(light)], axis=2)
    rows, columns = slice(int(0.42 * height), int(0.66 * height)), slice(width // 3, 2 * width // 3)
    middle = chroma[rows, columns].reshape(-1, 3)
    centre = np.median(middle, axis=0)
    spread = 1.5 * np.median(np.abs(middle - centre), axis=0) + (0.03, 0.04, 0.06)
    distance = (((chroma - centre) / (2.5 * spread)) ** 2).sum(axis=2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    oval = ((x - width / 2) / 260) ** 2 + ((y - height / 2 - 30) / 400) ** 2
    skin = (np.exp(-distance) > 0.3) & (oval < 1)
    return np.clip(filters.blur(skin.astype(np.float32), 5) * 1.4 - 0.2, 0, 1)

"""Portraits -> a cache of faces with smoothed versions -> training pairs, toned on the fly.

    python -m models.crn.data --portraits DIR --cache DIR [--versions 4] [--processes 2]

DIR holds portraits and manifest.csv (file, group, split, face_height, licence ...). Only split
"train" is read. Every face stands on a canvas as `vsr unmakeup` makes it, found by the same finder.
Smoothing is slow and is kept; tone, sharpening, JPEG and the blend are drawn anew for every step.
"""

from __future__ import annotations

import argparse
import csv
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from models.crn import edits, filters
from vsrcli.portraits.faces import Face, find_faces
from vsrcli.portraits.window import Window

FACE_HEIGHT = 512
"""Pixels from chin to hairline at which everything happens."""
CANVAS = (896, 768)
CONTEXT = 16
"""The network's wide view is the canvas reduced by this."""
COARSE = 4
"""Tone for that view is computed on the canvas reduced by this: it is not linear."""
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
    """The picture as it is looked at."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def portraits(folder: Path, split: str) -> Iterator[dict[str, str]]:
    """Rows of the manifest with faces large enough."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["split"] == split and float(row["face_height"]) >= LEAST_FACE:
                yield row


def face_of(picture: NDArray[np.uint8], expected: float) -> Face | None:
    """The face in PICTURE about as high as EXPECTED."""
    for face in find_faces(picture):
        if 0.6 < face.height / expected < 1.7:
            return face
    return None


def canvas(folder: Path, row: dict[str, str]) -> Portrait | None:
    """The face of ROW on its canvas; None if the finder does not see it."""
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


def keep(folder: Path, cache: Path, versions: int, row: dict[str, str]) -> str:
    """Write the canvas of ROW with VERSIONS smoothings to CACHE; returns the name or ""."""
    target = cache / f"{Path(row['file']).stem}.npz"
    if target.exists():
        return row["file"]
    portrait = canvas(folder, row)
    if portrait is None:
        return ""
    random = np.random.default_rng(zlib.crc32(row["file"].encode()))
    truth = portrait.truth.astype(np.float32) / 255
    smoothed = [
        edits.quantise(edits.draw_smoothing(random)(truth, FACE_HEIGHT)) for _ in range(versions)
    ]
    temporary = target.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        pictures=np.stack([portrait.truth, *smoothed]),
        skin=portrait.skin,
        sharp=portrait.sharp,
    )
    temporary.replace(target)
    return row["file"]


class Faces:
    """Training pairs from a cache."""

    def __init__(self, cache: Path, crop: int, every: int = 1) -> None:
        """Crops of CROP pixels of the faces in CACHE, or of one in EVERY of them."""
        files = sorted(path for path in cache.glob("*.npz") if ".tmp" not in path.name)[::every]
        if not files:
            raise SystemExit(f"{cache}: no faces; run python -m models.crn.data first")
        self.pictures, self.skins, self.coarse, sharp = [], [], [], []
        for file in files:
            with np.load(file) as stored:
                self.pictures.append(stored["pictures"])
                self.skins.append(stored["skin"])
                both = [*self.pictures[-1], self.skins[-1][..., None]]
                self.coarse.append([edits.quantise(reduced(each, COARSE)) for each in both])
                sharp.append(float(stored["sharp"]))
        weights = np.array(sharp) * 0.7 + 0.3
        self.weights = weights / weights.sum()
        self.crop = crop

    def pair(
        self, random: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], tuple[int, int]]:
        """Edited crop, true crop (both [crop, crop, 3]), edited context and the crop's corner."""
        index = int(random.choice(len(self.pictures), p=self.weights))
        pictures, skin = self.pictures[index], self.skins[index]
        margin = 8
        kind = random.random()  # 10 % untouched, 8 % tone alone, 12 % smoothing alone
        version = 1 + int(random.integers(len(pictures) - 1)) if kind >= 0.18 else 0
        finish = edits.draw_finish(random, toned=kind >= 0.10 and not 0.18 <= kind < 0.30)
        if kind < 0.05:
            finish = edits.Finish()  # untouched to the last bit; the other half is saved again
        blend = float(random.uniform(0.5, 1.0))
        skin_only = random.random() < 0.5
        top, left = self.corner(random, skin)

        def edit(
            truth: filters.Picture, smooth: filters.Picture, on: filters.Picture
        ) -> filters.Picture:
            edited = filters.mix(truth, smooth, blend)
            if truth.shape[0] <= self.crop + 2 * margin:
                edited = edits.sharpen(edited, finish.sharpening)
            edited = finish.colour(edited)
            return filters.mix(truth, edited, on[..., 0]) if skin_only else edited

        rows = slice(max(0, top - margin), min(CANVAS[0], top + self.crop + margin))
        columns = slice(max(0, left - margin), min(CANVAS[1], left + self.crop + margin))
        inner = (slice(top - rows.start, top - rows.start + self.crop),)
        inner += (slice(left - columns.start, left - columns.start + self.crop),)
        near = [pictures[0], pictures[version], skin[..., None]]
        crop = edit(*(reduced(each[rows, columns], 1) for each in near))
        wide = self.coarse[index]
        whole = edit(*(reduced(each, 1) for each in (wide[0], wide[version], wide[-1])))
        truth = pictures[0, top : top + self.crop, left : left + self.crop]
        return (
            edits.saved(np.clip(crop, 0, 1), finish)[inner],
            reduced(truth, 1),
            reduced(whole, CONTEXT // COARSE),
            (top, left),
        )

    def corner(self, random: np.random.Generator, skin: NDArray[np.uint8]) -> tuple[int, int]:
        """Top left corner of a crop, on CONTEXT's grid; mostly of skin."""
        steps = [(extent - self.crop) // CONTEXT + 1 for extent in CANVAS]
        for _ in range(4):
            top, left = (CONTEXT * int(random.integers(count)) for count in steps)
            seen = skin[top : top + self.crop : 8, left : left + self.crop : 8].mean() / 255
            if seen > random.random() * 0.6:
                break
        return top, left

    def batch(
        self, count: int, seed: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[tuple[int, int]]]:
        """COUNT pairs [n, 3, crop, crop], contexts [n, 3, 56, 48], corners; flipped at random."""
        random = np.random.default_rng(seed)
        edited, truth, context, corners = [], [], [], []
        for _ in range(count):
            one, two, wide, (top, left) = self.pair(random)
            if random.random() < 0.5:
                one, two, wide = (each[:, ::-1] for each in (one, two, wide))
                left = CANVAS[1] - self.crop - left
            for each, to in ((one, edited), (two, truth), (wide, context)):
                to.append(torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1))))
            corners.append((top, left))
        return torch.stack(edited), torch.stack(truth), torch.stack(context), corners


def reduced(picture: NDArray[np.generic], factor: int) -> NDArray[np.float32]:
    """Means over FACTOR x FACTOR pixels of PICTURE [h, w, c]; bytes become 0..1."""
    height, width, channels = picture.shape
    scale = 1 / 255 if picture.dtype == np.uint8 else 1.0
    if factor == 1:
        return picture.astype(np.float32) * np.float32(scale)
    cells = picture.reshape(height // factor, factor, width // factor, factor, channels)
    return cells.mean(axis=(1, 3), dtype=np.float32) * np.float32(scale)


def main() -> None:
    """Fill the cache."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.data", description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--versions", type=int, default=4, help="smoothings of each face")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    rows = list(portraits(given.portraits, "train"))
    work = partial(keep, given.portraits, given.cache, given.versions)
    with ProcessPoolExecutor(given.processes) as pool:
        done = [name for name in pool.map(work, rows, chunksize=4) if name]
    print(f"{len(done)} of {len(rows)} portraits; no face was found in the others")


if __name__ == "__main__":
    main()

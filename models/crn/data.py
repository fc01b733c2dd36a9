"""Portraits -> a cache of faces with smoothed versions -> training pairs, toned on the fly.

    python -m models.crn.data --portraits DIR --cache DIR [--versions 5] [--apps 2] [--processes 2]

DIR holds portraits and manifest.csv (file, group, split, face_height, licence ...). Only split
"train" is read. Every face stands on a canvas as `vsr unmakeup` makes it, found by the same finder.
Smoothing is slow and is kept; tone, sharpening, JPEG, the blend and the light on the photo are
drawn anew for every step.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.common.command import positive, say, told
from models.crn import edits, filters
from models.crn.canvas import CANVAS, FACE_HEIGHT, LEAST_FACE, canvas, portraits
from vsrcli.errors import InputError, UsageError

CONTEXT = 16
"""The network's wide view is the canvas reduced by this."""
COARSE = 4
"""Tone for that view is computed on the canvas reduced by this: it is not linear."""
NEAR = (slice(288, 608), slice(256, 512))
"""The part of the canvas whose texture is evidence of an edit: eyes to chin."""
KINDS: Mapping[str, float] = {
    "untouched": 0.22,
    "app": 0.34,
    "tone": 0.06,
    "smoothing": 0.08,
    "both": 0.30,
}
"""What a training pair is. Half of the untouched are saved again as JPEG; "app" is near a phone
app's default, the others are drawn from all that apps do."""
LIT = 0.35
"""How often the photo is lit otherwise first."""


def keep(folder: Path, cache: Path, versions: int, apps: int, row: dict[str, str]) -> str:
    """Write the canvas of ROW with VERSIONS and APPS smoothings to CACHE; the name or ""."""
    target = cache / f"{Path(row['file']).stem}.npz"
    if target.exists():
        return row["file"]
    try:
        portrait = canvas(folder, row)
    except InputError as error:
        say(f"left out: {error}")
        return ""
    if portrait is None:
        return ""
    truth = portrait.truth.astype(np.float32) / 255
    smoothed = []
    for count, draw, seed in (
        (versions, edits.draw_smoothing, row["file"]),
        (apps, edits.draw_app_smoothing, f"app {row['file']}"),
    ):
        random = np.random.default_rng(zlib.crc32(seed.encode()))
        smoothed += [edits.quantise(draw(random)(truth, FACE_HEIGHT)) for _ in range(count)]
    temporary = target.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        pictures=np.stack([portrait.truth, *smoothed]),
        skin=portrait.skin,
        sharp=portrait.sharp,
        apps=apps,
    )
    temporary.replace(target)
    return row["file"]


def _whole(cache: Path) -> list[Path]:
    return sorted(path for path in cache.glob("*.npz") if ".tmp" not in path.name)


def cached(cache: Path) -> list[Path]:
    """The files of the faces in CACHE. Raises InputError if there are none."""
    files = _whole(cache)
    if not files:
        raise InputError(f"{cache}: no faces; run python -m models.crn.data first")
    return files


def read(path: Path) -> dict[str, NDArray[np.generic]]:
    """One face of a cache. Raises InputError if it is damaged, or not what `keep` writes."""
    try:
        with np.load(path) as found:
            stored = dict(found)
    except (BadZipFile, ValueError, EOFError, zlib.error) as error:
        again = "delete it and let models.crn.data make it again"
        raise InputError(f"{path} is damaged; {again}") from error
    pictures = stored.get("pictures")
    if not {"pictures", "skin", "sharp", "apps"} <= stored.keys() or (
        pictures is None or pictures.shape[1:] != (*CANVAS, 3)
    ):
        raise InputError(f"{path} is no face of this models.crn.data")
    return stored


def check_alike(cache: Path, versions: int, apps: int) -> None:
    """Check that the faces in CACHE, which stay, have as many smoothings as those to come.

    Raises UsageError if not.
    """
    for path in _whole(cache)[:1]:  # all are alike, or Faces refuses them
        stored = read(path)
        found = len(stored["pictures"]) - 1 - int(stored["apps"]), int(stored["apps"])
        if found != (versions, apps):
            made = "--versions {} --apps {}".format(*found)
            raise UsageError(f"{cache} holds faces made with {made}: give these or another --cache")


@dataclass(frozen=True)
class Draw:
    """A random training pair, before its pixels are made."""

    face: int
    version: int
    """Of the smoothed pictures, 0 for none."""
    blend: float
    finish: edits.Finish
    skin_only: bool
    light: NDArray[np.uint8] | None
    """A table [256, 3] for truth and edited alike."""

    @property
    def edited(self) -> bool:
        """Whether anything but the file was changed."""
        finish = self.finish
        plain = edits.Finish(quality=finish.quality, subsampling=finish.subsampling)
        return self.version > 0 or replace(finish, amount=0.0, second_amount=0.0) != plain

    def __call__(
        self,
        truth: NDArray[np.uint8],
        smooth: NDArray[np.uint8],
        skin: NDArray[np.uint8],
        *,
        fine: bool,
    ) -> tuple[filters.Picture, filters.Picture]:
        """TRUTH [h, w, 3] as lit, and edited; FINE: at full size, with sharpening and JPEG."""
        before = reduced(self.lit(truth), 1)
        after = before
        if self.version:
            after = filters.mix(before, reduced(self.lit(smooth), 1), self.blend)
        if fine and self.finish.sharpening:
            after = edits.sharpen(after, self.finish.sharpening)
        after = self.finish.colour(after)
        if self.skin_only:
            after = filters.mix(before, after, reduced(skin[..., None], 1)[..., 0])
        return before, edits.saved(np.clip(after, 0, 1), self.finish) if fine else after

    def lit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """PICTURE in this pair's light."""
        if self.light is None:
            return picture
        return np.stack([self.light[picture[..., c], c] for c in range(3)], axis=2)


@dataclass(frozen=True)
class View:
    """What the network's head sees of a pair."""

    small: filters.Picture
    """[56, 48, 3], the edited canvas reduced by 16."""
    truth: filters.Picture
    """The same of the truth."""
    near: filters.Picture
    """[320, 256, 3], the edited face (NEAR)."""


class Faces:
    """Training pairs from a cache."""

    def __init__(
        self, cache: Path, crop: int, every: int = 1, kinds: Mapping[str, float] = KINDS
    ) -> None:
        """Crops of CROP pixels of the faces in CACHE, or of one in EVERY of them.

        Raises InputError if there are none, or one is damaged.
        """
        self.pictures, self.skins, self.coarse, sharp = [], [], [], []
        made: set[tuple[int, int]] = set()
        for file in cached(cache)[::every]:
            stored = read(file)
            self.pictures.append(stored["pictures"])
            self.skins.append(stored["skin"])
            both = [*self.pictures[-1], self.skins[-1]]
            self.coarse.append([np.asarray(Image.fromarray(e).reduce(COARSE)) for e in both])
            sharp.append(float(stored["sharp"]))
            made.add((len(self.pictures[-1]), int(stored["apps"])))
        if len(made) > 1:  # which picture is which follows from these numbers
            raise InputError(f"{cache}: its faces were made with different --versions or --apps")
        ((_, self.apps),) = made
        weights = np.array(sharp) * 0.7 + 0.3
        self.weights = weights / weights.sum()
        self.crop, self.kinds = crop, kinds

    def draw(self, random: np.random.Generator) -> Draw:
        """What the next pair is made of."""
        face = int(random.choice(len(self.pictures), p=self.weights))
        kind = str(random.choice(list(self.kinds), p=list(self.kinds.values())))
        drawn = len(self.pictures[face]) - 1 - self.apps
        version, blend, skin_only = 0, 1.0, random.random() < 0.5
        light = edits.draw_light(random) if random.random() < LIT else None
        if kind == "app":
            finish = edits.draw_app_finish(random)
            version, blend = 1 + drawn + int(random.integers(self.apps)), random.uniform(0.8, 1)
            skin_only = random.random() < 0.1
        else:
            finish = edits.draw_finish(random, toned=kind in ("tone", "both"))
            if kind in ("smoothing", "both"):
                version, blend = 1 + int(random.integers(drawn)), random.uniform(0.5, 1)
        if kind == "untouched" and random.random() < 0.5:
            finish = edits.Finish()  # untouched to the last bit; the other half is saved again
        return Draw(face, version, float(blend), finish, skin_only, light)

    def near_an_app(self, drawn: Draw) -> bool:
        """Whether DRAWN is of the kind "app"."""
        return drawn.version > len(self.pictures[drawn.face]) - 1 - self.apps

    def usual(self, drawn: Draw) -> bool:
        """Whether DRAWN changes tone about as much as the one app does whose figures are known."""
        least, most = edits.APP_USUAL
        finish = drawn.finish
        return finish.tone == "toe log" and least < finish.amount < most and not drawn.skin_only

    def cut(
        self, drawn: Draw, rows: slice, columns: slice
    ) -> tuple[filters.Picture, filters.Picture]:
        """Truth and edited picture of DRAWN at ROWS and COLUMNS of the canvas."""
        pictures = self.pictures[drawn.face]
        near = (pictures[0], pictures[drawn.version], self.skins[drawn.face])
        return drawn(*(each[rows, columns] for each in near), fine=True)

    def view(self, drawn: Draw) -> View:
        """What the head sees of DRAWN."""
        wide = self.coarse[drawn.face]
        truth, edited = drawn(wide[0], wide[drawn.version], wide[-1], fine=False)
        small = [reduced(each, CONTEXT // COARSE) for each in (edited, truth)]
        return View(*small, self.cut(drawn, *NEAR)[1])

    def pair(self, drawn: Draw, top: int, left: int) -> tuple[filters.Picture, filters.Picture]:
        """Edited and true crop [crop, crop, 3] at TOP, LEFT."""
        margin = 8
        rows = slice(max(0, top - margin), min(CANVAS[0], top + self.crop + margin))
        columns = slice(max(0, left - margin), min(CANVAS[1], left + self.crop + margin))
        inner = (slice(top - rows.start, top - rows.start + self.crop),)
        inner += (slice(left - columns.start, left - columns.start + self.crop),)
        truth, edited = self.cut(drawn, rows, columns)
        return edited[inner], truth[inner]

    def corner(self, random: np.random.Generator, skin: NDArray[np.uint8]) -> tuple[int, int]:
        """Top left corner of a crop, on CONTEXT's grid; mostly of skin."""
        steps = [(extent - self.crop) // CONTEXT + 1 for extent in CANVAS]
        for _ in range(4):
            top, left = (CONTEXT * int(random.integers(count)) for count in steps)
            seen = skin[top : top + self.crop : 8, left : left + self.crop : 8].mean() / 255
            if seen > random.random() * 0.6:
                break
        return top, left

    def batch(self, count: int, seed: int) -> Batch:
        """COUNT pairs, flipped at random; the same for the same SEED."""
        random = np.random.default_rng(seed)
        columns: list[list[torch.Tensor]] = [[], [], [], []]
        corners = []
        for _ in range(count):
            drawn = self.draw(random)
            top, left = self.corner(random, self.skins[drawn.face])
            view = self.view(drawn)
            pictures = [*self.pair(drawn, top, left), view.small, view.near]
            if random.random() < 0.5:
                pictures = [each[:, ::-1] for each in pictures]
                left = CANVAS[1] - self.crop - left
            for picture, column in zip(pictures, columns, strict=True):
                column.append(tensor(picture))
            corners.append((top, left))
        return Batch(*(torch.stack(column) for column in columns), corners)


@dataclass(frozen=True)
class Batch:
    """Training pairs."""

    edited: torch.Tensor
    """[n, 3, crop, crop]."""
    truth: torch.Tensor
    small: torch.Tensor
    """[n, 3, 56, 48], the edited canvas reduced by 16."""
    near: torch.Tensor
    """[n, 3, 320, 256], the edited face (NEAR)."""
    corners: list[tuple[int, int]]
    """Top and left of the crops on the canvas."""


def tensor(picture: NDArray[np.float32]) -> torch.Tensor:
    """PICTURE [h, w, c] as [c, h, w]."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def reduced(picture: NDArray[np.generic], factor: int) -> NDArray[np.float32]:
    """Means over FACTOR x FACTOR pixels of PICTURE [h, w, c]; bytes become 0..1."""
    height, width, channels = picture.shape
    scale = 1 / 255 if picture.dtype == np.uint8 else 1.0
    if factor == 1:
        return picture.astype(np.float32) * np.float32(scale)
    cells = picture.reshape(height // factor, factor, width // factor, factor, channels)
    return cells.mean(axis=(1, 3), dtype=np.float32) * np.float32(scale)


def named_apart(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    """ROWS, but for those whose file goes by the name of another in the cache."""
    named: dict[str, str] = {}
    for row in rows:
        first = named.setdefault(Path(row["file"]).stem, row["file"])
        if first == row["file"]:
            yield row
        else:
            say(f"left out: {row['file']}: {first} goes by the same name; rename one of them")


@told
def main() -> None:
    """Fill the cache."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.data", description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--versions", type=positive, default=5, help="smoothings of each face")
    parser.add_argument("--apps", type=positive, default=2, help="more of them, near a phone app's")
    parser.add_argument("--processes", type=positive, default=2)
    given = parser.parse_args()
    rows = list(named_apart(portraits(given.portraits, "train")))
    if not rows:
        least = f'no row of split "train" has a face_height of {LEAST_FACE} or more'
        raise InputError(f"{given.portraits / 'manifest.csv'}: {least}")
    given.cache.mkdir(parents=True, exist_ok=True)
    check_alike(given.cache, given.versions, given.apps)
    work = partial(keep, given.portraits, given.cache, given.versions, given.apps)
    with ProcessPoolExecutor(given.processes) as pool:
        done = [name for name in pool.map(work, rows, chunksize=4) if name]
    print(f"{len(done)} of {len(rows)} portraits; the others could not be read or show no face")


if __name__ == "__main__":
    main()

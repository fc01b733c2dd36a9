"""Training clips: real shots and photographs in synthetic motion, with their degraded inputs.

    python -m models.spmc.data --videos DIR --photos DIR --cache DIR [--per-photo 12]

Every clip is one .npz in the cache: HR luma `hr` [T, 4h, 4w] uint8 and its LR inputs [T, h, w]:
`bi` (anti-aliased bicubic), `bd` (Gaussian, then every fourth pixel) and `contest` (swscale's
bicubic, then libx264 at a crf of 18 to 28), made by the degradations of `vsr degrade`.

A folder of videos may hold a manifest.csv with the columns file and crop ("left half: x=0,w=1024"
keeps the first 1024 columns). Clips are cached once; making them again is a matter of minutes.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from vsrcli.degradation import Degradation, Kind, compress
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags, Frame
from vsrcli.media.reader import Reader

Clip = NDArray[np.uint8]
"""[T, H, W] luma."""

CRFS = (18, 21, 21, 24, 28)
KINDS = ("bi", "contest", "bd")
CUT = 28.0
"""Mean absolute difference of successive thumbnails, in levels, that means a scene cut."""
LEAST_MOTION, LEAST_DETAIL = 0.3, 3.0
"""Mean differences in time and along rows, in levels, below which a clip teaches nothing."""
GRAY = layout_of("gray")
SIDE = 320
"""Side of a clip made from a photograph, in HR pixels."""


# --- real shots -----------------------------------------------------------------------------------


def shots(path: Path, length: int, most: int, columns: int | None) -> Iterator[Clip]:
    """At most MOST clips of LENGTH frames without a cut, spread over the video, halved or more.

    Video from the web has no detail left at its full size, so it is reduced by a whole factor to a
    short side of about 400 pixels before it serves as the truth.
    """
    with Reader(path) as reader:
        factor = reduction(min(reader.info.width, reader.info.height))
        stride = max(1, (reader.info.frames or 200) // length // most)
        made = 0
        for clip in stretches(reader, length, stride, columns):
            clip = reduce(clip, factor)
            motion = np.abs(np.diff(clip[:, ::2, ::2].astype(int), axis=0)).mean()
            detail = np.abs(np.diff(clip[0].astype(int), axis=1)).mean()
            if motion > LEAST_MOTION and detail > LEAST_DETAIL:
                yield clip
                made += 1
            if made >= most:
                return


def reduction(short: int) -> int:
    """By how much a video with this short side is reduced."""
    return max(2 if short >= 480 else 1, round(short / 400))


def stretches(frames: Reader, length: int, stride: int, columns: int | None) -> Iterator[Clip]:
    """Luma of every STRIDE-th stretch of LENGTH frames that holds no scene cut."""
    pending: list[NDArray[np.uint8]] = []
    last: NDArray[np.int64] | None = None
    for frame in frames:
        if (frame.index // length) % stride and not pending:
            continue
        luma = frame.planes[0][:, :columns]
        thumbnail = luma[::8, ::8].astype(int)
        if last is not None and pending and np.abs(thumbnail - last).mean() > CUT:
            pending = []
        last = thumbnail
        pending.append(luma)
        if len(pending) == length:
            yield np.stack(pending)
            pending = []


def reduce(clip: Clip, factor: int) -> Clip:
    """CLIP smaller by a whole FACTOR, its sizes multiples of 8."""
    if factor > 1:
        height, width = (size // factor * factor for size in clip.shape[1:])
        clip = degrade_luma(clip[:, :height, :width], factor, "bi")
    height, width = (size // 8 * 8 for size in clip.shape[1:])
    return clip[:, :height, :width]


def degrade_luma(clip: Clip, factor: int, kind: Kind) -> Clip:
    """CLIP reduced by FACTOR as `vsr degrade --kind KIND` does it."""
    reduction = Degradation(GRAY, (clip.shape[2], clip.shape[1]), scale=factor, kind=kind)
    return np.stack([reduction([picture])[0] for picture in clip])


def compress_luma(clip: Clip, crf: int) -> Clip:
    """CLIP through libx264, as `vsr degrade` compresses."""
    frames = [
        Frame((picture,), GRAY, index, 1, Fraction(1, 25), ColourTags(), index)
        for index, picture in enumerate(clip)
    ]
    return np.stack([frame.planes[0] for frame in compress(frames, crf=crf)])


def crops(folder: Path) -> dict[str, int]:
    """Columns to keep, by file name, as the folder's manifest says."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return {}
    with manifest.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = {row["file"]: re.search(r"left half.*w=(\d+)", row.get("crop") or "") for row in rows}
    return {name: int(match.group(1)) for name, match in found.items() if match}


# --- photographs in synthetic motion --------------------------------------------------------------


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


def photo_luma(path: Path) -> NDArray[np.uint8]:
    """Luma of a photograph, reduced by a whole factor to a short side of 900 to 1400 pixels."""
    with Image.open(path) as image:
        image.draft("L", (2200, 2200))
        luma = np.asarray(image.convert("L"))
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


# --- the cache ------------------------------------------------------------------------------------


def store(clip: Clip, path: Path) -> None:
    """Write CLIP with its degraded inputs."""
    contest = compress_luma(degrade_luma(clip, 4, "contest"), random.choice(CRFS))
    np.savez(
        path,
        hr=clip,
        bi=degrade_luma(clip, 4, "bi"),
        bd=degrade_luma(clip, 4, "bd"),
        contest=contest,
    )


def prepare_videos(folder: Path, cache: Path, length: int, most: int) -> None:
    """Cache clips of every video of FOLDER that has none yet."""
    keep = crops(folder)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".csv", ".md") or (cache / f"{path.name}_000.npz").exists():
            continue
        made = 0
        for clip in shots(path, length, most, keep.get(path.name)):
            store(clip, cache / f"{path.name}_{made:03d}.npz")
            made += 1
        print(f"{made:4d} clips  {path.name}", flush=True)


def prepare_photos(folder: Path, cache: Path, length: int, each: int) -> None:
    """Cache EACH clips of every photograph of FOLDER that has none yet."""
    last: NDArray[np.uint8] | None = None
    for path in sorted(folder.glob("*.jpg")) + sorted(folder.glob("*.png")):
        if (cache / f"{path.stem}_photo_000.npz").exists():
            continue
        luma = photo_luma(path)
        if min(luma.shape) < SIDE * 1.3:
            continue
        clips = (moving_photo(luma, last, length) for _ in range(each))
        for number, clip in enumerate(clip for clip in clips if clip is not None):
            store(clip, cache / f"{path.stem}_photo_{number:03d}.npz")
        last = luma
    print(f"{len(list(cache.glob('*_photo_*.npz')))} clips of photographs", flush=True)


class Clips:
    """Random training patches from a cache, held in memory."""

    def __init__(self, cache: Path, length: int, patch: int, mixture: dict[str, float]) -> None:
        """Sequences of LENGTH frames, PATCH x PATCH LR pixels; MIXTURE: share of each kind."""
        self.length, self.patch = length, patch
        self.kinds, self.shares = list(mixture), list(mixture.values())
        self.clips = []
        for path in sorted(cache.glob("*.npz")):
            with np.load(path) as stored:
                if len(stored["hr"]) >= length and min(stored["bi"].shape[1:]) >= patch:
                    self.clips.append({name: stored[name] for name in ("hr", *KINDS)})
        # Large clips hold more to see, though less than their area says.
        self.weights = [float(np.prod(clip["bi"].shape[1:])) ** 0.5 for clip in self.clips]

    def sample(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """HR [B, T, 4P, 4P] and LR [B, T, P, P] in 0..1, augmented."""
        pairs = [augment(*max(self._pick(), self._pick(), key=contrast)) for _ in range(count)]
        high, low = (np.stack([pair[side] for pair in pairs]) for side in (0, 1))
        return torch.from_numpy(high).float() / 255, torch.from_numpy(low).float() / 255

    def _pick(self) -> tuple[Clip, Clip]:
        clip = random.choices(self.clips, self.weights)[0]
        low = clip[random.choices(self.kinds, self.shares)[0]]
        t, y, x = (
            random.randint(0, size - wanted)
            for size, wanted in zip(low.shape, (self.length, self.patch, self.patch), strict=True)
        )
        size, stop = self.patch, t + self.length
        high = clip["hr"][t:stop, y * 4 : (y + size) * 4, x * 4 : (x + size) * 4]
        return high, low[t:stop, y : y + size, x : x + size]


def contrast(pair: tuple[Clip, Clip]) -> float:
    """Standard deviation of the first LR patch: of two candidates the richer is taken."""
    return float(pair[1][0].std())


def augment(high: Clip, low: Clip) -> tuple[Clip, Clip]:
    """Random time reversal, flips and transposition, the same for both."""
    for axis in range(3):
        if random.random() < 0.5:
            high, low = np.flip(high, axis), np.flip(low, axis)
    if random.random() < 0.5:
        high, low = high.swapaxes(1, 2), low.swapaxes(1, 2)
    return np.ascontiguousarray(high), np.ascontiguousarray(low)


def main() -> None:
    """Prepare a cache."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.data", description=__doc__)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--per-video", type=int, default=20, help="clips of one video at most")
    parser.add_argument("--per-photo", type=int, default=12, help="clips made from one photograph")
    parser.add_argument("--length", type=int, default=16, help="frames of a clip")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random.seed(given.seed), np.random.seed(given.seed), torch.manual_seed(given.seed)
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    if given.videos:
        prepare_videos(given.videos, given.cache, given.length, given.per_video)
    if given.photos:
        prepare_photos(given.photos, given.cache, given.length, given.per_photo)


if __name__ == "__main__":
    main()

"""Training clips: real shots and photographs in synthetic motion, with their degraded inputs.

    python -m models.spmc.data --videos DIR --photos DIR --cache DIR [--per-photo 12]

Every clip is one .npz in the cache: HR luma `hr` [T, H, W] uint8 and its LR inputs, a half, a third
and a quarter as large, `bi_x2` to `contest_x4`: `bi` (anti-aliased bicubic), `bd` (Gaussian, then
single pixels) and `contest` (swscale's bicubic, then libx264 at a crf of 18 to 28), made by the
degradations of `vsr degrade`.

A folder of videos may hold a manifest.csv with the columns file and crop ("left half: x=0,w=1024"
keeps the first 1024 columns). Clips are cached once; making them again is a matter of minutes.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.spmc.filming import SIDE, moving_photo, photo_luma
from models.spmc.reduction import Clip, compress_luma, degrade_luma
from models.spmc.shots import crops, shots
from vsrcli.degradation import Kind

CRFS = (18, 21, 21, 24, 28)
KINDS: tuple[Kind, ...] = ("bi", "contest", "bd")
FACTORS = (4, 3, 2)
"""How many times smaller, each way, the inputs are that there are of every clip."""


def store(clip: Clip, path: Path) -> None:
    """Write CLIP with its degraded inputs."""
    crf = random.choice(CRFS)
    inputs = {
        f"{kind}_x{factor}": degraded(clip, factor, kind, crf)
        for factor in FACTORS
        for kind in KINDS
    }
    np.savez(path, hr=clip, **inputs)


def degraded(clip: Clip, factor: int, kind: Kind, crf: int) -> Clip:
    """CLIP [T, H, W] smaller by FACTOR; what no whole pixel is made of, right and below, is cut."""
    height, width = (size // factor * factor for size in clip.shape[1:])
    low = degrade_luma(clip[:, :height, :width], factor, kind)
    return compress_luma(low, crf) if kind == "contest" else low


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


def load(cache: Path) -> list[dict[str, Clip]]:
    """Every clip of a cache, by the names it is stored under."""
    clips = []
    for path in sorted(cache.glob("*.npz")):
        with np.load(path) as stored:
            clips.append(dict(stored))
    return clips


class Clips:
    """Random training patches from clips held in memory."""

    def __init__(
        self, clips: list[dict[str, Clip]], length: int, patch: int, mixture: dict[str, float]
    ) -> None:
        """Sequences of LENGTH frames, PATCH x PATCH LR pixels; MIXTURE: share of each kind."""
        self.length, self.patch = length, patch
        self.kinds, self.shares = list(mixture), list(mixture.values())
        self.clips = [
            clip
            for clip in clips
            if len(clip["hr"]) >= length and min(clip["bi_x4"].shape[1:]) >= patch
        ]
        # Large clips hold more to see, though less than their area says.
        self.weights = [float(np.prod(clip["hr"].shape[1:])) ** 0.5 for clip in self.clips]

    def sample(self, count: int, factor: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
        """HR [B, T, FACTOR * P, FACTOR * P] and LR [B, T, P, P] in 0..1, augmented."""
        pairs = [
            augment(*max(self._pick(factor), self._pick(factor), key=contrast))
            for _ in range(count)
        ]
        high, low = (np.stack([pair[side] for pair in pairs]) for side in (0, 1))
        return torch.from_numpy(high).float() / 255, torch.from_numpy(low).float() / 255

    def _pick(self, factor: int) -> tuple[Clip, Clip]:
        clip = random.choices(self.clips, self.weights)[0]
        kind = random.choices(self.kinds, self.shares)[0]
        low = clip[f"{kind}_x{factor}"]
        t, y, x = (
            random.randint(0, size - wanted)
            for size, wanted in zip(low.shape, (self.length, self.patch, self.patch), strict=True)
        )
        size, stop = self.patch, t + self.length
        of_low = slice(y, y + size), slice(x, x + size)
        of_high = (slice(at.start * factor, at.stop * factor) for at in of_low)
        return clip["hr"][t:stop, *of_high], low[t:stop, *of_low]


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

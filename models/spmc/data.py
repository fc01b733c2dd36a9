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
import zlib
from collections.abc import Iterable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from models.common.command import positive, say, told
from models.spmc.filming import SIDE, moving_photo, photo_luma, photographs
from models.spmc.reduction import Clip, compress_luma, degrade_luma
from models.spmc.shots import crops, shots
from vsrcli.degradation import Kind
from vsrcli.errors import InputError

CRFS = (18, 21, 21, 24, 28)
KINDS: tuple[Kind, ...] = ("bi", "contest", "bd")
FACTORS = (4, 3, 2)
"""How many times smaller, each way, the inputs are that there are of every clip."""
INPUTS = {f"{kind}_x{factor}": (kind, factor) for factor in FACTORS for kind in KINDS}
"""What they are called: how they are made, and how many times smaller they are."""


def store(clip: Clip, path: Path) -> None:
    """Write CLIP with its degraded inputs."""
    crf = random.choice(CRFS)
    inputs = {name: degraded(clip, factor, kind, crf) for name, (kind, factor) in INPUTS.items()}
    with path.open("wb") as file:
        np.savez(file, hr=clip, **inputs)


def keep(clips: Iterable[Clip], cache: Path, name: str) -> int:
    """Cache CLIPS as NAME_000.npz and so on; how many there were.

    The first appears last: where it is there, all are, and what was interrupted is made anew.
    """
    parts: list[Path] = []
    for clip in clips:
        parts.append(cache / f"{name}_{len(parts):03d}.part")
        store(clip, parts[-1])
    for part in reversed(parts):
        part.replace(part.with_suffix(".npz"))
    return len(parts)


def degraded(clip: Clip, factor: int, kind: Kind, crf: int) -> Clip:
    """CLIP [T, H, W] smaller by FACTOR; what no whole pixel is made of, right and below, is cut."""
    height, width = (size // factor * factor for size in clip.shape[1:])
    low = degrade_luma(clip[:, :height, :width], factor, kind)
    return compress_luma(low, crf) if kind == "contest" else low


def prepare_videos(folder: Path, cache: Path, length: int, most: int) -> None:
    """Cache clips of every video of FOLDER that has none yet; what is no video is named."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder")
    columns = crops(folder)
    files = [path for path in folder.iterdir() if path.is_file()]
    videos = sorted(path for path in files if path.suffix not in (".csv", ".md"))
    if not videos:
        raise InputError(f"{folder} holds no videos")
    for path in videos:
        if (cache / f"{path.name}_000.npz").exists():
            say(f"{path}: {cache} has clips of that name already, which stay")
            continue
        try:
            made = keep(shots(path, length, most, columns.get(path.name)), cache, path.name)
        except InputError as error:
            say(f"left out: {error}")
            continue
        print(f"{made:4d} clips  {path.name}", flush=True)
        if not made:
            say(f"{path}: nowhere {length} frames without a cut that move and hold detail")


def prepare_photos(folder: Path, cache: Path, length: int, each: int) -> None:
    """Cache EACH clips of every photograph of FOLDER that has none yet."""
    last: NDArray[np.uint8] | None = None
    named: dict[str, Path] = {}
    for path in photographs(folder):
        name = f"{path.stem}_photo"
        if named.setdefault(name, path) is not path:
            say(f"left out: {path}: {named[name].name} goes by the same name; rename one of them")
            continue
        if (cache / f"{name}_000.npz").exists():
            say(f"{path}: {cache} has clips of that name already, which stay")
            continue
        try:
            luma = photo_luma(path)
        except InputError as error:
            say(f"left out: {error}")
            continue
        if min(luma.shape) < SIDE * 1.3:
            say(f"left out: {path}: its sides must be {round(SIDE * 1.3)} pixels or more")
            continue
        clips = (moving_photo(luma, last, length) for _ in range(each))
        if not keep((clip for clip in clips if clip is not None), cache, name):
            say(f"left out: {path}: nowhere enough detail to learn from")
        last = luma
    print(f"{len(list(cache.glob('*_photo_*.npz')))} clips of photographs", flush=True)


def load(cache: Path) -> list[dict[str, Clip]]:
    """Every clip of a cache, by the names it is stored under.

    Raises InputError if there is none, or one is damaged.
    """
    return [read(path) for path in cached(cache)]


def cached(cache: Path) -> list[Path]:
    """The files of a cache. Raises InputError if there are none."""
    paths = sorted(cache.glob("*.npz"))
    if not paths:
        raise InputError(f"{cache} holds no clips; python -m models.spmc.data makes them")
    return paths


def read(path: Path) -> dict[str, Clip]:
    """One clip of a cache. Raises InputError if it is damaged, or not what `store` writes."""
    try:
        with np.load(path) as stored:
            clip = dict(stored)
    except (BadZipFile, ValueError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} is damaged; delete it and let models.spmc.data make it again"
        ) from error
    lacking = [name for name in ("hr", *INPUTS) if name not in clip]
    if lacking:
        raise InputError(f"{path} has no {lacking[0]}: it is no clip of this models.spmc.data")
    return clip


class Clips:
    """Random training patches from clips held in memory."""

    def __init__(
        self, clips: list[dict[str, Clip]], length: int, patch: int, mixture: dict[str, float]
    ) -> None:
        """Sequences of LENGTH frames, PATCH x PATCH LR pixels; MIXTURE: share of each kind.

        Raises InputError if no clip is large enough.
        """
        self.length, self.patch = length, patch
        self.kinds, self.shares = list(mixture), list(mixture.values())
        self.clips = [
            clip
            for clip in clips
            if len(clip["hr"]) >= length and min(clip["bi_x4"].shape[1:]) >= patch
        ]
        if not self.clips:
            raise InputError(
                f"none of {len(clips)} clips has {length} frames and {4 * patch} pixels each way; "
                "train on a smaller length or patch"
            )
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


@told
def main() -> None:
    """Prepare a cache."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.data", description=__doc__)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--per-video", type=positive, default=20, help="clips of one video at most")
    parser.add_argument(
        "--per-photo", type=positive, default=12, help="clips made from one photograph"
    )
    parser.add_argument("--length", type=positive, default=16, help="frames of a clip")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.length < 2:
        parser.error("--length: a single frame does not move")
    if not given.videos and not given.photos:
        parser.error("nothing to make clips of: give --videos, --photos or both")
    random.seed(given.seed), np.random.seed(given.seed), torch.manual_seed(given.seed)
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    if given.videos:
        prepare_videos(given.videos, given.cache, given.length, given.per_video)
    if given.photos:
        prepare_photos(given.photos, given.cache, given.length, given.per_photo)
    if not any(given.cache.glob("*.npz")):
        raise InputError(f"{given.cache} holds no clips: there was nothing to make them of")


if __name__ == "__main__":
    main()

"""What a trained network makes of the training clips, looked at from several sides: a teacher.

    python -m models.spmc.teach --cache CACHE [--model spmc_x4] [--views 4] [--part 1/2]

Most of what is between a network's picture and the truth no network can know. As the target of a
training the truth is therefore mostly noise, and the steps that it teaches are; the mean of what a
network makes of mirrored, turned and reversed views of a clip is closer to the truth than any one
of them, and holds nothing that could not be known. Self-distillation by an ensemble of views: I.
Radosavovic et al., "Data Distillation: Towards Omni-Supervised Learning", CVPR 2018
(arXiv 1712.04440).

Every clip of a cache of models.spmc.data gets one kind of input enlarged, in turns; the pictures,
`bi_x4` or `contest_x4` [T, 4H, 4W] uint8, go into a file of the clip's name in CACHE/teacher.
`models.spmc.train` mixes them with the truth as a recipe's `taught` says.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsrcli.networks.card import find_model
from vsrcli.networks.spmc import SpmcUpscaler
from vsrcli.turning import Turning

KINDS = ("bi", "contest")
WINDOW = 7
"""Frames of a window: more than are usual, since time matters little here."""
VIEWS = (
    (Turning(), 1),
    (Turning(transposed=True), -1),
    (Turning(upside_down=True, mirrored=True), -1),
    (Turning(transposed=True, upside_down=True, mirrored=True), 1),
    (Turning(upside_down=True), 1),
    (Turning(mirrored=True), -1),
    (Turning(transposed=True, upside_down=True), 1),
    (Turning(transposed=True, mirrored=True), -1),
)
"""Ways to look at a clip: how its frames are turned, and the direction of time."""
Clip = NDArray[np.uint8]


def enlarged(upscaler: SpmcUpscaler, clip: Clip) -> NDArray[np.float32]:
    """CLIP [T, H, W] enlarged, [T, 4H, 4W] in 0..1."""
    found = [luma for frame in clip for luma in upscaler.push(frame, cut=False)]
    return np.stack([*found, *upscaler.flush()])


def taught(upscaler: SpmcUpscaler, clip: Clip, views: int) -> Clip:
    """The mean of what UPSCALER makes of the first so many VIEWS of CLIP [T, H, W], [T, 4H, 4W]."""
    total = np.zeros((len(clip), *(4 * side for side in clip.shape[1:])), np.float32)
    for turning, direction in VIEWS[:views]:
        turned = np.stack([turning.of(frame) for frame in clip[::direction]])
        made = enlarged(upscaler, turned)[::direction]
        total += np.stack([turning.back(luma) for luma in made])
    return np.rint(total * (255 / views)).astype(np.uint8)


def main() -> None:
    """Teach the clips of a cache that have no teacher yet."""
    parser = argparse.ArgumentParser(
        prog="python -m models.spmc.teach",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cache", type=Path, required=True, help="clips of models.spmc.data")
    parser.add_argument("--model", default="spmc_x4", help="as of vsr upscale")
    parser.add_argument("--precision", default="int8", choices=("int8", "fp32"))
    parser.add_argument("--views", type=int, default=4, help=f"1 to {len(VIEWS)}")
    parser.add_argument("--part", default="1/1", help="of the clips, for several processes: 2/3")
    given = parser.parse_args()
    number, parts = map(int, given.part.split("/"))
    model = find_model(given.model, given.precision)
    upscaler = SpmcUpscaler(model, frames=WINDOW, threads=1, tile="off")
    target = given.cache / "teacher"
    target.mkdir(exist_ok=True)
    clips = list(enumerate(sorted(given.cache.glob("*.npz"))))
    random.Random(0).shuffle(clips)  # whatever is done when it is ended is a fair share
    for index, path in clips[number - 1 :: parts]:
        made = target / path.name
        if made.exists():
            continue
        name = f"{KINDS[index % len(KINDS)]}_x4"
        with np.load(path) as stored:
            pictures = {name: taught(upscaler, stored[name], given.views)}
        temporary = made.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, **pictures)
        temporary.replace(made)
    print(f"{len(list(target.glob('*.npz')))} clips taught")


if __name__ == "__main__":
    main()

"""Teach the motion estimation alone, from pictures in known motion: the first stage of training.

    python -m models.spmc.train_motion --photos DIR --out A.pt [--hours H]
    python -m models.spmc.train_motion --photos DIR --out B.pt --weights A.pt --cache CACHE

Two frames are rendered from a photograph such that the flow between them is known exactly: a camera
move, smooth local motion and, in half of them, an object that moves on its own and occludes. Both
are reduced four times, as the frames that the network sees. The loss is the end-point error after
every look of every level. (Tao et al. train their motion estimation first as well; end to end from
nothing, the flow stays near zero and what is learnt is single-image super-resolution.)

By the second command it goes on from there with pairs of real clips in two of three steps
(real_motion.py), in LR as the network meets it: aliased and, some of it, compressed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.common.command import above_zero, check_target, positive, say, told
from models.common.precision import half_where_fast
from models.common.weights import copied, fill, follow, save, weights_in
from models.spmc import real_motion
from models.spmc.data import load
from models.spmc.filming import photo_luma, photographs, unit
from models.spmc.motion import Motion
from models.spmc.muon import Muon
from models.spmc.network import SpmcConfig
from models.spmc.real_motion import Pair
from models.spmc.train import read_recipe
from vsrcli.errors import InputError

PATCH = 64
"""Side of the frames, LR pixels."""
SIDE = 4 * PATCH
AVERAGE = 0.998
"""Decay of the averaged weights, reached in the course of the first steps."""
PAIRS = 2
"""Pairs of frames measured in every real clip."""


def smooth_flow(cells: int, strength: float) -> Tensor:
    """[1, 2, PATCH, PATCH] LR pixels: a random field on CELLS x CELLS points, interpolated."""
    field = torch.randn(1, 2, cells, cells) * strength
    return F.interpolate(field, (PATCH, PATCH), mode="bicubic", align_corners=True)


def random_flow(most: float) -> Tensor:
    """[1, 2, PATCH, PATCH]: shift, turn, zoom and local motion of up to about MOST pixels."""
    reach = min(most, random.choice([0.3, 0.6, 1.0, 1.0, 2.0, 4.0, 8.0, 12.0]))
    angle, zoom = random.gauss(0, 0.02), math.exp(random.gauss(0, 0.02))
    axis = torch.arange(PATCH) - (PATCH - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    u = (math.cos(angle) * zoom - 1) * x - math.sin(angle) * zoom * y
    v = math.sin(angle) * zoom * x + (math.cos(angle) * zoom - 1) * y
    shift = torch.empty(1, 2, 1, 1).uniform_(-reach, reach)
    local = smooth_flow(random.choice([2, 3, 5]), random.choice([0, 0.1, 0.3, 0.3 * reach]))
    return torch.stack([u, v])[None] * random.choice([0, 1]) + shift + local


class Camera:
    """A place, scale and orientation from which a photograph is seen."""

    def __init__(self, photo: Tensor) -> None:
        self.photo = photo
        height, width = photo.shape[2:]
        self.zoom = random.uniform(0.6, 1.2)
        self.turn = random.uniform(-math.pi, math.pi) if random.random() < 0.5 else 0.0
        margin = SIDE * 0.5
        self.x = random.uniform(min(margin, width / 2), max(width - margin, width / 2))
        self.y = random.uniform(min(margin, height / 2), max(height - margin, height / 2))

    def see(self, flow: Tensor) -> Tensor:
        """[1, 1, SIDE, SIDE]: pixel q shows what pixel q + FLOW shows at rest (FLOW in LR px)."""
        height, width = self.photo.shape[2:]
        fine = 4 * F.interpolate(flow, (SIDE, SIDE), mode="bicubic", align_corners=False)
        axis = torch.arange(SIDE) - (SIDE - 1) / 2
        rows, columns = torch.meshgrid(axis, axis, indexing="ij")
        x, y = columns + fine[0, 0], rows + fine[0, 1]
        cosine, sine = math.cos(self.turn) * self.zoom, math.sin(self.turn) * self.zoom
        across, down = cosine * x - sine * y + self.x, sine * x + cosine * y + self.y
        grid = torch.stack([(across + 0.5) * 2 / width - 1, (down + 0.5) * 2 / height - 1], -1)
        return F.grid_sample(
            self.photo, grid[None], mode="bilinear", padding_mode="reflection", align_corners=False
        )


def blob() -> Tensor:
    """[1, 1, 2 * SIDE, 2 * SIDE]: a smooth random shape, near 0 or 1."""
    coarse = torch.rand(1, 1, 9, 9)
    field = F.interpolate(coarse, (2 * SIDE, 2 * SIDE), mode="bicubic", align_corners=False)
    return ((field - 0.6) * 60).sigmoid()


def pair(photos: list[Tensor], most: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Reference and neighbour [1, 1, P, P], the flow between them [1, 2, P, P], and where it
    is known [1, 1, P, P]: not where the neighbour's foreground hides what the reference shows."""
    still = torch.zeros(1, 2, PATCH, PATCH)
    back, flow = Camera(random.choice(photos)), random_flow(most)
    neighbour, reference = back.see(still), back.see(flow)
    known = torch.ones(1, 1, PATCH, PATCH)
    if random.random() < 0.5:
        front, own = Camera(random.choice(photos)), flow + random_flow(most)
        shape = Camera(blob())
        shape.x = shape.y = SIDE
        at_rest, moved, behind = shape.see(still), shape.see(own), shape.see(flow)
        neighbour = neighbour * (1 - at_rest) + front.see(still) * at_rest
        reference = reference * (1 - moved) + front.see(own) * moved
        over, hidden = (F.avg_pool2d(mask, 4) > 0.5 for mask in (moved, behind))
        known = (over | ~hidden).float()
        flow = torch.where(over, own, flow)
    return reduced(reference), reduced(neighbour), flow, known


def reduced(picture: Tensor) -> Tensor:
    """PICTURE a quarter the size, a little brighter or darker, with a little noise."""
    small = F.interpolate(
        picture, scale_factor=0.25, mode="bicubic", antialias=True, align_corners=False
    )
    small = small * random.uniform(0.98, 1.02) + random.uniform(-0.01, 0.01)
    return small + torch.randn_like(small) * random.choice([0, 0.002, 0.008])


def batch(photos: list[Tensor], count: int, most: float = 12.0) -> tuple[Tensor, ...]:
    """COUNT pairs, stacked."""
    pairs = [pair(photos, most) for _ in range(count)]
    return tuple(torch.cat(parts) for parts in zip(*pairs, strict=True))


def end_point_errors(
    flows: list[Tensor], truth: Tensor, known: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Mean end-point error of every look, in LR pixels of the finest level, and its loss.

    The loss is the square root of the error: among large motions, small ones still count.
    """
    errors = []
    for flow in flows:
        factor = truth.shape[2] // flow.shape[2]
        coarse = F.avg_pool2d(truth, factor) if factor > 1 else truth
        valid = F.avg_pool2d(known, factor) if factor > 1 else known
        share = valid / valid.sum()
        distance = torch.sqrt((flow * factor - coarse).square().sum(1, keepdim=True) + 1e-6)
        errors.append(((distance * share).sum(), ((distance + 0.01).sqrt() * share).sum()))
    return errors


def attention(picture: Tensor) -> Tensor:
    """How much the flow matters at each pixel of PICTURE [B, 1, H, W], 0.3 to 3.3.

    Where nothing is to be seen an error of the flow does no harm.
    """

    def local(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 5, 1, 2, count_include_pad=False)

    deviation = (local(picture.square()) - local(picture).square()).clamp_min(0).sqrt()
    return (deviation / deviation.mean().clamp_min(1e-6)).clamp(max=3) + 0.3


def teach(motion: Motion, photos: list[Tensor], real: list[Pair], given: Namespace) -> None:
    """Train MOTION until the time is up; two of three steps on REAL pairs, if there are any."""
    average = copied(motion)
    optimiser = Muon(motion.parameters())
    started, seen, step = time.monotonic(), [], 0
    while (share := (time.monotonic() - started) / (given.hours * 3600)) < 1:
        for group in optimiser.param_groups:
            warm = min(1, (step + 1) / 100)
            group["lr"] = given.rate * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * share)))
        if real and step % 3 != 2:
            reference, neighbour, truth, known = real_motion.batch(real, 2 * given.batch)
        else:
            most = 22 if given.weights else 2 + 20 * share
            reference, neighbour, truth, known = batch(photos, given.batch, most)
        with half_where_fast():
            flows = motion.pyramid(reference, neighbour)
        errors = end_point_errors(flows, truth, known * attention(reference))
        loss = sum(robust for _, robust in errors[:-1]) * 0.3 + errors[-1][1]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(motion.parameters(), 1.0)
        optimiser.step()
        step += 1
        seen.append(float(errors[-1][0].detach()))
        follow(average, motion, min(AVERAGE, (step + 1) / (step + 50)))
        if step % 100 == 0:
            line = {"step": step, "error": round(float(np.mean(seen)), 4)}
            line |= {"median": round(float(np.median(seen)), 4), "share": round(share, 3)}
            print(json.dumps(line), flush=True)
            seen = []
            save(average, given.out)
    save(average, given.out)


def readable(folder: Path) -> Iterator[Tensor]:
    """Luma [1, 1, H, W] of the photographs of FOLDER; those that are of no use are named."""
    for path in photographs(folder):
        try:
            photo = unit(photo_luma(path))
        except InputError as error:
            say(f"left out: {error}")
            continue
        if min(photo.shape[2:]) < SIDE:
            say(f"left out: {path}: its sides must be {SIDE} pixels or more")
            continue
        yield photo


@told
def main() -> None:
    """Train until the time is up."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.train_motion", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="state_dict of the Motion module")
    parser.add_argument("--hours", type=above_zero, default=0.3)
    parser.add_argument("--rate", type=above_zero, default=1e-3)
    parser.add_argument("--batch", type=positive, default=8)
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--weights", type=Path, help="a state_dict to begin from")
    parser.add_argument(
        "--config", type=Path, help="recipe whose network it is for, if of other sizes than shipped"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        help="clips of models.spmc.data to learn from too: --weights measure their motion",
    )
    given = parser.parse_args()
    if given.cache and not given.weights:
        parser.error("--cache needs --weights: they measure how the clips move")
    torch.set_num_threads(given.threads)
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    check_target(given.out)
    photos = list(readable(given.photos))
    if not photos:
        raise InputError(f"{given.photos}: none of its photographs is of use")
    network = read_recipe(given.config).network if given.config else {}
    motion = Motion(SpmcConfig(**network).motion).to(memory_format=torch.channels_last)
    if given.weights:
        fill(motion, weights_in(given.weights), given.weights)
    clips = load(given.cache) if given.cache else []
    real = list(real_motion.pairs(motion, clips, PAIRS))
    if clips and not real:
        raise InputError(f"{given.cache}: no clip has {2 * real_motion.SIDE} pixels each way")
    teach(motion, photos, real, given)


if __name__ == "__main__":
    main()

"""Pairs of frames of real clips whose motion was measured where it shows best: at full size.

The motion estimation errs by some fraction of a pixel, whatever the size of its pictures. Run on HR
frames it is therefore as many times as exact, in LR pixels, as these are larger, and its flows
there can teach it what to find in LR frames: their aliasing, blur and compression included, which
synthetic motion has less of. Where the flows there and back disagree nothing is taught.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.common.precision import half_where_fast
from models.spmc.data import FACTORS, KINDS
from models.spmc.geometry import warp
from models.spmc.motion import Motion
from models.spmc.reduction import Clip

SIDE, PATCH = 80, 64
"""Sides of what is measured and of what is cut out of it, LR pixels."""
AGREEMENT = 0.35
"""How far, in HR pixels, a pixel may end from where it began, there and back."""
REACH = 24
"""HR pixels: the motion estimation was not taught to follow much more."""
SHARES = (0.5, 0.4, 0.1)
"""Of KINDS."""


@dataclass(frozen=True)
class Pair:
    """Two frames, one after the other, and the flows between them."""

    frames: dict[str, Tensor]
    """By kind of degraded input, uint8 [2, SIDE, SIDE]."""
    flows: Tensor
    """[2, 2, SIDE, SIDE] LR pixels, from the first to the second and back."""
    known: Tensor
    """[2, 1, SIDE, SIDE]: 1 where they are trusted, else 0."""


def measured(motion: Motion, high: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Flows and where they are known, as in Pair, [2, ., P, P].

    HIGH is [2, 1, FACTOR * P, FACTOR * P].
    """
    mirror = torch.tensor([-1.0, 1.0]).reshape(1, 2, 1, 1)
    with torch.no_grad(), half_where_fast():
        flows = motion(high, high.flip(0)).float()
        mirrored = motion(high.flip(3), high.flip((0, 3))).float().flip(3) * mirror
    flows = (flows + mirrored) / 2
    missed = (flows + warp(flows.flip(0), flows)).square().sum(1, keepdim=True).sqrt()
    trusted = (missed < AGREEMENT) & (flows.abs().amax(1, keepdim=True) < REACH)
    known = F.avg_pool2d(trusted.float(), factor) > 0.99
    return F.avg_pool2d(flows, factor) / factor, known.float()


def pairs(motion: Motion, clips: Sequence[dict[str, Clip]], each: int) -> Iterator[Pair]:
    """EACH pairs, some reduced more and some less, of every one of CLIPS that is large enough.

    One of fewer frames gives as many as it has. MOTION measures.
    """
    for clip in clips:
        length = len(clip["hr"])
        factors = [f for f in FACTORS if min(clip[f"bi_x{f}"].shape[1:]) >= SIDE]
        for t in random.sample(range(length - 1), min(each, length - 1) if factors else 0):
            factor = random.choice(factors)
            height, width = clip[f"bi_x{factor}"].shape[1:]
            y, x = random.randint(0, height - SIDE), random.randint(0, width - SIDE)
            low = slice(t, t + 2), slice(y, y + SIDE), slice(x, x + SIDE)
            rows, columns = (slice(factor * s.start, factor * s.stop) for s in low[1:])
            high = torch.from_numpy(clip["hr"][low[0], rows, columns]).unsqueeze(1).float() / 255
            frames = {
                kind: torch.from_numpy(clip[f"{kind}_x{factor}"][low].copy()) for kind in KINDS
            }
            yield Pair(frames, *measured(motion, high, factor))


def batch(known: Sequence[Pair], count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """COUNT of the KNOWN pairs, cut and turned at random: reference and neighbour [B, 1, P, P],
    the flow [B, 2, P, P] between them and where it is known [B, 1, P, P]."""
    views = [_view(pair) for pair in random.choices(known, k=count)]
    reference, neighbour, flow, trusted = (torch.stack(parts) for parts in zip(*views, strict=True))
    return reference, neighbour, flow, trusted


def _view(pair: Pair) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One way round, a patch, mirrored and transposed or not."""
    kind, way = random.choices(KINDS, SHARES)[0], random.randint(0, 1)
    frames = (pair.frames[kind].float() / 255).unsqueeze(1)
    y, x = (random.randint(0, SIDE - PATCH) for _ in range(2))
    parts = [frames[way], frames[1 - way], pair.flows[way], pair.known[way]]
    parts = [part[:, y : y + PATCH, x : x + PATCH] for part in parts]
    for axis, component in ((1, 1), (2, 0)):
        if random.random() < 0.5:
            parts = [part.flip(axis) for part in parts]
            parts[2][component] *= -1
    if random.random() < 0.5:
        parts = [part.transpose(1, 2) for part in parts]
        parts[2] = parts[2].flip(0)
    return parts[0], parts[1], parts[2], parts[3]

"""The head: the whole picture at a sixteenth -> tone curves, where they apply, and a verdict.

Tone is undone by three curves for the whole picture, a map of how much of them applies where (an
edit of the skin alone leaves the background), and a small smooth rest. What tells whether, and how
strongly, a face was edited is its texture as much as its colour: smoothing comes with whitening. So
the head sees, besides the reduced picture, how much texture the face has in four octaves.

It is trained by itself (models.crn.train_tone), on many more pairs than the trunk can be.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REDUCE = 16
"""The head's view is the picture reduced by this."""
MULTIPLE = 2 * REDUCE
"""H and W are multiples of this: most of the head works on half of its view."""
OCTAVES = 4
"""Of texture: what varies within blocks of 2, 4, 8 and 16 pixels."""
TRACES = 2 * OCTAVES
"""Channels of texture: how much, and how peaked, in every octave."""
NODES = 9
"""Of every curve, evenly from black to white."""
NEAR = (0.3214, 0.3333)
"""The face, whose texture is looked at, begins at this share of height and of width, and is in the
middle."""
_FLOOR = 2e-4
"""Added to texture before its logarithm: a twentieth of a level."""


def textures(picture: Tensor) -> Tensor:
    """Texture of PICTURE [n, 3, H, W] on blocks of 16 x 16: [n, 8, H/16, W/16], about -2 to 2.

    Per octave the logarithm of the mean absolute band of luma, and that of how far its root mean
    square lies above: a filter that spares edges makes a band peaked.
    """
    light = (picture * picture.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, True)
    found = []
    for octave in range(OCTAVES):
        coarse = F.avg_pool2d(light, 2)
        band = light - F.interpolate(coarse, scale_factor=2, mode="nearest")
        side = REDUCE >> octave
        size = F.avg_pool2d(band.abs(), side) + _FLOOR
        root = (F.avg_pool2d(band.square(), side) + _FLOOR**2).sqrt()
        found += [size.log() / 1.5 + 3, 4 * (root / size).log()]
        light = coarse
    return torch.cat(found, dim=1)


@dataclass(frozen=True)
class Verdict:
    """What the head says."""

    curves: Tensor
    """[n, 3, nodes]: what is to be added to black ... white, every channel."""
    where: Tensor
    """[n, 1, h, w], 0..1: how much of the curves applies."""
    rest: Tensor
    """[n, 3, h, w]: added besides."""
    evidence: Tensor
    """[n]: log odds that the picture was edited."""


class Tone(nn.Module):
    """The reduced picture and its texture -> a Verdict."""

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3 + TRACES + 1, width, 3, padding=1)
        self.near = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=reach, dilation=reach) for reach in (1, 2, 4, 4)
        )
        self.drop = nn.Dropout(0.3)
        self.gather = nn.Linear(2 * width, 2 * width)
        self.far = nn.Linear(2 * width, width)
        self.bend = nn.Linear(2 * width, 3 * NODES)
        self.judge = nn.Linear(2 * width, 1)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, 4, 1)
        for layer in (self.bend, self.leave):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)

    def forward(self, small: Tensor, traces: Tensor, seen_at: Tensor) -> Verdict:
        """SMALL [n, 3, h, w]; TRACES [n, 8, h, w], valid where SEEN_AT [n, 1, h, w] is 1."""
        seen = torch.cat([small * 4 - 2, traces * seen_at, seen_at], dim=1)
        fine = F.relu(self.enter(seen))
        seen = F.avg_pool2d(fine, 2)
        for layer in self.near:
            seen = seen + F.relu(layer(seen))
        mean = seen.mean((2, 3))
        spread = ((seen - mean[:, :, None, None]).square().mean((2, 3)) + 1e-4).sqrt()
        overall = F.relu(self.gather(self.drop(torch.cat([mean, spread], dim=1))))
        seen = F.relu(seen + self.far(overall)[:, :, None, None])
        seen = fine + F.interpolate(seen, scale_factor=2, mode="bilinear", align_corners=False)
        local = self.leave(seen + F.relu(self.last(seen)))
        return Verdict(
            curves=self.bend(overall).unflatten(1, (3, NODES)),
            where=torch.sigmoid(4 * local[:, :1] + 2),
            rest=local[:, 1:],
            evidence=self.judge(overall)[:, 0],
        )


def change(picture: Tensor, curves: Tensor, where: Tensor, rest: Tensor) -> Tensor:
    """What is added to PICTURE [n, 3, H, W]; WHERE and REST at its size."""
    steps = NODES - 1
    slopes = (curves[..., 1:] - curves[..., :-1]) * steps
    turns = torch.cat([slopes[..., :1], slopes[..., 1:] - slopes[..., :-1]], dim=-1)
    # A polygon as a sum of hinges: two operations a node where hats would take five.
    added = curves[..., :1, None].expand(-1, -1, 1, 1)
    for index in range(steps):
        added = added + turns[..., index, None, None] * F.relu(picture - index / steps)
    return added * where + rest


def looked_at(small: Tensor) -> Tensor:
    """[1, 1, h, w]: 1 where the face is on SMALL [n, c, h, w], a whole canvas, else 0."""
    spans = []
    for axis, start in ((2, NEAR[0]), (3, NEAR[1])):
        extent = small.shape[axis]
        place = (torch.arange(extent, device=small.device) + 0.5) / extent
        spans.append(((place - 0.5).abs() < 0.5 - start).to(small.dtype))
    return spans[0][None, None, :, None] * spans[1][None, None, None, :]

"""SPMC with recurrent detail fusion: x4 luma from a window of low-resolution frames.

After X. Tao, H. Gao, R. Liao, J. Wang, J. Jia, "Detail-revealing Deep Video Super-resolution",
ICCV 2017 (arXiv 1704.02738). Kept from the paper: motion estimation, the sub-pixel motion
compensation (SPMC) layer, detail fusion of any number of frames, recurrence, the bicubic skip.
Changed: all neighbours go onto one canvas, each pixel weighted by a score, and the sum is divided
by the sum of the weights; what goes there is how far a pixel is from what the enlarged reference
says at its place, its innovation; the canvas is held phase by phase on the low-resolution grid, so
no convolution runs at high resolution; the recurrence goes from one output frame to the next along
the flow instead of over the window, and carries, besides a hidden state, the detail found last,
moved on and between the pixels of the fine grid, where it keeps its sub-pixel place.

Made for eight bits: whatever enters the convolutions around sampling and splatting is held within
-LIMIT..LIMIT, where a step of 1/64 is fine enough, so that all of it can share one integer format
and lie side by side. Layouts are pixel by pixel (channels last) wherever whole pixels are moved.

Words: B batch, N frames of a window, T frames of a sequence, H x W the low-resolution size.
Pictures are luma in 0..1. NEIGHBOURS are a window without its reference. A flow [B, 2, H, W] is
(x, y) in low-resolution pixels: pixel p of the first frame is found at p + flow(p) in the second.
HIDDEN is the recurrent state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.common.weights import fill, weights_in
from models.spmc.geometry import (
    LIMIT,
    PHASES,
    PRIOR,
    SCALE,
    bicubic_phases,
    flows_to,
    inverse,
    moved_detail,
    nearest,
    off_grid,
    places,
    read,
    slopes,
    splat,
)
from models.spmc.motion import AROUND, BLOCK, Motion, conv
from vsrcli.errors import InputError


@dataclass(frozen=True)
class SpmcConfig:
    """Sizes of the network; the defaults are those of the shipped weights."""

    channels: int = 64
    """Channels of the stream that the residual blocks add to."""
    inner: tuple[int, ...] = (32, 48, 48, 48, 48, 48)
    """Channels within each residual block of the detail fusion, between its two convolutions."""
    state: int = 32
    """Channels of the hidden state that goes from one output frame to the next."""
    score: int = 16
    """Channels between the two convolutions that score the pixels of a neighbour."""
    motion: tuple[int, ...] = (48, 48, 32, 32)
    """Channels of the motion estimation per level, coarsest first; each level halves the size."""

    @property
    def states(self) -> dict[str, int]:
        """Channels of the recurrent states, by name."""
        return {"hidden": self.state, "detail": PHASES}

    @property
    def multiple_of(self) -> int:
        """H and W must be multiples of this: the coarsest motion level and blocks are whole."""
        return max(2 ** (len(self.motion) - 1), BLOCK)

    @property
    def fusion_radius(self) -> int:
        """How far, in pixels and at rest, an output pixel sees.

        One per 3x3 convolution, one from splatting, two from bicubic enlargement.
        """
        return 2 + 2 + 1 + 1 + 2 * len(self.inner) + 1

    @property
    def motion_radius(self) -> int:
        """How far a flow vector sees at rest: five convolutions a look, contrast, resampling.

        The filter between two levels reaches a pixel of the finer one further than that. Then the
        flow settles among blocks: two of those between which it is interpolated.
        """
        looks = [1] + [2] * (len(self.motion) - 1)
        seen = sum((5 * look + 4) * 2**level for level, look in enumerate(looks))
        settled = BLOCK * (AROUND // 2 + 2) - 1
        return seen + 2 ** (len(looks) - 1) - 1 + settled


def config_of(weights: Mapping[str, Tensor]) -> SpmcConfig:
    """The sizes of the network that WEIGHTS are of. Raises KeyError if they are of no such one."""
    inner, motion = (
        tuple(len(weights[each]) for each in _numbered(weights, name))
        for name in ("fusion.body.{}.first.bias", "motion.levels.{}.0.bias")
    )
    channels, state, score = (
        len(weights[f"fusion.{name}.bias"]) for name in ("merge", "project", "scorer.0")
    )
    return SpmcConfig(channels, inner, state, score, motion)


def _numbered(weights: Mapping[str, Tensor], name: str) -> list[str]:
    names = (name.format(number) for number in range(len(weights)))
    return list(takewhile(weights.__contains__, names))


def load(path: Path) -> Spmc:
    """The network of the weights or checkpoint PATH, whatever its sizes, for inference.

    Raises InputError if it is missing, damaged or of another kind of network.
    """
    weights = weights_in(path)
    try:
        network = Spmc(config_of(weights)).eval()
    except KeyError as error:
        raise InputError(f"{path} holds the weights of another network: no {error} in it") from None
    fill(network, weights, path)
    return network


def activity(picture: Tensor) -> Tensor:
    """0 where PICTURE [B, 1, H, W] is flat, 1 where it varies by two levels of 255 or more.

    Over 5x5 pixels, as far as the bicubic kernel reaches: times this, detail leaves flat colour
    exactly as it is.
    """
    highest = F.max_pool2d(picture, 5, stride=1, padding=2)
    lowest = -F.max_pool2d(-picture, 5, stride=1, padding=2)
    return ((highest - lowest) * (255 / 2)).clamp(0, 1)


class Residual(nn.Module):
    """x + conv(relu(conv(x))), starting near the identity."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.first, self.second = conv(channels, inner), conv(inner, channels)
        self.second.weight.data.mul_(0.1)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same."""
        return x + self.second(F.relu(self.first(x)))


def bounded(x: Tensor) -> Tensor:
    """X held within -LIMIT..LIMIT."""
    return x.clamp(-LIMIT, LIMIT)


def centred(picture: Tensor) -> Tensor:
    """PICTURE, 0..1, spread over -LIMIT..LIMIT."""
    return (picture - 0.5) * (2 * LIMIT)


STATE_LEVELS = {"hidden": round(128 / LIMIT), "detail": round(128 / LIMIT) * round(8 * LIMIT)}
"""Steps in 1 of the recurrent states where convolutions read them in eight bits: see `seen`."""


def stepped(state: Tensor) -> Tensor:
    """STATE, within -LIMIT..LIMIT, in the steps of eight bits; gradients pass it by."""
    levels = STATE_LEVELS["hidden"]
    return state + ((state * levels).round() / levels - state).detach()


def seen(detail: Tensor) -> Tensor:
    """DETAIL [B, PHASES, H, W] as the next frame's convolutions see it."""
    # More than an eighth of the range is rare, and a finer step keeps still pictures stiller.
    return bounded(detail * (8 * LIMIT))


class Fusion(nn.Module):
    """Sub-pixel motion compensation of a window and recurrent detail fusion."""

    def __init__(self, config: SpmcConfig) -> None:
        super().__init__()
        # Eight-bit convolutions are three times faster if the channels they read come in fours.
        self.scorer = nn.Sequential(conv(8, config.score), nn.ReLU(True), conv(config.score, 1))
        self.merge = conv(2 * PHASES + 4 + config.state + PHASES, config.channels)
        self.body = nn.Sequential(*(Residual(config.channels, inner) for inner in config.inner))
        self.project = nn.Conv2d(config.channels, config.state, 1)
        self.head = conv(config.channels, PHASES)
        self.head.weight.data.mul_(0.1)
        self.register_buffer("bicubic", bicubic_phases(), persistent=False)
        for name, weights in zip(("across", "down"), slopes(), strict=True):
            self.register_buffer(name, weights, persistent=False)
        self.splat = splat

    def enlarge(self, pictures: Tensor) -> Tensor:
        """PICTURES [B, 1, H, W] enlarged by bicubic, phase by phase [B, PHASES, H, W]."""
        padded = F.pad(pictures.float(), (2, 2, 2, 2), mode="replicate")
        return F.conv2d(padded, self.bicubic).float()

    def carried(self, detail: Tensor, flow: Tensor) -> Tensor:
        """DETAIL [B, PHASES, H, W] of the last frame, moved along FLOW [B, 2, H, W], as `seen`."""
        return bounded(moved_detail(seen(detail), flow, (self.across, self.down)))

    def compensate(
        self, neighbours: Tensor, flows: Tensor, reference: Tensor, enlarged: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The canvas [B, H, W, PHASES] of NEIGHBOURS [B, N, H, W], moved by FLOWS [B, N, 2, H, W].

        It holds the mean innovation against the REFERENCE [B, 1, H, W], which is ENLARGED [B,
        PHASES, H, W], weighted by score; the second result, alike, is 1 where nothing arrived and
        near 0 where much did.
        """
        at = places(flows)
        expected = read(enlarged.permute(0, 2, 3, 1), at)
        # An eighth of the range is more than aliasing makes of most edges.
        innovation = bounded((neighbours - expected) * (8 * LIMIT))
        score = self.score(innovation, neighbours, expected, flows, reference)
        weight = self.splat(score, at) + PRIOR
        return self.splat(score * innovation, at) / weight, PRIOR / weight

    def score(
        self,
        innovation: Tensor,
        neighbours: Tensor,
        expected: Tensor,
        flows: Tensor,
        reference: Tensor,
    ) -> Tensor:
        """How much every pixel of a neighbour is to be trusted, [B, N, H, W], more than 0.

        Shapes as in `compensate`; EXPECTED is what the enlarged reference says at its place.
        """
        each = [innovation, innovation.abs() * 2, *map(centred, (neighbours, expected))]
        planes = [plane.unsqueeze(2) for plane in (*each, centred(reference).expand_as(expected))]
        length = flows.abs().sum(2, keepdim=True) / 4
        given = bounded(torch.cat([*planes, off_grid(flows), length], 2).flatten(0, 1))
        found = bounded(self.scorer(given)).float()
        return (4 * found).exp().reshape(neighbours.shape)

    def advance(
        self,
        canvas: tuple[Tensor, Tensor],
        reference: Tensor,
        hidden: Tensor,
        detail: Tensor,
        flow: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The next HIDDEN [B, H, W, C] and DETAIL [B, PHASES, H, W], what bicubic lacks.

        CANVAS is of `compensate`. HIDDEN and DETAIL given, the latter as `carried`, are those of
        the last frame, moved to the REFERENCE [B, 1, H, W] along FLOW [B, 2, H, W].
        """
        active = activity(reference.float())
        plain = torch.cat([centred(reference), active * LIMIT, off_grid(flow)], 1)
        plain, detail = (planes.permute(0, 2, 3, 1) for planes in (plain, detail))
        parts = [*canvas, plain, hidden, detail]
        found = torch.cat([part.to(hidden.dtype) for part in parts], -1).permute(0, 3, 1, 2)
        found = self.body(self.merge(found))
        hidden, detail = bounded(self.project(found)), self.head(found).float()
        return hidden.permute(0, 2, 3, 1), detail * active

    def forward(
        self,
        frames: Tensor,
        flows: Tensor,
        reference: Tensor,
        state_flow: Tensor,
        hidden: Tensor,
        detail: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One output frame: luma [1, 1, 4H, 4W] in 0..1, the next HIDDEN and the next DETAIL.

        FRAMES [N, 1, H, W], the neighbours, and FLOWS [N, 2, H, W], of each to the REFERENCE
        [1, 1, H, W]; a reference without neighbours stands for its own, with flow zero.
        STATE_FLOW [1, 2, H, W] leads from the reference to the previous one. HIDDEN [1, C, H, W]
        and DETAIL [1, PHASES, H, W] are of that one; zeros start a scene.
        """
        enlarged = self.enlarge(reference)
        window = frames.transpose(0, 1), flows.unsqueeze(0)
        canvas = self.compensate(*window, reference, enlarged)
        hidden = nearest(hidden.permute(0, 2, 3, 1), state_flow)
        detail = self.carried(detail, state_flow)
        hidden, detail = self.advance(canvas, reference, hidden, detail, state_flow)
        luma = F.pixel_shuffle(enlarged + detail, SCALE).clamp(0, 1)
        return luma, hidden.permute(0, 3, 1, 2), detail


class Spmc(nn.Module):
    """The whole network, as it is trained: a sequence of frames in, every frame enlarged out."""

    def __init__(self, config: SpmcConfig | None = None) -> None:
        super().__init__()
        self.config = config or SpmcConfig()
        self.motion = Motion(self.config.motion)
        self.fusion = Fusion(self.config)

    def adjacent_flows(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Flows t -> t+1 and t+1 -> t, [B, T-1, 2, H, W] each, of FRAMES [B, T, H, W]."""
        batch, count, height, width = frames.shape
        before = frames[:, :-1].reshape(-1, 1, height, width)
        after = frames[:, 1:].reshape(-1, 1, height, width)
        shape = (batch, count - 1, 2, height, width)
        forward = self.motion(before, after)
        return forward.reshape(shape), inverse(forward).reshape(shape)

    def forward(
        self, frames: Tensor, radius: int = 2, motion_learns: bool = False, before: int = 0
    ) -> Tensor:
        """Luma [B, T - BEFORE, 4H, 4W], not clipped, of FRAMES [B, T, H, W].

        Windows reach RADIUS frames to each side and end with the sequence. MOTION_LEARNS: gradients
        reach the motion estimation. The first BEFORE frames only lead up to the others: they are
        not given, and nothing is learnt from them.
        """
        batch, count, height, width = frames.shape
        learns = torch.is_grad_enabled()
        # Motion is taught by itself first (train_motion.py). Later it may learn from what splatting
        # makes of it; reading the nearest pixel of the states has no gradient for it.
        with torch.set_grad_enabled(motion_learns and learns):
            forward, backward = self.adjacent_flows(frames)
        steps = forward.unbind(1), backward.unbind(1)
        enlarged = self.fusion.enlarge(frames.flatten(0, 1).unsqueeze(1))
        enlarged = enlarged.unflatten(0, (batch, count))
        hidden = frames.new_zeros(batch, height, width, self.config.state)
        detail, details = frames.new_zeros(batch, PHASES, height, width), []
        flow = torch.zeros_like(frames[:, :2])
        for t in range(count):
            reference = frames[:, t : t + 1].contiguous()
            if t > 0:
                flow = steps[1][t - 1].detach()
            window = self.window(frames, t, radius, *steps)
            with torch.set_grad_enabled(learns and t >= before):
                hidden = nearest(hidden, flow)
                moved = self.fusion.carried(detail, flow)
                if learns:  # what is fed back has to bear eight bits
                    hidden, moved = stepped(hidden), stepped(moved)
                canvas = self.fusion.compensate(*window, reference, enlarged[:, t])
                hidden, detail = self.fusion.advance(canvas, reference, hidden, moved, flow)
            details.append(detail)
        pictures = F.pixel_shuffle(enlarged[:, before:] + torch.stack(details[before:], 1), SCALE)
        return pictures.squeeze(2)

    @staticmethod
    def window(
        frames: Tensor, t: int, radius: int, forward: tuple, backward: tuple
    ) -> tuple[Tensor, Tensor]:
        """The neighbours [B, N, H, W] of frame T of FRAMES and their flows to it [B, N, 2, H, W].

        A frame without neighbours stands for its own.
        """
        window = range(max(0, t - radius), min(frames.shape[1], t + radius + 1))
        flows = flows_to(t, window, forward, backward)
        neighbours = [i for i in window if i != t] or [t]
        return frames[:, neighbours], torch.stack([flows[i] for i in neighbours], 1)

"""SPMC with recurrent detail fusion: x4 luma from a window of low-resolution frames.

After X. Tao, H. Gao, R. Liao, J. Wang, J. Jia, "Detail-revealing Deep Video Super-resolution",
ICCV 2017 (arXiv 1704.02738). Kept from the paper: motion estimation, the sub-pixel motion
compensation (SPMC) layer, detail fusion of any number of frames, recurrence, the bicubic skip.
Changed: the canvas is held phase by phase on the low-resolution grid, so no convolution runs at
high resolution; the sums of the SPMC layer are normalised by their weights; the recurrence goes
from one output frame to the next along the flow instead of over the window, and carries, besides a
hidden state, the detail found last, moved on the fine grid where it keeps its sub-pixel place.

Words: B batch, N frames of a window, T frames of a sequence, H x W the low-resolution size.
Pictures are luma in 0..1. A flow [B, 2, H, W] is (x, y) in low-resolution pixels:
pixel p of the first frame is found at p + flow(p) in the second. HIDDEN is the recurrent state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALE = 4
PHASES = SCALE * SCALE
"""Sub-pixel positions of the canvas within one low-resolution pixel, row by row."""


@dataclass(frozen=True)
class SpmcConfig:
    """Sizes of the network; the defaults are those of the shipped weights."""

    channels: int = 64
    """Channels of the residual blocks."""
    blocks: int = 6
    """Residual blocks of the detail fusion."""
    state: int = 32
    """Channels of the hidden state that goes from one output frame to the next."""
    encoder: int = 32
    """Channels of the encoding of one compensated frame."""
    motion: tuple[int, ...] = (48, 48, 32, 24)
    """Channels of the motion estimation per level, coarsest first; each level halves the size."""

    @property
    def states(self) -> dict[str, int]:
        """Channels of the recurrent states, by name."""
        return {"hidden": self.state, "detail": PHASES}

    @property
    def multiple_of(self) -> int:
        """H and W must be multiples of this: the coarsest motion level has whole pixels."""
        return 2 ** (len(self.motion) - 1)

    @property
    def fusion_radius(self) -> int:
        """How far, in pixels and at rest, an output pixel sees: one per 3x3 convolution."""
        return 2 + 1 + 2 * self.blocks + 1

    @property
    def motion_radius(self) -> int:
        """How far a flow vector sees at rest: five convolutions a look, contrast, resampling."""
        looks = [1] + [2] * (len(self.motion) - 1)
        return sum((5 * look + 4) * 2**level for level, look in enumerate(looks))


# --- geometry, without parameters -----------------------------------------------------------------


def pixel_grid(like: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of every pixel of LIKE [..., H, W], each float32 [H, W]."""
    rows = torch.arange(like.shape[-2], device=like.device, dtype=torch.float32)
    columns = torch.arange(like.shape[-1], device=like.device, dtype=torch.float32)
    return torch.meshgrid(rows, columns, indexing="ij")


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Backward warping: PICTURE [B, C, H, W] read at p + flow(p), bilinear, edges repeated."""
    height, width = picture.shape[2:]
    rows, columns = pixel_grid(picture)
    # Half-pixel coordinates (align_corners=False): no division by zero when H or W is 1.
    x = (columns + flow[:, 0] + 0.5) * (2 / width) - 1
    y = (rows + flow[:, 1] + 0.5) * (2 / height) - 1
    return F.grid_sample(
        picture.float(),
        torch.stack([x, y], -1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Flow a -> c [B, 2, H, W] from FIRST, a -> b, and SECOND, b -> c."""
    return first + warp(second, first)


def splat(picture: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """The SPMC layer: PICTURE [B, 1, H, W] moved by FLOW [B, 2, H, W] onto a SCALE x finer canvas.

    The centre of pixel x goes to SCALE * (x + u + 0.5) - 0.5 and is shared bilinearly by the four
    canvas pixels around it. Returns the sums of weighted values and of weights, [B, PHASES, H, W]
    each: channel = phase, so that the canvas needs no rearranging. Outside the canvas is dropped.
    """
    batch, _, height, width = picture.shape
    rows, columns = pixel_grid(picture)
    x = (columns + flow[:, 0] + 0.5) * SCALE - 0.5
    y = (rows + flow[:, 1] + 0.5) * SCALE - 0.5
    left, top = torch.floor(x), torch.floor(y)
    indices, weights = [], []
    for down in (0, 1):
        for right in (0, 1):
            column, row = left + right, top + down
            share_x = x - left if right else 1 - (x - left)
            share_y = y - top if down else 1 - (y - top)
            inside = (column >= 0) & (column < width * SCALE) & (row >= 0) & (row < height * SCALE)
            column = column.clamp(0, width * SCALE - 1).long()
            row = row.clamp(0, height * SCALE - 1).long()
            phase = (row % SCALE) * SCALE + column % SCALE
            index = phase * (height * width) + (row // SCALE) * width + column // SCALE
            indices.append(index.reshape(batch, -1))
            weights.append((share_x * share_y * inside).reshape(batch, -1))
    index, weight = torch.cat(indices, 1), torch.cat(weights, 1)
    value = picture.float().reshape(batch, -1).repeat(1, 4) * weight
    canvas = weight.new_zeros(batch, PHASES * height * width)
    shape = (batch, PHASES, height, width)
    return (
        canvas.scatter_add(1, index, value).reshape(shape),
        canvas.scatter_add(1, index, weight).reshape(shape),
    )


def bicubic_phases(a: float = -0.5) -> Tensor:
    """Bicubic x4 enlargement (centre aligned) as a 5x5 convolution to the phases [PHASES,1,5,5]."""

    def cubic(t: float) -> float:
        t = abs(t)
        if t < 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0

    weights = torch.zeros(PHASES, 1, 5, 5)
    for phase in range(PHASES):
        y = (phase // SCALE + 0.5) / SCALE - 0.5
        x = (phase % SCALE + 0.5) / SCALE - 0.5
        for row in range(5):
            for column in range(5):
                weights[phase, 0, row, column] = cubic(row - 2 - y) * cubic(column - 2 - x)
    return weights


def activity(picture: Tensor) -> Tensor:
    """0 where PICTURE [B, 1, H, W] is flat, 1 where it varies by two levels of 255 or more.

    Over 5x5 pixels, as far as the bicubic kernel reaches: times this, detail leaves flat colour
    exactly as it is.
    """
    highest = F.max_pool2d(picture, 5, stride=1, padding=2)
    lowest = -F.max_pool2d(-picture, 5, stride=1, padding=2)
    return ((highest - lowest) * (255 / 2)).clamp(0, 1)


# --- the network ----------------------------------------------------------------------------------


class _KeepLayout(torch.autograd.Function):
    """The identity, whose gradient has the type and memory layout of its input.

    Between convolutions (channels last, bfloat16 in training) and sampling (planar, float32) the
    gradients would otherwise mix layouts, which makes every addition on the way several times
    slower.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # noqa: ANN001
        """X itself."""
        ctx.dtype = x.dtype
        ctx.format = (
            torch.channels_last
            if x.is_contiguous(memory_format=torch.channels_last) and x.shape[1] > 1
            else torch.contiguous_format
        )
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # noqa: ANN001
        """GRADIENT as the input was."""
        return gradient.to(ctx.dtype).contiguous(memory_format=ctx.format)


def keep_layout(x: Tensor) -> Tensor:
    """X; in training its gradient keeps X's type and memory layout."""
    return _KeepLayout.apply(x) if x.requires_grad else x


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def contrast(picture: Tensor) -> Tensor:
    """PICTURE [B, 1, H, W] less its local mean, over its local deviation: motion is seen by it."""

    def local(x: Tensor) -> Tensor:
        # Along one axis after the other: 14 samples instead of 49 for the same mean.
        for size, padding in (((7, 1), (3, 0)), ((1, 7), (0, 3))):
            x = F.avg_pool2d(x, size, stride=1, padding=padding, count_include_pad=False)
        return x

    difference = picture - local(picture)
    return difference / (local(difference * difference) + 4e-4).sqrt()


class Motion(nn.Module):
    """Motion estimation, coarse to fine: each level corrects the flow of the coarser one.

    At each level the neighbour is warped by the flow found so far and a small network sees both
    pictures and what still differs. The coarse levels, where motion is large, look twice.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(self._level(count) for count in channels)

    @staticmethod
    def _level(channels: int) -> nn.Sequential:
        last = conv(channels, 2)
        last.weight.data.mul_(0.1)  # starts near zero flow
        nn.init.zeros_(last.bias)
        layers: list[nn.Module] = [conv(5, channels), nn.ReLU(True)]
        for _ in range(3):
            layers += [conv(channels, channels), nn.ReLU(True)]
        return nn.Sequential(*layers, last)

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        """Flow [B, 2, H, W] from REFERENCE to NEIGHBOUR, both [B, 1, H, W]."""
        return self.pyramid(reference, neighbour)[-1]

    def pyramid(self, reference: Tensor, neighbour: Tensor) -> list[Tensor]:
        """The flow after every look, coarsest level first, each in pixels of its level."""
        pairs = [(reference, neighbour)]
        for _ in range(len(self.levels) - 1):
            pairs.append((F.avg_pool2d(pairs[-1][0], 2), F.avg_pool2d(pairs[-1][1], 2)))
        flow = torch.cat([torch.zeros_like(pairs[-1][0])] * 2, 1)
        pairs = [(contrast(first), contrast(second)) for first, second in pairs]
        flows: list[Tensor] = []
        for number, (level, pair) in enumerate(zip(self.levels, reversed(pairs), strict=True)):
            if flows:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
            for _ in range(1 if number == len(self.levels) - 1 else 2):
                flow = flow + self._look(level, *pair, flow)
                flows.append(flow)
        return flows

    @staticmethod
    def _look(level: nn.Module, first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
        found = warp(second, flow)
        seen = torch.cat([first, found, first - found, flow * 0.1], 1)
        return keep_layout(keep_layout(level(seen)).float().contiguous())


class Residual(nn.Module):
    """x + conv(relu(conv(x))), starting near the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv(channels, channels), conv(channels, channels)
        self.second.weight.data.mul_(0.1)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same."""
        return x + self.second(F.relu(self.first(x)))


class Fusion(nn.Module):
    """Sub-pixel motion compensation of a window and recurrent detail fusion."""

    def __init__(self, config: SpmcConfig) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            conv(2 * PHASES + 2, config.encoder),
            nn.ReLU(True),
            conv(config.encoder, config.encoder),
        )
        self.confidence = nn.Conv2d(config.encoder, 1, 1)
        self.merge = conv(config.encoder + 1 + config.state + PHASES, config.channels)
        self.body = nn.Sequential(*(Residual(config.channels) for _ in range(config.blocks)))
        self.project = nn.Conv2d(config.channels, config.state, 1)
        self.head = conv(config.channels, PHASES)
        self.head.weight.data.mul_(0.1)
        self.register_buffer("bicubic", bicubic_phases(), persistent=False)

    def encode(self, frames: Tensor, flows: Tensor, references: Tensor) -> Tensor:
        """Encodings [B, E, H, W] of FRAMES [B, 1, H, W], each moved by its flow to a reference."""
        value, weight = splat(frames, flows)
        # A canvas pixel hit by much less than one pixel's weight says little: hit goes to 0 there.
        hit = weight / (weight + 0.05)
        difference = value / (weight + 1e-4) - references
        return F.relu(self.encoder(torch.cat([difference * hit * 4, hit, frames, references], 1)))

    def fuse(self, encodings: Tensor) -> Tensor:
        """Mean over the window weighted by learnt confidence: [N, B, E, H, W] -> [B, E, H, W]."""
        count, batch, _, height, width = encodings.shape
        scores = self.confidence(encodings.flatten(0, 1)).float()
        shares = torch.softmax(scores.reshape(count, batch, 1, height, width), 0)
        return (encodings * shares.to(encodings.dtype)).sum(0)

    def advance(
        self, fused: Tensor, reference: Tensor, hidden: Tensor, detail: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next HIDDEN [B, C, H, W] and DETAIL [B, PHASES, H, W], what bicubic lacks.

        HIDDEN and DETAIL given are those of the last frame, moved to the REFERENCE.
        """
        parts = [fused, reference, hidden, detail * 4]
        found = torch.cat([part.to(fused.dtype) for part in parts], 1)
        found = self.body(F.relu(self.merge(found)))
        return self.project(found), self.head(found).float() * activity(reference.float())

    def picture(self, detail: Tensor, reference: Tensor) -> Tensor:
        """Luma [B, 1, 4H, 4W]: the bicubic enlargement of REFERENCE plus DETAIL."""
        padded = F.pad(reference.float(), (2, 2, 2, 2), mode="replicate")
        return F.pixel_shuffle(F.conv2d(padded, self.bicubic).float() + detail, SCALE)

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

        FRAMES [N, 1, H, W] and FLOWS [N, 2, H, W], of each frame to the REFERENCE [1, 1, H, W],
        which is among the frames with flow zero. STATE_FLOW [1, 2, H, W] leads from the reference
        to the previous one. HIDDEN [1, C, H, W] and DETAIL [1, PHASES, H, W] are of that one;
        zeros start a scene.
        """
        encodings = self.encode(frames, flows, reference.expand(frames.shape[0], -1, -1, -1))
        fused = self.fuse(encodings.unsqueeze(1))
        hidden, detail = warp(hidden, state_flow), warp_detail(detail, state_flow)
        hidden, detail = self.advance(fused, reference, hidden, detail)
        return self.picture(detail, reference).clamp(0, 1), hidden, detail


def warp_detail(detail: Tensor, flow: Tensor) -> Tensor:
    """DETAIL [B, PHASES, H, W], phase by phase, read at p + flow(p) on its own fine grid.

    FLOW [B, 2, H, W] in low-resolution pixels is interpolated to the fine grid.
    """
    fine = SCALE * F.interpolate(flow, scale_factor=SCALE, mode="bilinear", align_corners=False)
    return F.pixel_unshuffle(warp(F.pixel_shuffle(detail, SCALE), fine), SCALE)


class Spmc(nn.Module):
    """The whole network, as it is trained: a sequence of frames in, every frame enlarged out."""

    def __init__(self, config: SpmcConfig | None = None) -> None:
        super().__init__()
        self.config = config or SpmcConfig()
        self.motion = Motion(self.config.motion)
        self.fusion = Fusion(self.config)
        self.learns_motion = True
        """Whether training changes the motion estimation."""

    def adjacent_flows(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Flows t -> t+1 and t+1 -> t, [B, T-1, 2, H, W] each, of FRAMES [B, T, H, W]."""
        batch, count, height, width = frames.shape
        before = frames[:, :-1].reshape(-1, 1, height, width)
        after = frames[:, 1:].reshape(-1, 1, height, width)
        both = self.motion(torch.cat([before, after]), torch.cat([after, before]))
        forward, backward = both.reshape(2, batch, count - 1, 2, height, width)
        return forward, backward

    def forward(self, frames: Tensor, radius: int = 2) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Luma [B, T, 4H, 4W], not clipped, of FRAMES [B, T, H, W]; and the adjacent flows.

        Windows reach RADIUS frames to each side and end with the sequence.
        """
        batch, count, height, width = frames.shape
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.learns_motion):
            forward, backward = self.adjacent_flows(frames)
        # The splat is not differentiated with respect to the flow: the warped state and the
        # photometric loss teach the motion estimation, at a tenth less time for a step.
        steps = forward.detach().unbind(1), backward.detach().unbind(1)
        back = backward.unbind(1)
        hidden = frames.new_zeros(batch, self.config.state, height, width)
        detail, details = frames.new_zeros(batch, PHASES, height, width), []
        for t in range(count):
            reference = frames[:, t : t + 1].contiguous()
            if t > 0:
                hidden = warp(keep_layout(hidden).float().contiguous(), back[t - 1])
                detail = warp_detail(detail, back[t - 1])
            fused = self.fusion.fuse(self.encode_window(frames, t, radius, *steps))
            hidden, detail = self.fusion.advance(fused, reference, hidden, detail)
            details.append(detail)
        found = torch.stack(details, 1).flatten(0, 1)
        pictures = self.fusion.picture(found, frames.flatten(0, 1).unsqueeze(1))
        return pictures.reshape(batch, count, *pictures.shape[2:]), (forward, backward)

    def encode_window(
        self, frames: Tensor, t: int, radius: int, forward: tuple, backward: tuple
    ) -> Tensor:
        """Encodings [N, B, E, H, W] of the window around frame T of FRAMES, all moved to it."""
        window = range(max(0, t - radius), min(frames.shape[1], t + radius + 1))
        flows = flows_to(t, window, forward, backward)
        moved = torch.cat([frames[:, i : i + 1] for i in window])
        references = frames[:, t : t + 1].repeat(len(window), 1, 1, 1)
        encoded = self.fusion.encode(moved, torch.cat(flows), references)
        return encoded.unflatten(0, (len(window), -1))


def flows_to(t: int, window: range, forward: tuple, backward: tuple) -> list[Tensor]:
    """Flow [B, 2, H, W] of every frame of WINDOW to frame T, composed of adjacent flows.

    FORWARD and BACKWARD [B, 2, H, W] of every step lead t -> t+1 and t+1 -> t. Outwards from T each
    flow is the step to the frame next nearer, then that frame's own flow: N - 1 compositions.
    """
    flows = {t: torch.zeros_like(forward[0])}
    for i in reversed(range(window.start, t)):
        flows[i] = forward[i] if i + 1 == t else compose(forward[i], flows[i + 1])
    for i in range(t + 1, window.stop):
        flows[i] = backward[i - 1] if i - 1 == t else compose(backward[i - 1], flows[i - 1])
    return [flows[i] for i in window]

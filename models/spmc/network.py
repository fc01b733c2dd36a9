"""SPMC with recurrent detail fusion: x4 luma from a window of low-resolution frames.

After X. Tao, H. Gao, R. Liao, J. Wang, J. Jia, "Detail-revealing Deep Video Super-resolution",
ICCV 2017 (arXiv 1704.02738). Kept from the paper: motion estimation, the sub-pixel motion
compensation (SPMC) layer, detail fusion of any number of frames, recurrence, the bicubic skip.
Changed: the canvas is held phase by phase on the low-resolution grid, so no convolution runs at
high resolution; the sums of the SPMC layer are normalised by their weights; the recurrence goes
from one output frame to the next along the flow instead of over the window.

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
    """Channels of the hidden state and of the residual blocks."""
    blocks: int = 4
    """Residual blocks of the detail fusion."""
    encoder: int = 32
    """Channels of the encoding of one compensated frame."""
    motion: tuple[int, ...] = (32, 24, 16)
    """Channels of the motion estimation per level, coarsest first; each level halves the size."""

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
        """How far a flow vector sees at rest: four convolutions per level, and its resampling."""
        return sum((4 + 1) * 2**level for level in range(len(self.motion)))


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


# --- the network ----------------------------------------------------------------------------------


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Motion(nn.Module):
    """Motion estimation, coarse to fine: each level corrects the flow of the level below."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(self._level(count) for count in channels)

    @staticmethod
    def _level(channels: int) -> nn.Sequential:
        last = conv(channels, 2)
        last.weight.data.mul_(0.1)  # starts near zero flow
        nn.init.zeros_(last.bias)
        layers: list[nn.Module] = [conv(5, channels), nn.ReLU(True)]
        for _ in range(2):
            layers += [conv(channels, channels), nn.ReLU(True)]
        return nn.Sequential(*layers, last)

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        """Flow [B, 2, H, W] from REFERENCE to NEIGHBOUR, both [B, 1, H, W]."""
        pairs = [(reference, neighbour)]
        for _ in range(len(self.levels) - 1):
            pairs.append((F.avg_pool2d(pairs[-1][0], 2), F.avg_pool2d(pairs[-1][1], 2)))
        flow: Tensor | None = None
        for level, (first, second) in zip(self.levels, reversed(pairs), strict=True):
            if flow is None:
                flow = torch.cat([torch.zeros_like(first)] * 2, 1)
            else:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
            found = warp(second, flow)
            # The factors bring the difference and the flow to the range of the pictures.
            seen = torch.cat([first, found, (first - found) * 4, flow * 0.1], 1)
            flow = flow + level(seen).float()
        assert flow is not None
        return flow


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
        self.merge = conv(config.encoder + 1 + config.channels, config.channels)
        self.body = nn.Sequential(*(Residual(config.channels) for _ in range(config.blocks)))
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
        return (encodings.float() * shares).sum(0)

    def advance(self, fused: Tensor, reference: Tensor, hidden: Tensor) -> Tensor:
        """The next hidden state [B, C, H, W]; HIDDEN is the last one, moved to the reference."""
        return self.body(F.relu(self.merge(torch.cat([fused, reference, hidden], 1))))

    def picture(self, hidden: Tensor, reference: Tensor) -> Tensor:
        """Luma [B, 1, 4H, 4W]: the bicubic enlargement of REFERENCE plus the detail found."""
        base = F.conv2d(F.pad(reference.float(), (2, 2, 2, 2), mode="replicate"), self.bicubic)
        return F.pixel_shuffle(self.head(hidden).float() + base, SCALE)

    def forward(
        self, frames: Tensor, flows: Tensor, reference: Tensor, state_flow: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One output frame: luma [1, 1, 4H, 4W] in 0..1 and the next HIDDEN [1, C, H, W].

        FRAMES [N, 1, H, W] and FLOWS [N, 2, H, W], of each frame to the REFERENCE [1, 1, H, W],
        which is among the frames with flow zero. STATE_FLOW [1, 2, H, W] leads from the reference
        to the previous one, HIDDEN [1, C, H, W] is of that one; zeros start a scene.
        """
        encodings = self.encode(frames, flows, reference.expand(frames.shape[0], -1, -1, -1))
        fused = self.fuse(encodings.unsqueeze(1))
        hidden = self.advance(fused, reference, warp(hidden, state_flow))
        return self.picture(hidden, reference).clamp(0, 1), hidden


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
        both = self.motion(torch.cat([before, after]), torch.cat([after, before]))
        forward, backward = both.reshape(2, batch, count - 1, 2, height, width)
        return forward, backward

    def forward(self, frames: Tensor, radius: int = 2) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Luma [B, T, 4H, 4W], not clipped, of FRAMES [B, T, H, W]; and the adjacent flows.

        Windows reach RADIUS frames to each side and end with the sequence.
        """
        batch, count, height, width = frames.shape
        forward, backward = self.adjacent_flows(frames)
        hidden = frames.new_zeros(batch, self.config.channels, height, width)
        outputs = []
        for t in range(count):
            reference = frames[:, t : t + 1]
            window = range(max(0, t - radius), min(count, t + radius + 1))
            flows = flows_to(t, window, forward, backward)
            encodings = self.encode_window(frames, window, flows, reference)
            if t > 0:
                hidden = warp(hidden, backward[:, t - 1])
            hidden = self.fusion.advance(self.fusion.fuse(encodings), reference, hidden)
            outputs.append(self.fusion.picture(hidden, reference))
        return torch.cat(outputs, 1), (forward, backward)

    def encode_window(
        self, frames: Tensor, window: range, flows: list[Tensor], reference: Tensor
    ) -> Tensor:
        """Encodings [N, B, E, H, W] of the WINDOW of FRAMES, all moved to REFERENCE."""
        count = len(window)
        moved = torch.cat([frames[:, i : i + 1] for i in window])
        encoded = self.fusion.encode(moved, torch.cat(flows), reference.repeat(count, 1, 1, 1))
        return encoded.unflatten(0, (count, -1))


def flows_to(t: int, window: range, forward: Tensor, backward: Tensor) -> list[Tensor]:
    """Flow [B, 2, H, W] of every frame of WINDOW to frame T, composed of adjacent flows.

    FORWARD and BACKWARD [B, T-1, 2, H, W] lead t -> t+1 and t+1 -> t. Outwards from T each flow is
    the step to the frame next nearer, then that frame's own flow: N - 1 compositions at most.
    """
    flows = {t: forward.new_zeros(forward.shape[0], *forward.shape[2:])}
    for i in reversed(range(window.start, t)):
        step = forward[:, i]
        flows[i] = step if i + 1 == t else compose(step, flows[i + 1])
    for i in range(t + 1, window.stop):
        step = backward[:, i - 1]
        flows[i] = step if i - 1 == t else compose(step, flows[i - 1])
    return [flows[i] for i in window]

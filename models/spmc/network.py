"""SPMC with recurrent detail fusion: x4 luma from a window of low-resolution frames.

After X. Tao, H. Gao, R. Liao, J. Wang, J. Jia, "Detail-revealing Deep Video Super-resolution",
ICCV 2017 (arXiv 1704.02738). Kept from the paper: motion estimation, the sub-pixel motion
compensation (SPMC) layer, detail fusion of any number of frames, recurrence, the bicubic skip.
Changed: the canvas is held phase by phase on the low-resolution grid, so no convolution runs at
high resolution; the sums of the SPMC layer are normalised by their weights; the recurrence goes
from one output frame to the next along the flow instead of over the window, and carries, besides a
hidden state, the detail found last, moved on the fine grid where it keeps its sub-pixel place.

Made for eight bits: whatever enters the convolutions around sampling and splatting is held within
-LIMIT..LIMIT, where a step of 1/64 is fine enough, so that all of it can share one integer format
and lie side by side. Layouts are pixel by pixel (channels last) wherever whole pixels are moved.

Words: B batch, N frames of a window, T frames of a sequence, H x W the low-resolution size.
Pictures are luma in 0..1. NEIGHBOURS are a window without its reference. A flow [B, 2, H, W] is
(x, y) in low-resolution pixels: pixel p of the first frame is found at p + flow(p) in the second.
HIDDEN is the recurrent state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALE = 4
LIMIT = 2.0
"""What convolutions are given lies within -LIMIT..LIMIT."""
PHASES = SCALE * SCALE
"""Sub-pixel positions of the canvas within one low-resolution pixel, row by row."""
PRIOR = 0.05
"""Weight, in pixels, with which the reference lies on the canvas before anything else does: where
little arrives, the canvas differs little from it."""


@dataclass(frozen=True)
class SpmcConfig:
    """Sizes of the network; the defaults are those of the shipped weights."""

    channels: int = 64
    """Channels of the residual blocks."""
    blocks: int = 6
    """Residual blocks of the detail fusion."""
    state: int = 32
    """Channels of the hidden state that goes from one output frame to the next."""
    encoder: int = 16
    """Channels of the encoding of one compensated frame; the first one is its score."""
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


def as_pixels(picture: Tensor) -> Tensor:
    """PICTURE [B, 1, H, W] as [B, H, W, 1]."""
    return picture.reshape(picture.shape[0], *picture.shape[2:], 1)


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


def nearest(picture: Tensor, flow: Tensor) -> Tensor:
    """PICTURE [B, H, W, C] read at the whole pixel nearest to p + FLOW(p), edges repeated.

    Whole pixels, C values side by side in memory, are copied: much cheaper than interpolation.
    """
    batch, height, width, channels = picture.shape
    rows, columns = pixel_grid(flow)
    x = (columns + flow[:, 0]).round().clamp(0, width - 1)
    y = (rows + flow[:, 1]).round().clamp(0, height - 1)
    index = y.long() * width + x.long()
    if batch > 1:
        index = index + _starts(batch, height * width, flow).reshape(-1, 1, 1)
    read = torch.index_select(picture.reshape(-1, channels), 0, index.reshape(-1))
    return read.reshape(batch, height, width, channels)


def place(flow: Tensor) -> Tensor:
    """Where in its pixel FLOW [B, 2, H, W] ends, from the middle: [B, H, W, 2], -LIMIT..LIMIT."""
    return ((flow - flow.round()) * (2 * LIMIT)).permute(0, 2, 3, 1)


def nearest_detail(detail: Tensor, flow: Tensor) -> Tensor:
    """DETAIL [B, H, W, PHASES] read at the nearest pixel, of its fine grid, to p + FLOW(p).

    All phases of a low-resolution pixel move by the same whole number of fine pixels, FLOW
    [B, 2, H, W] times SCALE, rounded; edges are repeated.
    """
    batch, height, width, _ = detail.shape
    rows, columns = pixel_grid(flow)
    offsets = torch.arange(SCALE, device=flow.device, dtype=torch.float32)
    x = columns * SCALE + (flow[:, 0] * SCALE).round()
    y = rows * SCALE + (flow[:, 1] * SCALE).round()
    # [B, H, W, SCALE]: the columns, and the rows, that the phases of a pixel come from.
    across = canvas_index((x.unsqueeze(-1) + offsets).clamp(0, width * SCALE - 1), PHASES, 1)
    down = (y.unsqueeze(-1) + offsets).clamp(0, height * SCALE - 1)
    index = canvas_index(down, PHASES * width, SCALE).unsqueeze(-1) + across.unsqueeze(-2)
    index = index.reshape(batch, -1)
    if batch > 1:
        index = index + _starts(batch, height * width * PHASES, flow).reshape(-1, 1)
    read = torch.index_select(detail.reshape(-1), 0, index.reshape(-1))
    return read.reshape(batch, height, width, PHASES)


def canvas_index(place: Tensor, stride: int, phase_stride: int) -> Tensor:
    """Along one axis, the part of the index into a canvas [H, W, PHASES] of the fine pixel PLACE.

    PLACE holds whole numbers; low-resolution pixels are STRIDE apart, phases PHASE_STRIDE.
    """
    pixel = torch.floor(place * (1 / SCALE))  # exact: a division by a power of two
    return pixel.int() * stride + (place - pixel * SCALE).int() * phase_stride


def _starts(batch: int, size: int, like: Tensor) -> Tensor:
    """Where each of BATCH pictures of SIZE values begins, one after the other."""
    return torch.arange(batch, device=like.device) * size


def splat(picture: Tensor, flow: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """The SPMC layer: PICTURE [B, 1, H, W] moved by FLOW [B, 2, H, W] onto a SCALE x finer canvas.

    The centre of pixel x goes to SCALE * (x + u + 0.5) - 0.5 and is shared bilinearly by the four
    canvas pixels around it. Outside the canvas is dropped. On the canvas lies REFERENCE
    [B, 1, H, W] already, with the weight PRIOR. Returns the sums of weighted values and of weights,
    [B, H, W, PHASES] each: the phases of a pixel side by side, so that nothing is rearranged.
    """
    batch, _, height, width = picture.shape
    rows, columns = pixel_grid(picture)
    x = (columns + flow[:, 0] + 0.5) * SCALE - 0.5
    y = (rows + flow[:, 1] + 0.5) * SCALE - 0.5
    across, across_share = _corners(x, width, PHASES, 1)
    down, down_share = _corners(y, height, PHASES * width, SCALE)
    index = (down.unsqueeze(2) + across.unsqueeze(1)).reshape(batch, -1).long()
    weight = down_share.unsqueeze(2) * across_share.unsqueeze(1)
    value = weight * picture.float().unsqueeze(1)
    shape = (batch, height, width, PHASES)
    weights = torch.full(shape, PRIOR, device=flow.device)
    values = as_pixels(reference) * weights[0, 0, 0]
    return (
        values.reshape(batch, -1).scatter_add(1, index, value.reshape(batch, -1)).reshape(shape),
        weights.reshape(batch, -1).scatter_add(1, index, weight.reshape(batch, -1)).reshape(shape),
    )


def _corners(
    position: Tensor, length: int, stride: int, phase_stride: int
) -> tuple[Tensor, Tensor]:
    """Along one axis, the canvas pixels below and above POSITION [B, H, W].

    Returns the `canvas_index` of both [B, 2, H, W] in a canvas of LENGTH low-resolution pixels and
    their shares of the value, 0 outside.
    """
    below = torch.floor(position)
    place = torch.stack([below, below + 1], 1)
    position = position.unsqueeze(1)
    inside = (place >= 0) & (place < length * SCALE)
    share = (1 - (position - place).abs()) * inside
    place = place.clamp(0, length * SCALE - 1)
    return canvas_index(place, stride, phase_stride), share


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


def box(picture: Tensor, axis: int) -> Tensor:
    """Sums of PICTURE [B, 1, H, W] over the 7 pixels around each along AXIS (2, 3); 0 outside.

    Pairs, fours, sevens: a third of the time of a pooling operator, which is made for channels.
    """

    def piece(x: Tensor, start: int, end: int | None) -> Tensor:
        return x[:, :, start:end] if axis == 2 else x[:, :, :, start:end]

    ones = F.pad(picture, (0, 0, 3, 3) if axis == 2 else (3, 3, 0, 0))
    twos = piece(ones, 0, -1) + piece(ones, 1, None)
    fours = piece(twos, 0, -2) + piece(twos, 2, None)
    return piece(fours, 0, -3) + piece(twos, 4, -1) + piece(ones, 6, None)


def contrast(picture: Tensor) -> Tensor:
    """PICTURE [B, 1, H, W] less its local mean, over its local deviation: motion is seen by it."""
    rows, columns = (torch.ones_like(picture[:1, :, :1]), torch.ones_like(picture[:1, :, :, :1]))
    whole = box(rows, 3) * box(columns, 2)  # fewer at the edges

    def local(x: Tensor) -> Tensor:
        return box(box(x, 2), 3) / whole

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
        pictures = [torch.cat([reference, neighbour])]
        for _ in range(len(self.levels) - 1):
            pictures.append(F.avg_pool2d(pictures[-1], 2))
        count = reference.shape[0]
        flow = torch.cat([torch.zeros_like(pictures[-1][:count])] * 2, 1)
        pictures = [contrast(picture) for picture in reversed(pictures)]
        flows: list[Tensor] = []
        for number, (level, both) in enumerate(zip(self.levels, pictures, strict=True)):
            pair = both[:count], both[count:]
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


def bounded(x: Tensor) -> Tensor:
    """X held within -LIMIT..LIMIT."""
    return x.clamp(-LIMIT, LIMIT)


def centred(picture: Tensor) -> Tensor:
    """PICTURE, 0..1, spread over -LIMIT..LIMIT."""
    return (picture - 0.5) * (2 * LIMIT)


def seen(detail: Tensor) -> Tensor:
    """DETAIL [B, PHASES, H, W] as the next frame's convolutions see it, [B, H, W, PHASES]."""
    # More than an eighth of the range is rare, and a finer step keeps still pictures stiller.
    return bounded(detail * (8 * LIMIT)).permute(0, 2, 3, 1)


class Fusion(nn.Module):
    """Sub-pixel motion compensation of a window and recurrent detail fusion."""

    def __init__(self, config: SpmcConfig) -> None:
        super().__init__()
        # Eight-bit convolutions are three times faster if the channels they read come in fours.
        self.encoder = nn.Sequential(
            conv(2 * PHASES + 4, 32), nn.ReLU(True), conv(32, config.encoder)
        )
        self.merge = conv(config.encoder + 4 + config.state + PHASES, config.channels)
        self.body = nn.Sequential(*(Residual(config.channels) for _ in range(config.blocks)))
        self.project = nn.Conv2d(config.channels, config.state, 1)
        self.head = conv(config.channels, PHASES)
        self.head.weight.data.mul_(0.1)
        self.register_buffer("bicubic", bicubic_phases(), persistent=False)
        self.compensate = splat

    def encode(self, neighbours: Tensor, flows: Tensor, references: Tensor) -> Tensor:
        """Encodings [B, H, W, E] of NEIGHBOURS [B, 1, H, W], each moved by its flow."""
        # A difference of a quarter of the range is the largest that says anything.
        wide = references * (4 * LIMIT)
        value, weight = self.compensate(neighbours * (4 * LIMIT), flows, wide)
        difference = bounded(value / weight - as_pixels(wide))
        plain = [as_pixels(centred(picture)) for picture in (neighbours, references)]
        given = [difference, PRIOR / weight, *plain, place(flows)]
        found = self.encoder(torch.cat(given, -1).permute(0, 3, 1, 2))
        return bounded(found).permute(0, 2, 3, 1)

    def fuse(self, encodings: Tensor) -> tuple[Tensor, Tensor]:
        """Mean over the window weighted by score: [N, B, H, W, E] -> [B, H, W, E].

        A score of 0 is what saying nothing has: if all neighbours score low, little is left. How
        much, [B, H, W, 1], is the second result.
        """
        weights = (4 * encodings[..., 0].float()).exp()
        nothing = 1 / (1 + weights.sum(0))
        shares = (weights * nothing).to(encodings.dtype)
        return (encodings * shares.unsqueeze(-1)).sum(0), nothing.unsqueeze(-1)

    def advance(
        self,
        fused: tuple[Tensor, Tensor],
        reference: Tensor,
        hidden: Tensor,
        detail: Tensor,
        flow: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The next HIDDEN [B, H, W, C] and DETAIL [B, PHASES, H, W], what bicubic lacks.

        HIDDEN and DETAIL given, the latter [B, H, W, PHASES] as `seen` says, are those of the last
        frame, moved to the REFERENCE [B, 1, H, W] along FLOW [B, 2, H, W]; FUSED is of `fuse`.
        """
        parts = [*fused, as_pixels(centred(reference)), hidden, detail, place(flow)]
        found = torch.cat([part.to(fused[0].dtype) for part in parts], -1).permute(0, 3, 1, 2)
        found = self.body(F.relu(self.merge(found)))
        hidden, detail = bounded(self.project(found)), self.head(found).float()
        return hidden.permute(0, 2, 3, 1), detail * activity(reference.float())

    def picture(self, detail: Tensor, reference: Tensor) -> Tensor:
        """Luma [B, 1, 4H, 4W]: REFERENCE enlarged by bicubic, plus DETAIL [B, PHASES, H, W]."""
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

        FRAMES [N, 1, H, W], the neighbours, and FLOWS [N, 2, H, W], of each to the REFERENCE
        [1, 1, H, W]; a reference without neighbours stands for its own, with flow zero.
        STATE_FLOW [1, 2, H, W] leads from the reference to the previous one. HIDDEN [1, C, H, W]
        and DETAIL [1, PHASES, H, W] are of that one; zeros start a scene.
        """
        encodings = self.encode(frames, flows, reference.expand(frames.shape[0], -1, -1, -1))
        fused = self.fuse(encodings.unsqueeze(1))
        hidden = nearest(hidden.permute(0, 2, 3, 1), state_flow)
        detail = nearest_detail(seen(detail), state_flow)
        hidden, detail = self.advance(fused, reference, hidden, detail, state_flow)
        luma = self.picture(detail, reference).clamp(0, 1)
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
        both = self.motion(torch.cat([before, after]), torch.cat([after, before]))
        forward, backward = both.reshape(2, batch, count - 1, 2, height, width)
        return forward, backward

    def forward(self, frames: Tensor, radius: int = 2) -> Tensor:
        """Luma [B, T, 4H, 4W], not clipped, of FRAMES [B, T, H, W].

        Windows reach RADIUS frames to each side and end with the sequence.
        """
        batch, count, height, width = frames.shape
        # Motion is taught by itself (train_motion.py): nearest reading has no gradient for it.
        with torch.no_grad():
            forward, backward = self.adjacent_flows(frames)
        steps = forward.unbind(1), backward.unbind(1)
        hidden = frames.new_zeros(batch, height, width, self.config.state)
        detail, details = frames.new_zeros(batch, PHASES, height, width), []
        flow = torch.zeros_like(frames[:, :2])
        for t in range(count):
            reference = frames[:, t : t + 1].contiguous()
            if t > 0:
                flow = steps[1][t - 1]
                hidden = nearest(hidden, flow)
            moved = nearest_detail(seen(detail), flow)
            fused = self.fusion.fuse(self.encode_window(frames, t, radius, *steps))
            hidden, detail = self.fusion.advance(fused, reference, hidden, moved, flow)
            details.append(detail)
        found = torch.stack(details, 1).flatten(0, 1)
        pictures = self.fusion.picture(found, frames.flatten(0, 1).unsqueeze(1))
        return pictures.reshape(batch, count, *pictures.shape[2:])

    def encode_window(
        self, frames: Tensor, t: int, radius: int, forward: tuple, backward: tuple
    ) -> Tensor:
        """Encodings [N, B, H, W, E] of the neighbours of frame T of FRAMES, all moved to it."""
        window = range(max(0, t - radius), min(frames.shape[1], t + radius + 1))
        flows = flows_to(t, window, forward, backward)
        neighbours = [i for i in window if i != t] or [t]
        moved = torch.cat([frames[:, i : i + 1] for i in neighbours])
        references = frames[:, t : t + 1].repeat(len(neighbours), 1, 1, 1)
        encoded = self.fusion.encode(moved, torch.cat([flows[i] for i in neighbours]), references)
        return encoded.unflatten(0, (len(neighbours), -1))


def flows_to(t: int, window: range, forward: tuple, backward: tuple) -> dict[int, Tensor]:
    """Flow [B, 2, H, W] of every frame of WINDOW to frame T, by number, of adjacent flows.

    FORWARD and BACKWARD [B, 2, H, W] of every step lead t -> t+1 and t+1 -> t. Outwards from T each
    flow is the step to the frame next nearer, then that frame's own flow: N - 1 compositions.
    """
    flows = {t: torch.zeros_like(forward[0])}
    for i in reversed(range(window.start, t)):
        flows[i] = forward[i] if i + 1 == t else compose(forward[i], flows[i + 1])
    for i in range(t + 1, window.stop):
        flows[i] = backward[i - 1] if i - 1 == t else compose(backward[i - 1], flows[i - 1])
    return flows

"""Motion estimation: the flow between two frames, coarse to fine."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.spmc.geometry import LIMIT, warp


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
    """PICTURE [B, 1, H, W] less its local mean, over twice its local deviation, -LIMIT..LIMIT.

    Motion is seen by it.
    """
    rows, columns = (torch.ones_like(picture[:1, :, :1]), torch.ones_like(picture[:1, :, :, :1]))
    whole = box(rows, 3) * box(columns, 2)  # fewer at the edges

    def local(x: Tensor) -> Tensor:
        return box(box(x, 2), 3) / whole

    difference = picture - local(picture)
    ratio = difference / (4 * local(difference * difference) + 16e-4).sqrt()
    return ratio.clamp(-LIMIT, LIMIT)


def half(picture: Tensor) -> Tensor:
    """PICTURE [B, 1, H, W] half as large, H and W even, by the binomial filter 1 3 3 1.

    The mean of two pixels lets through a tenth of a pattern two pixels fine, which then looks like
    a coarse one that moves otherwise; of that this lets through a thousandth.
    """
    taps = torch.tensor([1, 3, 3, 1], dtype=picture.dtype, device=picture.device) / 8
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    rows = F.conv2d(padded, taps.reshape(1, 1, 4, 1), stride=(2, 1))
    return F.conv2d(rows, taps.reshape(1, 1, 1, 4), stride=(1, 2))


BLOCK = 4
"""Pixels of a side that settle together."""
AROUND = 5
"""Blocks of a side that are looked at around each."""
NEAR = 0.15
"""How far apart, in pixels, flows are that may be the same motion, unless the network says else."""
DOUBT = 3
"""What the network says of its flow beside it, in logarithms: its weight, and what is near, times
NEAR, for blocks and for pixels."""
STRESS = 16
"""How many times larger these are than what the network gives, which shares an integer format with
the flow itself."""
MOST = 4
"""Beyond -MOST..MOST it says no more."""


def around() -> Tensor:
    """Filters [AROUND^2, 1, AROUND, AROUND] each of which finds one of the blocks around."""
    return torch.eye(AROUND**2).reshape(AROUND**2, 1, AROUND, AROUND)


def nearness() -> Tensor:
    """Shares [1, AROUND^2, 1, 1] of these by their distance, a Gaussian of two blocks."""
    axis = torch.arange(AROUND) - AROUND // 2
    square = axis[:, None] ** 2 + axis[None] ** 2
    return torch.exp(-square / 8).reshape(1, -1, 1, 1)


def alike(difference: Tensor, near: Tensor) -> Tensor:
    """Near 1 where DIFFERENCE [..., 2, H, W] of two flows is less than NEAR, else near 0."""
    ratio = difference / near
    apart = 1 + (ratio * ratio).sum(-3, keepdim=True)
    return 1 / (apart * apart)  # a power takes several times as long


class Settle(nn.Module):
    """What is found for one pixel, drawn to what is found around it where that moves alike.

    Motion is smooth but for its edges, and the errors of its estimate are not: on clean pictures of
    aliased detail, and on compressed ones, they are several times the flow's own change. So blocks
    take the mean of those around that are near in flow, a bilateral filter with flow itself as
    its range, and pixels go as far towards that as they are near it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("around", around(), persistent=False)
        self.register_buffer("nearness", nearness(), persistent=False)

    def forward(self, flow: Tensor, doubt: Tensor) -> Tensor:
        """FLOW [B, 2, H, W], H and W multiples of BLOCK, settled by DOUBT [B, DOUBT, H, W]."""
        said = (doubt * STRESS).clamp(-MOST, MOST).exp()
        weight = said[:, :1]
        sums = F.avg_pool2d(torch.cat([flow * weight, weight, said[:, 1:2]], 1), BLOCK)
        mean = sums[:, :2] / sums[:, 2:3]
        others = self._around(mean).unflatten(0, (-1, 2)).transpose(1, 2)
        shares = (self._around(sums[:, 2:3]) * self.nearness).unsqueeze(2)
        shares = shares * alike(others - mean.unsqueeze(1), NEAR * sums[:, 3:].unsqueeze(1))
        mean = (others * shares).sum(1) / shares.sum(1)
        smooth = F.interpolate(mean, scale_factor=BLOCK, mode="bilinear", align_corners=False)
        rest = smooth - flow
        return flow + rest * alike(rest, NEAR * said[:, 2:])

    def _around(self, planes: Tensor) -> Tensor:
        """PLANES [B, C, h, w] as [B * C, AROUND^2, h, w]: every block's surroundings."""
        reach = AROUND // 2
        padded = F.pad(planes.flatten(0, 1).unsqueeze(1), (reach,) * 4, mode="replicate")
        return F.conv2d(padded, self.around)


class Motion(nn.Module):
    """Motion estimation, coarse to fine: each level corrects the flow of the coarser one.

    At each level the neighbour is warped by the flow found so far and a small network sees both
    pictures and that flow, all of it within -LIMIT..LIMIT. The coarse levels, where motion is
    large, look twice. In the end the flow settles.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        said = [2] * (len(channels) - 1) + [2 + DOUBT]
        self.levels = nn.ModuleList(map(self._level, channels, said))
        self.settle = Settle()

    @staticmethod
    def _level(channels: int, said: int) -> nn.Sequential:
        last = conv(channels, said)
        last.weight.data.mul_(0.1)  # starts near zero flow
        nn.init.zeros_(last.bias)
        layers: list[nn.Module] = [conv(4, channels), nn.ReLU(True)]
        for _ in range(3):
            layers += [conv(channels, channels), nn.ReLU(True)]
        return nn.Sequential(*layers, last)

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        """Flow [B, 2, H, W] from REFERENCE to NEIGHBOUR, both [B, 1, H, W]."""
        return self.pyramid(reference, neighbour)[-1]

    def pyramid(self, reference: Tensor, neighbour: Tensor) -> list[Tensor]:
        """The flow after every look, coarsest level first, in pixels of its level; then settled."""
        pictures = [torch.cat([reference, neighbour])]
        for _ in range(len(self.levels) - 1):
            pictures.append(half(pictures[-1]))
        count = reference.shape[0]
        flow = torch.cat([torch.zeros_like(pictures[-1][:count])] * 2, 1)
        pictures = [contrast(picture) for picture in reversed(pictures)]
        flows: list[Tensor] = []
        for number, (level, both) in enumerate(zip(self.levels, pictures, strict=True)):
            pair = both[:count], both[count:]
            if flows:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
            for _ in range(1 if number == len(self.levels) - 1 else 2):
                found = self._look(level, *pair, flow)
                flow = flow + found[:, :2]
                flows.append(flow)
        flows.append(self.settle(flow, found[:, 2:]))
        return flows

    @staticmethod
    def _look(level: nn.Module, first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
        found = warp(second, flow)
        seen = torch.cat([first, found, (flow * 0.05).clamp(-LIMIT, LIMIT)], 1)
        return keep_layout(keep_layout(level(seen)).float().contiguous())

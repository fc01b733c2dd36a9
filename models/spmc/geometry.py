"""Where pixels go: warping, the SPMC layer, and reading along a flow. Nothing here is learnt.

B batch, H x W the low-resolution size. A flow [B, 2, H, W] is (x, y) in low-resolution pixels:
pixel p of the first frame is found at p + flow(p) in the second.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 4
LIMIT = 2.0
"""What convolutions are given lies within -LIMIT..LIMIT."""
PHASES = SCALE * SCALE
"""Sub-pixel positions of the canvas within one low-resolution pixel, row by row."""
PRIOR = 0.05
"""Weight, in pixels, with which the reference lies on the canvas before anything else does: where
little arrives, the canvas differs little from it."""


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

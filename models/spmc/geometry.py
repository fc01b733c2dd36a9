"""Where pixels go: enlarging, warping, the SPMC layer, reading along a flow; nothing is learnt.

B batch, H x W the low-resolution size. A flow [B, 2, H, W] is (x, y) in low-resolution pixels:
pixel p of the first frame is found at p + flow(p) in the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 4
LIMIT = 2.0
"""What convolutions are given lies within -LIMIT..LIMIT."""
PHASES = SCALE * SCALE
"""Sub-pixel positions of the canvas within one low-resolution pixel, row by row."""
PRIOR = 0.05
"""Weight, in pixels, of the enlarged reference on the canvas: what little arrives counts little."""


@dataclass(frozen=True)
class Places:
    """Where on the canvas the pixels of N frames go: each to the four canvas pixels around it."""

    index: Tensor
    """int64 [B, N, 4, H, W], into a canvas [H, W, PHASES] laid out flat."""
    share: Tensor
    """float32 [B, N, 4, H, W], bilinear, 0 outside of the canvas."""


def pixel_grid(like: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of every pixel of LIKE [..., H, W], each float32 [H, W]."""
    rows = torch.arange(like.shape[-2], device=like.device, dtype=torch.float32)
    columns = torch.arange(like.shape[-1], device=like.device, dtype=torch.float32)
    return torch.meshgrid(rows, columns, indexing="ij")


def bicubic_phases() -> Tensor:
    """Bicubic x4 enlargement (centre aligned) as a 5x5 convolution to the phases [PHASES,1,5,5]."""

    def cubic(t: float) -> float:
        a, t = -0.5, abs(t)
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
    """Flow a -> c [B, 2, H, W] from FIRST, a -> b, and SECOND, b -> c, read at the nearest pixel.

    Nothing is interpolated: flow hardly changes from one pixel to the next, and beside an edge the
    mean of two motions is none. It takes a third of the time.
    """
    return first + _nearest_flow(second, first)


def inverse(flow: Tensor) -> Tensor:
    """Flow b -> a [B, 2, H, W] of FLOW a -> b: where two steps of b(p) = -flow(p + b(p)) lead.

    More change nothing that can be measured, nor does interpolation in the first. Beside an edge
    that covers and uncovers, where there is none, it is the flow of one side.
    """
    return -warp(flow, -_nearest_flow(flow, -flow))


def _nearest_flow(flow: Tensor, along: Tensor) -> Tensor:
    """FLOW [B, 2, H, W] at the pixel nearest to p + ALONG(p), alike."""
    return nearest(flow.permute(0, 2, 3, 1), along).permute(0, 3, 1, 2)


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


def nearest(picture: Tensor, flow: Tensor) -> Tensor:
    """PICTURE [B, H, W, C] read at the whole pixel nearest to p + FLOW(p), edges repeated.

    Whole pixels, C values side by side in memory, are copied: much cheaper than interpolation.
    """
    batch, height, width, channels = picture.shape
    rows, columns = pixel_grid(flow)
    # The flow is rounded, not the place: that is the same bits wherever a tile begins.
    x = (columns + flow[:, 0].round()).clamp(0, width - 1)
    y = (rows + flow[:, 1].round()).clamp(0, height - 1)
    index = y.long() * width + x.long()
    if batch > 1:
        index = index + _starts(batch, height * width, flow).reshape(-1, 1, 1)
    read = torch.index_select(picture.reshape(-1, channels), 0, index.reshape(-1))
    return read.reshape(batch, height, width, channels)


def off_grid(flow: Tensor) -> Tensor:
    """How far from the middle of a pixel FLOW [..., 2, H, W] ends, alike, -LIMIT..LIMIT."""
    return (flow - flow.round()) * (2 * LIMIT)


def nearest_detail(detail: Tensor, flow: Tensor) -> Tensor:
    """DETAIL [B, PHASES, H, W] read at the nearest pixel, of its fine grid, to p + FLOW(p), alike.

    All phases of a low-resolution pixel move by the same whole number of fine pixels, FLOW
    [B, 2, H, W] times SCALE, rounded; edges are repeated.
    """
    batch, _, height, width = detail.shape
    area = height * width
    rows, columns = pixel_grid(flow)
    offsets = torch.arange(SCALE, device=flow.device, dtype=torch.float32).reshape(-1, 1, 1)
    x = columns * SCALE + (flow[:, 0] * SCALE).round()
    y = rows * SCALE + (flow[:, 1] * SCALE).round()
    # [B, SCALE, H, W]: the columns, and the rows, that the phases of a pixel come from.
    across = canvas_index((x.unsqueeze(1) + offsets).clamp(0, width * SCALE - 1), 1, area)
    down = (y.unsqueeze(1) + offsets).clamp(0, height * SCALE - 1)
    index = canvas_index(down, width, SCALE * area).unsqueeze(2) + across.unsqueeze(1)
    index = index.reshape(batch, -1)
    if batch > 1:
        index = index + _starts(batch, area * PHASES, flow).reshape(-1, 1)
    return _taken(detail, index).reshape(batch, PHASES, height, width)


def slopes() -> tuple[Tensor, Tensor]:
    """Two convolutions [PHASES, PHASES, 3, 3] of a picture held phase by phase: to how much it
    rises across, and down, from one pixel of its fine grid to the next.
    """
    weights = torch.zeros(2, PHASES, PHASES, 3, 3)
    for phase in range(PHASES):
        row, column = divmod(phase, SCALE)
        for step in (-1, 1):  # half the difference of the pixels on both sides
            cell, there = divmod(column + step, SCALE)
            weights[0, phase, row * SCALE + there, 1, 1 + cell] += step / 2
            cell, there = divmod(row + step, SCALE)
            weights[1, phase, there * SCALE + column, 1 + cell, 1] += step / 2
    return weights[0], weights[1]


def moved_detail(detail: Tensor, flow: Tensor, slopes: tuple[Tensor, Tensor]) -> Tensor:
    """DETAIL [B, PHASES, H, W] read at p + FLOW(p), FLOW [B, 2, H, W]; alike.

    The nearest pixel of the fine grid, and what it rises by from there on: interpolation of the
    first order, as good as bicubic for half a fine pixel at most. SLOPES: of the function.
    """
    found = nearest_detail(detail, flow)
    fine = flow * SCALE
    rest = (fine - fine.round()).to(found.dtype)
    # One convolution for each: cutting a result in two would copy it.
    across, down = (F.conv2d(found, weights, padding=1) for weights in slopes)
    return found + across * rest[:, :1] + down * rest[:, 1:]


def canvas_index(place: Tensor, stride: int, phase_stride: int) -> Tensor:
    """Along one axis, the part of the index into a flat canvas of the fine pixel PLACE.

    PLACE holds whole numbers; low-resolution pixels are STRIDE apart, phases PHASE_STRIDE.
    """
    pixel = torch.floor(place * (1 / SCALE))  # exact: a division by a power of two
    return pixel.int() * stride + (place - pixel * SCALE).int() * phase_stride


def _taken(values: Tensor, index: Tensor) -> Tensor:
    """VALUES at INDEX, both of any shape, as one row.

    Single values are gathered as elements, by onnxruntime in a fifth of the time that it takes to
    select each as a row of one.
    """
    return torch.gather(values.reshape(-1), 0, index.reshape(-1).long())


def _starts(batch: int, size: int, like: Tensor) -> Tensor:
    """Where each of BATCH pictures of SIZE values begins, one after the other."""
    return torch.arange(batch, device=like.device) * size


def places(flows: Tensor) -> Places:
    """Where FLOWS [B, N, 2, H, W] take every pixel on a canvas SCALE times finer.

    The centre of pixel x goes to SCALE * (x + u + 0.5) - 0.5, between four canvas pixels.
    """
    batch, count, _, height, width = flows.shape
    rows, columns = pixel_grid(flows)
    x = (columns + flows[:, :, 0] + 0.5) * SCALE - 0.5
    y = (rows + flows[:, :, 1] + 0.5) * SCALE - 0.5
    across, across_share = _corners(x, width, PHASES, 1)
    down, down_share = _corners(y, height, PHASES * width, SCALE)
    shape = (batch, count, 4, height, width)
    index = (down.unsqueeze(3) + across.unsqueeze(2)).reshape(shape)
    share = (down_share.unsqueeze(3) * across_share.unsqueeze(2)).reshape(shape)
    return Places(index.long(), share)


def read(canvas: Tensor, at: Places) -> Tensor:
    """What CANVAS [B, H, W, PHASES] holds where the pixels of N frames go: [B, N, H, W]."""
    index = at.index
    if canvas.shape[0] > 1:
        starts = _starts(canvas.shape[0], canvas[0].numel(), canvas)
        index = index + starts.reshape(-1, 1, 1, 1, 1)
    return (_taken(canvas, index).reshape(at.share.shape) * at.share).sum(2)


def splat(values: Tensor, at: Places) -> Tensor:
    """The SPMC layer: VALUES [B, N, H, W] of all pixels of N frames, added up on one canvas.

    Each goes where AT says, shared by the four canvas pixels around; what leaves the canvas is
    lost. [B, H, W, PHASES]: the phases of a pixel side by side, so that nothing is rearranged.
    """
    batch, _, height, width = values.shape
    shared = (values.unsqueeze(2) * at.share).reshape(batch, -1)
    canvas = torch.zeros(batch, height * width * PHASES, device=values.device)
    canvas = canvas.scatter_add(1, at.index.reshape(batch, -1), shared)
    return canvas.reshape(batch, height, width, PHASES)


def _corners(
    position: Tensor, length: int, stride: int, phase_stride: int
) -> tuple[Tensor, Tensor]:
    """Along one axis, the canvas pixels below and above POSITION [B, N, H, W].

    Returns the `canvas_index` of both [B, N, 2, H, W] in a canvas of LENGTH low-resolution pixels
    and their shares of the value, 0 outside.
    """
    below = torch.floor(position)
    place = torch.stack([below, below + 1], 2)
    inside = (place >= 0) & (place < length * SCALE)
    share = (1 - (position.unsqueeze(2) - place).abs()) * inside
    place = place.clamp(0, length * SCALE - 1)
    return canvas_index(place, stride, phase_stride), share

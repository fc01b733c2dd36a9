"""Scene cuts, decided on small pictures of the luma as the frames come."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Thumbnail = NDArray[np.float32]

LONG_SIDE = 96
"""Longer side of a thumbnail in pixels: enough structure to recognise, cheap to search."""
BLOCK = 18
"""Side of the blocks that are looked for: smaller ones look alike in unrelated scenes."""
SEARCH, NEAR = 10, 2
"""Motion searched, in thumbnail pixels: a tenth of the picture between two frames, and less first,
which is enough to know most frames again."""
NOISE = 1e-5
"""Variance of luma (0..1) below which a block has no structure to go by."""
THRESHOLD = 0.25
"""Share of a frame's structure that must be new in a cut. On 70 real clips two adjacent frames
reached 0.16 at most; of pairs of unrelated clips all were above 0.26."""
OUTLIER = 2.5
"""And that many times what has been usual lately: wild motion is not a row of cuts."""
RECENT = 5
"""Frames that "lately" means."""
MEMORY = 3
"""Frames looked back at: what a flash of up to two frames interrupts is no new scene."""


class SceneCuts:
    """Tells, frame by frame, where a new scene begins. No frame waits for a later one."""

    def __init__(self) -> None:
        self._scene: deque[Thumbnail] = deque(maxlen=MEMORY)
        self._recent: deque[_Step] = deque(maxlen=RECENT)

    def push(self, luma: NDArray[Any]) -> bool:
        """Whether the frame LUMA [H, W] begins a new scene; the first frame does not.

        LUMA is 0..255 if it is uint8, else 0..1.
        """
        current = thumbnail(luma)
        if not self._scene:
            self._scene.append(current)
            return False
        cut = self._is_cut(_Step(current, self._scene[-1]))
        if cut:
            self._scene.clear()
        self._scene.append(current)
        return cut

    def _is_cut(self, step: _Step) -> bool:
        recent = list(self._recent)
        self._recent.append(step)
        # Found near, a block is found; with a wider search novelty only falls.
        if novelty(step.current, step.previous, NEAR) <= THRESHOLD or step.share <= THRESHOLD:
            return False
        usual = float(np.median([before.share for before in recent])) if recent else 0.0
        return step.share > OUTLIER * usual and all(
            novelty(step.current, earlier) > THRESHOLD for earlier in list(self._scene)[:-1]
        )


@dataclass(frozen=True)
class _Step:
    """From one frame of a scene to the next."""

    current: Thumbnail
    previous: Thumbnail

    @cached_property
    def share(self) -> float:
        """Novelty, searched for when it is asked for: seldom."""
        return novelty(self.current, self.previous)


def thumbnail(luma: NDArray[Any]) -> Thumbnail:
    """LUMA [H, W], as `SceneCuts.push` takes it, as 0..1 in squares: LONG_SIDE of them at most."""
    height, width = luma.shape
    side = -(-max(height, width) // LONG_SIDE)
    rows, columns = max(1, height // side), max(1, width // side)
    down, right = min(side, height), min(side, width)
    squares = luma[: rows * down].astype(np.float32, copy=False)
    # Whole rows first: a mean along both axes of the squares takes several times as long.
    sums = squares.reshape(rows, down, width).sum(1)[:, : columns * right]
    sums = sums.reshape(rows, columns, right).sum(2)
    unit = 1 / 255 if luma.dtype == np.uint8 else 1.0
    return np.asarray(sums * (unit / (down * right)), dtype=np.float32)


def novelty(current: Thumbnail, previous: Thumbnail, search: int = SEARCH) -> float:
    """Share, 0 to 1, of the structure of CURRENT that is nowhere near in PREVIOUS.

    Every block of CURRENT is looked for around its place in PREVIOUS by normalised correlation:
    motion up to SEARCH pixels, and any change of brightness or contrast (flash, fade), leave it
    known. Blocks count by their variance, so that flat ones do not.
    """
    blocks = _blocks(current)
    size = blocks.shape[-1]
    blocks = blocks - blocks.mean(-1, keepdims=True)
    energy = np.square(blocks).sum(-1)
    padded = np.pad(previous, search, mode="edge")
    shifted = sliding_window_view(padded, current.shape)
    # The mean of a block times a block without mean is zero: it need not be taken off here.
    product = np.stack([np.einsum("skb,kb->sk", _blocks(row), blocks) for row in shifted])
    sums, squares = (_block_sums(values, current.shape) for values in (padded, padded**2))
    spread = squares - np.square(sums) / size
    scale = np.sqrt(np.maximum(spread, NOISE * size) * np.maximum(energy, NOISE * size))
    found = np.maximum(product / scale, 0).max((0, 1))
    weight = energy / (energy.sum() + NOISE * current.size)
    return float((weight * (1 - np.minimum(found, 1))).sum())


def _blocks(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """PICTURES [..., H, W] cut into blocks of at most BLOCK squared: [..., K, pixels]."""
    down, right, rows, columns = _grid(*pictures.shape[-2:])
    cut = pictures[..., : rows * down, : columns * right]
    cut = cut.reshape(*pictures.shape[:-2], rows, down, columns, right)
    cut = np.moveaxis(cut, -3, -2)
    return cut.reshape(*pictures.shape[:-2], rows * columns, down * right)


def _block_sums(padded: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Sums of the blocks of every window [H, W] = SHAPE of PADDED: [rows, columns, K].

    By sums of all that is above and left of a sample: those of a block are four of them.
    """
    down, right, rows, columns = _grid(*shape)
    before = np.pad(padded.cumsum(0, np.float64).cumsum(1), ((1, 0), (1, 0)))
    across = before[:, right:] - before[:, :-right]
    sums = across[down:] - across[:-down]
    reach = (rows - 1) * down + 1, (columns - 1) * right + 1
    most_down, most_right = (padded.shape[axis] - shape[axis] + 1 for axis in (0, 1))
    windows = sliding_window_view(sums, reach)[:most_down, :most_right, ::down, ::right]
    return windows.reshape(*windows.shape[:2], rows * columns)


def _grid(height: int, width: int) -> tuple[int, int, int, int]:
    """Height and width of the blocks of such a picture, and how many there are each way."""
    down, right = min(BLOCK, height), min(BLOCK, width)
    return down, right, height // down, width // right

"""Self-ensemble: the mean of what a network makes of mirrored and turned views of the same frames.

Known as test-time augmentation (TTA): R. Timofte, R. Rothe, L. Van Gool, "Seven Ways to Improve
Example-based Single Image Super Resolution", CVPR 2016. What the network gets wrong
differs from view to view and averages out; every view costs a whole run.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from vsrcli.networks.spmc import Luma, Seen, SpmcUpscaler
from vsrcli.turning import Turning

_VIEWS = tuple(
    Turning(transposed, upside_down, mirrored)
    for transposed in (False, True)
    for upside_down in (False, True)
    for mirrored in (False, True)
)


class Ensemble:
    """Does what an SpmcUpscaler does, several times over."""

    def __init__(self, upscaler: SpmcUpscaler, count: int) -> None:
        """COUNT views, 1 to 8, the first of them UPSCALER's own; all share its sessions."""
        if not 1 <= count <= len(_VIEWS):
            raise ValueError(f"an ensemble has 1 to {len(_VIEWS)} views, not {count}")
        others = [upscaler.another() for _ in range(count - 1)]
        self._views = list(zip(_VIEWS[:count], [upscaler, *others], strict=True))

    def look(self, luma: ArrayLike) -> list[Seen]:
        """As `SpmcUpscaler.look`, from every side. Where scenes begin the first view decides."""
        plane = np.asarray(luma)
        seen: list[Seen] = []
        for view, upscaler in self._views:
            cut = seen[0].cut if seen else None
            seen.append(upscaler.look(view.of(plane), cut=cut))
        return seen

    def fuse(self, seen: list[Seen]) -> list[Luma]:
        """As `SpmcUpscaler.fuse`, the mean of all views."""
        runs = zip(self._views, seen, strict=True)
        return self._mean((view, upscaler.fuse(each)) for (view, upscaler), each in runs)

    def flush(self) -> list[Luma]:
        """As `SpmcUpscaler.flush`, the mean of all views."""
        return self._mean((view, upscaler.flush()) for view, upscaler in self._views)

    def _mean(self, found: Iterable[tuple[Turning, list[Luma]]]) -> list[Luma]:
        sums: list[Luma] = []
        for view, lumas in found:
            ours = [view.back(luma) for luma in lumas]
            for total, luma in zip(sums, ours, strict=False):
                total += luma
            sums = sums or ours
        if len(self._views) > 1:
            for total in sums:
                total *= np.float32(1 / len(self._views))
        return sums

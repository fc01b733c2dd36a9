"""Luma made smaller and compressed, by the degradations of `vsr degrade`."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vsrcli.degradation import Degradation, Kind, compress
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags, Frame

Clip = NDArray[np.uint8]
"""[T, H, W] luma."""

GRAY = layout_of("gray")


def reduce(clip: Clip, factor: int) -> Clip:
    """CLIP smaller by a whole FACTOR, its sizes multiples of 8."""
    if factor > 1:
        height, width = (size // factor * factor for size in clip.shape[1:])
        clip = degrade_luma(clip[:, :height, :width], factor, "bi")
    height, width = (size // 8 * 8 for size in clip.shape[1:])
    return clip[:, :height, :width]


def degrade_luma(clip: Clip, factor: int, kind: Kind) -> Clip:
    """CLIP reduced by FACTOR as `vsr degrade --kind KIND` does it."""
    reduction = Degradation(GRAY, (clip.shape[2], clip.shape[1]), scale=factor, kind=kind)
    return np.stack([reduction([picture])[0] for picture in clip])


def compress_luma(clip: Clip, crf: int) -> Clip:
    """CLIP through libx264, as `vsr degrade` compresses."""
    frames = [
        Frame((picture,), GRAY, index, 1, Fraction(1, 25), ColourTags(), index)
        for index, picture in enumerate(clip)
    ]
    return np.stack([frame.planes[0] for frame in compress(frames, crf=crf)])

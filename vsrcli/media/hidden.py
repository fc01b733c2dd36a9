"""Colours that transparency hides, which must not show at the edges of what is enlarged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vsrcli.media.planes import Frame, Plane

Mask = NDArray[np.bool_]


def without_hidden(frame: Frame) -> Frame:
    """FRAME with the nearest visible colour where it is fully transparent.

    Resampling and the network mix what lies side by side. Black or white, which editors and
    decoders leave where nobody sees it, would fringe the edges.
    """
    if not frame.layout.alpha:
        return frame
    *colours, alpha = frame.planes
    hidden = alpha == 0
    if not hidden.any():
        return frame
    masks = {plane.shape: _reduced(hidden, plane.shape) for plane in colours}
    nearest = {shape: _nearest_visible(mask) for shape, mask in masks.items()}
    filled: list[Plane] = [plane[nearest[plane.shape]] for plane in colours]
    return replace(frame, planes=(*filled, alpha))


def _reduced(hidden: Mask, shape: tuple[int, ...]) -> Mask:
    """HIDDEN for a plane of SHAPE, of chroma perhaps: where nothing of a sample is seen."""
    down, across = (-(-full // part) for full, part in zip(hidden.shape, shape, strict=True))
    height, width = shape
    missing = (0, height * down - hidden.shape[0]), (0, width * across - hidden.shape[1])
    whole = np.pad(hidden, missing, mode="edge")
    reduced: Mask = np.all(whole.reshape(height, down, width, across), axis=(1, 3))
    return reduced


def _nearest_visible(hidden: Mask) -> tuple[NDArray[np.int32], ...]:
    """Row and column of the nearest sample that is not HIDDEN; if there is none, of itself."""
    from scipy.ndimage import distance_transform_edt  # not for all others: it takes time

    if hidden.all():
        return tuple(np.indices(hidden.shape, np.int32))
    found = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return tuple(found)

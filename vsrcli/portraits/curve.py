"""The tone found around faces as a curve, which the rest of the picture can go through as well."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
_LEVELS = 64
_LEAST = 16
"""Pixels of a level of which a mean is worth something."""


class ToneCurve:
    """What is added to every level of every channel: the mean over pictures it was shown."""

    def __init__(self, channels: int) -> None:
        self._sums = np.zeros((channels, _LEVELS))
        self._counts = np.zeros((channels, _LEVELS))

    def learn(self, picture: Floats, change: Floats) -> None:
        """Count PICTURE [H, W, c], 0..1, and what is added to it."""
        levels = np.clip(np.rint(picture * (_LEVELS - 1)), 0, _LEVELS - 1).astype(np.intp)
        for channel, (sums, counts) in enumerate(zip(self._sums, self._counts, strict=True)):
            seen = levels[..., channel].ravel()
            counts += np.bincount(seen, minlength=_LEVELS)
            sums += np.bincount(seen, change[..., channel].ravel(), minlength=_LEVELS)

    def __call__(self, picture: Floats) -> Floats:
        """What is added to PICTURE [H, W, c], 0..1. Beyond the levels seen: as at the last one."""
        added = np.empty(picture.shape, np.float32)
        places = np.linspace(0, 1, _LEVELS)
        for channel, (sums, counts) in enumerate(zip(self._sums, self._counts, strict=True)):
            seen = counts >= min(_LEAST, np.max(counts))
            means = np.interp(places, places[seen], sums[seen] / counts[seen])
            even = ndimage.gaussian_filter1d(means, 1.0, mode="nearest")
            added[..., channel] = np.interp(picture[..., channel], places, even)
        return added

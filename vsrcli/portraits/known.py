"""The tone of an edit that is known: one photo before and after the same app gives its curve.

No network can tell a fair face from a whitened one for sure. Whoever has the app can: any photo of
theirs, put through it, says what it does to every level of every channel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsrcli.errors import InputError
from vsrcli.portraits.curve import ToneCurve
from vsrcli.portraits.pictures import read_still

Floats = NDArray[np.float32]
_MOST_SIDE = 1024
"""The pair is compared at no more than this: levels are looked for, not detail."""
_OTHER_SHAPE = 0.01
"""Aspect ratios further apart than this are of pictures that were cropped."""
_LEAST_ALIKE = 0.98
"""Correlation of the photo with what the curve makes of the edited one. Of a portrait of 512 pixels
edits of tone and skin stay above 0.995, a shift by two pixels falls to 0.95."""

_LEAST_CONTRAST = 0.1
"""From the darkest to the lightest sample: anything looks like the edit of a picture of less."""


def learn_tone(before: Path, after: Path) -> ToneCurve:
    """What has to be added to levels, sRGB 0..1, of pictures edited as AFTER was, made of BEFORE.

    The pair may differ in size, not in what is on it. Raises InputError if it does, or if one of
    them cannot be read.
    """
    stills = [read_still(path) for path in (before, after)]
    shapes = [still.pixels.shape[1] / still.pixels.shape[0] for still in stills]
    if abs(shapes[0] / shapes[1] - 1) > _OTHER_SHAPE:
        raise InputError(
            f"{after}: not of the shape of {before}; give an edit that was not cropped"
        )
    longest = min(_MOST_SIDE, *(max(still.pixels.shape[:2]) for still in stills))
    height, width = stills[0].pixels.shape[:2]
    share = longest / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    truth, edited = (still.in_srgb(size) for still in stills)
    curve = ToneCurve(3)
    curve.learn(edited, truth - edited)
    if float(np.ptp(truth)) < _LEAST_CONTRAST:
        raise InputError(f"{before}: all of one level, which tells no tone; give a photo")
    if _correlation(edited + curve(edited), truth) < _LEAST_ALIKE:
        raise InputError(f"{after}: not what was made of {before}; give the same photo, edited")
    return curve


def _correlation(first: Floats, second: Floats) -> float:
    """Of all samples; 0 for a picture without any contrast."""
    apart = [(each - each.mean()).ravel().astype(np.float64) for each in (first, second)]
    energy = float(np.sqrt((apart[0] @ apart[0]) * (apart[1] @ apart[1])))
    return float(apart[0] @ apart[1]) / energy if energy > 1e-6 else 0.0

"""Whether a photo looks edited at all: traces that smoothing and whitening leave on a face.

Ten figures of a canvas go into a logistic regression whose weights stand in the model's card. It
is a judgement on pixels, wrong now and then, and says nothing about who did what.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]

NAMES = (
    *("texture 0-1", "texture 1-2", "texture 2-4", "texture 4-8"),
    *("light", "warmth", "scale", "tone", "restored texture", "evidence"),
)
"""Of skin away from edges: log10 of the standard deviation of luma between two Gaussian blurs;
mean luma; red over blue; log10 of how the canvas was scaled; log10 of the rms predicted; the log
odds by the network's head."""
_LEAST = 1e-5
_MOST = 6.0
"""Log odds beyond which the head is sure."""
LEAST_TRUST = 0.3
"""Less is not worth saving the file again."""


def traces(
    canvas: Floats,
    oval: NDArray[np.bool_],
    scale: float,
    tone: float,
    texture: float,
    evidence: float,
) -> Floats:
    """The ten figures of CANVAS [H, W, 3] with a face at OVAL [H, W].

    SCALE is canvas pixels per photo pixel; TONE and TEXTURE the rms of what is predicted of either;
    EVIDENCE the log odds that the network's head gives.
    """
    light = canvas @ np.array([0.299, 0.587, 0.114], np.float32)
    blurred = [light, *(ndimage.gaussian_filter(light, sigma) for sigma in (1, 2, 4, 8))]
    slope = np.hypot(*np.gradient(blurred[2]))
    calm = oval & (slope <= np.median(slope[oval]))
    bands = [
        (fine - coarse)[calm].std() for fine, coarse in zip(blurred, blurred[1:], strict=False)
    ]
    red, _, blue = canvas[calm].mean(axis=0)
    logs = np.log10(np.maximum([*bands, scale, tone, texture], _LEAST))
    colours = [light[calm].mean(), red / max(blue, 0.01)]
    odds = np.clip(evidence, -_MOST, _MOST)
    return np.array([*logs[:4], *colours, *logs[4:], odds], np.float32)


def edited(figures: Floats, weights: tuple[float, ...]) -> float:
    """Probability, by the regression's WEIGHTS (ten, then the bias), that the photo was edited."""
    *factors, bias = weights
    return float(1 / (1 + np.exp(-np.clip(figures @ np.array(factors) + bias, -50, 50))))


def trust(chance: float, above: float, surely: float) -> float:
    """Share of what is predicted that is added, for the CHANCE that the photo was edited.

    Nothing up to ABOVE: the photo is left alone. Then LEAST_TRUST, rising to 1 at SURELY: between
    the two a photo of no edit is harmed less than an edited one is helped.
    """
    if chance <= above:
        return 0.0
    if chance >= surely:
        return 1.0
    return LEAST_TRUST + (1 - LEAST_TRUST) * (chance - above) / (surely - above)

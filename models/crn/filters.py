"""The smoothing of beauty filters, re-derived from the formulas of public ones.

Every filter maps a picture [h, w, 3], float32 RGB 0..1, to another; RADIUS is in pixels, AMOUNT and
VARIANT are 0..1. Families, by the principle of their smoothing:

variance   the mean around a pixel replaces it where the surroundings vary little (GPUPixel,
           CainCamera, MagicCamera: a Wiener filter in all but name)
highpass   pores, found by a high pass made harsh with hard light, are lifted by a curve (YUCI,
           MagicCamera's live filter)
guided     the guided filter, by itself (He, Sun, Tang, ECCV 2010)
range      neighbours count by how alike they are: bilateral with skin and edge rules (BeautifyFace)
           and surface blur. Held out: no network here is trained on it
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Picture = NDArray[np.float32]
"""[h, w, 3], RGB 0..1."""
Plane = NDArray[np.float32]


def luma(picture: Picture) -> Plane:
    """BT.601 luma [h, w]."""
    return (picture @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.float32)


def box(picture: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Mean over squares of 2 radius + 1; works on [h, w] and [h, w, 3]."""
    size = 2 * max(1, round(radius)) + 1
    return ndimage.uniform_filter(picture, (size, size, 1)[: picture.ndim], mode="nearest")


def blur(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur; three box filters where it is wide enough for them, of whole pixels."""
    if sigma < 2.5:
        sigmas = (sigma, sigma, 0)[: picture.ndim]
        return ndimage.gaussian_filter(picture, sigmas, mode="nearest", truncate=3.0)
    radius = (np.sqrt(4 * sigma**2 + 1) - 1) / 2
    return box(box(box(picture, radius), radius), radius)


def mix(first: Picture, second: Picture, share: NDArray[np.float32] | float) -> Picture:
    """FIRST where SHARE [h, w] or number is 0, SECOND where it is 1."""
    weight = share[..., None] if isinstance(share, np.ndarray) else share
    return (first + (second - first) * weight).astype(np.float32)


# Smoothing: picture, radius (pixels), amount 0..1, variant 0..1 -> picture.


def variance(picture: Picture, radius: float, amount: float, variant: float) -> Picture:
    """Mean where the neighbourhood is calm; bright and reddish pixels only, as the apps gate it."""
    if variant > 0.8:
        return _luma_variance(picture, radius, amount)
    if variant > 0.5:
        mean = blur(picture, radius / 1.7)
        varied = blur(np.clip(48 * (picture - mean) ** 2, 0, 1), radius / 1.7).mean(axis=2)
        gate = np.clip(5 * (np.minimum(picture[..., 2], mean[..., 2]) - 0.2), 0, 1)
        calm = 1 - varied / (varied + 0.2)
    else:
        mean = box(picture, radius)
        varied = box(np.clip(7 * (picture - mean) ** 2, 0, 1), radius).mean(axis=2)
        gate = np.clip(4 * (np.minimum(picture[..., 0], mean[..., 0] - 0.1) - 0.2), 0, 1)
        calm = 1 - varied / (varied + 0.1)
    return mix(picture, mean, np.clip(calm * gate * amount, 0, 1))


def _luma_variance(picture: Picture, radius: float, amount: float) -> Picture:
    """The same on luma alone, with a noise variance in the place of the gate."""
    light = luma(picture)
    mean = box(light, radius)
    spread = np.maximum(box(light**2, radius) - mean**2, 0)
    noise = (10 + 500 * amount**2) / 255**2
    smooth = mean + spread / (spread + noise) * (light - mean)
    return picture + (smooth - light)[..., None]


def highpass(picture: Picture, radius: float, amount: float, variant: float) -> Picture:
    """A curve that brightens, applied where the high pass says there is a dark detail."""
    green = picture[..., 1]
    high = np.clip(green - blur(green, radius) + 0.5, 0, 1)
    for _ in range(3 if variant < 0.5 else 5):
        high = np.where(high < 0.5, 2 * high**2, 1 - 2 * (1 - high) ** 2)
    if variant < 0.5:
        high = np.clip((high * 255 - 75) / (164 - 75), 0, 1)
        lifted = np.interp(picture, (0, 120 / 255, 1), (0, 146 / 255, 1)).astype(np.float32)
        return mix(picture, lifted, (amount * (1 - high)).astype(np.float32))
    share = luma(picture) ** (1.0 - 0.67 * amount)
    lifted = picture + 0.1 * share[..., None] * (picture - high[..., None])
    return mix(lifted, np.maximum(lifted, picture), share).astype(np.float32)


def guided(picture: Picture, radius: float, amount: float, variant: float) -> Picture:
    """Guided filter of every channel by itself; VARIANT sets the contrast it keeps."""
    floor = (0.02 + 0.08 * variant) ** 2
    mean = box(picture, radius)
    spread = np.maximum(box(picture**2, radius) - mean**2, 0)
    slope = spread / (spread + floor)
    smooth = box(slope, radius) * picture + box(mean - slope * mean, radius)
    return mix(picture, smooth, amount)


def alike(picture: Picture, radius: float, amount: float, variant: float) -> Picture:
    """Surface blur (VARIANT < 0.5) or bilateral filter, of some 100 neighbours; held out."""
    reach = max(2, round(radius))
    step = max(1, round(reach / 5))
    offsets = range(-(reach // step) * step, reach + 1, step)
    padded = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = picture.shape[:2]
    total, weights = np.zeros_like(picture), np.zeros(picture.shape[:2], np.float32)
    for dy in offsets:
        for dx in offsets:
            near = padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
            apart = np.abs(near - picture).mean(axis=2)
            if variant < 0.5:
                weight = np.maximum(0, 1 - apart / (0.1 + 0.2 * variant))
            else:
                weight = np.exp(-((apart / 0.1) ** 2) - (dx**2 + dy**2) / (1.5 * reach) ** 2)
            total += near * weight[..., None]
            weights += weight
    smooth = total / weights[..., None]
    if variant >= 0.5:
        return mix(picture, smooth, amount * _skin_without_edges(picture))
    return mix(picture, smooth, amount)


def _skin_without_edges(picture: Picture) -> Plane:
    """1 where BeautifyFace's skin rule holds and there is no edge, feathered."""
    red, green, blue = (picture[..., index] for index in range(3))
    skin = (red > 0.3725) & (green > 0.1568) & (blue > 0.0784) & (red > blue)
    skin &= (np.ptp(picture, axis=2) > 0.0588) & (np.abs(red - green) > 0.0588)
    slope = ndimage.gaussian_gradient_magnitude(luma(picture), 1.5)
    return blur((skin & (slope < 0.05)).astype(np.float32), 1.5)


Filter = Callable[[Picture, float, float, float], Picture]
FAMILIES: dict[str, Filter] = {
    "variance": variance,
    "highpass": highpass,
    "guided": guided,
    "range": alike,
}

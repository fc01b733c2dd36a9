"""What portrait apps do to a face, re-derived from the formulas of public beauty filters.

Every filter maps a picture [h, w, 3], float32 RGB 0..1, to another; lengths are in pixels and are
drawn as shares of the face's height. Families, by the principle of their smoothing:

variance   the mean around a pixel replaces it where the surroundings vary little (GPUPixel,
           CainCamera, MagicCamera: a Wiener filter in all but name)
highpass   pores, found by a high pass made harsh with hard light, are lifted by a curve (YUCI,
           MagicCamera's live filter)
guided     the guided filter, by itself (He, Sun, Tang, ECCV 2010)
range      neighbours count by how alike they are: bilateral with skin and edge rules (BeautifyFace)
           and surface blur. Held out: no network here is trained on it
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Picture = NDArray[np.float32]
"""[h, w, 3], RGB 0..1."""
Plane = NDArray[np.float32]

TRAINED = ("variance", "highpass", "guided")
HELD_OUT = "range"
SHARES = (0.55, 0.25, 0.20)
"""How often each trained family is drawn: the first is closest to what apps on sale do."""


def luma(picture: Picture) -> Plane:
    """BT.601 luma [h, w]."""
    return (picture @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.float32)


def box(picture: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Mean over squares of 2 radius + 1; works on [h, w] and [h, w, 3]."""
    size = 2 * max(1, round(radius)) + 1
    return ndimage.uniform_filter(picture, (size, size, 1)[: picture.ndim], mode="nearest")


def blur(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur; three box filters where it is wide enough for them."""
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


# Tone: picture, amount 0..1 -> picture. None looks at neighbours.


def log_curve(picture: Picture, amount: float) -> Picture:
    """ln(1 + (b - 1) x) / ln b, b from 1.3 to 4: the whitening of most apps."""
    base = 1.3 * (4 / 1.3) ** amount
    return (np.log1p((base - 1) * picture) / np.log(base)).astype(np.float32)


def light_log_curve(picture: Picture, amount: float) -> Picture:
    """The same in proportion to luma, which spares hair and shadows."""
    return mix(picture, log_curve(picture, amount), luma(picture))


def screen(picture: Picture, amount: float) -> Picture:
    """The picture screened with itself, in proportion to luma."""
    return mix(picture, 1 - (1 - picture) ** 2, (0.1 + 0.6 * amount) * luma(picture))


def pink(picture: Picture, amount: float) -> Picture:
    """Square roots, most of blue: a cool, rosy white."""
    rate = np.array([0.41, 0.568, 0.764], np.float32) * (0.2 + 0.8 * amount)
    return mix(picture, picture + rate * (np.sqrt(picture) - picture), luma(picture))


def rosy(picture: Picture, amount: float) -> Picture:
    """More saturation, then a mild screen."""
    light = luma(picture)[..., None]
    vivid = np.clip(light + (picture - light) * (1 + 0.2 * amount), 0, 1)
    return screen(vivid.astype(np.float32), 0.5 * amount)


def gamma(picture: Picture, amount: float) -> Picture:
    """A power below 1, as look-up tables of photo apps have it."""
    return (picture ** np.float32(0.95 - 0.25 * amount)).astype(np.float32)


TONES: dict[str, Callable[[Picture, float], Picture]] = {
    "light log": light_log_curve,
    "log": log_curve,
    "screen": screen,
    "pink": pink,
    "rosy": rosy,
    "gamma": gamma,
}
TONE_SHARES = (0.40, 0.18, 0.14, 0.10, 0.10, 0.08)


def sharpen(picture: Picture, amount: float) -> Picture:
    """Difference from the binomial 3 x 3 mean, twice AMOUNT of it added."""
    soft = picture
    for axis in (0, 1):
        soft = ndimage.convolve1d(soft, (0.25, 0.5, 0.25), axis=axis, mode="nearest")
    return (picture + 2 * amount * (picture - soft)).astype(np.float32)


def quantise(picture: Picture) -> NDArray[np.uint8]:
    """To 8 bits."""
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def jpeg(picture: Picture, quality: int, subsampling: int = 2) -> Picture:
    """Through JPEG and back; SUBSAMPLING 2 is 4:2:0, 0 is 4:4:4."""
    buffer = io.BytesIO()
    Image.fromarray(quantise(picture)).save(
        buffer, "JPEG", quality=quality, subsampling=subsampling
    )
    return np.asarray(Image.open(buffer), np.float32) / 255


def resized(picture: Picture, factor: float) -> Picture:
    """Scaled by FACTOR and back: what sharing at another size leaves."""
    height, width = picture.shape[:2]
    small = Image.fromarray(quantise(picture)).resize(
        (max(8, round(width * factor)), max(8, round(height * factor))), Image.Resampling.BICUBIC
    )
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255


@dataclass(frozen=True)
class Smoothing:
    """The part of an edit that looks at neighbours."""

    family: str
    radius: float
    """Share of the face's height."""
    amount: float
    variant: float
    resize: float = 1.0
    """Scaled by this and back before, 1 for not."""
    quality: int = 0
    """JPEG before, 0 for none."""

    def __call__(self, picture: Picture, face: float) -> Picture:
        """PICTURE with its skin smoothed, wherever it is; FACE is its height in pixels."""
        if self.resize != 1:
            picture = resized(picture, self.resize)
        if self.quality:
            picture = jpeg(picture, self.quality)
        smooth = FAMILIES[self.family](picture, self.radius * face, self.amount, self.variant)
        return np.clip(smooth, 0, 1)


@dataclass(frozen=True)
class Finish:
    """What follows the smoothing: pixel by pixel, save sharpening and JPEG."""

    tone: str = ""
    amount: float = 0.0
    second: str = ""
    """Another tone after the first, as apps with two sliders have it."""
    second_amount: float = 0.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    sharpening: float = 0.0
    quality: int = 0
    subsampling: int = 2

    def colour(self, picture: Picture) -> Picture:
        """Tone and tint."""
        picture = np.clip(picture, 0, 1)
        for name, amount in ((self.tone, self.amount), (self.second, self.second_amount)):
            if name:
                picture = TONES[name](picture, amount)
        return np.clip(picture * np.array(self.tint, np.float32), 0, 1)


@dataclass(frozen=True)
class Edit:
    """A whole edit; the default leaves the picture alone."""

    smoothing: Smoothing | None = None
    blend: float = 1.0
    """Share of the smoothed picture."""
    finish: Finish = field(default_factory=Finish)
    skin_only: bool = False

    def __call__(self, picture: Picture, face: float, skin: Plane) -> Picture:
        """PICTURE edited; SKIN [h, w] 0..1 is where an edit of the skin alone applies."""
        edited = picture
        if self.smoothing is not None:
            edited = mix(picture, self.smoothing(picture, face), self.blend)
        edited = self.finish.colour(sharpen(edited, self.finish.sharpening))
        if self.skin_only:
            edited = mix(picture, edited, skin)
        return saved(np.clip(edited, 0, 1), self.finish)


def saved(picture: Picture, finish: Finish) -> Picture:
    """PICTURE as the app writes it: 8 bits, mostly JPEG."""
    if finish.quality:
        return jpeg(picture, finish.quality, finish.subsampling)
    return quantise(picture).astype(np.float32) / 255


def draw_smoothing(random: np.random.Generator, families: tuple[str, ...] = TRAINED) -> Smoothing:
    """A random smoothing of one of FAMILIES: radius 0.8 to 4 % of the face."""
    shares = SHARES if families == TRAINED else None
    return Smoothing(
        family=str(random.choice(families, p=shares)),
        radius=float(0.008 * 5 ** random.random()),
        amount=float(random.uniform(0.25, 1.0)),
        variant=float(random.random()),
        resize=float(random.uniform(0.8, 1.3)) if random.random() < 0.25 else 1.0,
        quality=int(random.integers(85, 96)) if random.random() < 0.3 else 0,
    )


def draw_finish(random: np.random.Generator, toned: bool = True) -> Finish:
    """A random finish: 85 % with tone, half of them sharpened, 3 of 4 as JPEG 75 to 95."""
    tones = list(TONES)
    first = toned and random.random() < 0.85
    second = first and random.random() < 0.25
    tinted = toned and random.random() < 0.5
    return Finish(
        tone=str(random.choice(tones, p=TONE_SHARES)) if first else "",
        amount=float(random.random()),
        second=str(random.choice(tones[2:])) if second else "",
        second_amount=float(0.5 * random.random()),
        tint=tuple(random.uniform(0.97, 1.03, 3).tolist()) if tinted else (1.0, 1.0, 1.0),
        sharpening=float(random.uniform(0, 0.6)) if toned and random.random() < 0.5 else 0.0,
        quality=int(random.integers(75, 96)) if random.random() < 0.75 else 0,
        subsampling=2 if random.random() < 0.7 else 0,
    )

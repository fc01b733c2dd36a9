"""What portrait apps do to a face: smoothing (models.crn.filters), then tone, then the file.

All values are RGB 0..1, float32; lengths are drawn as shares of the face's height. The family
"range" is held out: no network here is trained on it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models.crn.filters import FAMILIES, Picture, Plane, luma, mix

TRAINED = ("variance", "highpass", "guided")
HELD_OUT = "range"
SHARES = (0.55, 0.25, 0.20)
"""How often each trained family is drawn: the first is closest to what apps on sale do."""
APP_SMOOTHING = {"radius": (0.010, 0.024), "amount": (0.3, 0.75), "variant": (0.0, 0.5)}
APP_BASE = (2.0, 4.5)
"""Around a phone app's default, as its pictures show it: see `draw_app_finish`."""


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


def draw_app_smoothing(random: np.random.Generator) -> Smoothing:
    """A smoothing near a phone app's default: the variance-guided mean, 1 to 2.4 % of the face.

    Such an app leaves about 3/4 of the skin's texture in every band; so does amount 0.5 here.
    """
    radius, amount, variant = (float(random.uniform(*span)) for span in APP_SMOOTHING.values())
    return Smoothing("variance", radius, amount, variant)


def draw_app_finish(random: np.random.Generator) -> Finish:
    """A finish near a phone app's default.

    Of 10 pairs of one app the tone was known as a table: shadows up to level 24 as they are, 72
    becomes 90, 120 becomes 142, 200 becomes 212, 248 stays. A log curve of base 3 in proportion to
    luma is close to it, and is drawn here with bases 2 to 4.5; 3 of 10 times a plain log curve of
    base 1.5 to 2.2 takes its place. Edges come out 12 % sharper, and a JPEG is what one gets.
    """
    if random.random() < 0.7:
        tone, base = "light log", float(np.exp(random.uniform(*np.log(APP_BASE))))
    else:
        tone, base = "log", float(random.uniform(1.5, 2.2))
    tinted = random.random() < 0.3
    return Finish(
        tone=tone,
        amount=float(np.log(base / 1.3) / np.log(4 / 1.3)),
        tint=tuple(random.uniform(0.985, 1.015, 3).tolist()) if tinted else (1.0, 1.0, 1.0),
        sharpening=float(random.uniform(0, 0.3)) if random.random() < 0.6 else 0.0,
        quality=int(random.integers(82, 97)) if random.random() < 0.9 else 0,
        subsampling=2 if random.random() < 0.7 else 0,
    )


def draw_light(random: np.random.Generator) -> NDArray[np.uint8]:
    """A table [256, 3] that lights a photo a little otherwise: gamma 0.87 to 1.15, tint 4 %.

    Photos come in every light; faces of a few studios must not be what tells an edited photo.
    """
    power = np.float32(0.87 * (1.15 / 0.87) ** random.random())
    tint = random.uniform(0.96, 1.04, 3).astype(np.float32)
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    return quantise(ramp**power * tint)

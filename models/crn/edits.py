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
APP_SMOOTHING = {"radius": (0.014, 0.046), "amount": (0.3, 0.75), "variant": (0.0, 0.5)}
APP_BASE = (2.0, 4.5)
"""Around a phone app's default, as its pictures show it: see `draw_app_finish`."""
APP_TABLE = (
    (0, 24, 40, 56, 72, 88, 104, 120, 136, 152, 168, 184, 200, 216, 232, 248, 255),
    (0, 24, 47, 70, 90, 108, 126, 142, 157, 171, 185, 198, 212, 224, 236, 248, 255),
)
"""Levels before and after of that app, mean of 10 pairs; only evaluated on, never trained on."""
APP_USUAL = (0.245, 0.505)
"""Amounts of `toe_log_curve` around 0.375, which comes within a level of that table."""


# Tone: picture, amount 0..1 -> picture. None looks at neighbours.


def log_curve(picture: Picture, amount: float) -> Picture:
    """ln(1 + (b - 1) x) / ln b, b from 1.3 to 4: the whitening of most apps."""
    base = 1.3 * (4 / 1.3) ** amount
    return (np.log1p((base - 1) * picture) / np.log(base)).astype(np.float32)


def light_log_curve(picture: Picture, amount: float) -> Picture:
    """The same in proportion to luma, which spares hair and shadows."""
    return mix(picture, log_curve(picture, amount), luma(picture))


def toe_log_curve(picture: Picture, amount: float) -> Picture:
    """A log curve of base 1.4 to 3.2 for all but shadows, which stay: from luma 0.08 to 0.24."""
    base = 1.4 * (3.2 / 1.4) ** amount
    curved = (np.log1p((base - 1) * picture) / np.log(base)).astype(np.float32)
    share = np.clip((luma(picture) - 0.08) / 0.16, 0, 1)
    return mix(picture, curved, share * share * (3 - 2 * share))


def app_table(picture: Picture, amount: float) -> Picture:
    """AMOUNT of what `APP_TABLE` does to every channel."""
    before, after = (np.array(levels, np.float32) / 255 for levels in APP_TABLE)
    return mix(picture, np.interp(picture, before, after).astype(np.float32), amount)


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
    "toe log": toe_log_curve,
    "app table": app_table,
}
TONE_SHARES = {
    "light log": 0.40, "log": 0.18, "screen": 0.14, "pink": 0.10, "rosy": 0.10, "gamma": 0.08,
}  # fmt: skip


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


def draw_finish(random: np.random.Generator, *, toned: bool = True) -> Finish:
    """A random finish: 85 % with tone, half of them sharpened, 3 of 4 as JPEG 75 to 95."""
    tones = list(TONE_SHARES)
    first = toned and random.random() < 0.85
    second = first and random.random() < 0.25
    tinted = toned and random.random() < 0.5
    return Finish(
        tone=str(random.choice(tones, p=list(TONE_SHARES.values()))) if first else "",
        amount=float(random.random()),
        second=str(random.choice(tones[2:])) if second else "",
        second_amount=float(0.5 * random.random()),
        tint=tuple(random.uniform(0.97, 1.03, 3).tolist()) if tinted else (1.0, 1.0, 1.0),
        sharpening=float(random.uniform(0, 0.6)) if toned and random.random() < 0.5 else 0.0,
        quality=int(random.integers(75, 96)) if random.random() < 0.75 else 0,
        subsampling=2 if random.random() < 0.7 else 0,
    )


def draw_app_smoothing(random: np.random.Generator) -> Smoothing:
    """A smoothing near a phone app's default: the variance-guided mean, 1.4 to 4.6 % of the face.

    Of the skin's texture such an app left 0.76, 0.78, 0.76 and 0.84 in the bands of Gaussian sigma
    0-1, 1-2, 2-4 and 4-8 (10 pairs, tone undone); radius 3.4 % and amount 0.5 alone, then JPEG,
    leave 0.77, 0.78, 0.81 and 0.84 on six sharp faces of the training.
    """
    radius, amount, variant = (float(random.uniform(*span)) for span in APP_SMOOTHING.values())
    return Smoothing("variance", radius, amount, variant)


def draw_app_finish(random: np.random.Generator) -> Finish:
    """A finish near a phone app's default.

    Of 10 pairs of one app the tone was known as a table (`APP_TABLE`): a log curve of base 2 but
    for shadows, which stay. Drawn here are such curves, 45 of 100, log curves of bases 2 to 4.5 in
    proportion to luma, 35, and plain ones of base 1.5 to 2.4. Edges come out 12 % sharper, and a
    JPEG is what one gets.
    """
    kind = random.random()
    if kind < 0.45:
        tone, amount = "toe log", float(random.uniform(0.05, 0.85))
    else:
        tone = "light log" if kind < 0.8 else "log"
        bases = APP_BASE if tone == "light log" else (1.5, 2.4)
        base = float(np.exp(random.uniform(*np.log(bases))))
        amount = float(np.log(base / 1.3) / np.log(4 / 1.3))
    tinted = random.random() < 0.3
    return Finish(
        tone=tone,
        amount=amount,
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

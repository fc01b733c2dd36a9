"""Edit a portrait as an app would, reverse it, and draw the three beside each other.

    python examples/unmakeup.py folder

The portrait is scikit-image's astronaut: Eileen Collins, photographed by NASA, public domain. The
edit is a mild version of what models/crn/edits.py knows, written out: the mean of the surroundings
where they are calm, then a curve that whitens.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import data

from vsrcli.errors import VsrError
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.unmakeup import unmakeup

FACE = (118, 10, 328, 262)
ENLARGED = 3


def beautified(picture: np.ndarray) -> np.ndarray:
    """PICTURE [h, w, 3], 0..1, smoothed and whitened."""
    mean = ndimage.uniform_filter(picture, (17, 17, 1))
    spread = ndimage.uniform_filter(np.clip(7 * (picture - mean) ** 2, 0, 1), (17, 17, 1)).mean(2)
    gate = np.clip(4 * (np.minimum(picture[..., 0], mean[..., 0] - 0.1) - 0.2), 0, 1)
    share = 0.6 * gate * (1 - spread / (spread + 0.1))
    smooth = picture + (mean - picture) * share[..., None]
    white = np.log1p(2 * smooth) / np.log(3)
    return smooth + (white - smooth) * smooth.mean(axis=2, keepdims=True)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """dB between two pictures of bytes."""
    return float(-10 * np.log10(np.mean((first.astype(float) - second) ** 2) / 255**2))


def main(folder: str) -> None:
    """Write original.png, edited.png, reversed.png and the strip.png of the three to FOLDER."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    face = Image.fromarray(data.astronaut()).crop(FACE)
    size = (ENLARGED * face.width, ENLARGED * face.height)
    original = np.asarray(face.resize(size, Image.Resampling.LANCZOS))
    edited = np.clip(np.rint(255 * beautified(original / 255)), 0, 255).astype(np.uint8)
    Image.fromarray(original).save(target / "original.png")
    Image.fromarray(edited).save(target / "edited.png")
    options = UnmakeupOptions(whole=True, overwrite=True)
    try:
        result = unmakeup(target / "edited.png", target / "reversed.png", options, note=print)
    except VsrError as error:
        sys.exit(f"{error}")
    restored = np.asarray(Image.open(target / "reversed.png"))
    Image.fromarray(np.hstack([original, edited, restored])).save(target / "strip.png")
    print(f"edited    {psnr(edited, original):.2f} dB")
    print(f"reversed  {psnr(restored, original):.2f} dB, {result.change:.1f} levels changed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="for the pictures; it is made")
    main(**vars(parser.parse_args()))

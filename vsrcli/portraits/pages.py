"""Pictures that show what was done: input, output and difference; and what each component adds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vsrcli.errors import OutputError
from vsrcli.media.safely import save_safely
from vsrcli.portraits.pictures import Samples
from vsrcli.portraits.reversal import Prediction

_DRAWN = re.compile(r"face-\d+\.(input|output|component-.+\.x\d+)\.png")
_TALLEST = 1400
_GAIN = 4
_GAP = 8
Page = NDArray[np.uint8]


def draw_comparison(before: Samples, after: Samples, path: Path, *, overwrite: bool) -> None:
    """Write BEFORE, AFTER and four times their difference, about grey, side by side to PATH.

    Reduced to 1400 pixels of height. Raises OutputError if PATH cannot be written.
    """
    step = max(1.0, before.shape[0] / _TALLEST)
    size = max(1, round(before.shape[1] / step)), max(1, round(before.shape[0] / step))
    first, second = (_reduced(_eight_bits(each), size) for each in (before, after))
    apart = 128 + _GAIN * (second.astype(np.int16) - first)
    parts = [first, second, np.clip(apart, 0, 255).astype(np.uint8)]
    _save(beside(parts, ("input", "output", f"difference x{_GAIN}")), path, overwrite=overwrite)


def draw_components(
    predictions: Sequence[Prediction], names: Sequence[str], folder: Path, *, overwrite: bool
) -> None:
    """Write to FOLDER what every component adds to each face, amplified about grey.

    The gain, which differs, is part of the name: with OVERWRITE what was drawn there before goes.
    Raises OutputError if a file cannot be written.
    """
    if overwrite and folder.is_dir():
        for path in folder.iterdir():
            if _DRAWN.fullmatch(path.name):
                path.unlink()
    for number, prediction in enumerate(predictions, start=1):
        seen = np.rint(prediction.canvas * 255).astype(np.uint8)
        _save(seen, folder / f"face-{number}.input.png", overwrite=overwrite)
        for name, change in zip(names, prediction.found, strict=True):
            most = float(np.percentile(np.abs(change), 99.5)) * 255
            gain = max(1, min(64, round(100 / max(most, 1e-3))))
            shown = np.clip(np.rint(128 + change * (255 * gain)), 0, 255).astype(np.uint8)
            _save(
                shown, folder / f"face-{number}.component-{name}.x{gain}.png", overwrite=overwrite
            )
        estimate = np.clip(prediction.canvas + prediction.found.sum(axis=0), 0, 1)
        _save(
            np.rint(estimate * 255).astype(np.uint8),
            folder / f"face-{number}.output.png",
            overwrite=overwrite,
        )


def beside(parts: Sequence[Page], labels: Sequence[str]) -> Page:
    """PARTS [h, w, 3] of one height in a row, each under its label."""
    font = ImageFont.load_default(size=max(12, parts[0].shape[0] // 50))
    height = parts[0].shape[0]
    width = sum(part.shape[1] for part in parts) + _GAP * (len(parts) - 1)
    band = round(2 * max(12, height // 50))
    page = Image.new("RGB", (width, height + band), "white")
    pen, left = ImageDraw.Draw(page), 0
    for part, label in zip(parts, labels, strict=True):
        page.paste(Image.fromarray(part), (left, band))
        pen.text((left + 4, band // 2), label, font=font, fill=(0, 0, 0), anchor="lm")
        left += part.shape[1] + _GAP
    return np.asarray(page)


def _eight_bits(pixels: Samples) -> Page:
    shown = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8)
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown


def _reduced(picture: Page, size: tuple[int, int]) -> Page:
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _save(page: Page, path: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() != ".png":
        raise OutputError(f"{path}: is written as PNG; name it .png")
    image = Image.fromarray(page)
    save_safely(path, lambda temporary: image.save(temporary, "PNG"), overwrite=overwrite)

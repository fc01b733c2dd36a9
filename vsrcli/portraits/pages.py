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
from vsrcli.portraits.pictures import Still
from vsrcli.portraits.reversal import Prediction

_DRAWN = re.compile(r"face-\d+\.(input|output|component-.+\.x\d+)\.png")
_TALLEST = 1400
_GAIN = 4
_GAP = 8
Page = NDArray[np.uint8]


def draw_comparison(before: Still, after: Still, path: Path, *, overwrite: bool) -> None:
    """Write BEFORE, AFTER and four times their difference, about grey, side by side to PATH.

    In sRGB, whatever their profile; reduced to 1400 pixels of height. Raises OutputError if PATH
    cannot be written.
    """
    height, width = before.extent
    step = max(1.0, height / _TALLEST)
    size = max(1, round(width / step)), max(1, round(height / step))
    first, second = (_levels(still.in_srgb(size)) for still in (before, after))
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
        _save(_levels(prediction.canvas), folder / f"face-{number}.input.png", overwrite=overwrite)
        for name, change in zip(names, prediction.found, strict=True):
            most = float(np.percentile(np.abs(change), 99.5)) * 255
            gain = max(1, min(64, round(100 / max(most, 1e-3))))
            shown = np.clip(np.rint(128 + change * (255 * gain)), 0, 255).astype(np.uint8)
            _save(
                shown, folder / f"face-{number}.component-{name}.x{gain}.png", overwrite=overwrite
            )
        estimate = np.clip(prediction.canvas + prediction.found.sum(axis=0), 0, 1)
        _save(_levels(estimate), folder / f"face-{number}.output.png", overwrite=overwrite)


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


def _levels(picture: NDArray[np.float32]) -> Page:
    """PICTURE, 0..1, in eight bits."""
    return np.rint(picture * 255).astype(np.uint8)


def _save(page: Page, path: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() != ".png":
        raise OutputError(f"{path}: is written as PNG; name it .png")
    image = Image.fromarray(page)
    save_safely(path, lambda temporary: image.save(temporary, "PNG"), overwrite=overwrite)

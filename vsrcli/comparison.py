"""A picture that shows what was gained: bicubic beside vsr, with zoomed details."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vsrcli.errors import UsageError
from vsrcli.media.animation import KINDS
from vsrcli.media.colour import RGB
from vsrcli.media.hidden import without_hidden
from vsrcli.media.picture_files import CODECS, PictureNames, first_of
from vsrcli.media.planes import FULL_RANGE, ColourTags, Frame
from vsrcli.media.probe import MediaInfo
from vsrcli.media.reader import Reader
from vsrcli.media.repack import Repacker
from vsrcli.media.resample import resampler_for
from vsrcli.media.rgb import known_tags
from vsrcli.media.safely import check_free, is_one_of, save_safely
from vsrcli.media.sources import find_source
from vsrcli.turning import Turning, turning_of

Picture = NDArray[np.uint8]
"""[h, w, 3] sRGB."""

_DETAILS = 3
_LATEST_FRAME = 300
"""Reading on to the middle of a long clip only to show a frame would be time wasted."""


def compare(
    source: Path,
    output: Path,
    picture: Path,
    *,
    info: MediaInfo | None = None,
    skip: int = 0,
    overwrite: bool = False,
) -> None:
    """Write `picture`: a frame of `source` enlarged by bicubic, the same frame of `output`.

    `info` is what the job knew of the source, of which `skip` frames come before the output's
    first. Raises InputError for files that cannot be read and OutputError if the picture cannot be
    written.
    """
    with Reader(output) as outputs:
        chosen = min((outputs.info.frames or 1) // 2, _LATEST_FRAME)
        enlarged = _nth(outputs, chosen)
    with Reader(source, info=info) as inputs:
        small = _nth(inputs, skip + enlarged.index)
        small = without_hidden(small) if enlarged.layout.alpha else small
        size = inputs.info.width, inputs.info.height
        after = _shown(outputs.info).of(_rgb(enlarged, size))
        height, width = after.shape[:2]
        # Pictures are turned already; some containers have no place for a rotation.
        info = outputs.info
        pictures = info.sequence or info.format in KINDS.values()
        turned = pictures or info.display_matrix is not None
        turning = _shown(inputs.info) if turned else Turning()
        before = turning.of(_rgb(_bicubic(small, turning.size((width, height))), size))
    page = Image.fromarray(draw(before, after, names=("bicubic", "vsr")))
    save_safely(picture, page.save, overwrite=overwrite)


def check_page(
    picture: Path, source: Path, output: Path, names: PictureNames | None, *, overwrite: bool
) -> None:
    """Find out before the work whether `compare` can write `picture` after it.

    `names` are those of the pictures `output` stands for. Raises UsageError and OutputError.
    """
    if picture.suffix.lower() not in CODECS:
        raise UsageError(f"--compare {picture}: unknown kind of picture; use .png or .jpg")
    if names is not None and names.strangers():
        raise UsageError(f"--compare: {output} holds other files; name another folder")
    if is_one_of(picture, (source, *find_source(source).pictures)):
        raise UsageError(f"--compare {picture}: is an input; choose another name")
    if names is not None and first_of([picture], names):
        raise UsageError(f"--compare {picture}: is the output; choose another name")
    check_free(picture, overwrite=overwrite)


def draw(before: Picture, after: Picture, *, names: tuple[str, str]) -> Picture:
    """The page: both pictures side by side, and below them the details that differ most."""
    height, width = after.shape[:2]
    side = max(16, min(height, width) // 6)
    places = _most_different(before, after, side)
    cell = max(side, (2 * width - 8 * (_DETAILS - 1)) // (2 * _DETAILS) - 4)
    rows = [_beside([_framed(picture, places, side) for picture in (before, after)], gap=8)]
    pairs = [
        _beside([_zoom(picture, place, side, cell) for picture in (before, after)], gap=4)
        for place in places
    ]
    rows.append(_beside(pairs, gap=8))
    page_width = max(row.shape[1] for row in rows)
    page = _stack([_pad(row, page_width) for row in rows], gap=8)
    return _labelled(page, [(6, names[0]), (width + 14, names[1])])


def _shown(info: MediaInfo) -> Turning:
    """How players turn a video."""
    return turning_of(info.display_matrix) or Turning()


def _nth(frames: Reader, number: int) -> Frame:
    last: Frame | None = None
    for frame in islice(frames, number + 1):
        last = frame
    assert last is not None, "a reader yields at least one frame or raises"
    return last


def _bicubic(frame: Frame, size: tuple[int, int]) -> Frame:
    return replace(frame, planes=resampler_for(frame, size)(frame.planes))


def _rgb(frame: Frame, size: tuple[int, int]) -> Picture:
    """FRAME as pictures of it are; the `size` (width, height) of the source tells its matrix."""
    target = ColourTags(RGB, range=FULL_RANGE)
    made = Repacker(known_tags(frame.tags, size), "rgb24", target)(frame)
    return made.to_ndarray().astype(np.uint8)


def _most_different(before: Picture, after: Picture, side: int) -> list[tuple[int, int]]:
    """Top-left corners (y, x) of the squares that differ most, apart from each other."""
    change = np.abs(after.astype(np.int16) - before).sum(axis=2, dtype=np.float64)
    rows, columns = (max(1, extent // side) for extent in change.shape)
    height, width = min(rows * side, change.shape[0]), min(columns * side, change.shape[1])
    cells = change[:height, :width].reshape(rows, height // rows, columns, width // columns)
    energy = cells.sum(axis=(1, 3))
    chosen: list[tuple[int, int]] = []
    for index in np.argsort(energy, axis=None)[::-1]:
        cell = divmod(int(index), columns)
        # Neighbouring cells would show the same thing three times.
        if all(max(abs(cell[0] - row), abs(cell[1] - column)) > 1 for row, column in chosen):
            chosen.append(cell)
    places = chosen[:_DETAILS]
    return [(row * (height // rows), column * (width // columns)) for row, column in places]


def _zoom(picture: Picture, place: tuple[int, int], side: int, cell: int) -> Picture:
    y, x = place
    detail = Image.fromarray(picture[y : y + side, x : x + side])
    return np.asarray(detail.resize((cell, cell), Image.Resampling.NEAREST))


def _framed(picture: Picture, places: Sequence[tuple[int, int]], side: int) -> Picture:
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for y, x in places:
        pen.rectangle((x, y, x + side - 1, y + side - 1), outline=(255, 220, 0))
    return np.asarray(image)


def _labelled(page: Picture, labels: Sequence[tuple[int, str]]) -> Picture:
    image = Image.fromarray(page)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, page.shape[1] // 70))
    for x, text in labels:
        box = pen.textbbox((x, 6), text, font=font)
        pen.rectangle((box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), fill=(0, 0, 0))
        pen.text((x, 6), text, font=font, fill=(255, 255, 255))
    return np.asarray(image)


def _beside(pictures: Sequence[Picture], gap: int) -> Picture:
    bar = np.full((pictures[0].shape[0], gap, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, bar)][:-1]
    return np.concatenate(parts, axis=1)


def _stack(rows: Sequence[Picture], gap: int) -> Picture:
    bar = np.full((gap, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, bar)][:-1], axis=0)


def _pad(row: Picture, width: int) -> Picture:
    return np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)

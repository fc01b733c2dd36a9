"""Y'CbCr of one matrix and range as that of another, with chroma at its own size.

Neutral colours have no chroma under any matrix, so that the new chroma follows from the old one
alone and need not be brought to the size of luma. swscale goes through RGB, which softens it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsrcli.media.colour import RED_AND_BLUE
from vsrcli.media.formats import PixelLayout
from vsrcli.media.planes import FULL_RANGE, ColourTags, Frame
from vsrcli.media.resample import (
    Matrix,
    chroma_location,
    chroma_offsets,
    resample,
    resample_matrix,
    to_samples,
)

Field = NDArray[np.float32]


class _Levels(NamedTuple):
    """Where samples lie."""

    black: int
    luma: int
    """White above black."""
    chroma: int
    """Twice the largest chroma above none."""


def recoded(frame: Frame, source: ColourTags, target: ColourTags, depth: int) -> Frame:
    """Return a frame of Y'CbCr or gray, which is as `source` says, as `target` says.

    Their matrices are of `RED_AND_BLUE`, or the same. The samples had `depth` bits before a shift
    made them as long as they are; alpha is left alone.
    """
    old, new = _levels(frame.layout, source, depth), _levels(frame.layout, target)
    neutral, bits = 128 << (frame.layout.depth - 8), frame.layout.depth
    luma = (frame.planes[0].astype(np.float32) - old.black) * np.float32(1 / old.luma)
    coloured = frame.planes[1:3] if frame.layout.kind == "yuv" else ()
    chroma = [(each.astype(np.float32) - neutral) * np.float32(1 / old.chroma) for each in coloured]
    if chroma and source.matrix != target.matrix:
        change = _change(source.matrix, target.matrix)
        added, *chroma = [of_cb * chroma[0] + of_cr * chroma[1] for of_cb, of_cr in change]
        luma += _at_luma(added, luma.shape, frame.layout, chroma_location(frame.tags))
    luma += np.float32(new.black / new.luma)
    planes = [to_samples(luma, bits, new.luma)]
    for field in chroma:
        field += np.float32(neutral / new.chroma)
        planes.append(to_samples(field, bits, new.chroma))
    return replace(frame, planes=(*planes, *frame.planes[len(planes) :]))


def recoloured(frame: Frame, tags: ColourTags) -> Frame:
    """Return a frame of Y'CbCr in the matrix and the range of `tags`, other frames as they are.

    A matrix that either does not name is left alone; where no range is named it is limited.
    """
    own = frame.tags
    if frame.layout.kind != "yuv":
        return frame
    known = own.matrix in RED_AND_BLUE and tags.matrix in RED_AND_BLUE
    alike = not known or RED_AND_BLUE[own.matrix] == RED_AND_BLUE[tags.matrix]
    if alike and (own.range == FULL_RANGE) == (tags.range == FULL_RANGE):
        return frame
    target = replace(own, matrix=own.matrix if alike else tags.matrix, range=tags.range)
    return replace(recoded(frame, own, target, frame.layout.depth), tags=target)


def resited(frame: Frame, location: int, target: int) -> Frame:
    """Return a frame of Y'CbCr with chroma moved from one `chroma_location` to another."""
    layout = frame.layout
    if not any(layout.log2_chroma) or location == target:  # no chroma, or one for every pixel
        return frame
    places = zip(chroma_offsets(layout, location), chroma_offsets(layout, target), strict=True)
    down, across = (
        _moving(count, log2, *place)
        for count, log2, place in zip(
            frame.planes[1].shape, layout.log2_chroma[::-1], places, strict=True
        )
    )
    moved = (resample(each.astype(np.float32), down, across) for each in frame.planes[1:3])
    chroma = (to_samples(field, layout.depth) for field in moved)
    tags = replace(frame.tags, chroma_location=target)
    return replace(frame, planes=(frame.planes[0], *chroma, *frame.planes[3:]), tags=tags)


@lru_cache(maxsize=8)
def _moving(count: int, log2: int, old: float | None, new: float | None) -> Matrix:
    """From chroma to chroma along one axis; `old` and `new` as of `chroma_offsets`."""
    factor = 1 << log2
    before, after = ((factor - 1) / 2 if each is None else each for each in (old, new))
    return resample_matrix(count, count, shift=(after - before) / factor)


def _levels(layout: PixelLayout, tags: ColourTags, depth: int | None = None) -> _Levels:
    """The levels of a range; of samples lengthened from `depth` bits, shifted white is white."""
    if tags.range != FULL_RANGE:
        unit = 1 << (layout.depth - 8)
        return _Levels(16 * unit, 219 * unit, 224 * unit)
    longer = max(0, layout.depth - (depth or layout.depth))
    peak = ((1 << (layout.depth - longer)) - 1) << longer
    return _Levels(0, peak, peak)


def _change(source: int, target: int) -> NDArray[np.float32]:
    """[3, 2]: what Cb and Cr under one matrix add to Y, Cb and Cr under another.

    Y keeps what it has, and adds nothing to chroma.
    """
    return (_to_ycbcr(target) @ np.linalg.inv(_to_ycbcr(source)))[:, 1:].astype(np.float32)


def _to_ycbcr(matrix: int) -> NDArray[np.float64]:
    """[3, 3]: RGB to Y'CbCr (ITU-T H.273, equations 38 to 40)."""
    red, blue = RED_AND_BLUE[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    cb = (np.array([0, 0, 1]) - luma) * (0.5 / (1 - blue))
    cr = (np.array([1, 0, 0]) - luma) * (0.5 / (1 - red))
    return np.stack([luma, cb, cr])


def _at_luma(field: Field, shape: tuple[int, ...], layout: PixelLayout, location: int) -> Field:
    """Interpolate a field [h, w] on the chroma grid at the luma samples, of `shape`."""
    if layout.log2_chroma == (0, 0):
        return field
    down, across = chroma_offsets(layout, location)
    rows = _interpolation(field.shape[0], shape[0], layout.log2_chroma[1], down)
    return resample(
        field, rows, _interpolation(field.shape[1], shape[1], layout.log2_chroma[0], across)
    )


@lru_cache(maxsize=8)
def _interpolation(n_in: int, n_out: int, log2: int, offset: float | None) -> Matrix:
    """From chroma to luma along one axis; `offset` as of `chroma_offsets`."""
    factor = 1 << log2
    position = (factor - 1) / 2 if offset is None else offset
    shift = 0.5 - (position + 0.5) / factor
    return resample_matrix(n_in, n_out, scale=factor, shift=shift, kernel="bilinear")

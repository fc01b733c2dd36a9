"""Which faces of a portrait are treated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsrcli.errors import InputError, UsageError
from vsrcli.portraits.faces import Face, find_faces
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.pictures import Still


def faces_of(source: Path, still: Still, options: UnmakeupOptions) -> list[Face]:
    """The faces to treat: the box, or those found. Raises InputError if there are none to find."""
    height, width = still.pixels.shape[:2]
    if options.box is not None:
        left, top, wide, high = options.box
        if left < 0 or top < 0 or left + wide > width or top + high > height:
            raise UsageError(f"--box: does not lie within {source.name}, {width}x{height} pixels")
        return [Face.in_box(*options.box)]
    samples = still.pixels if still.pixels.dtype == np.uint8 else (still.pixels >> 8)
    samples = np.repeat(samples, 3, axis=2) if samples.shape[2] == 1 else samples
    faces = find_faces(samples.astype(np.uint8, copy=False), options.threads)
    if not faces and not options.whole:
        raise InputError(
            f"{source}: no face found; say where it is with --box x,y,w,h, or treat the whole "
            "picture with --whole"
        )
    return faces


def box_of(face: Face, extent: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, width and height of FACE, in whole pixels, within a picture of EXTENT (h, w)."""
    width, height = round(0.8 * face.height), round(face.height)
    left, top = round(face.x - 0.4 * face.height), round(face.y - 0.5 * face.height)
    right, bottom = min(left + width, extent[1]), min(top + height, extent[0])
    left, top = max(left, 0), max(top, 0)
    return left, top, right - left, bottom - top

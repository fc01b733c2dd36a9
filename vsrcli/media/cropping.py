"""The part of the pictures that a container has players show: MP4's clap, Matroska's PixelCrop."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from vsrcli.media.planes import Frame

_FOUND = re.compile(r"Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)")


class Crop(NamedTuple):
    """Pixels at each edge that are not shown."""

    left: int
    right: int
    top: int
    bottom: int

    def __str__(self) -> str:
        """Return the edges in words, as "pixels: left 8, top 2"."""
        edges = zip(self._fields, self, strict=True)
        return "pixels: " + ", ".join(f"{edge} {count}" for edge, count in edges if count)

    def of(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) that is left of a picture."""
        return width - self.left - self.right, height - self.top - self.bottom


def crop_in(description: str, size: tuple[int, int]) -> Crop | None:
    """Return what FFmpeg's `description` of a stream says is cut off its pictures.

    None if that is nothing, or more than there is at a (width, height) of `size`.
    """
    found = _FOUND.search(description)
    if found is None:
        return None
    left, right, top, bottom = (int(number) for number in found.groups())
    crop = Crop(left, right, top, bottom)
    return crop if any(crop) and min(crop.of(*size)) > 0 else None


def cropped(frame: Frame, crop: Crop) -> Frame:
    """Return the part of a frame that is shown, as views into it.

    Between two samples of chroma it begins at the first, as with FFmpeg's `apply_cropping`.
    """
    across, down = frame.layout.log2_chroma
    shapes = frame.layout.shapes(*crop.of(frame.width, frame.height))
    planes = []
    for plane, (height, width) in zip(frame.planes, shapes, strict=True):
        full = plane.shape == frame.planes[0].shape
        left = crop.left if full else crop.left >> across
        top = crop.top if full else crop.top >> down
        planes.append(plane[top : top + height, left : left + width])
    return replace(frame, planes=tuple(planes))

"""Whether pictures in a format with alpha use it, as far as that is known without reading all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from mmap import ACCESS_READ, mmap
from pathlib import Path

import av
import numpy as np

from vsrcli.media.formats import layout_of
from vsrcli.media.picture_text import PNG_SIGNATURE, walk_png
from vsrcli.media.planes import from_video_frame

_CLEARED = re.compile(rb"!\xf9\x04[\x08-\xff]...\x00", re.DOTALL)
"""A GIF's graphic control extension: after this frame, something of the canvas is taken away."""
_GRAY, _RGB, _PALETTE = b"\0", b"\2", b"\3"
"""Colour types of a PNG (ISO/IEC 15948, table 11.1) that have alpha only by a tRNS chunk."""
_COLOUR_TYPE = 25
"""Where a PNG has it."""


def pictures_opaque(pictures: Sequence[Path], first: av.VideoFrame) -> bool:
    """Whether alpha is known to be full in all of the `pictures`, of which `first` is decoded.

    The others are known to be by their kind alone. False where the first has no alpha.
    """
    return _is_opaque(first) and all(_cannot_be_clear(each) for each in pictures[1:])


def video_opaque(path: Path, codec: str, first: av.VideoFrame) -> bool:
    """Whether alpha is known to be full in all frames of a video, of which `first` is decoded.

    Frames of a GIF are drawn upon each other, so it stays full unless one of them is taken away
    again. FFmpeg's palettes have room for alpha, which only those of PNG use.
    """
    if not _is_opaque(first):
        return False
    if codec == "gif":
        return not _is_cleared(path)
    return first.format.name == "pal8" and codec not in ("png", "apng")


def _is_cleared(path: Path) -> bool:
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return _CLEARED.search(data) is not None
    except (OSError, ValueError):
        return True


def _is_opaque(frame: av.VideoFrame) -> bool:
    layout = layout_of(frame.format.name)
    if not layout.alpha:
        return False
    return int(np.min(from_video_frame(frame).planes[-1])) == layout.peak


def _cannot_be_clear(picture: Path) -> bool:
    """Whether a file is a JPEG, or a PNG that says at its head that it has no alpha."""
    try:
        with picture.open("rb") as file:
            head = file.read(_COLOUR_TYPE + 1)
            if not head.startswith(PNG_SIGNATURE):
                return head.startswith(b"\xff\xd8")
            file.seek(0)
            kinds = takewhile(lambda kind: kind != b"IDAT", (kind for kind, _ in walk_png(file)))
            return head[_COLOUR_TYPE:] in (_GRAY, _RGB, _PALETTE) and b"tRNS" not in kinds
    except OSError:
        return False

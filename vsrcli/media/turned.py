"""Frames turned by quarters and mirrored, as EXIF or FFmpeg's display matrix asks for."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from vsrcli.errors import InputError
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import Frame
from vsrcli.media.resample import CENTRE
from vsrcli.turning import Turning, turning_of


def turned(frame: Frame, turning: Turning) -> Frame:
    """Return FRAME with all planes turned. Raises InputError as `turned_layout` does.

    Chroma counts as centred: there is no name for where most turnings take its siting.
    """
    if turning == Turning():
        return frame
    return replace(
        frame,
        planes=tuple(np.ascontiguousarray(turning.of(plane)) for plane in frame.planes),
        layout=turned_layout(frame.layout, turning),
        tags=replace(frame.tags, chroma_location=CENTRE),
    )


def turned_layout(layout: PixelLayout, turning: Turning | None) -> PixelLayout:
    """Return the layout of pictures of `layout` that are turned; of 4:2:2 it is 4:4:0.

    Raises InputError where there is no such format, as for 4:1:1.
    """
    across, down = layout.log2_chroma
    if turning is None or not turning.transposed or across == down:
        return layout
    swapped = {"422": "440", "440": "422"}
    return layout_of(
        re.sub(r"4\d\d", lambda found: swapped.get(found[0], "none"), layout.pix_fmt, count=1)
    )


def turning_for(matrix: tuple[int, ...] | None, layout: PixelLayout) -> Turning | None:
    """Return how pictures of `layout` are turned, which cannot say that they are to be.

    None if FFmpeg's display `matrix` asks for nothing, or for what cannot be done.
    """
    turning = turning_of(matrix)
    try:
        turned_layout(layout, turning)
    except InputError:
        return None
    return turning if matrix else None

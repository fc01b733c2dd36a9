"""The shape that pictures of a video are shown in, which may change on the way."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.video.frame import VideoFrame

_VISIBLE = Fraction(1, 50)
"""Share by which another shape of the picture is to be told of; that of odd sizes is smaller."""
_AHEAD = 16
"""Frames by which what a decoder says of the shape of pixels may be ahead of those it gives."""


class Shapes:
    """Compares the shape of every frame with that of the first."""

    def __init__(self, context: Any) -> None:
        """`context`: the decoder, which says what shape pixels have."""
        self._context = context
        self._first: Fraction | None = None
        self._unlike = (0, Fraction(0))  # how many frames differ, and that of the last of them

    @property
    def changed(self) -> tuple[Fraction, Fraction] | None:
        """Width by height, as shown, of the first frame and of later ones, if they differ."""
        count, shape = self._unlike
        return (self._first, shape) if self._first is not None and count > _AHEAD else None

    def add(self, frame: VideoFrame) -> None:
        """Take one more frame."""
        sar = Fraction(self._context.sample_aspect_ratio or 1)
        shape = sar * Fraction(frame.width, frame.height)
        if self._first is None:
            self._first = shape
        elif abs(shape / self._first - 1) > _VISIBLE:
            self._unlike = (self._unlike[0] + 1, shape)

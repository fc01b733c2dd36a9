"""Frames into the pixel format an encoder takes: without loss wherever that is possible."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from vsrcli.media.encoders import LIMITED_RANGE_ONLY
from vsrcli.media.formats import PixelLayout, layout_of, planar_equivalent
from vsrcli.media.planes import (
    FULL_RANGE,
    UNSPECIFIED,
    ColourTags,
    Frame,
    from_video_frame,
    to_video_frame,
)

LIMITED_RANGE = 1
RGB, BT709, FCC, BT470BG, SMPTE170M, SMPTE240M, BT2020, BT2020_CL = 0, 1, 4, 5, 6, 7, 9, 10
"""AVCOL_SPC_*: the matrix between RGB and Y'CbCr (ITU-T H.273)."""

_BEST = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_SWSCALE = {BT709: 1, FCC: 4, BT470BG: 5, SMPTE170M: 5, SMPTE240M: 7, BT2020: 9, BT2020_CL: 9}
"""From AVCOL_SPC_* to swscale's SWS_CS_*."""


def assumed_matrix(size: tuple[int, int]) -> int:
    """Return the matrix players assume of untagged video of a (width, height) in pixels."""
    return BT709 if size[0] >= 1280 or size[1] >= 720 else SMPTE170M


def target_tags(
    tags: ColourTags, layout: PixelLayout, pix_fmt: str, codec: str | None = None
) -> ColourTags:
    """Return the tags that frames of `layout` tagged `tags` have once they are in `pix_fmt`.

    They stay as they are unless RGB becomes Y'CbCr (BT.709, limited range) or the reverse, or the
    format or what the encoder `codec` makes has one range by definition.
    """
    new = layout_of(pix_fmt)
    matrix, span = tags.matrix, tags.range
    if layout.kind == "rgb" and new.kind == "yuv":
        matrix, span = BT709, LIMITED_RANGE
    elif layout.kind != "rgb" and new.kind == "rgb":
        matrix, span = RGB, FULL_RANGE
    elif pix_fmt.startswith("yuvj"):
        span = FULL_RANGE
    elif layout.kind == "gray" and new.kind == "yuv":
        span = span or FULL_RANGE
    if new.kind != "rgb" and span == FULL_RANGE and codec in LIMITED_RANGE_ONLY:
        span = LIMITED_RANGE
    location = tags.chroma_location if new.log2_chroma == (1, 1) else 0
    return replace(tags, matrix=matrix, range=span, chroma_location=location)


class Repacker:
    """Turns frames of one stream into video frames of one pixel format."""

    def __init__(self, source: ColourTags, pix_fmt: str, target: ColourTags) -> None:
        """`source` are the tags of the frames to come, with the matrix to assume filled in."""
        self._source, self._pix_fmt, self._target = source, pix_fmt, target
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Frame) -> av.VideoFrame:
        """Return a new video frame with the target's tags, and the times of `frame`."""
        picture = to_video_frame(frame)
        times = picture.pts, picture.duration, picture.time_base
        narrow = self._narrows(frame.layout)
        if narrow or picture.format.name != self._pix_fmt:
            picture = self._converted(picture, frame.layout, narrow=narrow)
        picture.pts, picture.duration, picture.time_base = times
        picture.pict_type = 0
        picture.colorspace, picture.color_range = self._target.matrix, self._target.range
        picture.color_primaries = self._target.primaries
        picture.color_trc = self._target.transfer
        return picture

    def _span(self, layout: PixelLayout) -> int:
        """The range that frames of `layout` are in."""
        if layout.kind == "rgb":
            return FULL_RANGE
        return self._source.range or (LIMITED_RANGE if layout.kind == "yuv" else FULL_RANGE)

    def _narrows(self, layout: PixelLayout) -> bool:
        """Whether Y'CbCr or gray of full range becomes limited."""
        full = layout.kind != "rgb" and self._span(layout) == FULL_RANGE
        return full and self._target.range == LIMITED_RANGE

    def _converted(
        self, picture: av.VideoFrame, layout: PixelLayout, *, narrow: bool
    ) -> av.VideoFrame:
        """Return `picture`, of `layout`, in the pixel format and with the tags of the target."""
        span = self._span(layout)
        if not narrow:
            return self._reformatted(picture, self._pix_fmt, span, self._target.range or span)
        # swscale makes 8 bits longer by a shift, and its white would end up below that of 10 bits.
        picture = self._reformatted(picture, planar_equivalent(self._pix_fmt), span, span)
        picture = to_video_frame(_narrowed(from_video_frame(picture), layout.depth))
        return self._reformatter.reformat(picture, format=self._pix_fmt)  # at most packs it

    def _reformatted(
        self, picture: av.VideoFrame, pix_fmt: str, span: int, new_span: int
    ) -> av.VideoFrame:
        # Everything is given: swscale would otherwise guess it from half-set tags.
        matrix = _SWSCALE.get(self._source.matrix, 5)
        new = self._target.matrix
        return self._reformatter.reformat(
            picture,
            format=pix_fmt,
            interpolation=_BEST,
            src_colorspace=matrix,
            dst_colorspace=_SWSCALE.get(new, 5) if new not in (RGB, UNSPECIFIED) else matrix,
            src_color_range=ColorRange(span),
            dst_color_range=ColorRange(new_span),
        )


def _narrowed(frame: Frame, depth: int) -> Frame:
    """Return a frame of full range, of samples that had `depth` bits, at limited range."""
    luma, chroma = _limited_levels(frame.layout.depth, depth)
    tables = {"gray": (luma,), "yuv": (luma, chroma, chroma)}[frame.layout.kind]
    made = tuple(table[plane] for table, plane in zip(tables, frame.planes, strict=False))
    return replace(frame, planes=(*made, *frame.planes[len(made) :]))  # alpha is always full


@lru_cache(maxsize=8)
def _limited_levels(depth: int, before: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return luma and chroma of limited range [2 ** depth] for each full-range sample.

    Of samples made longer by a shift from `before` bits, the shifted white is the highest.
    """
    unit = 1 << (depth - 8)
    white = ((1 << before) - 1) << (depth - before) if depth > before else (1 << depth) - 1
    levels = np.arange(1 << depth)
    luma = 16 * unit + levels * (219 * unit / white)
    chroma = 128 * unit + (levels - 128 * unit) * (224 * unit / white)
    kind = np.uint8 if depth == 8 else np.uint16
    return np.rint(luma).astype(kind), np.rint(chroma).astype(kind)

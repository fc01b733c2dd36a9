"""Frames into the pixel format an encoder takes: without loss wherever that is possible."""

from __future__ import annotations

from dataclasses import replace

import av
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import FULL_RANGE, UNSPECIFIED, ColourTags, Frame, to_video_frame

LIMITED_RANGE = 1
RGB, BT709, FCC, BT470BG, SMPTE170M, SMPTE240M, BT2020, BT2020_CL = 0, 1, 4, 5, 6, 7, 9, 10
"""AVCOL_SPC_*: the matrix between RGB and Y'CbCr (ITU-T H.273)."""

_BEST = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_SWSCALE = {BT709: 1, FCC: 4, BT470BG: 5, SMPTE170M: 5, SMPTE240M: 7, BT2020: 9, BT2020_CL: 9}
"""From AVCOL_SPC_* to swscale's SWS_CS_*."""


def assumed_matrix(size: tuple[int, int]) -> int:
    """Return the matrix players assume of untagged video of a (width, height) in pixels."""
    return BT709 if size[0] >= 1280 or size[1] >= 720 else SMPTE170M


def target_tags(tags: ColourTags, layout: PixelLayout, pix_fmt: str) -> ColourTags:
    """Return the tags that frames of `layout` tagged `tags` have once they are in `pix_fmt`.

    They stay as they are unless RGB becomes Y'CbCr (BT.709, limited range) or the reverse, or the
    format is full range by definition.
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
        if picture.format.name != self._pix_fmt:
            picture = self._converted(picture, frame.layout)
        picture.pts, picture.duration, picture.time_base = times
        picture.pict_type = 0
        picture.colorspace, picture.color_range = self._target.matrix, self._target.range
        picture.color_primaries = self._target.primaries
        picture.color_trc = self._target.transfer
        return picture

    def _converted(self, picture: av.VideoFrame, layout: PixelLayout) -> av.VideoFrame:
        # Everything is given: swscale would otherwise guess it from half-set tags.
        span = self._source.range or (LIMITED_RANGE if layout.kind == "yuv" else FULL_RANGE)
        if layout.kind == "rgb":
            span = FULL_RANGE
        matrix = _SWSCALE.get(self._source.matrix, 5)
        new = self._target.matrix
        return self._reformatter.reformat(
            picture,
            format=self._pix_fmt,
            interpolation=_BEST,
            src_colorspace=matrix,
            dst_colorspace=_SWSCALE.get(new, 5) if new not in (RGB, UNSPECIFIED) else matrix,
            src_color_range=ColorRange(span),
            dst_color_range=ColorRange(self._target.range or span),
        )

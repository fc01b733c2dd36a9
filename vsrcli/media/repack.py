"""Frames into the pixel format an encoder takes: without loss wherever that is possible."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from vsrcli.media.colour import BT470BG, BT709, RED_AND_BLUE, RGB, SMPTE170M, SWSCALE
from vsrcli.media.encoders import (
    BT601_ONLY,
    BT709_ONLY,
    FULL_RANGE_ONLY,
    LIMITED_RANGE_ONLY,
)
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import (
    FULL_RANGE,
    LIMITED_RANGE,
    UNSPECIFIED,
    ColourTags,
    Frame,
    from_video_frame,
    is_full,
    to_video_frame,
    with_alpha_as,
)
from vsrcli.media.recode import recoded, resited
from vsrcli.media.resample import CENTRE, chroma_location, in_column_of
from vsrcli.media.swscale import BEST, sited, stretched, white_of_rgb

CONVERTIBLE = frozenset(SWSCALE) - {10}
"""Matrices that samples can be converted from: 10, constant luminance, is but near to BT.2020."""


def assumed_matrix(size: tuple[int, int], high: int = 720) -> int:
    """Return the matrix players assume of untagged video of a (width, height) in pixels.

    They do not agree on the height that is HIGH: to browsers it is 720, to mpv 577.
    """
    return BT709 if size[0] >= 1280 or size[1] >= high else SMPTE170M


def target_tags(
    tags: ColourTags, layout: PixelLayout, pix_fmt: str, codec: str | None = None
) -> ColourTags:
    """Return the tags that frames of `layout` tagged `tags` have once they are in `pix_fmt`.

    They stay as they are unless RGB becomes Y'CbCr (BT.709, limited range) or the reverse, or the
    format or what the encoder `codec` makes has one range or matrix by definition.
    """
    new = layout_of(pix_fmt)
    matrix, span = tags.matrix, tags.range
    if layout.kind == "rgb" and new.kind == "yuv":
        matrix, span = BT709, LIMITED_RANGE
    elif layout.kind != "rgb" and new.kind == "rgb":
        matrix, span = RGB, FULL_RANGE
    elif layout.kind == "gray":  # in H.264, gray too is limited unless it says otherwise
        span = span or FULL_RANGE
    elif layout.kind == "yuv" and new.kind == "gray":
        span = FULL_RANGE  # as swscale makes it
    if matrix == RGB and new.kind != "rgb" and "gray" in (layout.kind, new.kind):
        matrix = UNSPECIFIED  # of a PNG, gray ones too; to players, gray of H.264 is Y'CbCr
    if pix_fmt.startswith("yuvj"):
        span = FULL_RANGE
    if new.kind != "rgb" and span == FULL_RANGE and codec in LIMITED_RANGE_ONLY:
        span = LIMITED_RANGE
    if new.kind == "yuv" and matrix in (UNSPECIFIED, *RED_AND_BLUE):
        matrix = _only_matrix(codec) or matrix
    location = tags.chroma_location if new.log2_chroma == (1, 1) else 0
    if codec in FULL_RANGE_ONLY or new.log2_chroma == (2, 2):  # JFIF, and 4:1:0, have no other
        location = CENTRE
    return replace(tags, matrix=matrix, range=span, chroma_location=location)


def _only_matrix(codec: str | None) -> int | None:
    if codec in BT601_ONLY:
        return SMPTE170M
    return BT709 if codec in BT709_ONLY else None


class Repacker:
    """Turns frames of one stream into video frames of one pixel format."""

    def __init__(self, source: ColourTags, pix_fmt: str, target: ColourTags) -> None:
        """`source` are the tags of the frames to come, with the matrix to assume filled in."""
        self._source, self._pix_fmt, self._target = source, pix_fmt, target
        self._location = _location_for(source, pix_fmt, target)
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Frame) -> av.VideoFrame:
        """Return a new video frame with the target's tags, and the times of `frame`."""
        picture = self._converted(frame)
        picture.pts, picture.duration, picture.time_base = (
            frame.pts,
            frame.duration,
            frame.time_base,
        )
        picture.pict_type = 0
        picture.colorspace, picture.color_range = self._target.matrix, self._target.range
        picture.color_primaries = self._target.primaries
        picture.color_trc = self._target.transfer
        return picture

    def _converted(self, frame: Frame) -> av.VideoFrame:
        layout, new = frame.layout, layout_of(self._pix_fmt)
        full = layout.kind == "rgb" or is_full(self._source, layout)
        source = replace(self._source, range=FULL_RANGE if full else LIMITED_RANGE)
        target = replace(self._target, range=self._target.range or source.range)
        if new.kind != "rgb" and target.matrix in (RGB, UNSPECIFIED):
            target = replace(target, matrix=source.matrix)
        if layout.kind == "rgb":
            rgb = new.kind == "rgb"
            frame = _as_rgb(frame, new) if rgb else _for_matrix(frame, new.depth)
        if layout.kind == "gray":
            return self._from_gray(frame, source.range, target, new)
        if (
            layout.kind == "yuv"
            and new.kind == "rgb"
            and (new.depth > 8 or full and layout.depth > 8)
        ):
            return self._by_deep_rgb(frame, source, target, new)
        if layout.kind == "yuv" and new.kind == "gray":  # swscale makes it luma of BT.601
            source, target = (replace(tags, matrix=SMPTE170M) for tags in (source, target))
        if layout.kind == "yuv":
            frame = resited(frame, chroma_location(self._source), self._location)
        if not _recodes(layout, new, source, target):
            return self._reformatted(to_video_frame(frame), self._pix_fmt, source, target)
        if new.depth > layout.depth:  # at the greater depth no levels fall together
            planar = self._reformatted(to_video_frame(frame), new.pix_fmt, source, source)
            frame = replace(from_video_frame(planar), tags=frame.tags)
        recast = recoded(frame, source, target, layout.depth)
        return self._reformatted(to_video_frame(recast), self._pix_fmt, target, target)

    def _by_deep_rgb(
        self, frame: Frame, source: ColourTags, target: ColourTags, new: PixelLayout
    ) -> av.VideoFrame:
        """Return a Y'CbCr frame in RGB, white and opaque as all ones.

        Of more than 8 bits those of swscale are not, but at 16 bits it is known what they are; in
        8 bits it makes full range up to a level too bright.
        """
        planar = "gbrap16le" if new.alpha else "gbrp16le"
        made = from_video_frame(self._reformatted(to_video_frame(frame), planar, source, target))
        spans = (*[source.range == FULL_RANGE] * 3, True)
        whites = [white_of_rgb(frame.layout.depth, 16, full=full) for full in spans]
        pairs = zip(made.planes, whites, strict=False)  # there may be no alpha
        planes = tuple(stretched(plane, white, new.depth) for plane, white in pairs)
        picture = to_video_frame(replace(made, planes=planes, layout=new))
        return self._reformatted(picture, self._pix_fmt, target, target)

    def _from_gray(
        self, frame: Frame, span: int, target: ColourTags, new: PixelLayout
    ) -> av.VideoFrame:
        """Return a gray frame of the range `span` in the target's; swscale takes all for full."""
        depth, full = frame.layout.depth, replace(target, range=FULL_RANGE)
        if (new.kind, new.depth, target.range) == ("gray", depth, span):
            return self._reformatted(to_video_frame(frame), self._pix_fmt, full, full)
        if span != FULL_RANGE:
            frame = recoded(frame, replace(target, range=span), full, depth)
        if new.kind == "rgb":
            return self._reformatted(to_video_frame(_as_rgb(frame, new)), self._pix_fmt, full, full)
        if new.depth == 8 < depth:
            frame = _in_bytes(frame)
        # By way of planes: straight to P010 swscale makes the chroma of gray green.
        planar = self._reformatted(to_video_frame(frame), new.pix_fmt, full, full)
        if target.range == FULL_RANGE:
            return self._reformatted(planar, self._pix_fmt, full, full)
        narrow = recoded(from_video_frame(planar), full, target, new.depth)
        return self._reformatted(to_video_frame(narrow), self._pix_fmt, target, target)

    def _reformatted(
        self, picture: av.VideoFrame, pix_fmt: str, source: ColourTags, target: ColourTags
    ) -> av.VideoFrame:
        if picture.format.name == pix_fmt:
            return picture
        # Everything is given: swscale would otherwise guess it from half-set tags.
        matrix, new = SWSCALE.get(source.matrix, 5), target.matrix
        return self._reformatter.reformat(
            self._sited(picture, layout_of(pix_fmt)),
            format=pix_fmt,
            interpolation=BEST,
            src_colorspace=matrix,
            dst_colorspace=SWSCALE.get(new, 5) if new not in (RGB, UNSPECIFIED) else matrix,
            src_color_range=ColorRange(source.range),
            dst_color_range=ColorRange(target.range),
            threads=1,  # as in conform.py
        )

    def _sited(self, picture: av.VideoFrame, new: PixelLayout) -> av.VideoFrame:
        """Where chroma changes its size, it stays where it lies; new one lies as the target's."""
        old = layout_of(picture.format.name)
        if old.log2_chroma == new.log2_chroma:  # none, of gray and RGB
            return picture
        new_one = not any(old.log2_chroma)
        return sited(picture, chroma_location(self._target) if new_one else self._location)


def _location_for(source: ColourTags, pix_fmt: str, target: ColourTags) -> int:
    """Where chroma of the source has to lie before it becomes `pix_fmt`.

    4:2:0 keeps its siting, of which there is a tag, but in JPEG. Other kinds have none, so that the
    column is the one they are taken to have: swscale, which changes sizes, moves nothing.
    """
    old, new = chroma_location(source), layout_of(pix_fmt).log2_chroma
    if pix_fmt.startswith("yuvj") and target.chroma_location == CENTRE:
        return CENTRE
    return old if new in ((0, 0), (1, 1)) else in_column_of(chroma_location(target), old)


def _as_rgb(frame: Frame, new: PixelLayout) -> Frame:
    """Return a frame of RGB or full-range gray in `new`, of RGB.

    swscale appends zeros to samples, or cuts them off.
    """
    layout, planes = frame.layout, frame.planes
    if layout.kind == "gray":
        planes = (*planes[:1] * 3, *planes[1:])
    if layout.depth != new.depth:
        planes = tuple(stretched(plane, layout.peak, new.depth) for plane in planes)
    return with_alpha_as(replace(frame, planes=planes), new)


def _for_matrix(frame: Frame, depth: int) -> Frame:
    """Return an RGB frame as swscale makes Y'CbCr or gray of `depth` bits of it.

    White is 255 with zeros appended there, which all ones are not; alpha is cut off.
    """
    name, white = "gbrap" if frame.layout.alpha else "gbrp", frame.layout.peak
    if depth == 8:
        return _as_rgb(frame, layout_of(name))
    if white == 255:
        return frame
    made = [plane * ((255 << 8) / white) + 0.5 for plane in frame.planes[:3]]
    made += [stretched(plane, white, depth) * float(1 << 16 - depth) for plane in frame.planes[3:]]
    planes = tuple(plane.astype(np.uint16) for plane in made)
    return replace(frame, planes=planes, layout=layout_of(f"{name}16le"))


def _in_bytes(frame: Frame) -> Frame:
    """Return a gray frame of full range with 8 bits; swscale divides by 256, not 257."""
    white = frame.layout.peak
    planes = tuple(stretched(plane, white, 8) for plane in frame.planes)
    return replace(frame, planes=planes, layout=layout_of("ya8" if frame.layout.alpha else "gray"))


def _recodes(layout: PixelLayout, new: PixelLayout, source: ColourTags, target: ColourTags) -> bool:
    """Whether samples of Y'CbCr have to change, and swscale would not do it well.

    It makes 8 bits longer by a shift, so that full-range white is not white any more.
    """
    if not layout.kind == new.kind == "yuv":
        return False
    if source.range == FULL_RANGE != target.range:
        return True
    matrices = {source.matrix, target.matrix}
    known = matrices <= RED_AND_BLUE.keys() and matrices != {BT470BG, SMPTE170M}
    return known and len(matrices) > 1

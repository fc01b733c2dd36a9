"""Decoded pictures as numpy planes, in the colour they came in.

Nothing here converts colour. A format that FFmpeg stores packed or semi-planar is taken apart into
the planar format with the same samples (`planar_equivalent`); only formats without one, such as a
palette, go through swscale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from vsrcli.errors import InputError
from vsrcli.media.formats import (
    CONVERTED,
    FLOAT,
    PACKINGS,
    SHORT,
    Packing,
    PixelLayout,
    layout_of,
)

Plane = NDArray[np.uint8] | NDArray[np.uint16]

UNSPECIFIED = 2
"""AVCOL_*_UNSPECIFIED for matrix, primaries and transfer; ranges and chroma locations use 0."""
LIMITED_RANGE, FULL_RANGE = 1, 2
"""AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG."""
CHROMA_LOCATIONS = ("unspecified", "left", "center", "topleft", "top", "bottomleft", "bottom")
"""FFmpeg's names of where chroma lies, by their numbers."""
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
LINEAR = 8
HIGH_RANGE = {16: "PQ", 18: "HLG"}
_CURVES = {LINEAR: "linear light", **HIGH_RANGE}
"""ITU-T H.273: primaries and transfers that are not near those of sRGB."""


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Colour description as FFmpeg numbers it (ITU-T H.273 for the first three)."""

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    range: int = 0
    """0 unspecified, 1 limited, 2 full."""
    chroma_location: int = 0
    """As of `CHROMA_LOCATIONS`."""

    @property
    def unlike_srgb(self) -> str | None:
        """What shows in wrong colours where no tags are, as "BT.2020, PQ"; None if nothing does."""
        found = (_WIDE.get(self.primaries), _CURVES.get(self.transfer))
        return ", ".join(filter(None, found)) or None


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded picture; planes may be read-only views into the decoder's memory."""

    planes: tuple[Plane, ...]
    """[h, w] each: Y, Cb, Cr[, A] or Y[, A] or G, B, R[, A]."""
    layout: PixelLayout
    pts: int
    """Presentation time in `time_base` units; strictly increasing within a stream."""
    duration: int
    """In `time_base` units, at least 1."""
    time_base: Fraction
    """Seconds per unit."""
    tags: ColourTags
    index: int
    """Position among the decoded pictures of the file, or among picture files, from 0."""

    @property
    def width(self) -> int:
        """Width of the full-size planes in pixels."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Height of the full-size planes in pixels."""
        return int(self.planes[0].shape[0])


def tags_of(frame: av.VideoFrame, chroma_location: int = 0) -> ColourTags:
    """Return the colour tags of a decoded frame; the yuvj formats are full range.

    Unless it is stated otherwise: FFmpeg keeps to the format where a stream changes its range. A
    sample of 4:1:0 is for the whole of 4x4 pixels, and lies amid them.
    """
    implied = FULL_RANGE if frame.format.name.startswith("yuvj") else 0
    amid = CHROMA_LOCATIONS.index("center") if frame.format.name == "yuv410p" else 0
    return ColourTags(
        matrix=int(frame.colorspace),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        range=int(frame.color_range) or implied,
        chroma_location=chroma_location or amid,
    )


def is_full(tags: ColourTags, layout: PixelLayout) -> bool:
    """Whether samples are full range. Where nothing says so, gray and RGB are, Y'CbCr is not."""
    return tags.range == FULL_RANGE or not (tags.range or layout.kind == "yuv")


def from_video_frame(
    frame: av.VideoFrame,
    *,
    pts: int | None = None,
    duration: int | None = None,
    time_base: Fraction | None = None,
    index: int = 0,
    chroma_location: int = 0,
    reformatter: VideoReformatter | None = None,
) -> Frame:
    """Return the planes of a decoded frame, with its colour untouched.

    What is not given is taken from the frame. Planes are read-only views into the frame's memory
    where its format allows, copies elsewhere. Pass one `reformatter` for a whole stream: it keeps
    swscale's tables. Raises InputError for pixel formats that cannot be held.
    """
    layout = layout_of(frame.format.name)
    base = time_base if time_base is not None else 1 * (frame.time_base or Fraction(1, 25))
    return Frame(
        planes=_planes(frame, layout, reformatter or VideoReformatter()),
        layout=layout,
        pts=pts if pts is not None else frame.pts or 0,
        duration=duration if duration is not None else max(1, frame.duration),
        time_base=base,
        tags=tags_of(frame, chroma_location),
        index=index,
    )


def exceeds_unit(frame: av.VideoFrame) -> bool:
    """Whether a picture of floating point has samples that 16 bits have no place for.

    That is below 0 or above 1, by more than half of their step.
    """
    half = 0.5 / 65535
    return any(bool(((plane < -half) | (plane > 1 + half)).any()) for plane in _float_planes(frame))


def to_video_frame(frame: Frame) -> av.VideoFrame:
    """Return a new video frame with the planes, times and colour tags of `frame`."""
    made = av.VideoFrame(frame.width, frame.height, frame.layout.pix_fmt)
    if frame.layout.pix_fmt in PACKINGS:  # gray with alpha has no planar format
        view = _samples(made, 0, (frame.height, frame.width * 2), frame.layout.dtype)
        for offset, plane in enumerate(frame.planes):
            view[:, offset::2] = plane
    else:
        for number, plane in enumerate(frame.planes):
            _samples(made, number, plane.shape, frame.layout.dtype)[...] = plane
    made.pts, made.duration, made.time_base = frame.pts, frame.duration, frame.time_base
    made.colorspace, made.color_range = frame.tags.matrix, frame.tags.range
    made.color_primaries, made.color_trc = frame.tags.primaries, frame.tags.transfer
    return made


def unassociated(frame: av.VideoFrame) -> av.VideoFrame:
    """Return a picture, whose colour is multiplied by its alpha, as one whose colour is not.

    Floating point is changed in place. Where nothing is seen, colour stays as it is.
    """
    if float_samples := _float_planes(frame):
        *colours, alpha = float_samples
        with np.errstate(over="ignore"):
            for colour in colours:
                np.divide(colour, alpha, out=colour, where=(alpha > 0) & (alpha < 1))
        return frame
    read = from_video_frame(frame)
    peak = read.layout.peak
    *planes, alpha = read.planes
    partly = (alpha > 0) & (alpha < peak)
    share = alpha[partly] / np.float32(peak)
    divided = [plane.copy() for plane in planes]
    for plane in divided:
        plane[partly] = np.rint(plane[partly] / share).clip(0, peak)
    return to_video_frame(replace(read, planes=(*divided, alpha)))


def with_alpha_as(frame: Frame, layout: PixelLayout) -> Frame:
    """Return an RGB frame, whose samples have the depth of LAYOUT, in it.

    Where alpha comes or goes, swscale loses the end of a plane.
    """
    planes = frame.planes[: 4 if layout.alpha else 3]
    if layout.alpha and not frame.layout.alpha:
        planes = (*planes, np.full_like(planes[0], layout.peak))
    return replace(frame, planes=planes, layout=layout)


def _planes(
    frame: av.VideoFrame, layout: PixelLayout, reformatter: VideoReformatter
) -> tuple[Plane, ...]:
    name = frame.format.name
    stored = np.dtype(layout.dtype).newbyteorder(">" if frame.format.is_big_endian else "<")
    if packing := PACKINGS.get(name):
        return _unpack(frame, layout, packing, stored)
    if short := SHORT.fullmatch(name):
        return _from_short(frame, *short.groups())
    if name in CONVERTED:
        frame = _convert(frame, layout.pix_fmt, reformatter)
        stored = np.dtype(layout.dtype)
    if float_samples := _float_planes(frame):
        return tuple(map(_to_16_bit, float_samples))
    shapes = layout.shapes(frame.width, frame.height)
    return tuple(_native(_samples(frame, i, shape, stored)) for i, shape in enumerate(shapes))


def _float_planes(frame: av.VideoFrame) -> list[NDArray[Any]]:
    """Views of the planes of a picture of floating point; none of another."""
    size = FLOAT.fullmatch(frame.format.name)
    if size is None:
        return []
    stored = np.dtype(f"f{int(size[2]) // 8}").newbyteorder(">" if size[3] == "be" else "<")
    shapes = layout_of(frame.format.name).shapes(frame.width, frame.height)
    return [_samples(frame, number, shape, stored) for number, shape in enumerate(shapes)]


def _from_short(frame: av.VideoFrame, order: str, widths: str, end: str) -> tuple[Plane, ...]:
    """Take apart pixels of 16 bits. White is 255, as players show it; swscale's gbrp has 248."""
    stored = np.dtype(">u2" if end == "be" else "<u2")
    pixels = _native(_samples(frame, 0, (frame.height, frame.width), stored))
    found: dict[str, Plane] = {}
    lowest = 0
    for name, bits in zip(reversed(order), map(int, reversed(widths)), strict=True):
        peak = (1 << bits) - 1
        found[name] = (((pixels >> lowest & peak) * 255 + peak // 2) // peak).astype(np.uint8)
        lowest += bits
    return tuple(found[name] for name in "gbr")


def _convert(frame: av.VideoFrame, pix_fmt: str, reformatter: VideoReformatter) -> av.VideoFrame:
    try:
        return reformatter.reformat(
            frame,
            format=pix_fmt,
            interpolation=Interpolation.POINT | Interpolation.ACCURATE_RND,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG,
            threads=1,  # as in conform.py
        )
    except (av.FFmpegError, OSError):
        message = f"pictures in the pixel format {frame.format.name} cannot be read"
        raise InputError(message) from None


def _unpack(
    frame: av.VideoFrame, layout: PixelLayout, packing: Packing, stored: np.dtype[Any]
) -> tuple[Plane, ...]:
    """Take packed pixels, or a plane of Y and one of interleaved chroma, apart."""
    width, height = frame.width, frame.height
    shapes = layout.shapes(width, height)
    order = packing.order
    first: list[tuple[str, NDArray[Any]]] = []
    if order in ("uv", "vu"):
        first.append(("y", _samples(frame, 0, shapes[0], stored)))
        source = _samples(frame, 1, (shapes[1][0], shapes[1][1] * 2), stored)
    elif order.count("y") == 2:
        # Two pixels share their chroma: four samples, the last pair half used at odd widths.
        source = _samples(frame, 0, (height, shapes[1][1] * 4), stored)
        first.append(("y", source[:, order.index("y") :: 2][:, :width]))
    else:
        source = _samples(frame, 0, (height, width * len(order)), stored)
    found = dict(first)
    for offset, name in enumerate(order):
        found.setdefault(name, source[:, offset :: len(order)])
    names = {"gray": "ya", "yuv": "yuva", "rgb": "gbra"}[layout.kind][: len(shapes)]
    return tuple(_native(found[name], packing.shift) for name in names)


def _samples(
    frame: av.VideoFrame, number: int, shape: tuple[int, ...], stored: Any
) -> NDArray[Any]:
    """Return a view [h, w] of plane `number`, which keeps the frame alive."""
    plane = frame.planes[number]
    kind, stride = np.dtype(stored), abs(plane.line_size)
    view = np.ndarray(shape, kind, memoryview(plane), strides=(stride, kind.itemsize))
    return view if plane.line_size > 0 else view[::-1]  # bottom up: the last row comes first


def _native(view: NDArray[Any], shift: int = 0) -> Plane:
    """Return samples in the machine's byte order: a read-only view where nothing has to change."""
    if view.strides[1] == view.itemsize and view.dtype.isnative and not shift:
        view.flags.writeable = False  # the decoder may predict later pictures from this memory
        return view
    plane = view.astype(view.dtype.newbyteorder("="), order="C")
    return cast(Plane, plane >> shift if shift else plane)


def _to_16_bit(view: NDArray[Any]) -> Plane:
    # swscale would squeeze floating-point gray into limited range.
    unit = np.nan_to_num(view.astype(np.float32)).clip(0, 1)
    return cast(Plane, np.rint(unit * 65535).astype(np.uint16))

"""Frames -> YUV4MPEG2 (y4m), which every video tool reads from a pipe.

Format: https://wiki.multimedia.cx/index.php/YUV4MPEG2, with the names FFmpeg gives to depths above
eight bits (libavformat/yuv4mpegenc.c).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import IO, Any

from vsrcli.errors import OutputError
from vsrcli.media.cadence import Y4M_DROPS, uneven
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import FULL_RANGE, LIMITED_RANGE, ColourTags, Frame, from_video_frame
from vsrcli.media.probe import MediaInfo
from vsrcli.media.repack import Repacker, target_tags
from vsrcli.media.resample import chroma_location
from vsrcli.notes import Note

_SHAPES = {(0, 0): "444", (1, 0): "422", (1, 1): "420", (2, 0): "411"}
_SITES = {1: "mpeg2", 2: "jpeg", 3: "paldv"}
"""AVCHROMA_LOC_* of 8 bit 4:2:0."""


def y4m_losses(layout: PixelLayout, tags: ColourTags) -> list[str]:
    """What y4m cannot keep of frames of `layout` and `tags`; OutputError if it cannot hold them."""
    found = []
    if layout.kind != "rgb":
        _name(layout, tags)
    if tags.unlike_srgb:
        found.append(f"y4m cannot say that its colours are {tags.unlike_srgb}")
    if layout.kind == "rgb":
        found.append("y4m holds no RGB: written as Y'CbCr 4:4:4 (BT.709)")
    if layout.alpha:
        found.append("y4m holds no transparency: left out")
    return found


def standard_output() -> IO[bytes]:
    """The stream that y4m goes to; raises OutputError if there is none."""
    stream: IO[bytes] | None = getattr(sys.stdout, "buffer", None)
    if stream is None:  # closed before Python began; or a notebook's, which takes text alone
        raise OutputError("standard output: is closed, or takes text alone; name a file, not -")
    return stream


class Y4mWriter:
    """Writes frames of one size to a stream, the header before the first."""

    def __init__(
        self,
        stream: IO[bytes],
        info: MediaInfo,
        size: tuple[int, int],
        layout: PixelLayout,
        note: Note,
    ) -> None:
        """`info` gives rate, SAR and colours; `note` is told what y4m cannot keep."""
        self._stream, self._repack, self._note, tags = stream, None, note, info.tags
        for line in y4m_losses(layout, info.tags):
            note(line)
        if layout.kind == "rgb":
            depth = "" if layout.depth == 8 else f"{layout.depth}le"
            tags = target_tags(info.tags, layout, f"yuv444p{depth}")
            self._repack = Repacker(info.tags, f"yuv444p{depth}", tags)
            layout = layout_of(f"yuv444p{depth}")
        self._planes = 1 if layout.kind == "gray" else 3
        rate, sar = info.nominal_rate, info.sar or Fraction(0, 1)
        self._base, self._rate = info.time_base, rate
        self._before: int | None = None
        ranges = {FULL_RANGE: " XCOLORRANGE=FULL", LIMITED_RANGE: " XCOLORRANGE=LIMITED"}
        self._header = (
            f"YUV4MPEG2 W{size[0]} H{size[1]} F{rate.numerator}:{rate.denominator} Ip "
            f"A{sar.numerator}:{sar.denominator if sar else 0} C{_name(layout, tags)}"
            f"{ranges.get(tags.range, '')}\n"
        )

    def write(self, frame: Frame) -> None:
        """Write the next frame; OutputError when nobody reads any more or the disk is full."""
        self._look_at_time(frame)
        if self._repack is not None:
            picture = self._repack(frame)
            frame = from_video_frame(
                picture,
                pts=frame.pts,
                duration=frame.duration,
                time_base=frame.time_base,
                index=frame.index,
            )
        with _told():
            self._stream.write(self._header.encode() + b"FRAME\n")
            self._header = ""
            for plane in frame.planes[: self._planes]:
                self._stream.write(_bytes(plane))

    def finish(self) -> None:
        """Write what is still held back; OutputError as of `write`."""
        with _told():
            self._stream.flush()

    def _look_at_time(self, frame: Frame) -> None:
        if self._before is not None and uneven((self._before, frame.pts), self._base, self._rate):
            self._note(Y4M_DROPS)
        self._before = frame.pts


@contextmanager
def _told() -> Iterator[None]:
    """Raise OutputError for what goes wrong with standard output."""
    try:
        yield
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or "it was closed"
        raise OutputError(f"standard output: cannot be written ({reason})") from None


def _bytes(plane: Any) -> bytes:
    """Samples row by row, the low byte first."""
    little = plane if plane.itemsize == 1 or sys.byteorder == "little" else plane.byteswap()
    return bytes(little.tobytes())


def _name(layout: PixelLayout, tags: ColourTags) -> str:
    deep = layout.depth > 8
    if layout.kind == "gray":
        return f"mono{layout.depth}" if deep else "mono"
    shape = _SHAPES.get(layout.log2_chroma)
    if shape is None:
        raise OutputError(f"y4m cannot hold {layout.pix_fmt}; write a file or use another input")
    if deep:
        return f"{shape}p{layout.depth}"
    return shape + (_SITES.get(chroma_location(tags), "jpeg") if shape == "420" else "")

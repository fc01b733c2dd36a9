"""What is left to FFmpeg's swscale: scaling exactly as `ffmpeg -vf scale`, and RGB for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
from av.video.format import VideoFormat
from av.video.reformatter import Interpolation, VideoReformatter

from vsrcli.errors import InputError
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import (
    CHROMA_LOCATIONS,
    UNSPECIFIED,
    ColourTags,
    Frame,
    Plane,
    from_video_frame,
    is_full,
    to_video_frame,
)
from vsrcli.media.resample import chroma_location

BEST = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class FilterScaler:
    """Scales pictures as `ffmpeg -vf scale=WIDTH:HEIGHT` does, bit for bit.

    That is swscale's bicubic on every plane by itself: like the filter, it takes chroma as centred
    amid its luma pixels, whatever its siting. Colour is not converted.
    """

    def __init__(
        self,
        layout: PixelLayout,
        size_in: tuple[int, int],
        size_out: tuple[int, int],
        target: PixelLayout | None = None,
    ) -> None:
        """Sizes are (width, height). With a `target`, depth and chroma become those of it at once,
        as where the program's encoder does not take the source's.
        """
        self._layout = layout
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=size_in[0],
            height=size_in[1],
            format=VideoFormat(layout.pix_fmt),
            time_base=Fraction(1, 25),
        )
        scale = self._graph.add("scale", f"{size_out[0]}:{size_out[1]}")
        form = self._graph.add("format", (target or layout).pix_fmt)
        self._graph.link_nodes(source, scale, form, self._graph.add("buffersink")).configure()

    def __call__(self, planes: Sequence[Plane]) -> tuple[Plane, ...]:
        """Return the planes scaled, [h, w] each."""
        # Untagged: between a tagged frame and an untagged link the filter would convert colour.
        frame = Frame(tuple(planes), self._layout, 0, 1, Fraction(1, 25), ColourTags(), 0)
        self._graph.push(to_video_frame(frame))
        scaled = self._graph.pull()
        assert isinstance(scaled, av.VideoFrame)
        return from_video_frame(scaled).planes


@dataclass(frozen=True, slots=True)
class RgbPicture:
    """Full-range R, G and B planes, [h, w] each."""

    planes: tuple[Plane, Plane, Plane]
    peak: int
    """The sample value of white."""


class RgbConverter:
    """Converts frames to RGB of the same size, and of the same depth unless another is given.

    Y'CbCr goes through swscale at its best quality (bicubic chroma, accurate rounding), with the
    matrix, range and siting of the frame's tags; untagged video is BT.601 limited, as for ffmpeg,
    and untagged gray full.
    """

    def __init__(self, depth: int = 0) -> None:
        """Y'CbCr of fewer bits than `depth` becomes RGB of that depth, which rounds less."""
        self._reformatter, self._depth = VideoReformatter(), depth

    def __call__(self, frame: Frame) -> RgbPicture:
        """Return `frame` as RGB. Raises InputError where swscale knows no conversion."""
        depth = frame.layout.depth
        if frame.layout.kind == "rgb":
            green, blue, red = frame.planes[:3]
            return RgbPicture((red, green, blue), (1 << depth) - 1)
        full = is_full(frame.tags, frame.layout)
        if frame.layout.kind == "gray" and not full:
            frame = _coloured(frame)
        if frame.layout.kind == "yuv":
            depth = max(depth, self._depth)
        target = "gbrp" if depth == 8 else f"gbrp{depth}le"
        try:
            converted = self._reformatter.reformat(
                sited(to_video_frame(frame), chroma_location(frame.tags)),
                format=target,
                interpolation=BEST,
            )
        except (av.FFmpegError, OSError, ValueError) as failure:
            raise InputError(
                f"pictures in {frame.layout.pix_fmt} with colour matrix {frame.tags.matrix} "
                "cannot be converted to RGB; compare --channel y"
            ) from failure
        green, blue, red = from_video_frame(converted).planes[:3]
        return RgbPicture((red, green, blue), white_of_rgb(frame.layout.depth, depth, full=full))


def sited(picture: av.VideoFrame, location: int) -> av.VideoFrame:
    """PICTURE with its chroma at a `location` of `chroma_location`, for swscale to heed.

    It takes all for centred otherwise, and PyAV's frames have no property for it.
    """
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=Fraction(1, 25),
    )
    tagged = graph.add("setparams", f"chroma_location={CHROMA_LOCATIONS[location]}")
    graph.link_nodes(source, tagged, graph.add("buffersink")).configure()
    graph.push(picture)
    return graph.vpull()


def white_of_rgb(depth: int, to: int, *, full: bool) -> int:
    """White of RGB of `to` bits that swscale makes of Y'CbCr of `depth` bits, or of full gray.

    It appends zeros, where all ones would be white, and white of limited range is 255 with zeros.
    """
    bits = depth if full else 8
    return ((1 << bits) - 1) << (to - bits)


def stretched(samples: Plane, white: int, depth: int) -> Plane:
    """SAMPLES in DEPTH bits: all ones for WHITE, and for what is above it."""
    peak = (1 << depth) - 1
    kind = np.uint8 if depth == 8 else np.uint16
    found: Plane = np.minimum(peak, samples * (peak / white) + 0.5).astype(kind)
    return found


def _coloured(frame: Frame) -> Frame:
    """Gray as Y'CbCr without colour: swscale takes all gray for full range."""
    depth = frame.layout.depth
    layout = layout_of("yuv444p" if depth == 8 else f"yuv444p{depth}le")
    middle = np.full_like(frame.planes[0], 1 << (depth - 1))
    # The matrix is no matter to gray, and a PNG's, which is that of RGB, could not be converted.
    tags = replace(frame.tags, matrix=UNSPECIFIED)
    return replace(frame, planes=(frame.planes[0], middle, middle), layout=layout, tags=tags)

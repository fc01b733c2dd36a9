"""What is left to FFmpeg's swscale: scaling exactly as `ffmpeg -vf scale`, and RGB for metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.video.reformatter import Interpolation, VideoReformatter

from vsrcli.errors import InputError
from vsrcli.media.planes import ColourTags, Frame, Plane, from_video_frame, to_video_frame

_BEST = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class FilterScaler:
    """Scales frames to one size as `ffmpeg -vf scale=WIDTH:HEIGHT` does, bit for bit.

    That is swscale's bicubic, one plane at a time: like the filter, it takes chroma as centred
    whatever its siting. Colour is not converted; tags and times are kept.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """`size` is (width, height) of the output."""
        self._size = size
        self._graph: av.filter.Graph | None = None
        self._kind: tuple[str, int, int] | None = None

    def __call__(self, frame: Frame) -> Frame:
        """Return `frame` scaled; the graph is made anew when size or format changes."""
        # Tags are withheld: the filter converts colour between a tagged frame and an untagged link.
        bare = to_video_frame(replace(frame, tags=ColourTags()))
        kind = (bare.format.name, bare.width, bare.height)
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = self._configured(bare), kind
        self._graph.push(bare)
        scaled = self._graph.pull()
        assert isinstance(scaled, av.VideoFrame)
        return replace(frame, planes=from_video_frame(scaled).planes)

    def _configured(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=Fraction(frame.time_base or Fraction(1, 25)),
        )
        width, height = self._size
        graph.link_nodes(
            source, graph.add("scale", f"{width}:{height}"), graph.add("buffersink")
        ).configure()
        return graph


@dataclass(frozen=True, slots=True)
class RgbPicture:
    """Full-range R, G and B planes, [h, w] each."""

    planes: tuple[Plane, Plane, Plane]
    peak: int
    """The sample value of white."""


class RgbConverter:
    """Converts frames to RGB of the same size and depth.

    Y'CbCr goes through swscale at its best quality (bicubic chroma, accurate rounding), with the
    matrix and range of the frame's tags; untagged video is BT.601 limited, as for ffmpeg.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Frame) -> RgbPicture:
        """Return `frame` as RGB. Raises InputError where swscale knows no conversion."""
        depth = frame.layout.depth
        if frame.layout.kind == "rgb":
            green, blue, red = frame.planes[:3]
            return RgbPicture((red, green, blue), (1 << depth) - 1)
        target = "gbrp" if depth == 8 else f"gbrp{depth}le"
        try:
            converted = self._reformatter.reformat(
                to_video_frame(frame), format=target, interpolation=_BEST
            )
        except (av.FFmpegError, OSError, ValueError) as failure:
            raise InputError(
                f"pictures in {frame.layout.pix_fmt} with colour matrix {frame.tags.matrix} "
                "cannot be converted to RGB; compare --channel y"
            ) from failure
        green, blue, red = from_video_frame(converted).planes[:3]
        # swscale's white is 255 shifted left, not all ones; its gray is copied as it is.
        gray = frame.layout.kind == "gray"
        white = (1 << depth) - 1 if gray else 255 << (depth - 8)
        return RgbPicture((red, green, blue), white)

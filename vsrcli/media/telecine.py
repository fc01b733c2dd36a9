"""The frames of a film, out of the fields that 3:2 pulldown spread them over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

import av
from av.filter import Graph
from av.video.reformatter import ColorRange, VideoReformatter

from vsrcli.media.conform import FirstField, out_of, planar, tagged
from vsrcli.media.formats import planar_equivalent
from vsrcli.media.planes import tags_of
from vsrcli.media.timeline import Shown

CYCLE, KEPT = 5, 4
"""Frames of video, 29.97 a second, that so many of film, 23.976 a second, were spread over."""
_FORMATS = ("yuv420p", "yuv422p", "yuv411p", "yuv444p")
_TICK = Fraction(1, 30)
"""Of the clock of the filters, which only has to count."""


def has_film_format(pix_fmt: str) -> bool:
    """Whether FFmpeg's fieldmatch takes frames of PIX_FMT as they are, of 8 bits."""
    return planar_equivalent(pix_fmt) in _FORMATS


def film(
    items: Iterable[Shown[av.VideoFrame]],
    found: Callable[[], None],
    first_field: FirstField | None = None,
) -> Iterator[Shown[av.VideoFrame]]:
    """Yield the pictures of a film, four for every five frames, in ticks a quarter as long.

    Fields of the same picture are put together (fieldmatch), what is combed still is deinterlaced
    (bwdif), and of every five frames the one most like that before it is left out (decimate); the
    four share the time of the five. All frames have one size and format, for which
    `has_film_format` is true. `found` is called before the first; `first_field` is given if the
    frames themselves do not say.
    """
    waiting: deque[Shown[av.VideoFrame]] = deque()
    made: list[av.VideoFrame] = []
    graph, reformatter = None, VideoReformatter()
    for number, item in enumerate(items):
        frame = _plain(item.payload, reformatter)
        if graph is None:
            found()
            graph = _graph(frame, first_field or "auto")
        waiting.append(item)
        frame.pts, frame.time_base = number, _TICK
        graph.push(frame)
        made += out_of(graph)
        while len(made) >= KEPT:
            yield from _next_few(made, waiting)
    if graph is not None:
        graph.push(None)
        made += out_of(graph)
        while made:
            yield from _next_few(made, waiting)


def spread(begin: int, lasts: int, pictures: int) -> list[tuple[int, int]]:
    """Time and duration, in quarters of a tick, of PICTURES that share LASTS ticks from BEGIN."""
    times = [KEPT * begin + KEPT * lasts * n // pictures for n in range(pictures + 1)]
    return [(time, after - time) for time, after in pairwise(times)]


def _next_few(
    made: list[av.VideoFrame], waiting: deque[Shown[av.VideoFrame]]
) -> Iterator[Shown[av.VideoFrame]]:
    """Yield the next four of the pictures MADE, or all, for the time of the next five frames."""
    frames = [waiting.popleft() for _ in range(min(CYCLE, len(waiting)))]
    pictures, made[:] = made[:KEPT], made[KEPT:]
    lasts = sum(frame.duration for frame in frames)
    for picture, (pts, duration) in zip(
        pictures, spread(frames[0].pts, lasts, len(pictures)), strict=True
    ):
        yield Shown(picture, pts, duration)


def _plain(frame: av.VideoFrame, reformatter: VideoReformatter) -> av.VideoFrame:
    """FRAME as fieldmatch takes it: of full range by its tag alone, not by its format's name."""
    frame = planar(frame, reformatter)
    name = planar_equivalent(frame.format.name)
    if name == frame.format.name:
        return frame
    full = ColorRange.JPEG
    made = reformatter.reformat(
        frame, format=name, src_color_range=full, dst_color_range=full, threads=1
    )
    return tagged(made, tags_of(frame))


def _graph(frame: av.VideoFrame, order: str) -> Graph:
    form = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
    graph = Graph()
    graph.link_nodes(
        graph.add("buffer", f"{form}:time_base={_TICK}:frame_rate={1 / _TICK}"),
        graph.add("fieldmatch", f"order={order}"),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("decimate", f"cycle={CYCLE}"),
        graph.add("buffersink"),
    ).configure()
    return graph

"""Frames brought to one size, one pixel format, and to whole pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

import av
from av.filter import Graph
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from .formats import planar_equivalent
from .planes import FULL_RANGE, tags_of
from .timeline import Timed


class Conform:
    """Scales frames to the size and pixel format of the first one."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._first: tuple[int, int, str] | None = None
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return `frame`, rescaled by swscale's bicubic if it differs from the first one."""
        found = (frame.width, frame.height, planar_equivalent(frame.format.name))
        first = self._first = self._first or found
        if found == first:
            return frame
        self._changed(f"{found[0]}x{found[1]} {found[2]} to {first[0]}x{first[1]} {first[2]}")
        return self._scaled(frame, *first)

    def _scaled(self, frame: av.VideoFrame, width: int, height: int, pix_fmt: str) -> av.VideoFrame:
        full = tags_of(frame).range == FULL_RANGE
        ranges = ColorRange.JPEG if full else ColorRange.MPEG
        scaled = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format=pix_fmt,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            src_color_range=ranges,
            dst_color_range=ranges,
        )
        scaled.color_range = tags_of(frame).range
        return scaled


def deinterlaced(
    items: Iterable[Timed[av.VideoFrame]], found: Callable[[], None]
) -> Iterator[Timed[av.VideoFrame]]:
    """Yield whole pictures for interlaced ones (bwdif, one per frame), the others as they are.

    `found` is called at the first interlaced frame; it may raise to refuse. Frames before that one
    are passed on directly; from there on the filter holds two back.
    """
    iterator = iter(items)
    for item in iterator:
        if item.payload.interlaced_frame:
            found()
            yield from _filtered(chain((item,), iterator))
        else:
            yield item


def _filtered(items: Iterable[Timed[av.VideoFrame]]) -> Iterator[Timed[av.VideoFrame]]:
    waiting: deque[Timed[av.VideoFrame]] = deque()  # bwdif gives as many frames as it takes
    graph, described = Graph(), ""
    planar = VideoReformatter()
    for item in items:
        frame = _planar(item.payload, planar)
        form = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        if form != described:
            if described:
                yield from _drained(graph, waiting)
            graph, described = _bwdif(form), form
        waiting.append(item)
        graph.push(frame)
        yield from _pulled(graph, waiting)
    if described:
        yield from _drained(graph, waiting)


def _planar(frame: av.VideoFrame, reformatter: VideoReformatter) -> av.VideoFrame:
    """Return a frame bwdif takes; unlike a copy through numpy it keeps the order of fields."""
    target = planar_equivalent(frame.format.name)
    if target.removesuffix("le") == frame.format.name.replace("yuvj", "yuv").removesuffix("le"):
        return frame
    return reformatter.reformat(
        frame,
        format=target,
        interpolation=Interpolation.POINT | Interpolation.ACCURATE_RND,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.MPEG,
    )


def _bwdif(form: str) -> Graph:
    graph = Graph()
    # Times are kept beside the filter, so its clock only has to tick.
    source = graph.add("buffer", f"{form}:time_base=1/25")
    filtered = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, filtered, graph.add("buffersink")).configure()
    return graph


def _drained(graph: Graph, waiting: deque[Timed[av.VideoFrame]]) -> Iterator[Timed[av.VideoFrame]]:
    graph.push(None)
    yield from _pulled(graph, waiting)


def _pulled(graph: Graph, waiting: deque[Timed[av.VideoFrame]]) -> Iterator[Timed[av.VideoFrame]]:
    while waiting:
        try:
            frame = graph.vpull()
        except (BlockingIOError, EOFError):
            return
        yield replace(waiting.popleft(), payload=frame)

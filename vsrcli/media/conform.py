"""Frames brought to one size, one pixel format, and to whole pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import chain, groupby
from typing import Literal, TypeAlias

import av
from av.filter import Graph
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from vsrcli.media.colour import SWSCALE
from vsrcli.media.formats import layout_of, planar_equivalent
from vsrcli.media.planes import (
    FULL_RANGE,
    ColourTags,
    from_video_frame,
    tags_of,
    to_video_frame,
    with_alpha_as,
)
from vsrcli.media.timeline import Shown
from vsrcli.notes import Note

FirstField: TypeAlias = Literal["tff", "bff"]
"""The field that is shown first, the top or the bottom one, as bwdif calls it."""

_THREADS = 1
"""Slices of swscale overwrite each other's rows in some conversions (FFmpeg 8 and 9)."""
_TICK = Fraction(1, 25)
"""Of the clock of the filter, which only has to count."""


class Conform:
    """Scales frames to the size and pixel format of the first one."""

    def __init__(self, changed: Note) -> None:
        """`changed` is told of every frame that differs, as "96x72 yuv420p to 64x48 yuv420p"."""
        self._changed = changed
        self._first: tuple[int, int, str] | None = None
        self._tags = ColourTags()
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return `frame`, rescaled by swscale's bicubic if it differs from the first one."""
        found = (frame.width, frame.height, planar_equivalent(frame.format.name))
        if self._first is None:
            self._first, self._tags = found, tags_of(frame)
        if found == self._first:
            return frame
        width, height, pix_fmt = self._first
        self._changed(f"{found[0]}x{found[1]} {found[2]} to {width}x{height} {pix_fmt}")
        old, new = layout_of(found[2]), layout_of(pix_fmt)
        if found[:2] == (width, height) and old.kind == "rgb" and old.opaque == new.opaque:
            return to_video_frame(with_alpha_as(from_video_frame(frame), new))
        own = tags_of(frame)
        alike = old.kind == new.kind
        tags = own if alike else self._tags
        scaled = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format=pix_fmt,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            src_colorspace=SWSCALE.get(own.matrix, 5),
            dst_colorspace=SWSCALE.get(tags.matrix, 5),
            src_color_range=_span(own),
            dst_color_range=_span(tags),
            threads=_THREADS,
        )
        return tagged(scaled, tags)


def _span(tags: ColourTags) -> ColorRange:
    return ColorRange.JPEG if tags.range == FULL_RANGE else ColorRange.MPEG


def tagged(frame: av.VideoFrame, tags: ColourTags) -> av.VideoFrame:
    """Set the tags of a frame that PyAV's conversion has tagged in its own way."""
    frame.colorspace, frame.color_range = tags.matrix, tags.range
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
    return frame


def deinterlaced(
    items: Iterable[Shown[av.VideoFrame]],
    found: Callable[[], None],
    first_field: FirstField | None = None,
    *,
    by_fields: bool = False,
) -> Iterator[Shown[av.VideoFrame]]:
    """Yield whole pictures for interlaced ones (bwdif), the others as they are.

    `found` is called at the first interlaced frame; it may raise to refuse. Frames before that one
    are passed on directly; from there on the filter holds two back. With a `first_field`, all are
    interlaced, whatever is said of each. One picture per frame; `by_fields`, one per field of an
    interlaced frame, each for half of its time, in ticks half as long.
    """
    iterator = iter(items)
    if by_fields:
        iterator = (
            replace(item, pts=2 * item.pts, duration=2 * item.duration) for item in iterator
        )
    for item in iterator:
        if first_field or item.payload.interlaced_frame:
            found()
            mode = "send_field" if by_fields else "send_frame"
            which = f"parity={first_field}:deint=all" if first_field else "deint=interlaced"
            yield from _filtered(chain((item,), iterator), f"mode={mode}:{which}")
        else:
            yield item


def _filtered(items: Iterable[Shown[av.VideoFrame]], how: str) -> Iterator[Shown[av.VideoFrame]]:
    waiting: deque[Shown[av.VideoFrame]] = deque()  # bwdif leaves out none
    graph, described = Graph(), ""
    reformatter = VideoReformatter()
    for number, item in enumerate(items):
        frame = planar(item.payload, reformatter)
        form = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        if form != described:
            if described:
                yield from _drained(graph, waiting)
            graph, described = _bwdif(form, how), form
        waiting.append(item)
        # Exact times are kept beside the filter, whose own tell what its pictures are made from.
        frame.pts, frame.time_base = number, _TICK
        graph.push(frame)
        yield from _pulled(graph, waiting)
    if described:
        yield from _drained(graph, waiting)


def planar(frame: av.VideoFrame, reformatter: VideoReformatter) -> av.VideoFrame:
    """Return a frame bwdif takes; unlike a copy through numpy it keeps the order of fields."""
    target = planar_equivalent(frame.format.name)
    if target.removesuffix("le") == frame.format.name.replace("yuvj", "yuv").removesuffix("le"):
        return frame
    made = reformatter.reformat(
        frame,
        format=target,
        interpolation=Interpolation.POINT | Interpolation.ACCURATE_RND,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.MPEG,
        threads=_THREADS,
    )
    return tagged(made, tags_of(frame))


def _bwdif(form: str, how: str) -> Graph:
    graph = Graph()
    source = graph.add("buffer", f"{form}:time_base={_TICK}")
    filtered = graph.add("bwdif", how)
    graph.link_nodes(source, filtered, graph.add("buffersink")).configure()
    return graph


def _drained(graph: Graph, waiting: deque[Shown[av.VideoFrame]]) -> Iterator[Shown[av.VideoFrame]]:
    graph.push(None)
    yield from _pulled(graph, waiting)


def _pulled(graph: Graph, waiting: deque[Shown[av.VideoFrame]]) -> Iterator[Shown[av.VideoFrame]]:
    """Yield what is made of the frames waiting, each of which comes out as one picture or two."""
    for _, made in groupby(out_of(graph), lambda frame: (frame.pts or 0) // 2):
        pictures, item = list(made), waiting.popleft()
        lasts = item.duration // len(pictures)
        for place, picture in enumerate(pictures):
            yield Shown(picture, item.pts + place * lasts, lasts)


def out_of(graph: Graph) -> Iterator[av.VideoFrame]:
    """Yield the pictures that are ready; their ticks are half those of the frames put in."""
    with suppress(BlockingIOError, EOFError):
        while True:
            yield graph.vpull()

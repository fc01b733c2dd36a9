"""Segments -> an animated GIF or PNG.

Neither can be joined of pieces: a GIF says at its head which colours it has, a PNG how many frames.
So the segments of such a job hold RGB without loss, and are encoded in one go when all are there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container.core import Flags
from PIL import Image

from vsrcli.errors import InputError
from vsrcli.media.cadence import off_ticks
from vsrcli.media.encoders import EncoderSettings
from vsrcli.media.formats import PixelLayout
from vsrcli.media.packets import opened_segment
from vsrcli.media.planes import ColourTags
from vsrcli.media.probe import MediaInfo
from vsrcli.media.rgb import wrong_colours
from vsrcli.media.safely import failed_check, made_beside
from vsrcli.media.segment_times import damaged_segment, read_times
from vsrcli.media.timing import Timing
from vsrcli.notes import Note, ignore
from vsrcli.turning import Turning

KINDS = {".gif": "gif", ".apng": "apng"}
"""FFmpeg's encoder, and muxer, for each kind of animated picture."""
GIF_ROUNDS = "GIF counts time in hundredths of a second: the times were rounded"
GIF_TICK = Fraction(1, 100)
"""Of a GIF."""
_MOST_DELAY = 65535
_SEEN = 128
"""Alpha from which on a pixel is opaque in a GIF, as FFmpeg's filter has it."""
_CONTROL = b"!\xf9\x04"
"""What begins a GIF's graphic control extension; flags follow."""
_DISPOSAL, _TO_BACKGROUND, _TRANSPARENT = 0b11100, 0b01000, 0b00001
_NO_COLOUR = 255
"""Of a palette, which the filter keeps for what is transparent."""
_USE = "dither=bayer:bayer_scale=4"
"""Ordered dithering: what does not move stays as it is, which is not so if errors are diffused."""


def kind_of(output: Path) -> str | None:
    """Which kind of animated picture `output` is by its name, "gif" or "apng"; None: it is none."""
    return KINDS.get(output.suffix.lower())


def segment_settings(layout: PixelLayout) -> EncoderSettings:
    """How segments hold frames of `layout` until they become an animated picture."""
    return EncoderSettings("ffv1", pix_fmt="bgra" if layout.alpha else "bgr0")


def animation_format(kind: str, layout: PixelLayout) -> str:
    """The pixel format of an animated picture of a KIND with frames of `layout`."""
    return "pal8" if kind == "gif" else "rgba" if layout.alpha else "rgb24"


def animation_losses(info: MediaInfo, kind: str, layout: PixelLayout) -> list[str]:
    """What an animated picture of a KIND cannot keep of frames of `layout`."""
    found = wrong_colours(layout, info.tags)
    name = {"gif": "GIF", "apng": "an animated PNG"}[kind]
    if layout.depth > 8:
        found.append(f"{name} cannot keep {layout.depth} bits (written with 8)")
    if kind == "gif" and info.tags.unlike_srgb:
        found.append(f"{name} cannot say that its colours are {info.tags.unlike_srgb}")
    if info.sar not in (None, 1):
        found.append(f"{name} has square pixels: the aspect ratio of {info.sar} is lost")
    if kind == "gif" and info.format != "gif":
        found.append("GIF has 256 colours at a time: others are mixed of them (.apng keeps all)")
        if layout.alpha:
            found.append("GIF is transparent or not: what is half transparent becomes either")
    return found


def plays_of(info: MediaInfo) -> int:
    """How often an animated picture is played; 0, and of a video: again and again."""
    if info.format not in KINDS.values():
        return 0
    try:
        with Image.open(info.path) as picture:
            loop = picture.info.get("loop")
    except (OSError, ValueError):
        return 0
    if info.format == "apng":
        return int(loop or 0)
    return 1 if loop is None else loop + 1 if loop else 0  # a GIF says how often it is repeated


@dataclass(frozen=True)
class Moments:
    """When the frames of an animated picture are shown, in units of `base`, from 0 on."""

    base: Fraction
    times: tuple[int, ...]
    last: int
    """How long the last one is."""

    @classmethod
    def of(cls, timing: Timing, kind: str) -> Moments:
        """As a KIND can say it: a GIF in hundredths of a second, one at least for every frame."""
        shown = [(pts - timing.shown[0]) * timing.base for pts in timing.shown]
        end = timing.end - timing.begin
        if kind == "apng":
            times = (int(moment / timing.base) for moment in shown)
            return cls(timing.base, tuple(times), max(1, int((end - shown[-1]) / timing.base)))
        ticks = [0]
        for moment in shown[1:]:
            ticks.append(max(ticks[-1] + 1, round(moment / GIF_TICK)))
        return cls(GIF_TICK, tuple(ticks), max(1, round(end / GIF_TICK) - ticks[-1]))


def animate(
    segments: Sequence[Path],
    info: MediaInfo,
    output: Path,
    turning: Turning | None,
    *,
    overwrite: bool = False,
    note: Note = ignore,
    publishing: Callable[[Path], None] = ignore,
) -> None:
    """Make the animated picture `output` of `segments`, the frames turned by `turning`.

    It is played as often as the source `info` is, if that is such a picture, else again and again.
    It is written beside its name, read again, and only then renamed; `publishing` is told of the
    file just before that. Raises OutputError if a segment is damaged, the disk is full, or the file
    does not hold what was written; nothing is left behind then, and an older output is untouched.
    """
    kind = str(kind_of(output))
    timing = Timing.of(segments)
    moments = Moments.of(timing, kind)
    if kind == "gif" and off_ticks(timing.shown, timing.base, GIF_TICK):
        note(GIF_ROUNDS)
    with made_beside(output, publishing, overwrite=overwrite) as partial:
        pictures = chain.from_iterable(_pictures(each, kind, turning) for each in segments)
        whole = kind == "gif" and _opaque_at_times(segments)
        _write(partial, kind, _tagged(pictures, info.tags), moments, plays_of(info), whole=whole)
        _check(partial, output, kind, moments)


def _pictures(segment: Path, kind: str, turning: Turning | None) -> Iterator[av.VideoFrame]:
    """The frames of a segment in a pixel format of the encoder for a KIND."""
    if kind == "gif":
        yield from _with_palette(segment, turning)
        return
    for picture in _decoded(segment, turning):
        yield picture.reformat(format="rgba" if picture.format.name == "bgra" else "rgb24")


def _tagged(pictures: Iterator[av.VideoFrame], tags: ColourTags) -> Iterator[av.VideoFrame]:
    """PICTURES with colours told of where they are unlike sRGB alone, as in a PNG of one picture.

    Browsers show a PNG darker that is called BT.709, but not the video that it is made of.
    """
    told = tags if tags.unlike_srgb else ColourTags()
    for picture in pictures:
        picture.color_primaries, picture.color_trc = told.primaries, told.transfer
        yield picture


def _with_palette(segment: Path, turning: Turning | None) -> Iterator[av.VideoFrame]:
    """The frames of a segment in the 256 colours that suit all of them best."""
    found = _Filter("palettegen", "")
    palette = [p for frame in _decoded(segment, turning) for p in found.push(_opaque(frame))]
    palette += found.push(None)
    dither = _Filter("paletteuse", _USE, palette[0])
    for frame in _decoded(segment, turning):
        yield from dither.push(_opaque(frame))
    yield from dither.push(None)


def _opaque_at_times(segments: Sequence[Path]) -> bool:
    """Whether some frames show what lies behind them, and others do not."""
    found: set[bool] = set()
    for frame in chain.from_iterable(_decoded(each, None) for each in segments):
        if frame.format.name != "bgra":
            return False
        found.add(int(np.min(frame.to_ndarray()[..., 3])) < _SEEN)
        if len(found) > 1:
            return True
    return False


def _opaque(picture: av.VideoFrame) -> av.VideoFrame:
    """With an alpha, which the filters ask for; where there is none, everything is opaque."""
    return picture if picture.format.name == "bgra" else picture.reformat(format="bgra")


def _decoded(segment: Path, turning: Turning | None) -> Iterator[av.VideoFrame]:
    """The frames of a segment, counted by their PTS. Raises OutputError if it is damaged."""
    count = 0
    with opened_segment(segment) as container:
        try:
            for frame in container.decode(container.streams.video[0]):
                picture = _turned(frame, turning)
                picture.pts, picture.time_base = count, GIF_TICK
                yield picture
                count += 1
        except av.error.InvalidDataError:
            raise damaged_segment(segment) from None
    if count != len(read_times(segment).pts):
        raise damaged_segment(segment)


def _turned(picture: av.VideoFrame, turning: Turning | None) -> av.VideoFrame:
    if turning in (None, Turning()):
        return picture
    pixels = np.ascontiguousarray(turning.of(picture.to_ndarray(format="bgra")))
    turned = av.VideoFrame.from_ndarray(pixels, format="bgra")
    return turned if picture.format.name == "bgra" else turned.reformat(format="bgr0")


class _Filter:
    """A filter of FFmpeg with frames in bgra; the size is that of the first."""

    def __init__(self, name: str, options: str, second: av.VideoFrame | None = None) -> None:
        """SECOND is what comes to its second input, if it has one."""
        self._name, self._options, self._second = name, options, second
        self._graph: av.filter.Graph | None = None

    def push(self, picture: av.VideoFrame | None) -> list[av.VideoFrame]:
        """Give it the next frame, None at the end; return what comes out."""
        if self._graph is None and picture is not None:
            self._graph = self._open(picture)
        assert self._graph is not None
        self._source.push(picture)
        found: list[av.VideoFrame] = []
        with contextlib.suppress(av.BlockingIOError, av.EOFError):
            while True:
                found.append(self._graph.vpull())
        return found

    def _open(self, first: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        made, sink = graph.add(self._name, self._options), graph.add("buffersink")
        self._source = _buffer(graph, first)
        self._source.link_to(made, 0, 0)
        if self._second is not None:
            second = _buffer(graph, self._second)
            second.link_to(made, 0, 1)
        made.link_to(sink)
        graph.configure()
        if self._second is not None:
            second.push(self._second)
            second.push(None)
        return graph


def _buffer(graph: av.filter.Graph, like: av.VideoFrame) -> Any:
    return graph.add_buffer(
        width=like.width, height=like.height, format=like.format, time_base=GIF_TICK
    )


def _write(
    path: Path,
    kind: str,
    pictures: Iterator[av.VideoFrame],
    moments: Moments,
    plays: int,
    *,
    whole: bool = False,
) -> None:
    """WHOLE: every frame of a GIF is all of the picture, and is taken away before the next."""
    options = _muxing(kind, moments, plays)
    container: Any = av.open(str(path.absolute()), "w", format=kind, options=options)
    stream: Any = None
    with container:
        container.flags |= Flags.bitexact.value
        for picture, time in zip(pictures, moments.times, strict=True):
            if stream is None:
                stream = _add_stream(container, kind, picture, moments.base)
                # FFmpeg's encoder takes nothing away that is opaque, and codes what follows upon
                # frames as if none were.
                stream.codec_context.options = {"gifflags": "0"} if whole else {}
            picture.pts, picture.time_base = time, moments.base
            packets = stream.encode(picture)
            container.mux(map(_taken_away, packets) if whole else packets)
        container.mux(stream.encode(None))


def _taken_away(packet: av.Packet[Any]) -> av.Packet[Any]:
    """PACKET, a frame of a GIF, with the canvas to be cleared after it."""
    data = bytearray(bytes(packet))
    flags = data.index(_CONTROL) + len(_CONTROL)
    if not data[flags] & _TRANSPARENT:  # else Pillow and FFmpeg clear it to a colour
        data[flags + 3] = _NO_COLOUR
    data[flags] = data[flags] & ~_DISPOSAL | _TO_BACKGROUND | _TRANSPARENT
    packet.update(bytes(data))
    return packet


def _muxing(kind: str, moments: Moments, plays: int) -> dict[str, str]:
    if kind == "apng":
        delay = moments.last * moments.base  # both parts have 16 bits
        delay = delay.limit_denominator(max(1, int(_MOST_DELAY / max(delay, Fraction(1)))))
        return {"plays": str(plays), "final_delay": str(delay)}
    loop = {0: 0, 1: -1}.get(plays, plays - 1)
    return {"loop": str(loop), "final_delay": str(min(_MOST_DELAY, moments.last))}


def _add_stream(container: Any, kind: str, like: av.VideoFrame, base: Fraction) -> Any:
    stream = container.add_stream(kind)
    stream.width, stream.height, stream.pix_fmt = like.width, like.height, like.format.name
    stream.time_base = stream.codec_context.time_base = base
    stream.codec_context.thread_count = 1  # the same job, the same bytes
    return stream


def _check(partial: Path, output: Path, kind: str, moments: Moments) -> None:
    """Read the file again, every frame of it."""
    options = {"min_delay": "0"} if kind == "gif" else {}
    try:
        with av.open(str(partial.absolute()), "r", options=options) as container:
            video = container.streams.video[0]
            base = 1 * (video.time_base or Fraction(1))
            shown = [frame.pts or 0 for frame in container.decode(video)]
    except (av.FFmpegError, InputError) as failure:
        raise failed_check(output, str(getattr(failure, "strerror", failure))) from None
    if len(shown) != len(moments.times):
        raise failed_check(output, f"{len(shown)} frames instead of {len(moments.times)}")
    for found, wanted in zip(pairwise(shown), pairwise(moments.times), strict=True):
        step = (wanted[1] - wanted[0]) * moments.base
        if abs((found[1] - found[0]) * base - step) > base:
            raise failed_check(output, "its frames have other times than the source's")

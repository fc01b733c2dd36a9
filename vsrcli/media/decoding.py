"""Packets to pictures, with what damage has swallowed replaced by the picture before it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ..errors import InputError
from .holes import Holes
from .length import Length
from .sources import decoder_of, main_video, opened
from .timeline import Timed

OnError = Literal["stop", "skip", "conceal"]
"""What a lost picture leads to: the end, a gap, or the picture before it shown again."""

_ONE_IN_ONE_OUT = frozenset(
    ("h264", "hevc", "vvc", "av1", "vp9", "mpeg1video", "mpeg2video", "flv1", "ffv1", "png")
)
"""Codecs of which every packet shows a picture, so that one missing is one lost; and all those of
which every picture stands alone."""

_PATIENCE = 2000
"""Packets to try before giving up on the first frame."""

_FRESH = 100
"""Packets after damage in which a gap between the frames is its doing, not the film's."""

_LONGEST_GAP_S = 10
"""Longer ones are jumps of a damaged clock."""

_BEGINS_ANYWHERE = ("mpegts", "mpeg", "h264", "hevc", "vvc", "mpegvideo")
"""Formats that are recorded from the middle of a broadcast: what is flagged as a key frame there
may be but the first of several it takes until the picture is whole."""
_ENDS_IN_AN_ERROR = ("mpjpeg", "smjpeg")
"""Formats whose demuxers know of no other end."""

_GOING_ON = "--on-error conceal or skip goes on all the same"


class Decoder:
    """Decodes one video stream from its start; iterate once.

    Yields a decoded frame for each picture, in the order of presentation. A picture lost to
    damage after the first good one is, with "conceal", replaced by the frame before it, at the
    time it should have been shown; with "skip" the frame before it stays longer. Raises InputError
    if nothing can be decoded, and with "stop" at the first damage.
    """

    concealed: int
    """Pictures replaced so far."""
    left_out: int
    """Pictures lost and not replaced so far."""
    truncated: bool
    """Whether the file lacks more than was counted, mostly its end; known after the last frame."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        threads: int,
        nominal: int,
        name: str,
        on_error: OnError = "conceal",
        *,
        owed: Fraction | None = None,
    ) -> None:
        """`owed`: seconds of video that were there before the container's structure was damaged.

        0 if nobody knows, None if it is whole.
        """
        self.concealed = 0
        self.left_out = 0
        self.truncated = False
        self._whole = owed is None
        self._container = container
        self._stream = stream
        self._base = Fraction(stream.time_base or 0)
        self._length = Length(container, stream, nominal * self._base, owed)
        self._holes = Holes(container)
        self._name = name
        self._nominal = nominal
        self._context = decoder_of(stream, threads)
        codec = self._context.codec
        self._strict = codec.intra_only or codec.canonical_name in _ONE_IN_ONE_OUT
        self._expected: list[int] = []  # heap of the PTS of packets whose picture is awaited
        self._dts: list[int] = []  # of packets without PTS, for the pictures in their order
        self._damaged = owed is not None
        self._damaged_at = 0  # packets read by then
        self._step = 0  # between the last two good frames
        self._on_error = on_error
        self._begun = False
        self._packets = 0
        self._first_key: int | None = None  # PTS of the first packet a decoder can begin with

    def __iter__(self) -> Iterator[Timed[av.VideoFrame]]:
        last: Timed[av.VideoFrame] | None = None
        for frame in self._frames():
            pts = frame.pts
            if pts is None and self._dts:
                pts = heapq.heappop(self._dts)
            if last:
                yield from self._lost(last, pts)
            elif pts is not None:
                self.left_out += self._lost_before(pts)
            self._begun = True
            self._forget(pts)
            if last and last.pts is not None and pts is not None and last.pts < pts:
                self._step = pts - last.pts
            last = Timed(frame, pts, frame.duration)
            yield last
        if last is None:
            raise InputError(
                f"no frame of {self._name} could be decoded; it is damaged, empty or encrypted"
            )
        self.truncated |= self._length.falls_short() or self._holes.at_end()
        if self.truncated and self._on_error == "stop":
            raise InputError(f"{self._name} ends early; {_GOING_ON}")
        if not self.truncated:
            yield from self._lost(last, None)

    def _frames(self) -> Iterator[av.VideoFrame]:
        for packet in self._demuxed():
            if packet is not None and packet.size:
                self._await(packet)
            try:
                yield from self._context.decode(packet if packet is not None else None)
            except EOFError:  # flushed before
                return
            except av.FFmpegError:
                self._notice()
                if self._begun:
                    self._stop_at(packet.pts if packet is not None else None)

    def _demuxed(self) -> Iterator[av.Packet[Any] | None]:
        """Yield the packets of the stream, then None."""
        try:
            for packet in self._container.demux():
                if not packet.size:
                    continue
                self._length.add(packet)
                if self._holes.before(packet):
                    self._notice()
                if packet.stream_index == self._stream.index:
                    self._packets += 1
                    yield packet
        except av.FFmpegError:
            self.truncated = self._container.format.name not in _ENDS_IN_AN_ERROR
        yield None

    def _await(self, packet: av.Packet[Any]) -> None:
        if packet.is_corrupt:
            self._notice()
        if packet.is_discard:
            return
        if packet.pts is not None:
            if packet.is_keyframe and self._first_key is None:
                self._first_key = packet.pts
            heapq.heappush(self._expected, packet.pts)
        elif packet.dts is not None:
            heapq.heappush(self._dts, packet.dts)

    def _lost_before(self, first: int) -> int:
        """How many pictures before the first good one damage has taken.

        Those before the first key frame cannot be decoded in a file that is cut from a longer one.
        """
        if self._damaged:
            return sum(due < first for due in self._expected)
        key, form = self._first_key, self._container.format.name
        if key is None or not self._strict or form in _BEGINS_ANYWHERE:
            return 0
        return sum(key <= due < first for due in self._expected)

    def _lost(self, last: Timed[av.VideoFrame], pts: int | None) -> Iterator[Timed[av.VideoFrame]]:
        """Yield the last good frame for each awaited picture before `pts` (None: to the end)."""
        if last.pts is None:
            return
        shown = last.pts
        apart = self._nominal * 3 // 4  # closer ones are second fields or hidden pictures
        while self._expected and (pts is None or self._expected[0] < pts):
            due = heapq.heappop(self._expected)
            room = pts is None or pts - due >= apart
            if due - shown >= apart and room and (self._damaged or self._strict):
                yield from self._missing(last, due)
                shown = due
        for due in self._swallowed(shown, pts):
            yield from self._missing(last, due)

    def _swallowed(self, shown: int, pts: int | None) -> range:
        """Times of pictures between two frames of which damage left not even a packet."""
        step = self._step or self._nominal
        recent = not self._whole or self._packets - self._damaged_at <= _FRESH
        recent = recent and self._damaged
        if not recent or pts is None:
            return range(0)
        if (pts - shown) * self._base > _LONGEST_GAP_S:
            self.truncated = True  # nobody knows by how much
            return range(0)
        return range(shown + step, pts + 1 + -step * 3 // 4, step)

    def _missing(self, last: Timed[av.VideoFrame], due: int) -> Iterator[Timed[av.VideoFrame]]:
        """Yield what stands for a lost picture."""
        self._stop_at(due)
        if self._on_error == "skip":
            self.left_out += 1
            return
        self.concealed += 1
        yield Timed(last.payload, due, self._nominal)

    def _notice(self) -> None:
        self._damaged, self._damaged_at = True, self._packets

    def _stop_at(self, pts: int | None) -> None:
        """Raise InputError at damage, if that is what to do."""
        if self._on_error != "stop":
            return
        place = "" if pts is None else f" at {float(pts * self._base):.3f} s"
        raise InputError(f"{self._name} is damaged{place}; {_GOING_ON}")

    def _forget(self, pts: int | None) -> None:
        while self._expected and pts is not None and self._expected[0] <= pts:
            heapq.heappop(self._expected)


class PictureDecoder:
    """Decodes picture files in their order, one tick each; iterate once."""

    def __init__(self, pictures: tuple[Path, ...], on_error: OnError = "conceal") -> None:
        self.concealed = 0
        self.left_out = 0
        self.truncated = False
        self._pictures = pictures
        self._on_error = on_error

    def __iter__(self) -> Iterator[Timed[av.VideoFrame]]:
        """Yield the frames; an unreadable picture is handled as damage in a video is."""
        last: av.VideoFrame | None = None
        for number, picture in enumerate(self._pictures):
            try:
                with opened(picture) as container:
                    stream = main_video(container, str(picture))
                    last = first_frame(container, stream, str(picture))
            except InputError:
                if last is None or self._on_error == "stop":
                    raise
                if self._on_error == "skip":
                    self.left_out += 1
                    continue
                self.concealed += 1
            yield Timed(last, number, 1)


def first_frame(container: InputContainer, stream: VideoStream, name: str) -> av.VideoFrame:
    """Decode the first frame of a stream; InputError if there is none."""
    decoder = decoder_of(stream, threads=1)
    with suppress(av.FFmpegError):
        for number, packet in enumerate(container.demux(stream)):
            with suppress(av.FFmpegError):
                for frame in decoder.decode(packet if packet.size else None):
                    return frame
            if number > _PATIENCE:
                break
    raise InputError(f"no frame of {name} could be decoded; it is damaged, empty or encrypted")

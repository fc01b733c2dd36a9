"""Packets to pictures, with what damage has swallowed replaced by the picture before it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, Literal, TypeAlias, TypeGuard

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vsrcli.errors import InputError
from vsrcli.media.clock import Clock, Jump
from vsrcli.media.conform import FirstField
from vsrcli.media.frame_times import FrameTimes
from vsrcli.media.gops import Groups, NotCleanError
from vsrcli.media.length import Length
from vsrcli.media.nut import Holes
from vsrcli.media.shape import Shapes
from vsrcli.media.slice_sums import SliceSums
from vsrcli.media.sources import decoder_of
from vsrcli.media.timeline import Timed

OnError = Literal["stop", "skip", "conceal"]
"""What a lost picture leads to: the end, a gap, or the picture before it shown again."""

_ONE_IN_ONE_OUT = frozenset(
    ("h264", "hevc", "vvc", "av1", "vp9", "mpeg1video", "mpeg2video", "flv1", "ffv1", "png")
)
"""Codecs of which every packet shows a picture, so that one missing is one lost; and all those of
which every picture stands alone."""

_FRESH = 100
"""Packets after damage in which a gap between the frames is its doing, not the film's."""

_LONGEST_GAP_S = 10
"""Longer ones are jumps of a damaged clock."""

_BEGINS_ANYWHERE = ("mpegts", "mpeg", "h264", "hevc", "vvc", "mpegvideo")
"""Formats that are recorded from the middle of a broadcast: what is flagged as a key frame there
may be but the first of several it takes until the picture is whole."""
_ENDS_IN_AN_ERROR = ("mpjpeg", "smjpeg")
"""Formats whose demuxers know of no other end."""

Packet: TypeAlias = "av.Packet[Any]"

_GOING_ON = "--on-error conceal or skip goes on all the same"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a stream."""

    since: int
    """PTS before which nothing is shown; all of what follows is wanted."""
    least: int
    """Pictures just before that which are wanted too."""

    def comes_after(self, packet: Packet | None) -> TypeGuard[Packet]:
        """Whether this is a packet of something before that."""
        return packet is not None and packet.pts is not None and packet.pts < self.since


class Decoder:
    """Decodes one video stream from its start; iterate once.

    Yields a decoded frame for each picture, in the order of presentation. A picture lost to
    damage after the first good one is, with "conceal", replaced by the frame before it, at the
    time it should have been shown; with "skip" the frame before it stays longer. Of one
    that lost a part, the decoder makes up the rest. Raises InputError if nothing can be decoded,
    and with "stop" at the first damage.
    """

    concealed: int
    """Pictures replaced so far."""
    left_out: int
    """Pictures lost and not replaced so far."""
    mended: int
    """Pictures of which a part was lost so far, and made up by FFmpeg's decoder."""
    ends_early: bool
    """Whether the file lacks its end; known after the last frame."""
    leap: Fraction
    """Seconds that the clock jumps by at damage, and nobody knows what was there; else 0."""

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
        cut: bool = False,
        wanted: Wanted | None = None,
        listed: bool = False,
        first_field: FirstField | None = None,
    ) -> None:
        """`owed`: seconds of video that were there before the container's structure was damaged.

        0 if nobody knows, None if it is whole. `cut`: whether the file ends before its end. With
        `wanted`, the first frame stands in for pictures before that which need not be decoded;
        iterating raises NotCleanError if that turns out to be impossible, before any frame that is
        wanted. `listed`: damage takes no packet, so that a gap of seconds between the times of two
        is not its doing. `first_field`: of two in every packet, as `MediaInfo` has it.
        """
        self.concealed = 0
        self.left_out = 0
        self.mended = 0
        self.ends_early = False
        self.leap = Fraction(0)
        self._whole = owed is None
        self._cut = cut
        self._listed = listed
        self._container = container
        self._stream = stream
        self._base = 1 * (stream.time_base or Fraction(0))
        self._length = Length(container, stream, nominal * self._base, owed)
        self._holes = Holes(container)
        self._clock = Clock(container, stream.index)
        self._name = name
        self._nominal = nominal
        self._context = decoder_of(stream, threads, first_field)
        self._times = FrameTimes(container, stream, self._context, passing_over=wanted is not None)
        codec = self._context.codec
        self._strict = codec.intra_only or codec.canonical_name in _ONE_IN_ONE_OUT
        self._damaged = owed is not None
        self._damaged_at = 0  # packets read by then
        self._step = 0  # between the last two good frames
        self._fields = False  # whether there were any so far, each of which may have a packet
        self._on_error = on_error
        self._begun = False
        self._packets = 0
        self._first_key: int | None = None  # PTS of the first packet a decoder can begin with
        self._wanted = wanted
        self._again_at: int | None = None  # PTS that decoding begins again with
        self._shapes = Shapes(self._context)
        self._sums = SliceSums() if codec.canonical_name == "ffv1" else None
        self._wrong: set[int | None] = set()  # PTS of packets with wrong sums

    @property
    def truncated(self) -> bool:
        """Whether the file lacks more than was counted; known after the last frame."""
        return self.ends_early or self.leap > 0

    @property
    def jumps(self) -> Sequence[Jump]:
        """Where the file's clock has jumped so far: the frames go on there without a gap."""
        return self._clock.jumps

    @property
    def reshaped(self) -> tuple[Fraction, Fraction] | None:
        """Width by height, as shown, of the first frame and of later ones, if they differ."""
        return self._shapes.changed

    def __iter__(self) -> Iterator[Timed[av.VideoFrame]]:
        last: Timed[av.VideoFrame] | None = None
        for frame, pts in self._frames():
            self._fields |= frame.interlaced_frame
            if last:
                yield from self._lost(last, pts)
            elif pts is not None:
                self.left_out += self._lost_before(pts)
            self._begun = True
            if pts is not None:
                self._times.forget(pts)
                if last and last.pts is not None and last.pts < pts:
                    self._step = pts - last.pts
            last = Timed(frame, pts, frame.duration)
            yield last
        if last is None:
            raise InputError(
                f"no frame of {self._name} could be decoded; it is damaged, empty or encrypted"
            )
        self.ends_early |= self._cut or self._length.falls_short() or self._holes.at_end()
        if self.ends_early and self._on_error == "stop":
            raise InputError(f"{self._name} ends early; {_GOING_ON}")
        if not self.truncated:
            yield from self._lost(last, None)

    def _frames(self) -> Iterator[tuple[av.VideoFrame, int | None]]:
        """Yield the frames with their PTS."""
        packets = self._demuxed()
        if self._wanted is not None:
            packets = chain((yield from self._passed_over(packets, self._wanted)), packets)
        for packet in packets:
            yield from self._decoded(packet)

    def _passed_over(
        self, packets: Iterator[Packet | None], wanted: Wanted
    ) -> Generator[tuple[av.VideoFrame, int | None], None, list[Packet | None]]:
        """Yield frames up to where decoding has to begin; return packets to go on with.

        The first group is decoded: it has the first frame.
        """
        groups, first = Groups(wanted.least), None
        packet = next(packets)
        while wanted.comes_after(packet) and not (first and packet.is_keyframe):
            for frame, pts in self._decoded(packet):
                first = first or frame
                yield frame, pts
            packet = next(packets)
        while wanted.comes_after(packet) and not groups.full:
            groups.add(packet)
            following = next(packets)
            if following is None or following.is_keyframe or not wanted.comes_after(following):
                yield from self._stood_in_for(groups, first)
            packet = following
        if first is not None and self._again_at is not None:
            self._again_at = groups.key
            yield from ((first, pts) for pts in groups.leading())
        return [*groups.kept(), packet]

    def _stood_in_for(
        self, groups: Groups, first: av.VideoFrame | None
    ) -> Iterator[tuple[av.VideoFrame, int | None]]:
        """Yield the first frame for each picture that can be passed over by now."""
        assert first is not None
        for pts in groups.pass_over():
            if self._again_at is None:
                yield from self._decoded(None)
                self._context.flush_buffers()
                self._again_at = pts
            yield first, pts

    def _decoded(self, packet: Packet | None) -> Iterator[tuple[av.VideoFrame, int | None]]:
        """Yield what the decoder gives for one more packet, or at the end (None)."""
        if packet is not None and packet.size:
            self._await(packet)
        else:
            self._times.end(self._step or self._nominal)
        try:
            for frame in self._context.decode(packet):
                if self._is_clean(frame):
                    self._shapes.add(frame)
                    pts = self._times.of(frame, damaged=self._damaged)
                    if frame.is_corrupt or frame.pts in self._wrong:
                        self._stop_at(pts)
                        self.mended += 1
                    yield frame, pts
        except EOFError:  # flushed before
            return
        except av.FFmpegError:
            if self._again_at is not None:
                raise NotCleanError from None
            self._notice()
            if self._begun:
                self._stop_at(packet.pts if packet is not None else None)

    def _is_clean(self, frame: av.VideoFrame) -> bool:
        """Whether a frame does not lack those before it, now that decoding has begun again."""
        if self._again_at is None:
            return True
        if frame.pts is not None and frame.pts < self._again_at:
            return False
        if frame.pts != self._again_at or frame.is_corrupt:
            raise NotCleanError
        self._again_at = None
        return True

    def _demuxed(self) -> Iterator[Packet | None]:
        """Yield the packets of the stream, then None."""
        try:
            for packet in self._clock.joined(self._container.demux()):
                if not packet.size:
                    continue
                self._length.add(packet)
                if self._holes.before(packet):
                    self._notice()
                if packet.stream_index == self._stream.index:
                    self._packets += 1
                    yield packet
        except av.FFmpegError:
            self.ends_early = self._container.format.name not in _ENDS_IN_AN_ERROR
        yield None

    def _await(self, packet: Packet) -> None:
        if packet.is_corrupt:
            self._notice()
        if self._sums and self._sums.are_wrong(bytes(packet)):
            self._wrong.add(packet.pts)
        self._times.expect(packet)
        if packet.is_keyframe and self._first_key is None and not packet.is_discard:
            self._first_key = packet.pts

    def _lost_before(self, first: int) -> int:
        """How many pictures before the first good one damage has taken.

        Those before the first key frame cannot be decoded in a file that is cut from a longer one.
        """
        if self._damaged:
            return sum(due < first for due in self._times.awaited)
        key, form = self._first_key, self._container.format.name
        if key is None or not self._strict or form in _BEGINS_ANYWHERE:
            return 0
        return sum(key <= due < first for due in self._times.awaited)

    def _lost(self, last: Timed[av.VideoFrame], pts: int | None) -> Iterator[Timed[av.VideoFrame]]:
        """Yield the last good frame for each awaited picture before `pts` (None: to the end)."""
        if last.pts is None or (pts is not None and self._times.comes_again(pts)):
            return
        shown = last.pts
        apart = self._apart()
        for due in self._times.overdue(pts):
            room = pts is None or pts - due >= apart
            if due - shown >= apart and room and (self._damaged or self._strict):
                for gone in (*self._swallowed(shown, due), due):
                    yield from self._missing(last, gone)
                shown = due
        for gone in self._swallowed(shown, pts):
            yield from self._missing(last, gone)

    def _apart(self) -> int:
        """Ticks below which packets may be second fields or hidden pictures, not lost ones."""
        hides = ("vp8",) if self._damaged else ("vp8", "vp9")
        shown = not self._fields and self._context.codec.canonical_name not in hides
        if self._listed and shown and (self._damaged or self._strict):
            return 1  # however close: the mean of a variable rate says nothing of its least step
        return self._nominal * 3 // 4

    def _swallowed(self, shown: int, pts: int | None) -> range:
        """Times of pictures between two frames of which damage left not even a packet."""
        step = self._step or self._nominal
        recent = not self._whole or self._packets - self._damaged_at <= _FRESH
        recent = recent and self._damaged
        if not recent or pts is None:
            return range(0)
        if (pts - shown) * self._base > _LONGEST_GAP_S:
            self._stop_at(pts)
            self.leap = max(self.leap, (pts - shown) * self._base)
            return range(0)
        if self._listed:
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

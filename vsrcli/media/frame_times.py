"""Which time each decoded picture is shown at, also where its container has none or false ones."""

from __future__ import annotations

import heapq
import math
from typing import Any, TypeAlias

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from vsrcli.media.gops import NotCleanError
from vsrcli.media.sources import is_counted, is_shown_late

_REORDERS = ("h264", "hevc")
"""Codecs of which it is known from the first frame on whether their pictures change places."""

_LATEST_S = 10**10
"""Some clocks count from 1970; centuries later, only damage does."""

Packet: TypeAlias = "av.Packet[Any]"


class FrameTimes:
    """Gives the frames of a video stream their PTS, from the times of its packets.

    These are taken as they are, but for H.264 in AVI and ASF and what was copied from there, which
    have decoding times alone (the frames get these in their order), and for MPEG-4 in AVI, where
    what FFmpeg makes up is right for some encoders only.
    """

    awaited: list[int]
    """Heap of the PTS of packets whose picture has not come yet."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        context: VideoCodecContext,
        *,
        passing_over: bool,
    ) -> None:
        """`context`: the decoder. `passing_over`: whether pictures are counted by packets alone."""
        self.awaited = []
        self._context = context
        self._passing_over = passing_over
        self._latest = _LATEST_S / (stream.time_base or 1)
        self._counted = is_counted(container, stream)
        self._in_order = self._counted and context.has_b_frames
        self._late = self._counted and is_shown_late(container)
        self._begun = False
        self._ahead = 0  # pictures decoded before the first is shown, where that is late
        self._newest = 0  # decoding time so far
        self._coincide = context.name in _REORDERS  # whether all PTS so far were the DTS
        # Where FFmpeg's guess is right, it is the decoding time of the packet that a frame comes
        # out with; the last comes without, and with damage others do.
        mpeg4_in_avi = (container.format.name, context.name) == ("avi", "mpeg4")
        self._guessed = mpeg4_in_avi and context.has_b_frames
        self._misguessed = False
        self._dts: list[int] = []  # of packets whose PTS is unknown, for pictures in their order
        self._decoded = -math.inf  # time of the packet before
        self._turned = -math.inf  # newest PTS when the clock last went back
        self._straight = True  # whether each picture so far was shown in its turn of decoding

    def expect(self, packet: Packet) -> None:
        """Take the time of the next packet.

        A PTS that nobody wrote is replaced by the DTS; times no clock can have come to are removed.
        """
        if self._counted:
            packet.pts = packet.dts
        if any(abs(time or 0) > self._latest for time in (packet.pts, packet.dts)):
            packet.pts = packet.dts = None
        if packet.is_discard:
            return
        self._coincide &= packet.pts == packet.dts
        if packet.dts is not None:
            if packet.dts < self._decoded:
                self._turned = max(self.awaited, default=-math.inf)
            self._decoded = packet.dts
        if packet.pts is not None and not self._in_order:
            heapq.heappush(self.awaited, packet.pts)
        elif packet.dts is not None:
            heapq.heappush(self._dts, packet.dts)
            self._newest = max(self._newest, packet.dts)

    def of(self, frame: av.VideoFrame, *, damaged: bool) -> int | None:
        """The PTS of the next frame; None if nothing tells. `damaged`: whether any was met so far.

        Raises NotCleanError at the first where packets alone cannot tell which pictures come.
        """
        if not self._begun:
            self._begin(frame)
        pts = None if self._in_order else self._told(frame, damaged)
        return self._next_in_order(frame, damaged) if pts is None and self._dts else pts

    def comes_again(self, pts: int) -> bool:
        """Whether the clock went back: times up to there say nothing of what comes between them."""
        return pts <= self._turned

    def end(self, step: int) -> None:
        """Add the times of the last pictures, which are shown after the last is decoded.

        `step`: ticks between them.
        """
        for number in range(1, self._ahead + 1):
            heapq.heappush(self._dts, self._newest + number * step)

    def overdue(self, pts: int | None) -> list[int]:
        """The times before `pts` (None: all) that no picture came for, in order; forgets them."""
        if pts is None and self._in_order:
            self.awaited = self._dts  # there are too many: which of them, nobody knows
        passed = []
        while self.awaited and (pts is None or self.awaited[0] < pts):
            passed.append(heapq.heappop(self.awaited))
        return passed

    def forget(self, pts: int) -> None:
        """Await nothing up to `pts`."""
        while self.awaited and self.awaited[0] <= pts:
            heapq.heappop(self.awaited)

    def _begin(self, first: av.VideoFrame) -> None:
        """Tell PTS that are but the times of decoding, as what was copied from an AVI has.

        Where there are B-frames the packets until the first frame include one that is shown later
        than it is decoded.
        """
        self._begun = True
        if self._coincide and self._context.has_b_frames:
            self._in_order |= len(self.awaited) > 1
            if self._in_order:
                if self._passing_over:
                    raise NotCleanError
                self.awaited, self._dts = [], self.awaited + self._dts
                heapq.heapify(self._dts)
        if self._late and self._in_order:
            self._drop_before(first)

    def _drop_before(self, first: av.VideoFrame) -> None:
        """Drop the times before that of the packet which the first frame comes out with."""
        while first.dts is not None and self._dts and self._dts[0] < first.dts:
            heapq.heappop(self._dts)
            self._ahead += 1

    def _told(self, frame: av.VideoFrame, damaged: bool) -> int | None:
        """The PTS that FFmpeg gives a frame, or the one in its place where that is a guess."""
        if not self._guessed:
            return frame.pts
        if not damaged:
            self._misguessed |= frame.dts not in (frame.pts, None)
        return frame.pts if damaged and not self._misguessed else frame.dts

    def _next_in_order(self, frame: av.VideoFrame, damaged: bool) -> int:
        """The next of the decoding times; its own where only damage can have changed the order.

        What allows B-frames need not have any. The times passed over are those of lost pictures.
        """
        own, due = frame.pts, heapq.heappop(self._dts)
        may_be = self._in_order and frame.pict_type != PictureType.B
        may_be &= own == due or damaged
        self._straight &= may_be and own is not None and own >= due
        if own is None or own == due or not self._straight:
            return due
        heapq.heappush(self.awaited, due)
        while self._dts and self._dts[0] <= own:
            heapq.heappush(self.awaited, heapq.heappop(self._dts))
        return own

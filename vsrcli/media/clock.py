"""One clock for a file whose own jumps: recordings joined end to end, or of a restarted sender."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import av
from av.container import InputContainer
from av.format import Flags

_BACK = 0.5
"""Seconds a decoding time may lie before it is due: no stream runs backwards but by damage."""
_AHEAD = 10
"""Seconds it may lie behind all that came before it, as with FFmpeg's -dts_delta_threshold."""
_BESIDE = 3
"""Seconds between streams that go on side by side."""
_APART = 2
"""Seconds between decoding and showing a picture: beyond that one of the times is damaged."""
_MOST_HELD = 500
"""Packets of other streams that wait for the video to jump as well."""

Packet: TypeAlias = "av.Packet[Any]"


class Jump(NamedTuple):
    """A jump of the video's clock."""

    at: float
    """Where, in seconds, on the clock of what came before."""
    by: float
    """Seconds; below 0 if back."""


@dataclass(slots=True)
class _Place:
    """How far a stream has come."""

    part: int
    """Of the file, from jump to jump."""
    left: int | None
    """The part it was in until its last packet, if that was another."""
    last: float
    """Decoding time of its last packet, in seconds of the one clock."""
    due: float
    """Of the next, if nothing is missing."""


class Clock:
    """Moves the packets behind a jump so that the video goes on without a gap.

    All streams are moved by the same amount, so that they stay in sync. What is found depends on
    the packets of all streams alone: whoever reads all of a file finds the same. Formats whose
    clock may not jump (FFmpeg: AVFMT_TS_DISCONT; it may in MPEG-TS, MPEG-PS and Ogg) stay as they
    are, and so does a pause of one stream that is alone or while others go on. A time that damage
    has taken far off the other one of its packet is taken away.
    """

    jumps: list[Jump]
    """Of the video, so far."""

    def __init__(self, container: InputContainer, video: int) -> None:
        """`video`: index of the stream that is to go on without a gap."""
        self.jumps = []
        self._may_jump = may_jump(container)
        self._video = video
        self._parts = [0.0]  # seconds that each is moved by, exact to far below a tick
        self._places: dict[int, _Place] = {}
        self._held: deque[Packet] = deque()

    def joined(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Yield the packets of all streams at their times on the one clock.

        Sound that jumps before the video waits for it: only then it is known by how much to move.
        Each stream keeps its order.
        """
        if not self._may_jump:
            yield from packets
            return
        try:
            for packet in packets:
                yield from self._next(packet)
        except av.FFmpegError:
            yield from self._released()
            raise
        yield from self._released()

    def _next(self, packet: Packet) -> Iterator[Packet]:
        if self._must_wait(packet):
            self._held.append(packet)
            if len(self._held) >= _MOST_HELD:
                yield from self._released()
            return
        if any(held.stream_index == packet.stream_index for held in self._held):
            yield from self._released()  # only its own time was wrong
        parts = len(self._parts)
        self._move(packet)
        yield packet
        if len(self._parts) > parts:
            yield from self._released()

    def _must_wait(self, packet: Packet) -> bool:
        """Whether the clock jumps here, and the video, which is to say by how much, has not yet."""
        if packet.stream_index == self._video or self._video not in self._places:
            return False
        place, time = self._places.get(packet.stream_index), _decoded_at(packet)
        if time is None:
            return any(held.stream_index == packet.stream_index for held in self._held)
        if place is None:
            return False
        return self._jumps(place, time + self._parts[self._nearest(place, time)])

    def _released(self) -> Iterator[Packet]:
        while self._held:
            packet = self._held.popleft()
            self._move(packet)
            yield packet

    def _move(self, packet: Packet) -> None:
        """Move a packet to its place on the one clock."""
        offset = self._parts[self._part_of(packet)]
        if offset and packet.time_base:
            move = round(offset / float(packet.time_base))
            packet.pts = None if packet.pts is None else packet.pts + move
            packet.dts = None if packet.dts is None else packet.dts + move
        self._mend(packet)

    def _mend(self, packet: Packet) -> None:
        """Take away the worse of two times of a packet that disagree: one of them is damaged."""
        place = self._places.get(packet.stream_index)
        if place is None or packet.pts is None or packet.dts is None or not _apart(packet):
            return
        due = place.due / float(packet.time_base)
        if abs(packet.pts - due) > abs(packet.dts - due):
            packet.pts = None
        else:
            packet.dts = None

    def _part_of(self, packet: Packet) -> int:
        """The part of the file a packet belongs to, which it may begin."""
        index, time = packet.stream_index, _decoded_at(packet)
        place = self._places.get(index)
        if time is None:
            return place.part if place is not None else 0
        if place is None:
            part = self._first_part(time)
        else:
            part = self._nearest(place, time)
            if self._jumps(place, time + self._parts[part]):
                part = len(self._parts)
                self._parts.append(place.due - time)
            if index == self._video:
                self._count(place, part, time)
        if packet.stream.type in ("video", "audio"):  # others pause as they like
            self._places[index] = _advanced(place, part, time + self._parts[part], packet)
        return part

    def _first_part(self, time: float) -> int:
        """The part of the first packet of a stream, or of any that may pause, by the others."""
        video = self._places.get(self._video)
        others = [place.due for place in self._places.values()]
        if not others:
            return 0
        now = video.due if video is not None else max(others)
        newest = len(self._parts) - 1 if video is None else video.part
        return self._closest(range(newest, max(newest - 2, -1), -1), time, now)

    def _nearest(self, place: _Place, time: float) -> int:
        """The part that puts a packet nearest to where it is due.

        Beside the stream's own these are the ones the video has reached meanwhile, and the one it
        has just left: one packet with a wrong time makes no part.
        """
        video = self._places.get(self._video)
        parts = [place.part, *range(place.part + 1, (video.part if video else 0) + 1)]
        if place.left is not None:
            parts.append(place.left)
        return self._closest(parts, time, place.due)

    def _closest(self, parts: Iterable[int], time: float, due: float) -> int:
        """Which of the parts puts a time nearest to when it is due; the first of equals."""
        return min(parts, key=lambda part: abs(time + self._parts[part] - due))

    def _jumps(self, place: _Place, time: float) -> bool:
        """Whether a time on the one clock cannot be the next of a stream."""
        if time - place.due < -_BACK:
            return True
        # A picture may be shown for long: without another stream that has come as far, it is.
        others = (other for other in self._places.values() if other is not place)
        beside = any(abs(other.due - place.due) <= _BESIDE for other in others)
        return beside and all(time - each.due > _AHEAD for each in self._places.values())

    def _count(self, place: _Place, part: int, time: float) -> None:
        if part == place.left:
            self.jumps.pop()  # it was but one packet
        elif part != place.part:
            self.jumps.append(Jump(place.due, time + self._parts[place.part] - place.due))


def may_jump(container: InputContainer) -> bool:
    """Whether the clock of a format may begin anew in the middle of a file."""
    discontinuous: Any = Flags.ts_discont.value
    return bool(container.format.flags & discontinuous)


def _decoded_at(packet: Packet) -> float | None:
    """When a packet is decoded, in seconds; None if it does not say, or its two times disagree."""
    if packet.dts is None or not packet.time_base or _apart(packet):
        return None
    return packet.dts * float(packet.time_base)


def _apart(packet: Packet) -> bool:
    """Whether a picture would be shown long before or after it is decoded."""
    if packet.pts is None or packet.dts is None:
        return False
    return abs(packet.pts - packet.dts) > _APART / float(packet.time_base)


def _advanced(place: _Place | None, part: int, time: float, packet: Packet) -> _Place:
    """The place of a stream after a packet at a `time` on the one clock."""
    step = (packet.duration or 0) * float(packet.time_base or 0)
    if place is None:
        return _Place(part, None, time, time + step)
    step = step or max(time - place.last, 0.0)
    left = place.part if part != place.part else None
    return _Place(part, left, time, time + step)

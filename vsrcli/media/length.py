"""How much video a file says it holds, and whether so much has come out of it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_KEEPS_ITS_LENGTH = ("mp4", "matroska", "avi", "flv", "asf", "mxf")
"""Containers that state their duration rather than have it guessed."""
_CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")


def own_duration(stream: VideoStream) -> Fraction | None:
    """Return the duration the file states for this stream alone, in seconds; None if it does not.

    Matroska keeps it as a tag.
    """
    if stream.duration and stream.duration > 0 and stream.time_base:
        return stream.duration * stream.time_base
    return _tagged_duration(stream)


def _tagged_duration(stream: VideoStream) -> Fraction | None:
    clock = _CLOCK.fullmatch(stream.metadata.get("DURATION", ""))
    if clock is None:
        return None
    hours, minutes, seconds = clock.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


class Length:
    """Counts the packets of a file as they come, against what the file states."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        frame: Fraction,
        owed: Fraction | None,
    ) -> None:
        """`frame`: usual duration of a picture, in seconds.

        `owed`: seconds of video in a container whose structure is damaged; 0 if nobody knows, None
        if it is whole. Statements of a whole one are given some slack, as many files round them.
        """
        self._container, self._stream = container, stream
        self._frame, self._owed = frame, owed
        self._packets = 0
        self._first: int | None = None  # decoding time of the video's first packet
        self._slots = 0  # pictures the video's clock has room for from there to its last packet
        self._end = Fraction(0)  # of the last packet of any stream, in seconds
        self._video_end = self._video_last = Fraction(0)  # end and begin of its last picture
        self._video_begin: Fraction | None = None
        self._before: int | None = None  # decoding time of the video's last packet
        self._longest = Fraction(0)  # between two packets of the video, in seconds

    def add(self, packet: av.Packet[Any]) -> None:
        """Take note of a packet of any stream."""
        own = packet.stream_index == self._stream.index
        self._packets += own
        times = [time for time in (packet.dts, packet.pts) if time is not None]
        if not times or not packet.time_base:
            return
        base = 1 * packet.time_base
        end = (max(times) + (packet.duration or 0)) * base
        self._end = max(self._end, end)
        if own:
            self._first = times[0] if self._first is None else self._first
            self._slots = max(self._slots, times[0] + 1 - self._first)
            self._video_end = max(self._video_end, end)
            self._video_last = max(self._video_last, max(times) * base)
            begin = times[-1] * base
            known = begin if self._video_begin is None else self._video_begin
            self._video_begin = min(begin, known)
            if self._before is not None:
                self._longest = max(self._longest, (times[0] - self._before) * base)
            self._before = times[0]

    def falls_short(self) -> bool:
        """Whether the file states more than has come."""
        name = self._container.format.name
        whole = self._owed is None
        if "mp4" in name and (self._index_falls_short() or self._index_goes_beyond()):
            return True
        if name == "avi" and self._stream.frames:
            # Its clock counts frames, and those left empty on purpose have a place but no packet.
            stated = self._stream.frames
            return self._slots < (stated * 9 // 10 if whole else stated)
        if self._owed is not None:
            return not self._owed or self._lacks(self._owed)
        tagged = _tagged_duration(self._stream) if "matroska" in name else None
        if tagged and tagged - self._video_end > max(self._frame, self._longest) * 3 / 2:
            return True
        duration = self._container.duration
        if not duration or not any(kind in name for kind in _KEEPS_ITS_LENGTH):
            return False
        missing = Fraction(duration, av.time_base) - (self._end - self._start)
        return missing > max(Fraction(1, 2), Fraction(duration, av.time_base) / 50)

    def _lacks(self, owed: Fraction) -> bool:
        """Whether a damaged container gave less than the `owed` seconds of video."""
        # The rate may be damaged too, and with it the durations.
        frame = min(self._frame, self._longest or self._frame)
        end = min(self._video_end, self._video_last + frame)
        if owed + self._start - end > frame * 3 / 4:
            return True
        # Beyond what is stated, times are damaged themselves: only the number is left to go by.
        beyond = self._video_last > owed + self._start
        return beyond and self._packets * self._frame < owed - frame * 3 / 4

    def _index_falls_short(self) -> bool:
        """Whether fewer packets came than the index of an MP4 names, or it names too few.

        An edit list may well hide some of the samples; but then the duration is without them too.
        """
        if self._packets < len(self._stream.index_entries):
            return True
        if self._packets >= self._stream.frames or not self._stream.duration:
            return False
        stated = self._stream.duration * (self._stream.time_base or 0)
        span = self._video_end - (self._video_begin or 0)
        return stated - span > max(self._frame, self._longest) * 3 / 2

    def _index_goes_beyond(self) -> bool:
        """Whether an MP4 ends before a packet that is in its index: all it lacks may be sound."""
        indexes = (stream.index_entries for stream in self._container.streams)
        last = [index[-1] for index in indexes if index]
        size = self._container.size
        return size is not None and any(entry.pos + entry.size > size for entry in last)

    @property
    def _start(self) -> Fraction:
        """From when a stated duration counts, in seconds; from 0 in most Matroska that begin later.

        Where it does count from the first packet, its end is stated too early to be missed.
        """
        start = Fraction(self._container.start_time or 0, av.time_base)
        return min(start, Fraction(0)) if "matroska" in self._container.format.name else start

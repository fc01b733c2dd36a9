"""Packets before the part that is wanted: whole groups of pictures are passed over undecoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

import av

_MOST_BYTES = 256 << 20
"""Of packets kept back; a stream with fewer key frames is decoded from there on."""
_CONTAINERS = ("mov", "matroska")
"""Whose packets have times and whose key frames are what they are called."""
_CODECS = frozenset(
    {
        *("h264", "hevc", "av1", "vp9", "mpeg2video", "mpeg4"),
        *("prores", "dnxhd", "mjpeg", "ffv1"),
    }
)
"""Of which a packet of these containers is a picture."""


def can_pass_over(form: str, codec: str, *, fields: bool) -> bool:
    """Whether pictures of a CODEC in FFmpeg's format FORM can be counted by their packets."""
    known = codec in _CODECS and any(name in form for name in _CONTAINERS)
    return known and not fields


class NotCleanError(Exception):
    """Decoding did not begin at a key frame as it should: nothing can be passed over."""


class Groups:
    """Packets in decoding order, by groups of pictures, until it is known which to decode.

    A group begins with a key frame. In an open group, pictures that follow it in the file but are
    shown before it need the group before.
    """

    def __init__(self, least: int) -> None:
        """So many pictures, at least, are kept before the part that is wanted."""
        self._least = least
        self._groups: deque[list[av.Packet[Any]]] = deque()
        self._bytes = 0

    def add(self, packet: av.Packet[Any]) -> None:
        """Keep one more packet, which has a PTS; the first is a key frame."""
        if packet.is_keyframe:
            self._groups.append([])
        self._groups[-1].append(packet)
        self._bytes += packet.size

    @property
    def full(self) -> bool:
        """Whether no more should be kept."""
        return self._bytes > _MOST_BYTES

    def pass_over(self) -> list[int]:
        """Drop what is not needed; the PTS of its pictures, in order."""
        passed: list[int] = []
        while len(self._groups) > 1 and self._shown_from_second() >= self._least:
            dropped = self._groups.popleft()
            self._bytes -= sum(packet.size for packet in dropped)
            passed += _shown(dropped)
        return passed

    def _shown_from_second(self) -> int:
        key = _pts(self._groups[1][0])
        rest = (packet for group in islice(self._groups, 1, None) for packet in group)
        return sum(pts >= key for pts in _shown(rest))

    @property
    def key(self) -> int:
        """PTS of the key frame that decoding begins with."""
        return _pts(self._groups[0][0])

    def leading(self) -> list[int]:
        """PTS, in order, of pictures shown before that, which cannot be decoded from there."""
        return [pts for pts in _shown(self._groups[0]) if pts < self.key]

    def kept(self) -> list[av.Packet[Any]]:
        """All packets that are left, in decoding order."""
        return [packet for group in self._groups for packet in group]


def _pts(packet: av.Packet[Any]) -> int:
    assert packet.pts is not None
    return packet.pts


def _shown(packets: Iterable[av.Packet[Any]]) -> list[int]:
    return sorted(_pts(packet) for packet in packets if not packet.is_discard)

"""Places in a NUT that its demuxer jumped over to the next whole packet, without a word.

NUT (https://ffmpeg.org/nut.html) has no list of its packets, but leaves next to nothing between
them, and whatever else it holds begins with an N, which no packet does.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

_BETWEEN = 64
"""Bytes, and more, between two packets: header and clock of the second."""
_START_CODE = b"N"


class Holes:
    """Follows the packets of all streams through the file."""

    def __init__(self, container: InputContainer) -> None:
        """For containers other than NUT nothing is ever found."""
        self._path = Path(container.name) if container.format.name == "nut" else None
        self._reached: int | None = None

    def before(self, packet: av.Packet[Any]) -> bool:
        """Whether something was jumped over to reach this packet; ask for each, in their order."""
        if self._path is None or packet.pos is None:
            return False
        found = self._reached is not None and self._is_hole(packet.pos)
        self._reached = packet.pos + packet.size
        return found

    def at_end(self) -> bool:
        """Whether something that is no packet follows the last one."""
        if self._path is None or self._reached is None:
            return False
        with suppress(OSError):
            return self._is_hole(self._path.stat().st_size)
        return False

    def _is_hole(self, end: int) -> bool:
        assert self._path is not None and self._reached is not None
        if end - self._reached <= _BETWEEN:
            return False
        with suppress(OSError), self._path.open("rb") as file:
            file.seek(self._reached)
            return file.read(1) != _START_CODE
        return False

"""The exact times of a segment's packets, in a footer after the end of its container.

Containers round times and forget durations, so those of every packet, as the frames had them, stand
there, and `assemble` takes them from there. A file without a footer is no segment.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vsrcli.errors import OutputError

_MAGIC = b"vsr-seg1"
_FOOTER = struct.Struct(">Q8s")


@dataclass(frozen=True, slots=True)
class SegmentTimes:
    """The times of a segment's packets, in the order they are decoded."""

    time_base: Fraction
    pts: tuple[int, ...]
    durations: tuple[int, ...]
    tag: str
    """The codec tag the encoder asks for, or empty: ProRes profiles differ in it."""


def append_times(path: Path, times: SegmentTimes) -> None:
    """End the segment PATH with the footer that `read_times` reads, and see it onto the disk."""
    facts = {
        "time_base": str(times.time_base),
        "pts": times.pts,
        "durations": times.durations,
        "tag": times.tag,
    }
    text = json.dumps(facts, separators=(",", ":")).encode()
    with path.open("ab") as file:
        file.write(text + _FOOTER.pack(len(text), _MAGIC))
        file.flush()
        os.fsync(file.fileno())


def read_times(path: Path) -> SegmentTimes:
    """Return the times in the footer of a segment; raises OutputError if it is no whole segment."""
    try:
        with path.open("rb") as file:
            file.seek(-_FOOTER.size, os.SEEK_END)
            size, magic = _FOOTER.unpack(file.read())
            file.seek(-_FOOTER.size - size, os.SEEK_END)
            facts = json.loads(file.read(size))
        if magic != _MAGIC:
            raise ValueError("no footer")
        base = Fraction(facts["time_base"])
        return SegmentTimes(base, tuple(facts["pts"]), tuple(facts["durations"]), facts["tag"])
    except (OSError, ValueError, KeyError, struct.error):
        message = f"{path}: is no finished segment; delete it and run the command again"
        raise OutputError(message) from None

"""The exact times of a segment's packets, in a footer after the end of its container.

Containers round times and forget durations, so those of every packet, as the frames had them,
stand there, and `assemble` takes them from there. A file without a footer is no segment. A checksum
stands there too: a segment may wait for days, and decoders may show what is damaged as it is.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

from vsrcli.errors import OutputError

_MAGIC = b"vsr-seg2"
_FOOTER = struct.Struct(">QI8s")
"""Size of the facts before it, CRC-32 of all before it and of that size, and the mark."""
_CHUNK = 1 << 20


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
    with path.open("r+b") as file:
        checksum = zlib.crc32(text, _checksum(file, path.stat().st_size))
        checksum = zlib.crc32(_bytes_of(len(text)), checksum)
        file.write(text + _FOOTER.pack(len(text), checksum, _MAGIC))
        file.flush()
        os.fsync(file.fileno())


def read_times(path: Path) -> SegmentTimes:
    """Return the times in the footer of a segment; raises OutputError if it is no whole segment."""
    try:
        with path.open("rb") as file:
            size, _ = _footer(file)
            file.seek(-_FOOTER.size - size, os.SEEK_END)
            facts = json.loads(file.read(size))
        base = Fraction(facts["time_base"])
        return SegmentTimes(base, tuple(facts["pts"]), tuple(facts["durations"]), facts["tag"])
    except (OSError, ValueError, KeyError, struct.error):
        message = f"{path}: is no finished segment; delete it and run the command again"
        raise OutputError(message) from None


def check_segment(path: Path) -> None:
    """Read all of a segment; raises OutputError if anything differs from what was written."""
    try:
        with path.open("rb") as file:
            size, expected = _footer(file)
            length = file.tell() - _FOOTER.size
            file.seek(0)
            whole = zlib.crc32(_bytes_of(size), _checksum(file, length)) == expected
    except (OSError, ValueError, struct.error):
        whole = False
    if not whole:
        raise damaged_segment(path)


def damaged_segment(path: Path) -> OutputError:
    """The error that segment PATH, not what was written any more, ends in."""
    return OutputError(f"{path}: is damaged; delete it and run the command again")


def _footer(file: IO[bytes]) -> tuple[int, int]:
    """Size of the facts and checksum; raises ValueError, OSError or struct.error if none is there.

    The file is then at its end.
    """
    file.seek(-_FOOTER.size, os.SEEK_END)
    size, checksum, magic = _FOOTER.unpack(file.read())
    if magic != _MAGIC:
        raise ValueError("no footer")
    return size, checksum


def _checksum(file: IO[bytes], length: int) -> int:
    """CRC-32 of the next LENGTH bytes."""
    checksum = 0
    while length > 0 and (chunk := file.read(min(_CHUNK, length))):
        checksum, length = zlib.crc32(chunk, checksum), length - len(chunk)
    return checksum


def _bytes_of(size: int) -> bytes:
    return size.to_bytes(8, "big")

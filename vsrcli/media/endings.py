"""Whether a file was cut off: FFmpeg gives what there is of some kinds without a word.

GIF89a specification; PNG specification, third edition (animated ones); QOI specification 1.0;
OpenEXR file layout (pictures of one part in scan lines, others are not looked at); IVF, of which
every frame is preceded by its length.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import IO

from vsrcli.media.picture_text import PNG_SIGNATURE, walk_png

_QOI_END = b"\0\0\0\0\0\0\0\1"
"""No pixels have so many zeros: a second one for the same colour would be a run."""
_LAST = 4096
"""Bytes, the end among them: files are filled up here and there, or something follows."""
_COLOURS, _EXTENSION, _IMAGE, _TRAILER = 0x80, 0x21, 0x2C, 0x3B
_OTHER_EXR = 0x02 | 0x08 | 0x10
"""Flags of an OpenEXR in tiles, deep, or of several parts."""
_LINES = {3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Scan lines that OpenEXR's compressions take together; others have one."""


def is_cut(path: Path) -> bool:
    """Whether a GIF, PNG, QOI, OpenEXR or IVF ends before its end; False of all other files."""
    if not path.is_file():  # a pipe is read once
        return False
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        try:
            if head.startswith(b"GIF8"):
                return _gif(file)
            if head == PNG_SIGNATURE:
                return _png(file, size)
            if head.startswith(b"qoif"):
                file.seek(max(0, size - _LAST))
                return _QOI_END not in file.read()
            if head.startswith(b"\x76\x2f\x31\x01"):
                return _exr(file, size)
            if head.startswith(b"DKIF"):
                return _ivf(file, size)
        except (EOFError, struct.error):
            return True
    return False


def _read(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _gif(file: IO[bytes]) -> bool:
    """Whether a GIF ends within a block, or where none begins; many lack but the mark of their end.

    FFmpeg takes anything between two blocks for the end, and what follows is lost.
    """
    flags = _read(file, 13)[10]
    _skip_colours(file, flags)
    while block := file.read(1):
        if block[0] == _EXTENSION:
            _read(file, 1)
        elif block[0] == _IMAGE:
            _skip_colours(file, _read(file, 9)[8])
            _read(file, 1)
        else:
            rest = (block + file.read(_LAST)).lstrip(b"\0")
            return bool(rest) and rest[0] != _TRAILER
        while length := _read(file, 1)[0]:
            _read(file, length)
    return False


def _skip_colours(file: IO[bytes], flags: int) -> None:
    if flags & _COLOURS:
        _read(file, 3 << (flags & 7) + 1)


def _png(file: IO[bytes], size: int) -> bool:
    ends = (file.tell() + length + 4 for kind, length in walk_png(file) if kind == b"IEND")
    return next(ends, size + 1) > size


def _ivf(file: IO[bytes], size: int) -> bool:
    (at,) = struct.unpack("<6xH", _read(file, 8))
    while at < size:
        file.seek(at)
        (length,) = struct.unpack("<I8x", _read(file, 12))
        at += 12 + length
    return bool(at > size)


def _exr(file: IO[bytes], size: int) -> bool:
    if _read(file, 8)[5] & _OTHER_EXR:
        return False
    header: dict[bytes, bytes] = {}
    length: int
    while name := _text(file):
        _text(file)
        header[name] = _read(file, *struct.unpack("<I", _read(file, 4)))
    _, top, _, bottom = struct.unpack("<4i", header.get(b"dataWindow", b""))
    compression = header.get(b"compression", b"\0")[0]
    if compression > max(_LINES):  # newer than FFmpeg, which will say so
        return False
    lines = _LINES.get(compression, 1)
    count = max(0, math.ceil((bottom - top + 1) / lines))
    if count * 8 > size:
        return True
    places = struct.unpack(f"<{count}Q", _read(file, count * 8))
    if places and all(places):
        if max(places) > size:  # by far, where they are damaged: further than a file can go
            return True
        file.seek(max(places) + 4)
        (length,) = struct.unpack("<I", _read(file, 4))
        return file.tell() + length > size
    for _ in places:  # whoever wrote it did not come to fill in the places
        (length,) = struct.unpack("<4xI", _read(file, 8))
        if file.seek(length, 1) > size:
            return True
    return False


def _text(file: IO[bytes]) -> bytes:
    """Read up to the next zero, as names are told."""
    text = b""
    while (letter := _read(file, 1)) != b"\0":
        text += letter
    return text

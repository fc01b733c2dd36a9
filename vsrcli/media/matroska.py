"""What PyAV does not reach of Matroska's tracks: regions of languages, and the display size.

The former FFmpeg does not read. The latter is written into the finished file, as
FFmpeg's muxer takes it from a field PyAV does not reach. Room is made beforehand by lengthening
the track's name; afterwards the track entry is put together anew in the same number of bytes.
Element IDs are those of RFC 9559.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

ROOM = "\N{NO-BREAK SPACE}" * 16
"""Ends the name of the track that is to get a display size: 32 bytes."""

_SEGMENT, _TRACKS, _ENTRY = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"
_NAME, _VIDEO, _LANGUAGE = b"\x53\x6e", b"\xe0", b"\x22\xb5\x9d"
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = b"\x54\xb0", b"\x54\xba", b"\x54\xb2"
_CRC, _VOID = b"\xbf", b"\xec"
_HEADER = 1 << 22
"""Tracks stand within the first 4 MB, before any frame; attachments come after them."""


def regions_of(path: Path) -> dict[int, str]:
    """Return the languages that have a region or script (BCP 47: "pt-BR"), by number of track."""
    with path.open("rb") as file:
        head = file.read(_HEADER)
    tracks = head[slice(*(_find_tracks(head) or (0, 0)))]
    whole = _elements(tracks, 0, len(tracks))
    entries = [(start, min(stop, len(tracks))) for name, start, stop in whole if name == _ENTRY]
    return {
        number: tracks[start:stop].decode(errors="replace")
        for number, entry in enumerate(entries)
        for name, start, stop in _elements(tracks, *entry)
        if name == _LANGUAGE and b"-" in tracks[start:stop]
    }


def set_display_size(path: Path, size: tuple[int, int], sar: Fraction) -> None:
    """Write the display size of pixels with the aspect `sar` for the track named with `ROOM`.

    `size` is the stored (width, height).
    """
    with path.open("r+b") as file:
        head = file.read(_HEADER)
        found = _find_tracks(head)
        if found is not None and ROOM.encode() in head[slice(*found)]:
            file.seek(found[0])
            file.write(_patched(head[slice(*found)], size, sar))


def _find_tracks(head: bytes) -> tuple[int, int] | None:
    """Return where the content of Tracks begins and ends."""
    for name, start, stop in _elements(head, 0, len(head)):
        if name == _SEGMENT:
            for inner, begin, end in _elements(head, start, min(stop, len(head))):
                if inner == _TRACKS and end <= len(head):
                    return begin, end
    return None


def _patched(tracks: bytes, size: tuple[int, int], sar: Fraction) -> bytes:
    mark = ROOM.encode()
    parts: list[bytes] = []
    for name, start, stop in _elements(tracks, 0, len(tracks)):
        content = tracks[start:stop]
        if name == _CRC:
            continue
        if name == _ENTRY and mark in content:
            content = _entry(content, size, sar)
        parts.append(_element(name, content))
    body = b"".join(parts)
    checked = tracks[:1] == _CRC
    body += _padding(len(tracks) - len(body) - (6 if checked else 0))
    return (_CRC + b"\x84" + zlib.crc32(body).to_bytes(4, "little") if checked else b"") + body


def _entry(content: bytes, size: tuple[int, int], sar: Fraction) -> bytes:
    parts = []
    for name, start, stop in _elements(content, 0, len(content)):
        inner = content[start:stop]
        if name == _NAME:
            inner = inner.replace(ROOM.encode(), b"")
            if not inner:
                continue
        elif name == _VIDEO:
            replaced = (_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT)
            kept = (
                _element(n, inner[a:b])
                for n, a, b in _elements(inner, 0, len(inner))
                if n not in replaced
            )
            shown = zip(replaced, _display(size, sar), strict=True)
            inner = b"".join([*kept, *(_element(n, _number(v)) for n, v in shown if v)])
        parts.append(_element(name, inner))
    return b"".join(parts)


def _display(size: tuple[int, int], sar: Fraction) -> tuple[int, int, int]:
    """Return display width, height and unit: in pixels (0) if whole, else an aspect ratio (3)."""
    width, height = size
    if (width * sar).denominator == 1:
        return int(width * sar), height, 0
    if (height / sar).denominator == 1:
        return width, int(height / sar), 0
    shape = Fraction(width, height) * sar
    return shape.numerator, shape.denominator, 3


def _elements(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Give (ID, begin of the content, its end) of the elements in a part of `data`."""
    while at < end:
        length = 9 - data[at].bit_length()
        name, at = data[at : at + length], at + length
        if at >= end:
            return
        width = 9 - data[at].bit_length()
        coded = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
        at += width
        unknown = coded == (1 << 7 * width) - 1
        stop = len(data) if unknown else at + coded
        yield name, at, stop
        at = stop


def _element(name: bytes, content: bytes) -> bytes:
    size = len(content)
    width = next(w for w in range(1, 9) if size < (1 << 7 * w) - 1)
    return name + (size | 1 << 7 * width).to_bytes(width, "big") + content


def _number(value: int) -> bytes:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def _padding(size: int) -> bytes:
    """Return a Void element of `size` bytes in all, at least 2, or nothing for 0."""
    if size == 0:
        return b""
    width = 1 if size - 2 < 127 else 8
    content = size - 1 - width
    return _VOID + (content | 1 << 7 * width).to_bytes(width, "big") + bytes(content)

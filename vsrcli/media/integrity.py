"""Whether a container's own structure is whole: demuxers skip what is not, and say nothing.

Matroska (RFC 9559) and FLV (Adobe's specification, version 10.1, annex E) are chains of elements
that name their length; RIFF names its own. Only these headers are read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

_LARGEST = 2 << 30
"""Bytes of a file up to which walking through it takes no notable time."""
_SEGMENT, _CLUSTER, _EBML = 0x18538067, 0x1F43B675, 0x1A45DFA3
_TOP = {
    *(_CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770),
    *(0x1254C367, 0xEC, 0xBF),
}
"""Clusters, seek head, info, tracks, cues, attachments, chapters, tags, void, checksum."""
_IN_CLUSTER = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854, 0xEC, 0xBF}
_FLV_HEADER, _FLV_TAG = 13, 11


def is_whole(path: Path, form: str) -> bool:
    """Whether the file of FFmpeg's format `form` is whole; True where nothing tells.

    A file that is not may still have all its frames.
    """
    try:
        size = path.stat().st_size
        if not path.is_file() or size > _LARGEST:
            return True
        with path.open("rb") as file:
            if "matroska" in form:
                return _matroska(file, size)
            if form == "flv":
                return _flv(file, size)
            if form == "avi":
                return int.from_bytes(file.read(8)[4:], "little") + 8 <= size
    except OSError:
        return False
    return True


def _matroska(file: IO[bytes], size: int) -> bool:
    header = _element(file)
    if header is None or header[0] != _EBML or header[1] is None:
        return False
    file.seek(header[1], os.SEEK_CUR)
    segment = _element(file)
    if segment is None or segment[0] != _SEGMENT:
        return False
    end = size if segment[1] is None else file.tell() + segment[1]
    inside = False  # a cluster
    while file.tell() < end:
        element = _element(file)
        if element is None:
            return False
        name, length = element
        if name not in _TOP and not (inside and name in _IN_CLUSTER):
            return False
        if name in _TOP - _IN_CLUSTER:
            inside = name == _CLUSTER
        if name == _CLUSTER:
            continue
        if length is None or file.tell() + length > size:
            return False
        file.seek(length, os.SEEK_CUR)
    return end <= size


def _element(file: IO[bytes]) -> tuple[int, int | None] | None:
    """Name and length (None: unknown) of the element that begins here; None if it cannot be one."""
    first = file.read(1)
    if not first or first[0] < 0x10:
        return None
    name = first + file.read(8 - first[0].bit_length())
    begin = file.read(1)
    if not begin or not begin[0]:
        return None
    more = 8 - begin[0].bit_length()
    rest = file.read(more)
    if len(rest) < more:
        return None
    bits = 7 * (more + 1)
    length = int.from_bytes(begin + rest, "big") & ((1 << bits) - 1)
    return int.from_bytes(name, "big"), None if length == (1 << bits) - 1 else length


def _flv(file: IO[bytes], size: int) -> bool:
    at = _FLV_HEADER
    while at < size:
        file.seek(at)
        length = int.from_bytes(file.read(4)[1:], "big")
        at += _FLV_TAG + length
        file.seek(at)
        if int.from_bytes(file.read(4), "big") != _FLV_TAG + length:
            return False
        at += 4
    return at == size

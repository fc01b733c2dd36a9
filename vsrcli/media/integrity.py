"""Whether a container's own structure is whole: demuxers skip what is not, and say nothing.

Matroska (RFC 9559), FLV (Adobe's specification, version 10.1, annex E) and AVI (RIFF, OpenDML) are
chains of elements that name their length; a stream without a container begins with a start code.
Only these headers are read.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
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
_TRACKS, _TRACK, _TRACK_NUMBER = 0x1654AE6B, 0xAE, 0xD7
_GROUP, _BLOCK, _SIMPLE_BLOCK = 0xA0, 0xA1, 0xA3
_IN_CLUSTER = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854, 0xEC, 0xBF}
_SHORT = {0xE7: 8, 0xA7: 8, 0xAB: 8, 0xBF: 4}
"""Bytes that numbers and checksums in clusters may have: a longer one was a block."""
_FLV_HEADER, _FLV_TAG = 13, 11
_DATA = re.compile(rb"(\d\d)(?:d[bc]|wb|pc|tx|sb|sd|iv|31|32)")
"""Chunks of an AVI with packets of a stream, whose number they name."""
_BESIDE = re.compile(rb"LIST|RIFF|idx1|ix\d\d|[A-Z_]{4}")
"""What may stand between and after them."""
_AVI_STREAMS = 56
"""Where the main header of an AVI says how many streams there are."""
_OPEN_ENDED = (0, 0xFFFFFFFF)
"""Lengths of what was written where nobody could come back to fill them in."""
_STARTS = {
    "mjpeg": rb"\xff\xd8|--|\r\n--",  # the latter as web cameras send it
    "h261": rb"\0\x01[\0-\x0f]",
    "h263": rb"\0\0[\x80-\x83]",
    **dict.fromkeys(("h264", "hevc", "vvc", "m4v", "mpegvideo"), rb"\0{2,}\x01"),
}
"""How streams without a container begin, by FFmpeg's demuxer: what begins otherwise has lost its
beginning, or was something else that FFmpeg took for one."""


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
                return _avi(file, size)
            if start := _STARTS.get(form):
                return re.match(start, file.read(64)) is not None
    except OSError:
        return False
    return True


def lists_packets(path: Path, form: str) -> bool:
    """Whether a file that `is_whole` gives all its packets, damaged ones too, at their times.

    Others are looked for in what there is, and those not found leave no trace.
    """
    size = path.stat().st_size
    if form.startswith("mov,"):
        with path.open("rb") as file:
            return _has_one_index(file, size)
    walked = "matroska" in form or form in ("flv", "avi")
    return walked and size <= _LARGEST


def _has_one_index(file: IO[bytes], size: int) -> bool:
    """Whether an MP4 or MOV of SIZE bytes is whole boxes with no fragments, which have their own.

    Boxes: ISO/IEC 14496-12, 4.2.
    """
    kinds, place = set(), 0
    while place + 8 <= size:
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        kinds.add(kind)
        place = place + length if length else size  # 0: up to the end
        if 0 < length < 8:
            return False
    return place == size and b"moov" in kinds and b"moof" not in kinds


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
    tracks: set[int] = set()
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
        if length is None or file.tell() + length > size or length > _SHORT.get(name, size):
            return False
        body = file.tell()
        if name == _TRACKS:
            tracks = _track_numbers(file, length)
        # At a block of none of them FFmpeg leaves out all up to the next cluster.
        blocks = inside and name in (_GROUP, _SIMPLE_BLOCK)
        if blocks and tracks and not _tracks_of(file, name, length) <= tracks:
            return False
        file.seek(body + length)
    return end <= size


def _track_numbers(file: IO[bytes], length: int) -> set[int]:
    """The numbers of the tracks that an element of `length` bytes describes."""
    return {
        int.from_bytes(file.read(size), "big")
        for track, inner in _children(file, length)
        if track == _TRACK
        for name, size in _children(file, inner)
        if name == _TRACK_NUMBER
    }


def _tracks_of(file: IO[bytes], name: int, length: int) -> set[int]:
    """The tracks that a block, or a group of them, says it is of; -1 where that cannot be read."""
    if name == _GROUP:
        blocks = (size for name, size in _children(file, length) if name == _BLOCK)
        return {track for size in blocks for track in _tracks_of(file, _BLOCK, size)}
    number = _number(file)
    return {-1 if number is None else number[0]}


def _children(file: IO[bytes], length: int) -> Iterator[tuple[int, int]]:
    """Name and length of all that lies in the `length` bytes from here, with the file at each."""
    end = file.tell() + length
    while file.tell() < end:
        name, size = _element(file) or (0, None)
        if size is None:
            return
        body = file.tell()
        yield name, size
        file.seek(body + size)


def _element(file: IO[bytes]) -> tuple[int, int | None] | None:
    """Name and length (None: unknown) of the element that begins here; None if it cannot be one."""
    first = file.read(1)
    if not first or first[0] < 0x10:
        return None
    name = first + file.read(8 - first[0].bit_length())
    number = _number(file)
    if number is None:
        return None
    length, largest = number
    return int.from_bytes(name, "big"), None if length == largest else length


def _number(file: IO[bytes]) -> tuple[int, int] | None:
    """The number that begins here and tells its own length, and the largest of that length."""
    begin = file.read(1)
    if not begin or not begin[0]:
        return None
    more = 8 - begin[0].bit_length()
    rest = file.read(more)
    if len(rest) < more:
        return None
    largest = (1 << 7 * (more + 1)) - 1
    return int.from_bytes(begin + rest, "big") & largest, largest


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


def _avi(file: IO[bytes], size: int) -> bool:
    file.seek(_AVI_STREAMS)
    streams = int.from_bytes(file.read(4), "little")
    at = parts = 0
    while at + 12 <= size:
        file.seek(at)
        name, length, kind = _chunk(file)
        if name != b"RIFF" or not kind.startswith(b"AVI"):
            break  # what follows the last part is none of the video's
        end = size if length in _OPEN_ENDED else at + 8 + length
        if end > size or not _avi_part(file, at + 12, end, streams):
            return False
        at, parts = end + end % 2, parts + 1
    return parts > 0


def _avi_part(file: IO[bytes], at: int, end: int, streams: int) -> bool:
    """Whether the chunks from `at` are whole and fill a part up to `end`."""
    inside = False  # the list of packets
    while at + 8 <= end:
        file.seek(at)
        name, length, kind = _chunk(file)
        if inside and not _may_follow(name, streams):
            return False
        if name == b"LIST" and kind in (b"movi", b"rec "):
            inside = True
            at += 12
            continue
        if name == b"idx1" and not _avi_index(file, at + 8, length, streams):
            return False
        at += 8 + length
        if at > end:
            return False
        file.seek(at)
        # Some writers forget the byte that makes every place even.
        at += at % 2 and not _may_follow(file.read(4), streams)
    return inside


def _avi_index(file: IO[bytes], at: int, length: int, streams: int) -> bool:
    """Whether an index names only chunks there can be, at places before its own."""
    file.seek(at)
    index = file.read(length)
    for name, _, place, size in struct.iter_unpack("<4sIII", index[: length // 16 * 16]):
        if place + size > at or not (name == b"rec " or _may_follow(name, streams)):
            return False
    return True


def _may_follow(name: bytes, streams: int) -> bool:
    data = _DATA.fullmatch(name)
    return int(data[1]) < streams if data else _BESIDE.fullmatch(name) is not None


def _chunk(file: IO[bytes]) -> tuple[bytes, int, bytes]:
    """Name and length of the chunk that begins here, and the first four bytes in it."""
    head = file.read(12)
    return head[:4], int.from_bytes(head[4:8], "little"), head[8:]

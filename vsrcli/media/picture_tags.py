"""Colour profile and EXIF of picture files: read from one, put into another.

FFmpeg's encoders write neither for PyAV. PNG: PNG specification, third edition; JPEG: ICC.1, annex
B.4, and CIPA DC-008 (EXIF); WebP: RFC 9649.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vsrcli.media.exif import ORIENTATION, forget_layout, load_lists

if TYPE_CHECKING:
    from PIL import Image

_EXIF_HEADER = b"Exif\0\0"
_ICC_HEADER = b"ICC_PROFILE\0"
_PNG_START = 8 + 25
"""Bytes of its signature and its first chunk."""
_SEGMENT = 65535 - 2
"""Bytes that a segment of a JPEG holds."""
_HAS_ICC, _HAS_ALPHA, _HAS_EXIF = 0x20, 0x10, 0x08


@dataclass(frozen=True, slots=True)
class PictureTags:
    """Colour profile and EXIF of a picture."""

    icc: bytes | None = None
    exif: bytes | None = None
    """As a TIFF; the picture is upright."""
    orientation: int = 1
    """EXIF's, 1 to 8, which has been taken out of `exif`."""


def read_tags(path: Path) -> PictureTags:
    """Return the tags of a picture file; none of one that Pillow does not know."""
    from PIL import Image  # not for videos, which would begin later by its import

    try:
        with Image.open(path) as image:
            return _tags(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return PictureTags()


def _tags(image: Image.Image) -> PictureTags:
    exif = image.getexif()
    load_lists(exif)
    orientation = int(exif.pop(ORIENTATION, 1))
    if image.format == "TIFF":
        forget_layout(exif)
    written = exif.tobytes().removeprefix(_EXIF_HEADER) if len(exif) else None
    return PictureTags(image.info.get("icc_profile"), written, orientation)


def with_tags(data: bytes, codec: str, tags: PictureTags, *, colour: bool) -> bytes:
    """Return the picture file `data` of FFmpeg's `codec` with the tags put in.

    A profile that is not for such pixels, in `colour` or gray, is left out; so is all in a TIFF.
    """
    icc = tags.icc
    if icc is not None and icc[16:20] != (b"RGB " if colour else b"GRAY"):
        icc = None
    insert = {"png": _png, "mjpeg": _jpeg, "libwebp": _webp}.get(codec)
    if insert is None or (icc is None and tags.exif is None):
        return data
    return insert(data, icc, tags.exif)


def _png(data: bytes, icc: bytes | None, exif: bytes | None) -> bytes:
    chunks = b""
    if icc is not None:
        chunks += _png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if exif is not None:
        chunks += _png_chunk(b"eXIf", exif)
    return data[:_PNG_START] + chunks + data[_PNG_START:]


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _jpeg(data: bytes, icc: bytes | None, exif: bytes | None) -> bytes:
    segments = b""
    if exif is not None and len(_EXIF_HEADER + exif) <= _SEGMENT:
        segments += _jpeg_segment(0xE1, _EXIF_HEADER + exif)
    if icc is not None:
        size = _SEGMENT - len(_ICC_HEADER) - 2
        parts = [icc[start : start + size] for start in range(0, len(icc), size)]
        for number, part in enumerate(parts, 1):
            segments += _jpeg_segment(0xE2, _ICC_HEADER + bytes((number, len(parts))) + part)
    # JFIF's segment, which FFmpeg writes, comes first.
    start = 2
    if data[2:4] == b"\xff\xe0":
        start = 4 + int.from_bytes(data[4:6], "big")
    return data[:start] + segments + data[start:]


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def _webp(data: bytes, icc: bytes | None, exif: bytes | None) -> bytes:
    chunks = dict(_webp_chunks(data))
    header = bytearray(chunks.pop(b"VP8X", b"") or _webp_header(data, chunks))
    header[0] |= (_HAS_ICC if icc is not None else 0) | (_HAS_EXIF if exif is not None else 0)
    parts = [(b"VP8X", bytes(header))]
    if icc is not None:
        parts.append((b"ICCP", icc))
    parts += chunks.items()
    if exif is not None:
        parts.append((b"EXIF", exif))
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _webp_header(data: bytes, chunks: dict[bytes, bytes]) -> bytes:
    """The header that simple files do without."""
    lossless = chunks.get(b"VP8L")
    if lossless is not None:
        sizes = int.from_bytes(lossless[1:5], "little")
        width, height = sizes & 0x3FFF, sizes >> 14 & 0x3FFF
        flags = _HAS_ALPHA if sizes >> 28 & 1 else 0
    else:
        lossy, flags = chunks[b"VP8 "], 0
        width = (int.from_bytes(lossy[6:8], "little") & 0x3FFF) - 1
        height = (int.from_bytes(lossy[8:10], "little") & 0x3FFF) - 1
    return bytes((flags, 0, 0, 0)) + width.to_bytes(3, "little") + height.to_bytes(3, "little")

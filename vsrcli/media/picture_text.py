"""What picture files say in words: their XMP, and the text and colour chunks of a PNG.

XMP: ISO 16684-1, in files as ISO 16684-3 says; PNG: PNG specification, third edition.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

Chunk = tuple[bytes, bytes]
"""Type and content of a PNG's chunk."""
TEXT = (b"tEXt", b"zTXt", b"iTXt")
COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
"""Chunks that say what the samples mean."""
_SRGB = {b"gAMA": (45455,), b"cHRM": (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)}
"""What they say that means no more than sRGB, times 100000: gamma; white, red, green and blue."""
_NEAR = 100
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHECKSUM = 4
"""Bytes behind the content of a chunk."""
_XMP = b"XML:com.adobe.xmp\0"
_READ_ELSEWHERE = (b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type icc")
"""Keywords of texts that are EXIF or a colour profile."""
_OTHER_PARTS = re.compile(rb"HasExtendedXMP|Container:|MicroVideo|MotionPhoto|hdrgm:|GDepth|GImage")
"""Names in an XMP that is about other parts of its file, which a new picture does not have."""
_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))[2-8]")


def unlike_srgb(chunks: Iterable[Chunk]) -> str | None:
    """What gAMA and cHRM of a PNG say that is not sRGB's, as "gamma and primaries"; else None."""
    told = dict(chunks)
    if b"sRGB" in told or b"cICP" in told:  # which go before them
        return None
    names = {b"gAMA": "gamma", b"cHRM": "primaries"}
    found = [name for kind, name in names.items() if _differs(told.get(kind, b""), _SRGB[kind])]
    return " and ".join(found) or None


def _differs(content: bytes, usual: tuple[int, ...]) -> bool:
    if len(content) != 4 * len(usual):
        return False
    values = struct.unpack(f">{len(usual)}I", content)
    return any(abs(own - other) > _NEAR for own, other in zip(values, usual, strict=True))


def own_xmp(xmp: bytes | None) -> bytes | None:
    """Return the XMP of an upright picture: None if it speaks of other parts of its file."""
    if not xmp or _OTHER_PARTS.search(xmp):
        return None
    return _ORIENTATION.sub(rb"\g<1>1", xmp)


def png_chunks(path: Path, kinds: tuple[bytes, ...]) -> tuple[Chunk, ...]:
    """Return the whole chunks of these kinds in a PNG, in order; none of another file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        return tuple(
            (kind, file.read(length))
            for kind, length in walk_png(file)
            if kind in kinds and file.tell() + length + _CHECKSUM <= size
        )


def walk_png(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """The type and length of every chunk of a PNG, with FILE at its content; none of another."""
    if file.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
        return
    while len(header := file.read(8)) == 8:
        length, kind = int.from_bytes(header[:4], "big"), header[4:]
        end = file.tell() + length + _CHECKSUM
        yield kind, length
        file.seek(end)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return the bytes of a chunk as they stand in a PNG."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def read_words(path: Path, image: Image.Image) -> tuple[bytes | None, tuple[Chunk, ...]]:
    """Return the XMP of an opened picture, and a PNG's chunks of TEXT and COLOUR besides.

    These are without EXIF and colour profiles. Texts behind the pixels are found too, which Pillow
    would have to decode for.
    """
    if image.format != "PNG":
        return image.info.get("xmp"), ()
    chunks = png_chunks(path, TEXT + COLOUR)
    xmp = next((_international(text) for _, text in chunks if text.startswith(_XMP)), None)
    return xmp, tuple(each for each in chunks if not each[1].startswith((_XMP, *_READ_ELSEWHERE)))


def xmp_chunk(xmp: bytes) -> Chunk:
    """Return a PNG's chunk that holds XMP."""
    return b"iTXt", _XMP + b"\0\0\0\0" + xmp


def _international(content: bytes) -> bytes | None:
    """The text of an iTXt chunk; None if it is damaged."""
    _, _, rest = content.partition(b"\0")
    packed, parts = rest[:1], rest[2:].split(b"\0", 2)  # language, translated keyword, text
    try:
        return (zlib.decompress(parts[2]) if packed == b"\1" else parts[2]) or None
    except (IndexError, zlib.error):
        return None

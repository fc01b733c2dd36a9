"""Colour profile, EXIF, XMP and texts of picture files: read from one, put into another.

FFmpeg's encoders write none for PyAV. PNG: PNG specification, third edition; JPEG: ICC.1, annex
B.4, CIPA DC-008 (EXIF) and ISO 16684-3 (XMP); WebP: RFC 9649.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vsrcli.media.exif import (
    ORIENTATION,
    QUARTERS,
    XMP,
    damage_told,
    forget_layout,
    keep_letters,
    opened_picture,
    read_exif,
    tell_size,
    turn_resolution,
)
from vsrcli.media.picture_text import (
    TEXT,
    Chunk,
    own_xmp,
    png_chunk,
    png_chunks,
    read_words,
    unlike_srgb,
    xmp_chunk,
)

if TYPE_CHECKING:
    from PIL import Image

_EXIF_HEADER = b"Exif\0\0"
_ICC_HEADER = b"ICC_PROFILE\0"
_RESOURCES, _THUMBNAILS = b"Photoshop 3.0\0", (1033, 1036)
"""What Photoshop's resources begin with, and the numbers of some."""
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_PNG_START = 8 + 25
"""Bytes of its signature and its first chunk."""
_ENCODER = b"Lavc"
"""What begins the comment that FFmpeg's encoder writes about itself."""
_SEGMENT = 65535 - 2
"""Bytes that a segment of a JPEG holds."""
_START, _END, _FILLING = b"\xff\xd8", 0xD9, b"\0\r\n"
_JPEG_MARK = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What begins a segment of a JPEG or ends it, and is nowhere among its samples."""
_HAS_ICC, _HAS_ALPHA, _HAS_EXIF, _HAS_XMP = 0x20, 0x10, 0x08, 0x04


@dataclass(frozen=True, slots=True)
class PictureTags:
    """What a picture says besides its pixels; it is upright."""

    icc: bytes | None = None
    exif: bytes | None = None
    """As a TIFF."""
    orientation: int = 1
    """EXIF's, 1 to 8, which has been taken out of `exif`."""
    xmp: bytes | None = None
    text: tuple[Chunk, ...] = ()
    """A PNG's texts, and the chunks that say what its samples mean, which only a PNG can hold."""
    iptc: tuple[bytes, ...] = ()
    """A JPEG's segments with IPTC's words, which only a JPEG can hold."""
    comments: tuple[bytes, ...] = ()
    """A JPEG's, which only a JPEG can hold."""
    lost: tuple[str, ...] = ()
    """What of the file no other picture gets, in a line each."""
    name: str = field(default="", compare=False)
    """The file's, for such a line; it is not what the picture says."""


def read_tags(path: Path) -> PictureTags:
    """Return the tags of a picture file; none of one that Pillow does not know."""
    from PIL import Image  # not for videos, which would begin later by its import

    try:
        with opened_picture(path) as image:
            return _tags(path, image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return PictureTags()


def _tags(path: Path, image: Image.Image) -> PictureTags:
    from PIL.Image import Exif

    known = read_exif(image)
    exif = known or Exif()
    orientation = int(exif.pop(ORIENTATION, 1))
    if orientation in QUARTERS:
        turn_resolution(exif)
    xmp, text = read_words(path, image)
    if image.format == "TIFF":
        forget_layout(exif)
        exif.pop(XMP, None)
    written = exif.tobytes().removeprefix(_EXIF_HEADER) if len(exif) else None
    return PictureTags(
        icc=image.info.get("icc_profile"),
        exif=written,
        orientation=orientation,
        xmp=own_xmp(xmp),
        text=text,
        iptc=iptc_of(image),
        comments=tuple(each for each in _segments(image, "COM") if not each.startswith(_ENCODER)),
        lost=lost_words(image, xmp, damaged=known is None),
        name=path.name,
    )


def of_size(tags: PictureTags, size: tuple[int, int]) -> PictureTags:
    """TAGS for a picture of another SIZE (width, height), which its EXIF then tells."""
    if tags.exif is None:
        return tags
    from PIL.Image import Exif

    exif = Exif()
    exif.load(_EXIF_HEADER + tags.exif)
    keep_letters(exif)
    tell_size(exif, size)
    return replace(tags, exif=exif.tobytes().removeprefix(_EXIF_HEADER))


def iptc_of(image: Image.Image) -> tuple[bytes, ...]:
    """The segments of an opened JPEG that hold IPTC's words (Photoshop's resources).

    Without the thumbnail among these: it shows the picture there was, as that of EXIF does, which
    Pillow leaves out.
    """
    segments = _segments(image, "APP13")
    parts = [each.removeprefix(_RESOURCES) for each in segments if each.startswith(_RESOURCES)]
    kept = _without_thumbnails(b"".join(parts))  # one may go on in the next segment
    size = _SEGMENT - len(_RESOURCES)
    others = [each for each in segments if not each.startswith(_RESOURCES)]
    return (*others, *(_RESOURCES + kept[at : at + size] for at in range(0, len(kept), size)))


def _without_thumbnails(resources: bytes) -> bytes:
    kept, start = [], 0
    while resources[start : start + 4] == b"8BIM" and len(resources) >= start + 12:
        number = int.from_bytes(resources[start + 4 : start + 6], "big")
        named = start + 6 + (resources[start + 6] + 2) // 2 * 2  # of an even length
        size = int.from_bytes(resources[named : named + 4], "big")
        end = named + 4 + size + size % 2
        if number not in _THUMBNAILS:
            kept.append(resources[start:end])
        start = end
    return b"".join((*kept, resources[start:]))


def _segments(image: Image.Image, wanted: str) -> tuple[bytes, ...]:
    segments = getattr(image, "applist", ())
    return tuple(content for name, content in segments if name == wanted)


def without_room(tags: PictureTags, codec: str, *, colour: bool = True) -> list[str]:
    """What of TAGS a picture of FFmpeg's CODEC, in `colour` or gray, does not get, a line each."""
    lost = []
    if tags.icc is not None and codec != "tiff" and not _suits(tags.icc, colour=colour):
        space = tags.icc[16:20].decode("latin-1").strip()
        advice = "; choose .png" if space == "GRAY" and codec != "png" else ""
        lost.append(f"its colour profile is for {space} and not kept{advice}")
    if codec != "png" and tags.icc is None and (levels := unlike_srgb(tags.text)):
        lost.append(f"only a PNG keeps the {levels} of a PNG; choose .png")
    if codec == "tiff" and (tags.icc or tags.exif or tags.xmp):
        lost.append("TIFF is written without colour profile, EXIF and XMP; choose .png")
    if codec != "png" and any(kind in TEXT for kind, _ in tags.text):
        lost.append("only a PNG keeps the texts of a PNG; choose .png")
    if codec != "mjpeg" and tags.iptc:
        lost.append("only a JPEG keeps the IPTC of a JPEG; choose .jpg")
    if codec != "mjpeg" and tags.comments:
        lost.append("only a JPEG keeps the comment of a JPEG; choose .jpg")
    if codec == "mjpeg" and not _fits(_EXIF_HEADER, tags.exif):
        lost.append("a JPEG has no room for so much EXIF, which is not kept; choose .png")
    if codec == "mjpeg" and not _fits(_XMP_HEADER, tags.xmp):
        lost.append("a JPEG has no room for so much XMP, which is not kept; choose .png")
    return lost


def _fits(header: bytes, content: bytes | None) -> bool:
    """Whether a segment of a JPEG holds HEADER and CONTENT."""
    return content is None or len(header + content) <= _SEGMENT


def lost_words(image: Image.Image, xmp: bytes | None, *, damaged: bool) -> tuple[str, ...]:
    """What of an opened picture file no other picture gets; `damaged`: its EXIF is."""
    lost = []
    if image.format == "MPO" and getattr(image, "n_frames", 1) > 1:
        lost.append("the further pictures in it, a phone's depth or gain map, are not kept")
        if _behind_all(Path(image.filename).read_bytes()):  # type: ignore[attr-defined]
            lost.append("what follows the pictures in its file, a phone's film, is not kept")
    elif image.format == "JPEG" and _behind(Path(image.filename).read_bytes()):  # type: ignore[attr-defined]
        lost.append("what follows the picture in its file, a phone's gain map or film, is not kept")
    elif image.format == "TIFF" and _has_pages(image):
        lost.append("the further pages in it are not kept")
    if _has_credentials(image):
        lost.append("its content credentials (C2PA), which hold for that very file, are not kept")
    if damaged:
        lost.append("its EXIF is damaged and not kept")
    if xmp and not own_xmp(xmp):
        lost.append("its XMP is not kept: it is about other parts of the file")
    return tuple(lost)


def _has_pages(image: Image.Image) -> bool:
    """Whether a TIFF has more than one picture; one that is damaged does not count."""
    try:
        with damage_told():
            return int(getattr(image, "n_frames", 1)) > 1
    except (OSError, SyntaxError, ValueError):
        return False


def _has_credentials(image: Image.Image) -> bool:
    """Whether the JPEG or PNG has a manifest of C2PA."""
    if image.format == "PNG":
        return bool(png_chunks(Path(image.filename), (b"caBX",)))  # type: ignore[attr-defined]
    return any(b"c2pa" in content for content in _segments(image, "APP11"))


def _behind_all(data: bytes) -> bytes:
    """What follows the last of the JPEGs that are one behind the other, but for filling."""
    while data.startswith(_START):
        data = _behind(data)
    return data


def _behind(data: bytes) -> bytes:
    """What follows the JPEG that DATA begins with, but for filling."""
    at = len(_START)
    while following := _JPEG_MARK.search(data, at):
        at = following.start()
        if data[at + 1] == _END:
            rest = data[at + 2 :].lstrip(_FILLING)
            return rest if rest.strip(_FILLING + b"\xff") else b""
        # A segment says how long it is; samples, after some, go on to the next mark.
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b""


def with_tags(data: bytes, codec: str, tags: PictureTags, *, colour: bool) -> bytes:
    """Return the picture file `data` of FFmpeg's `codec` with the tags put in.

    Left out are a profile that is not for such pixels, in `colour` or gray, a PNG's chunks unless
    it is one, what a JPEG has no room for, and all in a TIFF.
    """
    if tags.icc is not None and not _suits(tags.icc, colour=colour):
        tags = replace(tags, icc=None)
    insert = {"png": _png, "mjpeg": _jpeg, "libwebp": _webp}.get(codec)
    if insert is None or not (
        tags.icc or tags.exif or tags.xmp or tags.text or tags.iptc or tags.comments
    ):
        return data
    return insert(data, tags)


def _suits(icc: bytes, *, colour: bool) -> bool:
    """Whether a profile is for pixels in `colour`, or for gray ones."""
    return icc[16:20] == (b"RGB " if colour else b"GRAY")


def _png(data: bytes, tags: PictureTags) -> bytes:
    chunks = []
    if tags.icc is not None:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(tags.icc)))
    if tags.exif is not None:
        chunks.append((b"eXIf", tags.exif))
    if tags.xmp is not None:
        chunks.append(xmp_chunk(tags.xmp))
    head = data[: data.find(b"IDAT")]  # where FFmpeg may have said what the samples mean
    chunks += [each for each in tags.text if each[0] in TEXT or each[0] not in head]
    inserted = b"".join(png_chunk(*chunk) for chunk in chunks)
    return data[:_PNG_START] + inserted + data[_PNG_START:]


def _jpeg(data: bytes, tags: PictureTags) -> bytes:
    segments, icc = b"", tags.icc or b""
    for header, content in ((_EXIF_HEADER, tags.exif), (_XMP_HEADER, tags.xmp)):
        if content is not None and _fits(header, content):
            segments += _jpeg_segment(0xE1, header + content)
    size = _SEGMENT - len(_ICC_HEADER) - 2
    parts = [icc[start : start + size] for start in range(0, len(icc), size)]
    for number, part in enumerate(parts, 1):
        segments += _jpeg_segment(0xE2, _ICC_HEADER + bytes((number, len(parts))) + part)
    segments += b"".join(_jpeg_segment(0xED, content) for content in tags.iptc)
    segments += b"".join(_jpeg_segment(0xFE, content) for content in tags.comments)
    start = 2
    while data[start : start + 2] in (b"\xff\xe0", b"\xff\xe1"):  # JFIF and EXIF come first
        start += 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    rest = data[start:]
    if tags.comments and rest.startswith(b"\xff\xfe"):  # FFmpeg's own, which would be another
        rest = rest[2 + int.from_bytes(rest[2:4], "big") :]
    return data[:start] + segments + rest


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def _webp(data: bytes, tags: PictureTags) -> bytes:
    chunks = dict(_webp_chunks(data))
    header = bytearray(chunks.pop(b"VP8X", b"") or _webp_header(chunks))
    before = {b"ICCP": (tags.icc, _HAS_ICC)}
    after = {b"EXIF": (tags.exif, _HAS_EXIF), b"XMP ": (tags.xmp, _HAS_XMP)}
    for content, flag in (*before.values(), *after.values()):
        header[0] |= flag if content is not None else 0
    parts = [(b"VP8X", bytes(header)), *_given(before), *chunks.items(), *_given(after)]
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _given(chunks: dict[bytes, tuple[bytes | None, int]]) -> list[tuple[bytes, bytes]]:
    return [(kind, content) for kind, (content, _) in chunks.items() if content is not None]


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _webp_header(chunks: dict[bytes, bytes]) -> bytes:
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

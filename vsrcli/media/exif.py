"""EXIF as Pillow reads it: its lists loaded, its layout tags known, its orientation as a matrix."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vsrcli.media.process_wide import no_warnings

if TYPE_CHECKING:
    from PIL import Image

CAMERA, PLACE, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
"""EXIF's further lists."""
_SIZES = ((CAMERA, 0xA002, 0xA003), (None, 256, 257))
"""Where the width and the height are told, in which list: EXIF's own tags and TIFF's."""
ORIENTATION, XMP = 0x0112, 700
QUARTERS = (5, 6, 7, 8)
"""Orientations of pictures that lie on their side."""
_RESOLUTION = (0x011A, 0x011B)
LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284}
    | {288, 289, 292, 293, 296, 317, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 34675}
    | {512, 513, 514, 529, 530, 531, 532}
)
"""TIFF tags about the pixels' layout, the resolution and the profile, which the writer sets."""
_EMPTY = 20
"""Bytes of an EXIF without entries: its header, a TIFF's, and a list of length 0."""
_MARKS = (b"Exif\0\0", b"eXIf", b"EXIF", b"Raw profile type", b"II*\0", b"MM\0*")
"""Without any of these in a file there is no EXIF: in a JPEG, a PNG, a WebP, an old PNG, a TIFF."""
_XMP_MARKS = (b"tiff:Orientation", b"XML:com.adobe.xmp")
"""Nor, without these, XMP that tells the orientation, which Pillow then takes from there; that of a
PNG may be compressed."""
_ONE = 1 << 16
_MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""a, b, c, d of the display matrix of every orientation: a pixel goes to (a x + c y, b x + d y)."""


@contextlib.contextmanager
def opened_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture file with Pillow, which would warn of every damaged entry on stderr."""
    from PIL import Image  # not for videos, which would begin later by its import

    with no_warnings(), Image.open(path) as image:
        if image.format == "TIFF":
            # By its name Pillow would map a plain file into memory, with width and height
            # exchanged already where EXIF turns it by a quarter: every row out of place.
            image.filename = ""
        yield image


@contextlib.contextmanager
def damage_told() -> Iterator[None]:
    """Raise OSError for what Pillow raises else in the block, of some damaged files."""
    try:
        yield
    except (struct.error, KeyError, TypeError, AttributeError) as failure:
        raise OSError(str(failure)) from None


class _Letters(str):
    """Text of EXIF that is written as the bytes it was read from: Pillow would write "?" for each.

    EXIF's text is ASCII; names in UTF-8 or Latin-1 stand there all the same.
    """

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        """Whatever is asked for: the bytes, which Pillow has read as Latin-1."""
        return super().encode("latin-1", "replace")


def keep_letters(exif: Image.Exif) -> None:
    """Have what EXIF says in other letters than ASCII's written again as it was read."""
    lists = [exif, *(exif.get_ifd(tag) for tag in (CAMERA, PLACE) if tag in exif)]
    for tags in lists:
        for tag, value in list(tags.items()):
            if isinstance(value, str) and not value.isascii():
                tags[tag] = _Letters(value)


def read_exif(image: Image.Image) -> Image.Exif | None:
    """Return the EXIF of an opened picture with its further lists; None if it is damaged.

    For a TIFF the lists can be read only as long as it is open.
    """
    try:
        exif = image.getexif()
        # Those there are: Pillow writes an empty list for one it was asked about in vain.
        for tag in (CAMERA, PLACE):
            if tag in exif:
                exif.get_ifd(tag)
        if CAMERA in exif and INTEROPERABILITY in exif.get_ifd(CAMERA):
            exif.get_ifd(INTEROPERABILITY)
        keep_letters(exif)
        exif.tobytes()
    except (struct.error, OSError, SyntaxError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # Pillow may have failed on it before, when it opened the file, and say that there is nothing.
    return exif if len(exif) or len(image.info.get("exif") or b"") <= _EMPTY else None


def orientation_of(path: Path) -> int:
    """Return EXIF's orientation of a picture file, 1 to 8; 1 if there is none or it is damaged.

    Where EXIF says nothing, that of XMP. Pillow would decode a PNG to look for it: files without
    either are not opened with it.
    """
    from PIL import Image  # not for videos, which would begin later by its import

    try:
        data = path.read_bytes()
        if not any(mark in data for mark in (*_MARKS, *_XMP_MARKS)):
            return 1
        with opened_picture(path) as image:
            exif = read_exif(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 1
    found = int(exif.get(ORIENTATION, 1)) if exif is not None else 1
    return found if found in _MATRICES else 1


def forget_layout(exif: Image.Exif) -> None:
    """Remove a TIFF's own layout, which would else end up in another file's EXIF."""
    for tag in LAYOUT.intersection(exif):
        del exif[tag]


def turn_resolution(exif: Image.Exif) -> None:
    """Exchange the resolution across with that down, of a picture that is turned by a quarter."""
    across, down = _RESOLUTION
    if across in exif and down in exif:
        exif[across], exif[down] = exif[down], exif[across]


def tell_size(exif: Image.Exif, size: tuple[int, int]) -> None:
    """Set the picture's width and height, `size`, where `exif` tells them."""
    for place, *tags in _SIZES:
        if place is None or place in exif:  # asking for a list makes it
            known = exif if place is None else exif.get_ifd(place)
            known.update((tag, side) for tag, side in zip(tags, size, strict=True) if tag in known)


def display_matrix(orientation: int) -> tuple[int, ...]:
    """FFmpeg's display matrix for EXIF's ORIENTATION, 1 to 8; the identity for any other."""
    a, b, c, d = (_ONE * value for value in _MATRICES.get(orientation, _MATRICES[1]))
    return (a, b, 0, c, d, 0, 0, 0, 1 << 30)

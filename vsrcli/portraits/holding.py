"""What a picture file of a format holds of a still, and what is lost in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vsrcli.errors import OutputError
from vsrcli.media.exif import CAMERA, keep_letters, tell_size
from vsrcli.media.picture_tags import PictureTags, without_room
from vsrcli.media.picture_text import TEXT, unlike_srgb
from vsrcli.portraits.pictures import FORMATS, Still

_DEEP_FORMATS = ("PNG", "TIFF")
CODECS = {"JPEG": "mjpeg", "PNG": "png", "WEBP": "libwebp"}
"""FFmpeg's names of formats whose words are put in after the pixels."""
_MOST_SIDE = {"JPEG": 65500, "WEBP": 16383}
"""Pixels of width and height that these are written with."""
_USUAL_PRIMARIES = 1
"""What a PNG says, by ITU-T H.273, that means no more than sRGB's."""
_MAKER_NOTE, _PHOTOSHOP = 0x927C, 34377
_DPI = (0x011A, 0x011B, 0x0128)
"""EXIF's resolution across and down, and its unit."""
_INCH = 2
_MOST_EXIF = 65533 - 64
"""Bytes of EXIF in a JPEG, but for the mark."""


def format_of(path: Path) -> str:
    """Pillow's name of the format of PATH's suffix. Raises OutputError for another one."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(f"{path}: write to .jpg, .png, .webp or .tif")
    return kind


def check_holds(still: Still, path: Path) -> str:
    """The format of PATH's suffix; OutputError if it cannot hold STILL's bits, alpha or size."""
    kind = format_of(path)
    if still.pixels.dtype == np.uint16 and kind not in _DEEP_FORMATS:
        raise OutputError(f"{path}: {kind} holds 8 bits, the picture has 16; use .png or .tif")
    if still.alpha is not None and kind == "JPEG":
        raise OutputError(f"{path}: JPEG has no transparency; use .png, .webp or .tif")
    most = _MOST_SIDE.get(kind)
    if most is not None and max(still.extent) > most:
        raise OutputError(f"{path}: {kind} holds up to {most} pixels a side; use .png or .tif")
    return kind


def words_lost(still: Still, path: Path) -> list[str]:
    """What is noted of STILL, and what its file says that PATH's format has no room for.

    One sentence each.
    """
    kind, lost = format_of(path), list(still.notes)
    if shortened := exif_for(still, kind)[1]:
        lost.append(shortened)
    if still.icc and profile_for(still, kind) is None:
        lost.append(f"its colour profile, of grey, is not kept in a {kind}; choose .png")
    words = PictureTags(xmp=still.xmp, iptc=still.iptc)
    lost += without_room(words, CODECS.get(kind, "png"))
    if still.comment and kind != "JPEG":
        lost.append("its comment is not kept; choose .jpg")
    if kind != "PNG" and any(name in TEXT for name, _ in still.text):
        lost.append("its texts are not kept; choose .png")
    if kind != "PNG" and (colour := unlike_srgb(still.text)):
        lost.append(f"its {colour} {'is' if colour == 'gamma' else 'are'} not kept; choose .png")
    usual = still.primaries == _USUAL_PRIMARIES and still.space is None
    if kind != "PNG" and still.primaries is not None and not usual:
        lost.append("its colour space (cICP) is not kept; choose .png")
    return lost


def exif_for(still: Still, kind: str) -> tuple[Image.Exif, str | None]:
    """A copy of STILL's EXIF as a file of KIND holds it, and what is left out of it, if anything.

    The size it tells is that of the upright picture. A JPEG has room for 64 kB. A WebP has none for
    the resolution elsewhere.
    """
    exif = Image.Exif()
    exif.load(still.exif.tobytes())
    keep_letters(exif)
    height, width = still.extent
    tell_size(exif, (width, height))
    if kind == "WEBP" and still.dpi is not None:
        for tag, value in zip(_DPI, (*still.dpi, _INCH), strict=True):
            exif.setdefault(tag, value)
    if kind != "JPEG" or len(exif.tobytes()) <= _MOST_EXIF:
        return exif, None
    exif.pop(_PHOTOSHOP, None)
    exif.get_ifd(CAMERA).pop(_MAKER_NOTE, None)
    if len(exif.tobytes()) <= _MOST_EXIF:
        return exif, "a JPEG has no room for its maker's notes in EXIF; choose .png or .tif"
    return Image.Exif(), "a JPEG has no room for so much EXIF, which is not kept; choose .png"


def profile_for(still: Still, kind: str) -> bytes | None:
    """STILL's profile, unless it is of grey and a file of KIND has colour all the same."""
    grey = still.icc is not None and still.icc[16:20] == b"GRAY"
    return None if grey and kind == "WEBP" else still.icc

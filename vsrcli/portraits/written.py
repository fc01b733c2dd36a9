"""Stills written: pixels, then all that their file said and the new one holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vsrcli.media.exif import XMP
from vsrcli.media.picture_tags import PictureTags, with_tags
from vsrcli.media.safely import save_safely
from vsrcli.portraits.deep import write_png, write_tiff
from vsrcli.portraits.holding import CODECS, check_holds, exif_for, profile_for
from vsrcli.portraits.pictures import Still

_JPEG_QUALITY = 95
_PROCESSING_SOFTWARE = 0x000B
_SETTINGS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": _JPEG_QUALITY, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True, "exact": True},
}


def write_still(still: Still, path: Path, *, overwrite: bool, mark: str | None) -> None:
    """Write STILL in the format of PATH's suffix, with MARK as EXIF's processing software.

    JPEG at quality 95, 4:4:4; the others without loss. Raises OutputError if PATH exists and may
    not be replaced, cannot be written, or its format cannot hold 16 bits or the transparency.
    """
    kind = check_holds(still, path)
    exif, _ = exif_for(still, kind)
    if mark is not None:
        exif[_PROCESSING_SOFTWARE] = mark
    still = replace(still, exif=exif, icc=profile_for(still, kind))
    save_safely(path, lambda temporary: _encode(still, temporary, kind), overwrite=overwrite)


def _encode(still: Still, path: Path, kind: str) -> None:
    tags = PictureTags(xmp=still.xmp, text=still.text, iptc=still.iptc)
    if kind == "TIFF" and still.xmp is not None:
        still.exif[XMP] = still.xmp
    if kind == "TIFF" or (still.pixels.dtype == np.uint16 and still.pixels.shape[2] == 3):
        (write_png if kind == "PNG" else write_tiff)(
            path, still.pixels, still.alpha, exif=still.exif, icc=still.icc, dpi=still.dpi
        )
    else:
        _image(still).save(path, kind, **_details(still, kind), **_SETTINGS[kind])
    if (tags.xmp or tags.text or tags.iptc) and kind in CODECS:
        path.write_bytes(with_tags(path.read_bytes(), CODECS[kind], tags, colour=True))


def _details(still: Still, kind: str) -> dict[str, Any]:
    """What Pillow writes besides the pixels."""
    found: dict[str, Any] = {"exif": still.exif}
    if still.icc is not None:
        found["icc_profile"] = still.icc
    if still.dpi is not None:
        found["dpi"] = still.dpi
    if still.comment and kind == "JPEG":
        found["comment"] = still.comment
    return found


def _image(still: Still) -> Image.Image:
    pixels = still.pixels if still.alpha is None else np.dstack([still.pixels, still.alpha])
    if pixels.shape[2] == 2:
        return Image.merge("LA", [Image.fromarray(pixels[..., index]) for index in range(2)])
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))

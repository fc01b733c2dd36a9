"""TIFFs that FFmpeg does not read, or reads wrongly without a word, and their kind of alpha."""

from __future__ import annotations

import struct
from pathlib import Path

from vsrcli.media.process_wide import no_warnings

_BIG = (b"II+\0", b"MM\0+")
_PLAIN = (b"II*\0", b"MM\0*")
_COMPRESSION, _PHOTOMETRIC, _TILE_WIDTH, _EXTRA_SAMPLES = 259, 262, 322, 338
_SAMPLE_FORMAT, _BLACK_AND_WHITE, _DNG_VERSION = 339, 532, 50706
_LOOKED_AT = (
    *(_COMPRESSION, _PHOTOMETRIC, _TILE_WIDTH, _EXTRA_SAMPLES),
    *(_SAMPLE_FORMAT, _BLACK_AND_WHITE, _DNG_VERSION),
)
_DECODED = frozenset((1, 2, 3, 4, 5, 8, 32773, 32946))
"""Compressions FFmpeg decodes: none, CCITT's, LZW, deflate and PackBits; of JPEG it makes black."""
_NAMES = {
    **dict.fromkeys((6, 7), "JPEG"),
    **dict.fromkeys((33003, 33005, 34712), "JPEG 2000"),
    **dict.fromkeys((34927, 50001), "WebP"),
    **{34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50002: "JPEG XL"},
}
_PALETTE, _YCBCR = 3, 6
_SIGNED, _FLOAT = 2, 3
_ASSOCIATED = 1


def refused_tiff(file: Path) -> str | None:
    """What to say, after its name, of a file that is a TIFF FFmpeg must not be given; else None.

    Camera's raw pictures (DNG), which it knows, are not looked at, nor is what is no plain file.
    """
    if not file.is_file():  # a pipe is read once
        return None
    with file.open("rb") as handle:
        head = handle.read(4)
    if head in _BIG:
        return "is a BigTIFF, which FFmpeg does not read; save it as a plain TIFF, or as PNG"
    tags = _tags(file) if head in _PLAIN else {}
    if not tags or _DNG_VERSION in tags:
        return None
    if _TILE_WIDTH in tags:
        return "is a TIFF in tiles, which FFmpeg reads wrongly; save it in strips, or as PNG"
    compression = next(iter(tags.get(_COMPRESSION, (1,))), 1)
    if compression not in _DECODED:
        what = _NAMES.get(compression, f"method {compression}")
        how = "save it with LZW or deflate, or as PNG"
        return f"is a TIFF compressed with {what}, which FFmpeg does not read; {how}"
    if _EXTRA_SAMPLES in tags and _PALETTE in tags.get(_PHOTOMETRIC, ()):
        what = "a palette and an alpha, of which FFmpeg makes gray"
        return f"is a TIFF with {what}; save it without a palette, or as PNG"
    if _YCBCR in tags.get(_PHOTOMETRIC, ()) and not any(tags.get(_BLACK_AND_WHITE, ())[:1]):
        what = "Y'CbCr of full range, which FFmpeg takes for limited"
        return f"is a TIFF of {what}; save it as RGB, or as PNG"
    samples = tags.get(_SAMPLE_FORMAT, ())
    if _SIGNED in samples:
        what = "signed samples, which FFmpeg takes for unsigned ones"
        return f"is a TIFF of {what}; save it without signs, or as PNG"
    if _FLOAT in samples:
        what = "floating-point samples, which FFmpeg does not read rightly"
        return f"is a TIFF of {what}; save it with 16 bits, or as EXR"
    return None


def is_associated(file: Path) -> bool:
    """Whether a file is a TIFF whose colour is multiplied by its alpha."""
    with file.open("rb") as handle:
        plain = handle.read(4) in _PLAIN
    return plain and _tags(file).get(_EXTRA_SAMPLES, ())[:1] == (_ASSOCIATED,)


def _tags(file: Path) -> dict[int, tuple[int, ...]]:
    """The tags looked at of the first picture of a TIFF; none of a damaged one, as FFmpeg tells."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2  # not for videos: it takes time

    found: dict[int, tuple[int, ...]] = {}
    try:
        with file.open("rb") as handle, no_warnings():
            directory = ImageFileDirectory_v2(handle.read(8))
            handle.seek(directory.next)
            directory.load(handle)
            for tag in _LOOKED_AT:
                if tag in directory:
                    value = directory[tag]
                    found[tag] = value if isinstance(value, tuple) else (value,)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return {}
    return found

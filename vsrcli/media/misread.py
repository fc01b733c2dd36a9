"""Pictures of which FFmpeg makes other colours without a word."""

from __future__ import annotations

import re
from pathlib import Path

_GRAY_TARGA = (3, 11)
"""Image types, plain and by run lengths; with 16 bits it has an alpha (Truevision TGA 2.0)."""
_CMYK_JP2 = re.compile(rb"colr\x01..\0\0\0\x0c", re.DOTALL)
"""A box that says so (ISO/IEC 15444-2, M.11.7.3.1)."""
_HEAD = 1 << 12


def misread(file: Path) -> str | None:
    """What to say, after its name, of a TGA or JPEG 2000 FFmpeg must not be given; else None."""
    suffix = file.suffix.lower()
    if suffix not in (".tga", ".jp2") or not file.is_file():
        return None
    with file.open("rb") as handle:
        head = handle.read(_HEAD)
    if suffix == ".jp2":
        cmyk = _CMYK_JP2.search(head)
        return "is CMYK, which FFmpeg takes for RGB; save it as RGB" if cmyk else None
    if len(head) > 16 and head[2] in _GRAY_TARGA and head[16] == 16:
        return "is gray with an alpha, which FFmpeg takes for colours in a TGA; save it as PNG"
    return None

"""What comes with pictures beside their samples, of which most gets lost with the frames."""

from __future__ import annotations

import re
from pathlib import Path

import av
from av.container import InputContainer

EXTRAS = {
    "A53_CC": "closed captions inside of the pictures",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "DOVI_COLOURS": "the Dolby Vision metadata, without which its colours are wrong,",
    "AMBIENT_VIEWING_ENVIRONMENT": "the light that the video is to be seen in",
    "S12M_TIMECODE": "time codes inside of the pictures",
    "AFD": "the active format description",
    "STEREO3D": "the layout of two views in one picture",
    "SPHERICAL": "the projection of a spherical picture",
    "ICC_PROFILE": "the colour profile (ICC)",
    "EXIF": "EXIF",
    "ALPHA_APART": "the transparency, which is a picture apart (HEIC, AVIF),",
    "XMP_APART": "XMP",
}
"""FFmpeg's names of side data, and what people call it.

"DOVI_COLOURS" and those of `_APART` are none.
"""
IN_FRAMES = tuple(name for name in EXTRAS if name not in ("STEREO3D", "SPHERICAL"))
"""Extras that get lost with the frames; the others a container may keep."""
_IN_CONTAINER = {"ICC_PROFILE": "ICC Profile", "EXIF": "EXIF metadata"}
"""Extras that a container has for all frames, and how FFmpeg describes them."""
_DOLBY, _DOLBY_COLOURS = "DOVI_METADATA", "DOVI_COLOURS"
_STILLS = frozenset({"avif", "avis", "heic", "heix", "mif1", "msf1"})
_APART = {
    "ALPHA_APART": (
        b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
        b"urn:mpeg:hevc:2015:auxid:1\0",
    ),
    "XMP_APART": (b"application/rdf+xml\0",),
}
"""What auxiliary pictures and items say that they are (ISO/IEC 23000-22, 23008-12)."""
_HEAD = 1 << 20
"""Bytes in which a HEIC or AVIF says what its pictures are."""
_DOLBY_ALONE = re.compile(r"^ +DOVI .*profile: (?:5|10|20),.* compatibility id: 0\b", re.MULTILINE)
"""How FFmpeg describes pictures in IPTPQc2, green and violet to those who take them for Y'CbCr."""


def extras_of(frame: av.VideoFrame, description: str) -> tuple[str, ...]:
    """What comes with a frame, and what the `description` of its stream tells of: keys of EXTRAS.

    Not for pictures: PyAV 18 frees their ICC profile twice once it is looked at.
    """
    kept = [n for n, w in _IN_CONTAINER.items() if re.search(rf"^ +{w}:", description, re.M)]
    try:
        names = [n for n in EXTRAS if n not in (*_IN_CONTAINER, *_APART, _DOLBY_COLOURS)]
        data = [name for name in names if frame.side_data.get(name) is not None]
    except ValueError:  # side data newer than PyAV, such as EXIF, hides all the others
        data = []
    if _DOLBY_ALONE.search(description):
        data = [_DOLBY_COLOURS, *(name for name in data if name != _DOLBY)]
    return (*data, *kept)


def apart(path: Path, container: InputContainer) -> tuple[str, ...]:
    """Tell of alpha in a HEIC or AVIF, which FFmpeg gives as one more video or not at all, and XMP,
    of which it does not tell.
    """
    if container.metadata.get("major_brand") not in _STILLS or not path.is_file():
        return ()
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return tuple(name for name, kinds in _APART.items() if any(kind in head for kind in kinds))

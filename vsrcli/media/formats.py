"""Pixel formats: which planar format holds each of FFmpeg's, and how its samples lie in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from av.video.format import VideoFormat

from vsrcli.errors import InputError


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How the planes of a picture are to be read."""

    pix_fmt: str
    """FFmpeg's little-endian planar format; "ya8" and "ya16le" stand for gray with alpha."""
    depth: int
    """Bits per sample, 8 to 16; planes are uint8 up to 8 bits and uint16 above."""
    kind: Literal["gray", "yuv", "rgb"]
    alpha: bool
    log2_chroma: tuple[int, int]
    """Chroma subsampling as shifts, (horizontal, vertical): (1, 1) is 4:2:0."""

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Sample type of the planes."""
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def peak(self) -> int:
        """The largest sample: white, or opaque."""
        return (1 << self.depth) - 1

    @property
    def opaque(self) -> PixelLayout:
        """The layout without the plane of alpha, which is the last."""
        if not self.alpha:
            return self
        name = re.sub("^gbra|^yuva|^ya8?", lambda found: _WITHOUT_ALPHA[found[0]], self.pix_fmt)
        return replace(self, pix_fmt=name, alpha=False)

    def shapes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """Return the (height, width) of each plane of a picture of `width` x `height`."""
        full = (height, width)
        across, down = self.log2_chroma
        chroma = (-(-height >> down), -(-width >> across))
        colour = {"gray": (), "yuv": (chroma, chroma), "rgb": (full, full)}[self.kind]
        return (full, *colour, *((full,) if self.alpha else ()))


_WITHOUT_ALPHA = {"gbra": "gbr", "yuva": "yuv", "ya": "gray", "ya8": "gray"}


@dataclass(frozen=True, slots=True)
class Packing:
    """A packed or semi-planar format: which planar one holds its samples, and where they lie."""

    target: str
    order: str
    """Components in memory order: of one pixel, of the chroma plane, or of two 4:2:2 pixels."""
    shift: int = 0
    """Unused low bits of each sample."""


PACKINGS: dict[str, Packing] = {
    **{f: Packing("gbrp", f[:3]) for f in ("rgb24", "bgr24")},
    **{f: Packing("gbrp", f.replace("0", "x")) for f in ("rgb0", "bgr0", "0rgb", "0bgr")},
    **{f: Packing("gbrap", f) for f in ("rgba", "bgra", "argb", "abgr")},
    **{f: Packing("gbrp16le", f[:3]) for f in ("rgb48le", "rgb48be", "bgr48le", "bgr48be")},
    **{f: Packing("gbrap16le", f[:4]) for f in ("rgba64le", "rgba64be", "bgra64le", "bgra64be")},
    "ya8": Packing("ya8", "ya"),
    **{f: Packing("ya16le", "ya") for f in ("ya16le", "ya16be")},
    "ayuv": Packing("yuva444p", "ayuv"),
    "vuya": Packing("yuva444p", "vuya"),
    "uyva": Packing("yuva444p", "uyva"),
    "vuyx": Packing("yuv444p", "vuyx"),
    "vyu444": Packing("yuv444p", "vyu"),
    **{f: Packing("yuva444p16le", "ayuv") for f in ("ayuv64le", "ayuv64be")},
    **{f"xv36{e}": Packing("yuv444p12le", "uyvx", 4) for e in ("le", "be")},
    **{f"xv48{e}": Packing("yuv444p16le", "uyvx") for e in ("le", "be")},
    "nv12": Packing("yuv420p", "uv"),
    "nv21": Packing("yuv420p", "vu"),
    "nv16": Packing("yuv422p", "uv"),
    "nv24": Packing("yuv444p", "uv"),
    "nv42": Packing("yuv444p", "vu"),
    **{f"nv20{e}": Packing("yuv422p10le", "uv") for e in ("le", "be")},
    **{
        f"p{family}{bits}{end}": Packing(f"yuv{chroma}p{bits}le", "uv", 16 - bits)
        for family, chroma in (("0", "420"), ("2", "422"), ("4", "444"))
        for bits in (10, 12, 16)
        for end in ("le", "be")
    },
    "yuyv422": Packing("yuv422p", "yuyv"),
    "uyvy422": Packing("yuv422p", "uyvy"),
    "yvyu422": Packing("yuv422p", "yvyu"),
    **{
        f"y2{bits}{end}": Packing(f"yuv422p{bits}le", "yuyv", 16 - bits)
        for bits in (10, 12, 16)
        for end in ("le", "be")
    },
}

CONVERTED: dict[str, str] = {
    "pal8": "gbrap",
    **dict.fromkeys(("monob", "monow"), "gray"),
    **{
        f"{order}{bits}{end}": "gbrp"
        for order in ("rgb", "bgr")
        for bits, end in (
            *(("8", ""), ("4_byte", "")),
            *((b, e) for b in ("444", "555", "565") for e in ("le", "be")),
        )
    },
    **{f"bayer_{p}8": "gbrp" for p in ("bggr", "rggb", "gbrg", "grbg")},
    **{
        f"bayer_{p}16{e}": "gbrp16le"
        for p in ("bggr", "rggb", "gbrg", "grbg")
        for e in ("le", "be")
    },
    **{f"x2{order}10le": "gbrp10le" for order in ("rgb", "bgr")},
    **dict.fromkeys(("xv30le", "v30xle"), "yuv444p10le"),
}
"""Formats no planar one holds as they are: swscale converts them, but those of `SHORT`."""

SHORT = re.compile(r"(rgb|bgr)(444|555|565)(le|be)")
"""Three colours in 16 bits, the first in the highest, with how many bits each has."""

FLOAT = re.compile(r"(gray|gbra?p)f(16|32)(le|be)")
"""Planar floating point, 0 to 1: scaled to 16 bit."""

_PLANAR = re.compile(r"(gray|gbra?p|yuvj?4\d\dp|yuva4\d\dp)(?:(9|10|12|14|16)(?:le|be))?")


@lru_cache(maxsize=256)
def planar_equivalent(pix_fmt: str) -> str:
    """Return the little-endian planar format that holds the samples of `pix_fmt`.

    Without loss but for floating point, which becomes 16 bit. Raises InputError for what vsr
    cannot hold, such as pictures in the memory of a device or with 32 bits per sample.
    """
    if planar := _PLANAR.fullmatch(pix_fmt):
        stem, depth = planar.groups()
        return stem.replace("yuvj", "yuv") + (f"{depth}le" if depth else "")
    if packing := PACKINGS.get(pix_fmt):
        return packing.target
    if pix_fmt in CONVERTED:
        return CONVERTED[pix_fmt]
    if planar := FLOAT.fullmatch(pix_fmt):
        return planar[1] + "16le"
    raise InputError(f"pictures in the pixel format {pix_fmt} cannot be read")


@lru_cache(maxsize=256)
def layout_of(pix_fmt: str) -> PixelLayout:
    """Return the layout of the planes `from_video_frame` makes of `pix_fmt`.

    Raises InputError where `planar_equivalent` does.
    """
    name = planar_equivalent(pix_fmt)
    parts = VideoFormat(name, 64, 64).components
    alpha = parts[-1].is_alpha
    kind: Literal["gray", "yuv", "rgb"] = "gray" if len(parts) < 3 else "yuv"
    if parts[0].plane == 2:  # gbrp keeps red in the third plane
        kind = "rgb"
    across, down = 0, 0
    if kind == "yuv":
        across, down = (64 // parts[1].width).bit_length(), (64 // parts[1].height).bit_length()
        across, down = across - 1, down - 1
    return PixelLayout(name, parts[0].bits, kind, alpha, (across, down))

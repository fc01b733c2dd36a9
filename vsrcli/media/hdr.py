"""What HDR video says of the display it was made on, and of its own brightness."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

_MASTERING = struct.Struct("=20i2i")
"""AVMasteringDisplayMetadata: rationals of r, g, b, white (x, y), luminance (min, max), 2 flags."""
_LIGHT = struct.Struct("=2I")
"""AVContentLightMetadata: MaxCLL and MaxFALL in cd/m2."""


@dataclass(frozen=True, slots=True)
class HdrMetadata:
    """Static HDR metadata (SMPTE ST 2086, CTA-861.3)."""

    points: tuple[Fraction, ...] = ()
    """x and y of red, green, blue and white in CIE 1931; empty if unknown."""
    luminance: tuple[Fraction, Fraction] | None = None
    """Darkest and brightest, cd/m2."""
    light: tuple[int, int] | None = None
    """MaxCLL and MaxFALL, cd/m2."""

    def __bool__(self) -> bool:
        return bool(self.points or self.luminance or self.light)


def hdr_of(frame: av.VideoFrame) -> HdrMetadata:
    """Return what comes with a decoded frame."""
    try:
        mastering: Any = frame.side_data.get("MASTERING_DISPLAY_METADATA")
        light: Any = frame.side_data.get("CONTENT_LIGHT_LEVEL")
    except ValueError:  # side data newer than PyAV hides all the others
        return HdrMetadata()
    points: tuple[Fraction, ...] = ()
    luminance = None
    if mastering is not None and len(bytes(mastering)) >= _MASTERING.size:
        *numbers, has_points, has_luminance = _MASTERING.unpack_from(bytes(mastering))
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        values = [Fraction(n, d) if d else Fraction(0) for n, d in pairs]
        points = tuple(values[:8]) if has_points else ()
        luminance = (values[8], values[9]) if has_luminance else None
    levels = None
    if light is not None and len(bytes(light)) >= _LIGHT.size:
        levels = _LIGHT.unpack_from(bytes(light))
    return HdrMetadata(points, luminance, levels)

"""Check sums of FFV1, which FFmpeg's decoder looks at, to tell its log alone of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_FOOTER, _SIZE = 8, 3
"""Bytes: length of the slice without this, state, sum (RFC 9043, 4.9)."""
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_START = 0xFFFFFFFF
"""With which zlib begins at 0, and says so in place of 0."""


class SliceSums:
    """Tells which packets of an FFV1 stream are damaged.

    From the first one on whose sums are right: before that, nobody knows whether it has any.
    """

    def __init__(self) -> None:
        self._known = False

    def are_wrong(self, packet: bytes) -> bool:
        """Whether the sum of any slice of PACKET is wrong; not where it cannot be taken apart."""
        slices = list(_slices(packet))
        right = [_is_right(each) for each in slices]
        self._known |= bool(right) and all(right)
        return self._known and not all(right)


def _slices(packet: bytes) -> Iterator[bytes]:
    """The slices with their footers, from the last to the first; none if lengths do not fit."""
    found, end = [], len(packet)
    while end >= _FOOTER:
        footer = end - _FOOTER
        start = footer - int.from_bytes(packet[footer : footer + _SIZE], "big")
        if start < 0:
            return  # a length that leads beyond the packet
        found.append(packet[start:end])
        end = start
    if not end:
        yield from found


def _is_right(data: bytes) -> bool:
    """Whether the CRC over a slice and its sum leaves nothing; zlib's goes from the lowest bit."""
    return zlib.crc32(data.translate(_MIRRORED), _START) == _START

"""Pictures in a wide gamut: the network knows sRGB only.

Phones write Display P3, cameras Adobe RGB. The canvas is taken to sRGB for the network and what it
predicts is taken back, in floating point, with the profile's primaries and sRGB's tone curve (which
is Display P3's too, and within two levels of Adobe RGB's).
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_SRGB = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
"""Linear sRGB to XYZ under D50, as ICC profiles give their primaries."""
_CODED = {
    9: [
        [0.6734, 0.1657, 0.1251],
        [0.2790, 0.6753, 0.0456],
        [-0.0019, 0.0300, 0.7969],
    ],
    12: [
        [0.51512, 0.29198, 0.1571],
        [0.2412, 0.69225, 0.06657],
        [-0.00105, 0.04189, 0.78407],
    ],
}
"""The same of BT.2020 and Display P3, by their numbers in ITU-T H.273."""
_ALIKE = 0.02


def to_srgb(icc: bytes | None, coded: int | None = None) -> NDArray[np.float64] | None:
    """The matrix from a picture's linear RGB to linear sRGB; None if there is no need.

    Its primaries are those with the number CODED, as in a PNG's cICP, which goes before the profile
    ICC; None as well for a profile without primaries (grey, or made of tables): taken as sRGB.
    """
    primaries: NDArray[np.float64] | None = None
    if coded is not None:
        primaries = np.array(_CODED[coded]) if coded in _CODED else None
    elif icc is not None:
        primaries = _primaries(icc)
    if primaries is None:
        return None
    matrix = np.linalg.inv(_SRGB) @ primaries
    return None if np.abs(matrix - np.eye(3)).max() < _ALIKE else matrix


def convert(picture: Floats, matrix: NDArray[np.float64]) -> Floats:
    """PICTURE [..., 3], 0..1, with MATRIX applied to its linear light; clipped to 0..1."""
    linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear @ matrix.T, 0, 1)
    curved = np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return curved.astype(np.float32)


def _primaries(icc: bytes) -> NDArray[np.float64] | None:
    """Columns X, Y, Z of red, green and blue in the profile; None if it has none."""
    try:
        (count,) = struct.unpack_from(">I", icc, 128)
        tags = {
            icc[at : at + 4]: struct.unpack_from(">I", icc, at + 4)[0]
            for at in range(132, 132 + 12 * min(count, 100), 12)
        }
        columns = [
            [value / 65536 for value in struct.unpack_from(">3i", icc, tags[name] + 8)]
            for name in (b"rXYZ", b"gXYZ", b"bXYZ")
        ]
    except (struct.error, KeyError):
        return None
    matrix = np.array(columns).T
    return matrix if np.linalg.det(matrix) > 1e-3 else None

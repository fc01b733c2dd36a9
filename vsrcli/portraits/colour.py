"""Pictures in another colour space: the network knows sRGB only.

Phones write Display P3, cameras Adobe RGB, raw developers ProPhoto RGB. The canvas is taken to sRGB
for the network and what it predicts is taken back, in floating point, with the profile's primaries
and tone curves (ICC.1:2022, 10.6 and 10.18).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

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
    9: np.array(
        [
            [0.6734, 0.1657, 0.1251],
            [0.2790, 0.6753, 0.0456],
            [-0.0019, 0.0300, 0.7969],
        ]
    ),
    12: np.array(
        [
            [0.51512, 0.29198, 0.1571],
            [0.2412, 0.69225, 0.06657],
            [-0.00105, 0.04189, 0.78407],
        ]
    ),
}
"""The same of BT.2020 and Display P3, by their numbers in ITU-T H.273."""
_ALIKE, _CURVES_ALIKE = 0.02, 0.01
"""Of the matrix and, in the mean, of levels: less from sRGB's is no other space."""
_PRIMARIES, _COLOUR_CURVES = (b"rXYZ", b"gXYZ", b"bXYZ"), (b"rTRC", b"gTRC", b"bTRC")
_GREY_CURVE = b"kTRC"
"""Tags of a profile."""
_LEVELS = np.linspace(0, 1, 4096)
_BLACK, _WHITE = 0.1, 0.9
"""A curve that does not lead from below the one to above the other is none."""
_LEAST_GAMMA = 0.1
_PARAMETERS = (1, 3, 4, 5, 7)
"""How many numbers a curve of each kind has."""


@dataclass(frozen=True)
class Space:
    """How a picture's levels become linear sRGB."""

    matrix: NDArray[np.float64]
    """[3, 3], from its linear RGB."""
    curves: NDArray[np.float64]
    """[3, 4096]: the light of even steps of its red, green and blue, 0..1, rising."""

    def to_srgb(self, picture: Floats) -> Floats:
        """PICTURE [..., 3], 0..1, of this space, in sRGB; clipped to 0..1."""
        mixed = np.clip(_through(picture, _LEVELS, self.curves) @ self.matrix.T, 0, 1)
        return _encoded(mixed).astype(np.float32)

    def from_srgb(self, picture: Floats) -> Floats:
        """PICTURE [..., 3], 0..1, of sRGB, in this space; clipped to 0..1."""
        mixed = np.clip(_decoded(picture) @ np.linalg.inv(self.matrix).T, 0, 1)
        return _through(mixed, self.curves, _LEVELS).astype(np.float32)


def space_of(
    icc: bytes | None, coded: int | None = None, gamma: float | None = None
) -> Space | None:
    """The space of a picture with the profile ICC; None if that is sRGB or next to it.

    A profile made of tables is taken for sRGB. Primaries of the number CODED, as in a PNG's cICP,
    go before it. With these or without a profile levels are light to the power GAMMA, as in a PNG's
    gAMA, if that is given and makes sense, else those of sRGB's curve.
    """
    usual = np.tile(_decoded(_LEVELS), (3, 1))
    tags = {} if icc is None or coded is not None else _tags(icc)
    alone = icc is None or coded is not None
    if alone and gamma is not None and _LEAST_GAMMA <= gamma <= 1 / _LEAST_GAMMA:
        usual = np.tile(_power(_LEVELS, 1 / gamma), (3, 1))
    primaries = _primaries(tags) if coded is None else _CODED.get(coded)
    found = Space(
        np.eye(3) if primaries is None else np.linalg.inv(_SRGB) @ primaries,
        _curves(tags, usual),
    )
    same_curves = np.abs(_encoded(found.curves) - _LEVELS).mean() < _CURVES_ALIKE
    same_primaries = np.abs(found.matrix - np.eye(3)).max() < _ALIKE
    return None if same_primaries and same_curves else found


def _decoded(levels: NDArray[np.floating]) -> NDArray[np.floating]:
    """The light of sRGB's LEVELS, 0..1."""
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def _encoded(light: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _through(
    picture: NDArray[np.floating], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """PICTURE [..., 3] with what START [3, n] or [n] says replaced by END, channel by channel."""
    pairs = zip(np.broadcast_to(start, (3, 4096)), np.broadcast_to(end, (3, 4096)), strict=True)
    channels = [np.interp(picture[..., index], *pair) for index, pair in enumerate(pairs)]
    return np.stack(channels, axis=-1)


def _tags(icc: bytes) -> dict[bytes, bytes]:
    """What the profile says from the beginning of each tag of use on; nothing if it is damaged."""
    try:
        (count,) = struct.unpack_from(">I", icc, 128)
        rows = range(132, 132 + 12 * min(count, 100), 12)
        return {
            icc[at : at + 4]: icc[struct.unpack_from(">I", icc, at + 4)[0] :]
            for at in rows
            if icc[at : at + 4] in (*_PRIMARIES, *_COLOUR_CURVES, _GREY_CURVE)
        }
    except struct.error:
        return {}


def _primaries(tags: dict[bytes, bytes]) -> NDArray[np.float64] | None:
    """Columns X, Y, Z of red, green and blue; None if the profile has none."""
    try:
        columns = [
            [value / 65536 for value in struct.unpack_from(">3i", tags[name], 8)]
            for name in _PRIMARIES
        ]
    except (struct.error, KeyError):
        return None
    matrix = np.array(columns).T
    return matrix if np.linalg.det(matrix) > 1e-3 else None


def _curves(tags: dict[bytes, bytes], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of red, green and blue; a grey profile's is that of all. USUAL where there is none."""
    grey = tags.get(_GREY_CURVE)
    found = [_curve(tags.get(name, b"") if grey is None else grey) for name in _COLOUR_CURVES]
    return np.stack([usual[0] if curve is None else curve for curve in found])


def _curve(tag: bytes) -> NDArray[np.float64] | None:
    """The light of `_LEVELS` by TAG; None if it is no curve that rises from black to white."""
    kinds = {b"curv": _sampled, b"para": _parametric}
    if tag[:4] not in kinds:
        return None
    try:
        with np.errstate(all="ignore"):  # of nonsense, which is seen below
            curve = kinds[tag[:4]](tag)
    except (struct.error, IndexError):
        return None
    rises = bool(np.isfinite(curve).all()) and curve[0] < _BLACK and curve[-1] > _WHITE
    return np.maximum.accumulate(np.clip(curve, 0, 1)) if rises else None


def _sampled(tag: bytes) -> NDArray[np.float64]:
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return _LEVELS
    values = np.array(struct.unpack_from(f">{min(count, 65536)}H", tag, 12), np.float64)
    if count == 1:
        return _power(_LEVELS, values[0] / 256)
    return np.interp(_LEVELS, np.linspace(0, 1, len(values)), values / 65535)


def _parametric(tag: bytes) -> NDArray[np.float64]:
    (kind,) = struct.unpack_from(">H", tag, 8)
    given = struct.unpack_from(f">{_PARAMETERS[kind]}i", tag, 12)
    gamma, a, b, c, d, e, f = np.pad(np.array(given) / 65536, (0, 7 - len(given)))
    if kind == 0:
        return _power(_LEVELS, gamma)
    if kind == 2:  # its straight part is where the power has not begun
        e = c
    power = _power(np.maximum(a * _LEVELS + b, 0), gamma) + e
    curve: NDArray[np.float64] = np.where(d <= _LEVELS, power, c * _LEVELS + f)
    return curve


def _power(base: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    result: NDArray[np.float64] = base**exponent
    return result

"""EXIF as Pillow reads it: its lists loaded, its layout tags known, its orientation as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

CAMERA, PLACE, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
"""EXIF's further lists."""
ORIENTATION = 0x0112
LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284}
    | {288, 289, 292, 293, 296, 317, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 34675}
    | {512, 513, 514, 529, 530, 531, 532}
)
"""TIFF tags about the pixels' layout, the resolution and the profile, which the writer sets."""
_ONE = 1 << 16
_MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""a, b, c, d of the display matrix of every orientation: a pixel goes to (a x + c y, b x + d y)."""


def load_lists(exif: Image.Exif) -> None:
    """Read EXIF's further lists, which for a TIFF is possible only as long as it is open.

    Those there are: Pillow writes an empty list for one it was asked about in vain.
    """
    for tag in (CAMERA, PLACE):
        if tag in exif:
            exif.get_ifd(tag)
    if CAMERA in exif and INTEROPERABILITY in exif.get_ifd(CAMERA):
        exif.get_ifd(INTEROPERABILITY)


def forget_layout(exif: Image.Exif) -> None:
    """Remove a TIFF's own layout, which would else end up in another file's EXIF."""
    for tag in LAYOUT.intersection(exif):
        del exif[tag]


def display_matrix(orientation: int) -> tuple[int, ...]:
    """FFmpeg's display matrix for EXIF's ORIENTATION, 1 to 8; the identity for any other."""
    a, b, c, d = (_ONE * value for value in _MATRICES.get(orientation, _MATRICES[1]))
    return (a, b, 0, c, d, 0, 0, 0, 1 << 30)

"""HEIC, as which phones keep photos: read by pillow-heif, where it is installed.

FFmpeg gives the tiles of such a photo one by one, and not its XMP.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsrcli.media.picture_text import Chunk

SUFFIXES = (".heic", ".heif", ".hif")
HOW_TO_READ = "HEIC needs pillow-heif (pip install 'vsr[heic]')"
_USUAL_PRIMARIES, _USUAL_TRANSFERS = (1, 2), (1, 2, 6, 13, 14, 15)
"""Numbers of ITU-T H.273 that mean no more than sRGB in a photo, or that nobody knows."""
_UNKNOWN, _SRGB, _RGB, _FULL_RANGE = 2, 13, 0, 1
_INDEX, _SAMPLES, _FILM = b"meta", b"mdat", b"mpvd"
"""Boxes: where the picture's parts lie, these, and a phone's film behind them."""


def has_heic() -> bool:
    """Whether HEIC can be read."""
    return find_spec("pillow_heif") is not None


def know_heic(path: Path) -> None:
    """Have Pillow open HEIC, which PATH is. Raises OSError if that is cut off.

    What is missing of it would be green.
    """
    from pillow_heif import register_heif_opener  # not needed by most

    register_heif_opener()
    for _ in _boxes(path):
        pass


def read_deep_heic(path: Path) -> NDArray[np.uint16]:
    """Samples [h, w, c] of a HEIC of more than 8 bits, which Pillow cuts to these, on 16."""
    from pillow_heif import open_heif

    found = open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    samples = np.asarray(found)
    peak = (1 << found.info["bit_depth"]) - 1
    scaled = np.rint(samples * np.float32(65535 / peak)).astype(np.uint16)
    return scaled[..., None] if scaled.ndim == 2 else scaled


def colour_of(image: Image.Image) -> tuple[Chunk, ...]:
    """The colours of an opened HEIC as a PNG says them (cICP), if they are unlike sRGB's."""
    told: dict[str, Any] = image.info.get("nclx_profile") or {}
    primaries = told.get("color_primaries", _UNKNOWN)
    transfer = told.get("transfer_characteristics", _UNKNOWN)
    if primaries in _USUAL_PRIMARIES and transfer in _USUAL_TRANSFERS:
        return ()
    transfer = _SRGB if transfer == _UNKNOWN else transfer
    return ((b"cICP", bytes((primaries, transfer, _RGB, _FULL_RANGE))),)


def lost_of_heic(path: Path, image: Image.Image) -> Iterator[str]:
    """What an opened HEIC holds besides its picture, in a line each."""
    further = image.info.get("depth_images") or image.info.get("aux")
    if further or getattr(image, "n_frames", 1) > 1:
        yield "the further pictures in it, a phone's depth or gain map, are not kept"
    if _FILM in _boxes(path):
        yield "what follows the picture in its file, a phone's film, is not kept"


def _boxes(path: Path) -> Iterator[bytes]:
    """The kinds of boxes that a file consists of (ISO/IEC 14496-12)."""
    size, end = path.stat().st_size, 0
    with path.open("rb") as file:
        while len(header := file.read(16)) >= 8:
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == 1:
                length = int.from_bytes(header[8:], "big")
            end = end + length if length else size  # the last one need not say how long it is
            if kind in (_INDEX, _SAMPLES) and end > size:
                raise OSError("it is cut off")
            yield kind
            file.seek(end)

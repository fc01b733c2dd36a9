"""RGB pictures of 16 bits a sample, which Pillow cuts to 8: read by FFmpeg, written here.

TIFFs of 8 bits as well: Pillow loses the lists of Exif and GPS on the way.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from vsrcli.errors import InputError
from vsrcli.media.exif import CAMERA, INTEROPERABILITY, LAYOUT, PLACE, display_matrix
from vsrcli.media.picture_text import PNG_SIGNATURE, png_chunk
from vsrcli.media.planes import from_video_frame
from vsrcli.media.sources import main_video, opened
from vsrcli.media.stills import first_frame
from vsrcli.turning import Turning, turning_of

Deep = NDArray[np.uint16]
_GREEN_BLUE_RED = (2, 0, 1)
"""Where red, green and blue are among FFmpeg's planes."""
_POINTS_A_METRE = 39.3701
_STRIP = 1 << 18
"""Bytes of a TIFF's strip before compression, about."""


def read_deep(path: Path, orientation: int) -> tuple[Deep, Deep | None]:
    """Pixels [h, w, 3] and alpha [h, w] of the 16-bit RGB file PATH, turned as ORIENTATION says."""
    with opened(path) as container:
        frame = from_video_frame(
            first_frame(container, main_video(container, str(path)), str(path))
        )
    if frame.layout.kind != "rgb" or frame.layout.depth != 16:
        raise InputError(
            f"{path}: 16-bit {frame.layout.pix_fmt} pixels are not supported; save it as RGB"
        )
    turning = turning_of(display_matrix(orientation)) or Turning()
    planes = [turning.of(np.array(plane)) for plane in frame.planes]
    alpha = planes[3] if frame.layout.alpha else None
    return np.dstack([planes[index] for index in _GREEN_BLUE_RED]), alpha


def write_png(
    path: Path,
    pixels: Deep,
    alpha: Deep | None,
    *,
    exif: Image.Exif,
    icc: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    """A PNG of 16 bits a sample; PIXELS [h, w, 3]."""
    samples = pixels if alpha is None else np.dstack([pixels, alpha])
    height, width, channels = samples.shape
    rows = np.ascontiguousarray(samples.astype(">u2")).view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2  # each row less the row above
    filtered[0, 1:], filtered[1:, 1:] = rows[0], rows[1:] - rows[:-1]
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0)
    chunks = [(b"IHDR", header)]
    if icc is not None:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if dpi is not None:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(d * _POINTS_A_METRE) for d in dpi), 1)))
    chunks.append((b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    with path.open("wb") as file:
        file.write(PNG_SIGNATURE)
        file.writelines(png_chunk(*chunk) for chunk in chunks)


def write_tiff(
    path: Path,
    pixels: NDArray[Any],
    alpha: NDArray[Any] | None,
    *,
    exif: Image.Exif,
    icc: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    """A TIFF of PIXELS [h, w, 1 or 3], 8 or 16 bits. The lists of Exif and GPS go with it."""
    samples = pixels if alpha is None else np.dstack([pixels, alpha])
    height, width, channels = samples.shape
    # Horizontal differences (predictor 2), deflated.
    rows = samples.astype(samples.dtype.newbyteorder("<"))
    rows[:, 1:] -= samples[:, :-1]
    tall = max(1, _STRIP // (rows.itemsize * width * channels))
    strips = [zlib.compress(rows[top : top + tall].tobytes(), 6) for top in range(0, height, tall)]
    sizes = [len(strip) for strip in strips]
    tags = (
        _tags(exif)
        | {
            256: width,
            257: height,
            258: (8 * rows.itemsize,) * channels,
            259: 8,  # deflate
            262: 2 if pixels.shape[2] == 3 else 1,  # RGB or grey
            273: tuple(sum(sizes[:index]) for index in range(len(sizes))),
            277: channels,
            278: tall,
            279: tuple(sizes),
            284: 1,
            317: 2,
        }
    )
    if alpha is not None:
        tags[338] = 2  # not multiplied in
    if dpi is not None:
        tags |= {282: IFDRational(dpi[0]), 283: IFDRational(dpi[1]), 296: 2}
    if icc is not None:
        tags[34675] = icc
    directory = ImageFileDirectory_v2()
    for tag in (273, 279):  # as 32 bits whatever the values: offsets move on writing
        directory.tagtype[tag] = TiffTags.LONG
    for tag, value in tags.items():
        directory[tag] = value
    with path.open("wb") as file:
        file.write(b"II*\0" + struct.pack("<I", 8) + directory.tobytes(8))
        file.writelines(strips)


def _tags(exif: Image.Exif) -> dict[int, Any]:
    """All that EXIF says but for the pixels' layout; its further lists as dictionaries."""
    tags = {tag: value for tag, value in exif.items() if tag not in LAYOUT}
    for tag in (CAMERA, PLACE):
        tags.pop(tag, None)
        if further := dict(exif.get_ifd(tag)):
            tags[tag] = further
    if tags.get(CAMERA, {}).pop(INTEROPERABILITY, None):
        tags[CAMERA][INTEROPERABILITY] = dict(exif.get_ifd(INTEROPERABILITY))
    return tags

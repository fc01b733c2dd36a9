"""RGB pictures of 16 bits a sample, which Pillow cuts to 8: read by FFmpeg, written here."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsrcli.errors import InputError
from vsrcli.media.decoding import first_frame
from vsrcli.media.planes import from_video_frame
from vsrcli.media.sources import main_video, opened

Deep = NDArray[np.uint16]
_GREEN_BLUE_RED = (2, 0, 1)
"""Where red, green and blue are among FFmpeg's planes."""
_POINTS_A_METRE = 39.3701
_LEFT_OUT = {254, 256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 338}
"""TIFF tags about the pixels' layout, which the writer sets."""
_SUB_DIRECTORIES = {0x8769, 0x8825, 0xA005}
_ASCII, _SHORT, _LONG = 2, 3, 4


def read_deep(path: Path, orientation: int) -> tuple[Deep, Deep | None]:
    """Pixels [h, w, 3] and alpha [h, w] of the 16-bit RGB file PATH, turned as ORIENTATION says."""
    # Not by way of media.reader: PyAV 18 crashes once it has listed a frame's side data with an ICC
    # profile among them, as the reader does for the display matrix.
    with opened(path) as container:
        frame = from_video_frame(
            first_frame(container, main_video(container, str(path)), str(path))
        )
    if frame.layout.kind != "rgb" or frame.layout.depth != 16:
        raise InputError(
            f"{path}: 16-bit {frame.layout.pix_fmt} pixels are not supported; save it as RGB"
        )
    planes = [_turned(np.array(plane), orientation) for plane in frame.planes]
    alpha = planes[3] if frame.layout.alpha else None
    return np.dstack([planes[index] for index in _GREEN_BLUE_RED]), alpha


def _turned(plane: Deep, orientation: int) -> Deep:
    """PLANE as it is looked at; ORIENTATION is EXIF's, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        plane = plane.T
    if orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1]
    if orientation in (3, 4, 7, 8):
        plane = plane[::-1]
    return plane


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
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, content in chunks:
            check = struct.pack(">I", zlib.crc32(name + content))
            file.write(struct.pack(">I", len(content)) + name + content + check)


def write_tiff(
    path: Path,
    pixels: Deep,
    alpha: Deep | None,
    *,
    exif: Image.Exif,
    icc: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    """A TIFF of 16 bits a sample; PIXELS [h, w, 3]. Keeps text and number tags of the main list."""
    import tifffile

    samples = pixels if alpha is None else np.dstack([pixels, alpha])
    tags: list[tuple[int, int, int, str | int, bool]] = []
    for tag, value in exif.items():
        if tag in _LEFT_OUT or tag in _SUB_DIRECTORIES:
            continue
        if isinstance(value, str):
            tags.append((tag, _ASCII, 0, value, True))
        elif isinstance(value, int):
            tags.append((tag, _SHORT if value < 1 << 16 else _LONG, 1, value, True))
    tifffile.imwrite(
        path,
        samples,
        photometric="rgb",
        extrasamples=None if alpha is None else ["unassalpha"],
        compression="zlib",
        iccprofile=icc,
        resolution=dpi,
        resolutionunit=None if dpi is None else 2,
        extratags=tags,
        metadata=None,
        software=False,
    )

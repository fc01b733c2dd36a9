"""Pictures, options and networks that the tests of portraits share."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from vsrcli.networks.crn import Found
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.pictures import Still
from vsrcli.portraits.window import Window
from vsrcli.unmakeup import UnmakeupResult, unmakeup

TINY = str(Path(__file__).parents[1] / "data" / "tiny_crn.onnx")
"""Tone: -0.1 x picture. Texture: half of what a 3 x 3 mean takes away."""
WIDTH, HEIGHT = 240, 200
BOX = (100, 60, 40, 64)
MAKE, TAKEN, ARTIST, ORIENTATION, GPS = 0x010F, 0x9003, 0x013B, 0x0112, 0x8825


def options(**fields: Any) -> UnmakeupOptions:
    return UnmakeupOptions(**{"model": TINY, "device": "cpu", "threads": 1, "box": BOX} | fields)


def noise(channels: int = 3, peak: int = 255, seed: int = 0) -> NDArray[Any]:
    """Random pixels [HEIGHT, WIDTH, channels], from 1/4 to 3/4 of PEAK."""
    random = np.random.default_rng(seed)
    samples = random.integers(peak // 4, 3 * peak // 4, (HEIGHT, WIDTH, channels))
    return samples.astype(np.uint8 if peak == 255 else np.uint16)


def save(path: Path, pixels: NDArray[Any], **fields: Any) -> Path:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(path, **fields)
    return path


def load(path: Path | str) -> NDArray[np.int64]:
    pixels = np.asarray(Image.open(path)).astype(np.int64)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


EXAMPLE = Path(__file__).parents[2] / "examples" / "unmakeup.py"
ALL = Window(0.0, 0.0, 1.0, (64, 64))
"""Over all of `a_still`, pixel by pixel."""


def a_still(levels: tuple[int, int, int], icc: bytes | None = None) -> Still:
    """A flat picture of 64 x 64."""
    pixels = np.full((64, 64, 3), levels, np.uint8)
    return Still(pixels, None, "PNG", Image.Exif(), icc, None, False)


def a_reverter(parts: NDArray[np.float32], tone: int) -> Any:
    """A network that says PARTS [groups, 64, 64, 3] of any picture, the first TONE of them tone."""
    card = SimpleNamespace(tone=tone, detector=(0.0,) * 11)
    return SimpleNamespace(card=card, predict=lambda picture: Found(parts.copy(), 0.0))


def run(source: Path, output: Path, **fields: Any) -> UnmakeupResult:
    return unmakeup(source, output, options(**fields))


SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)]


def gamma(power: float) -> bytes:
    """An ICC profile's curve that is a power, or none."""
    one = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(power * 256))
    return b"curv\0\0\0\0" + bytes(4) if power == 1 else one


def profile(primaries: list[tuple[float, float, float]], curve: bytes | None = None) -> bytes:
    """The skeleton of an ICC profile: header, tag table, three XYZ values or none, and curves."""
    parts = {
        name: b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in xyz))
        for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=False)
    }
    if curve is not None:
        names = (b"rTRC", b"gTRC", b"bTRC") if primaries else (b"kTRC",)
        parts |= dict.fromkeys(names, curve)
    table, values, at = b"", b"", 132 + 12 * len(parts)
    for name, part in parts.items():
        table += name + struct.pack(">II", at + len(values), len(part))
        values += part
    return b"\0" * 128 + struct.pack(">I", len(parts)) + table + values


def with_chunk(path: Path, kind: bytes, content: bytes) -> Path:
    """A PNG with one more chunk behind its header."""
    data, check = path.read_bytes(), zlib.crc32(kind + content)
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
    path.write_bytes(data[:33] + chunk + data[33:])
    return path

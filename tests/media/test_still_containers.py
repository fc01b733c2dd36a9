"""Pictures in the containers of video: AVIF, and HEIC, which is built alike."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from vsrcli import UpscaleOptions, upscale
from vsrcli.errors import InputError
from vsrcli.media.probe import probe

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")

TILE = (64, 48)


def picture() -> Image.Image:
    y, x = np.mgrid[: TILE[1], : TILE[0]]
    return Image.fromarray(np.stack([x * 4, y * 5, x + y], -1).astype(np.uint8))


def boxes(data: bytes, at: int = 0) -> Iterator[tuple[bytes, bytes]]:
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, data[at : at + length]
        at += length


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def full_box(kind: bytes, content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + content)


def write_tiled(path: Path) -> None:
    """An AVIF of two tiles side by side, as phones make HEIC of many (ISO/IEC 23008-12)."""
    tile = io.BytesIO()
    picture().save(tile, "avif")
    parts = dict(boxes(tile.getvalue()))
    meta = dict(boxes(parts[b"meta"], 12))
    own = dict(boxes(dict(boxes(meta[b"iprp"], 8))[b"ipco"], 8))
    sizes = [full_box(b"ispe", struct.pack(">II", n * TILE[0], TILE[1])) for n in (2, 1)]
    properties = box(b"ipco", b"".join([*sizes, own[b"av1C"], own[b"pixi"]]))
    of_tile = bytes([3, 2, 0x83, 4])
    of_items = [struct.pack(">HBBB", 1, 2, 1, 4), b"\0\2" + of_tile, b"\0\3" + of_tile]
    owned = full_box(b"ipma", struct.pack(">I", 3) + b"".join(of_items))
    kinds = ((1, b"grid", 0), (2, b"av01", 1), (3, b"av01", 1))
    entries = [
        full_box(b"infe", struct.pack(">HH4sx", n, 0, k), 2, hidden) for n, k, hidden in kinds
    ]
    grid = struct.pack(">4BHH", 0, 0, 0, 1, 2 * TILE[0], TILE[1])
    items = (grid, *[parts[b"mdat"][8:]] * 2)

    def head(begin: int) -> bytes:
        places = b""
        for number, item in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, begin, len(item))
            begin += len(item)
        return parts[b"ftyp"] + full_box(
            b"meta",
            meta[b"hdlr"]
            + full_box(b"pitm", b"\0\1")
            + full_box(b"iloc", b"\x44\0\0\3" + places)
            + full_box(b"iinf", b"\0\3" + b"".join(entries))
            + full_box(b"iref", box(b"dimg", struct.pack(">HHHH", 1, 2, 2, 3)))
            + box(b"iprp", properties + owned),
        )

    path.write_bytes(head(len(head(0)) + 8) + box(b"mdat", b"".join(items)))


def test_a_picture_of_tiles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.avif"
    write_tiled(path)
    with Image.open(path) as whole:  # Pillow puts them together
        assert whole.size == (2 * TILE[0], TILE[1])
    with pytest.raises(InputError, match=r"photo\.avif is a picture put together of tiles"):
        probe(path)


def test_what_is_said_in_the_container_is_told_to_be_lost(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.avif", tmp_path / "photo.avif"
    picture().save(plain)
    exif = Image.Exif()
    exif[0x10F] = "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture().save(path, exif=exif, icc_profile=profile, xmp=b"<x:xmpmeta/>")
    assert probe(plain).extras == ()
    assert probe(path).extras == ("ICC_PROFILE", "EXIF", "XMP_APART")
    notes: list[str] = []
    options = UpscaleOptions(device="cpu", scale=2)
    upscale(path, tmp_path / "large.png", options, note=notes.append)
    for what in ("the colour profile (ICC)", "EXIF", "XMP"):
        assert f"{what} cannot be kept" in notes


@pytest.mark.parametrize("moving", [False, True])
def test_transparency_in_a_picture_apart_is_told_to_be_lost(tmp_path: Path, moving: bool) -> None:
    path, opaque = tmp_path / "photo.avif", picture()
    clear = opaque.copy()
    clear.putalpha(Image.new("L", TILE, 90))
    further = {"save_all": True, "append_images": [clear]} if moving else {}
    clear.save(path, **further)
    opaque.save(tmp_path / "plain.avif")
    assert probe(tmp_path / "plain.avif").extras == ()
    notes: list[str] = []
    options = UpscaleOptions(device="cpu", scale=2)
    upscale(path, tmp_path / "%d.png", options, note=notes.append)
    line = "the transparency, which is a picture apart (HEIC, AVIF), cannot be kept"
    assert line in notes

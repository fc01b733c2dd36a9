"""TIFFs of every kind."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from vsrcli.errors import InputError
from vsrcli.portraits.deep import write_tiff
from vsrcli.portraits.pictures import read_still

from .stills import ORIENTATION, load, noise, run, save


def test_thirty_two_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(noise(1)[..., 0].astype(np.int32) * 300).save(tmp_path / "deep.tif")
    with pytest.raises(InputError, match=r"deep\.tif: 32 bits a sample are not supported"):
        run(tmp_path / "deep.tif", tmp_path / "out.tif")


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg", "packbits"])
def test_tiffs_of_every_compression_are_read_and_written(
    tmp_path: Path, compression: str | None
) -> None:
    photo = save(tmp_path / "face.tif", noise(), compression=compression)
    run(photo, tmp_path / "out.tif", texture=0.0)
    before, after = read_still(photo).pixels, load(tmp_path / "out.tif")
    assert (after[:4] == before[:4]).all()
    assert (after - before)[80:105, 110:130].mean() == pytest.approx(-12.8, abs=0.5)


def test_white_that_is_zero_is_white_in_sixteen_bits(tmp_path: Path) -> None:
    samples = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = tmp_path / "negative.tif"
    Image.fromarray(samples).save(path, tiffinfo={262: 0})
    assert (read_still(path).pixels[..., 0] == 65535 - samples).all()
    Image.fromarray(samples).save(path)
    assert (read_still(path).pixels[..., 0] == samples).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("peak", [255, 65535])
def test_tiffs_are_turned_upright(
    tmp_path: Path, orientation: int, compression: str | None, channels: int, peak: int
) -> None:
    pixels = noise(channels, peak)[:30, :40]
    flipped = pixels[:, ::-1] if orientation in (2, 4, 5, 7) else pixels
    quarters = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels if channels > 1 else pixels[..., 0],
        photometric="rgb" if channels > 1 else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None,
        compression=compression,
        extratags=[(ORIENTATION, 3, 1, orientation, True)],
    )
    found, wanted = read_still(tmp_path / "a.tif"), np.rot90(flipped, quarters)
    np.testing.assert_array_equal(found.pixels, wanted[..., :3])
    assert found.alpha is None or (found.alpha == wanted[..., 3]).all()
    assert (found.alpha is not None) == (channels == 4)


def test_transparency_that_is_multiplied_into_sixteen_bits_is_refused(tmp_path: Path) -> None:
    path, pixels = tmp_path / "deep.tif", np.full((20, 30, 3), 20_000, np.uint16)
    write_tiff(path, pixels, pixels[..., 0], exif=Image.Exif(), icc=None, dpi=None)
    assert (read_still(path).alpha == 20_000).all()
    entry = struct.pack("<HHI", 338, 3, 1)  # of one short: which kind of transparency
    data = path.read_bytes()
    assert data.count(entry + b"\2\0") == 1
    path.write_bytes(data.replace(entry + b"\2\0", entry + b"\1\0"))
    with pytest.raises(InputError, match=r"deep\.tif: its transparency is multiplied into"):
        read_still(path)


@pytest.mark.parametrize("peak", [255, 65535])
def test_a_further_channel_that_is_no_transparency_is_left_out(tmp_path: Path, peak: int) -> None:
    pixels = noise(4, peak)
    source = tmp_path / "face.tif"
    tifffile.imwrite(source, pixels, photometric="rgb", extrasamples=["unspecified"])
    still = read_still(source)
    assert still.alpha is None
    np.testing.assert_array_equal(still.pixels, pixels[..., :3])
    assert any("further channel" in note for note in still.notes)


def test_further_channels_beside_transparency_are_told(tmp_path: Path) -> None:
    source, pixels = tmp_path / "face.tif", noise(5)
    tifffile.imwrite(source, pixels, photometric="rgb", extrasamples=["unassalpha", "unspecified"])
    still = read_still(source)
    assert still.alpha is not None
    np.testing.assert_array_equal(still.alpha, pixels[..., 3])
    assert any("further channels" in note for note in still.notes)
    tifffile.imwrite(source, noise(4), photometric="rgb", extrasamples=["unassalpha"])
    assert not read_still(source).notes


def test_transparency_apart_from_grey_is_refused(tmp_path: Path) -> None:
    """Pillow reads one of the two planes for both of them."""
    source, planes = tmp_path / "face.tif", np.moveaxis(noise(2), 2, 0)
    fields = {"photometric": "minisblack", "extrasamples": ["unassalpha"], "compression": "zlib"}
    tifffile.imwrite(source, planes, planarconfig="separate", **fields)
    with pytest.raises(InputError, match=r"face\.tif: its transparency lies apart from its grey"):
        read_still(source)
    tifffile.imwrite(source, noise(2), planarconfig="contig", **fields)
    np.testing.assert_array_equal(read_still(source).alpha, noise(2)[..., 1])


def test_twelve_bits_are_refused(tmp_path: Path) -> None:
    """Pillow gives them as the lowest of sixteen: a picture that is nearly black."""
    source = tmp_path / "face.tif"
    tifffile.imwrite(source, noise(1, 65535)[..., 0], photometric="minisblack")
    with tifffile.TiffFile(source, mode="r+b") as file:
        file.pages[0].tags["BitsPerSample"].overwrite(12)
    with pytest.raises(InputError, match=r"12 bits a sample are not supported; save it with 8"):
        read_still(source)


def test_sixteen_bits_in_tiles_are_refused_and_eight_read(tmp_path: Path) -> None:
    source, pixels = tmp_path / "face.tif", noise()
    tifffile.imwrite(source, pixels, photometric="rgb", tile=(64, 64))
    np.testing.assert_array_equal(read_still(source).pixels, pixels)
    tifffile.imwrite(source, noise(3, 65535), photometric="rgb", tile=(64, 64))
    with pytest.raises(InputError, match="in tiles"):
        read_still(source)


@pytest.mark.parametrize("big", [False, True])
def test_tiffs_that_pillow_does_not_know_are_told_from_other_files(
    tmp_path: Path, big: bool
) -> None:
    source = tmp_path / "face.tif"
    for pixels, fields in (
        (noise().astype(np.float32), {"photometric": "rgb"}),
        (noise(1, 65535)[..., 0], {"photometric": "miniswhite", "byteorder": ">"}),
        (noise(2, 65535), {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
    ):
        tifffile.imwrite(source, pixels, bigtiff=big, **fields)
        what = "of floating-point samples, which are" if pixels.dtype == np.float32 else "that is"
        with pytest.raises(InputError, match=rf"face\.tif: a TIFF {what}.* not supported; save it"):
            read_still(source)
    source.write_bytes(source.read_bytes()[:40])
    with pytest.raises(InputError, match=r"face\.tif: a TIFF that is damaged"):
        read_still(source)


def test_sixteen_bits_of_a_big_tiff_are_refused_and_eight_read(tmp_path: Path) -> None:
    source, pixels = tmp_path / "face.tif", noise()
    tifffile.imwrite(source, pixels, photometric="rgb", bigtiff=True)
    np.testing.assert_array_equal(read_still(source).pixels, pixels)
    tifffile.imwrite(source, noise(3, 65535), photometric="rgb", bigtiff=True)
    with pytest.raises(InputError, match="is a BigTIFF"):
        read_still(source)


def test_the_preview_of_a_cameras_raw_file_is_not_taken_for_it(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "raw.dng", noise(), photometric="rgb", subfiletype=1)
    with pytest.raises(InputError, match=r"raw\.dng: a preview with a camera's raw data"):
        read_still(tmp_path / "raw.dng")


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_signed_samples_are_refused(tmp_path: Path, kind: type[np.signedinteger[Any]]) -> None:
    pixels = (noise(1)[..., 0] // 2).astype(kind)
    tifffile.imwrite(tmp_path / "face.tif", pixels, photometric="minisblack")
    with pytest.raises(InputError, match=r"face\.tif: signed samples"):
        read_still(tmp_path / "face.tif")

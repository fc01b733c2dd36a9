"""HEIC as phones write it: tiles, turned by the container, with words, colour and more pictures."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vsrcli.errors import InputError
from vsrcli.media.picture_text import png_chunks
from vsrcli.portraits import heic
from vsrcli.portraits.batch import left_out, pictures_in, unmakeup_folder
from vsrcli.portraits.holding import words_lost
from vsrcli.portraits.outputs import default_output
from vsrcli.portraits.pictures import read_still

from .stills import MAKE, ORIENTATION, load, noise, options, run, save

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
EXACT = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
"""Without loss."""
DISPLAY_P3, HLG = 12, 18


def photo(path: Path, pixels: NDArray[Any], **fields: Any) -> Path:
    """A HEIC of PIXELS [h, w, 1, 3 or 4], 8 bits, or 16, of which it keeps ten."""
    heif = pytest.importorskip("pillow_heif")
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    mode = modes[pixels.shape[2]] + (";16" if pixels.dtype == np.uint16 else "")
    height, width = pixels.shape[:2]
    heif.encode(mode, (width, height), pixels.tobytes(), path, **EXACT | fields)
    return path


def test_a_turned_photo_of_tiles_keeps_all(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "Maker", 6
    words = {"exif": exif.tobytes(), "xmp": XMP, "color_primaries": DISPLAY_P3}
    source = photo(tmp_path / "a.heic", noise(), tile_size=64, **words)
    assert source.read_bytes().count(b"grid") >= 1
    still = read_still(source)
    assert still.notes == () and still.space is not None
    assert (still.pixels == np.rot90(noise(), -1)).all()
    assert default_output(source) == tmp_path / "a.unmakeup.png"
    run(source, tmp_path / "out.png", strength=0.0, box=(60, 100, 40, 64))
    assert (load(tmp_path / "out.png") == still.pixels).all()
    with Image.open(tmp_path / "out.png") as made:
        found = made.getexif()
        assert (found[MAKE], found.get(ORIENTATION, 1), made.info["xmp"]) == ("Maker", 1, XMP)
    ((_, coded),) = png_chunks(tmp_path / "out.png", (b"cICP",))
    assert tuple(coded) == (DISPLAY_P3, 13, 0, 1)
    assert words_lost(still, tmp_path / "out.jpg") == [
        "its colour space (cICP) is not kept; choose .png"
    ]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_ten_bits_reach_from_black_to_white(tmp_path: Path, channels: int) -> None:
    levels = np.linspace(0, 1023, 64 * 64 * channels).round().astype(np.uint16)
    pixels = levels.reshape(64, 64, channels)
    still = read_still(photo(tmp_path / "a.hif", pixels << 6))
    found = still.pixels if still.alpha is None else np.dstack([still.pixels, still.alpha])
    assert found.shape == pixels.shape
    assert (found == np.rint(pixels * (65535 / 1023))).all()


def test_a_profile_goes_before_numbers(tmp_path: Path) -> None:
    still = read_still(photo(tmp_path / "a.heic", noise(), icc_profile=b"icc"))
    assert still.icc == b"icc" and still.text == ()


def test_high_dynamic_range_is_refused(tmp_path: Path) -> None:
    source = photo(tmp_path / "a.heic", noise(), transfer_characteristics=HLG)
    with pytest.raises(InputError, match="of high dynamic range"):
        read_still(source)


def test_the_picture_meant_is_read_and_others_are_told(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    burst = heif.HeifFile()
    for value in (10, 200):
        burst.add_from_pillow(Image.new("RGB", (64, 64), (value,) * 3))
    burst.save(tmp_path / "a.heic", primary_index=1, quality=-1)
    still = read_still(tmp_path / "a.heic")
    assert abs(int(still.pixels[0, 0, 0]) - 200) <= 1
    assert [note for note in still.notes if "further pictures" in note]


def test_a_film_behind_it_is_told(tmp_path: Path) -> None:
    source = photo(tmp_path / "a.heic", noise())
    with source.open("ab") as file:
        file.write(struct.pack(">I4s", 108, b"mpvd") + bytes(100))
    assert [note for note in read_still(source).notes if "film" in note]


def test_boxes_say_how_long_they_are_in_three_ways(tmp_path: Path) -> None:
    source = photo(tmp_path / "a.heic", noise())
    whole = source.read_bytes()
    long = struct.pack(">I4sQ", 1, b"free", 116) + bytes(100)
    for last in (struct.pack(">I4s", 0, b"mpvd"), struct.pack(">I4s", 8, b"mpvd")):
        source.write_bytes(whole + long + last)
        assert [note for note in read_still(source).notes if "film" in note]
    # The picture is whole where its film is not.
    source.write_bytes(whole + struct.pack(">I4s", 200, b"mpvd") + bytes(100))
    assert [note for note in read_still(source).notes if "film" in note]
    source.write_bytes(whole + struct.pack(">I4sQ", 1, b"mdat", 117) + bytes(100))
    with pytest.raises(InputError, match="it is cut off"):
        read_still(source)


@pytest.mark.parametrize("kind", ["aux", "depth_images"])
def test_a_gain_map_or_depth_is_told(tmp_path: Path, kind: str) -> None:
    path, image = tmp_path / "a.heic", Image.new("RGB", (4, 4))
    path.touch()
    assert not list(heic.lost_of_heic(path, image))
    image.info |= {"aux": {}, "depth_images": []} | {kind: [object()]}
    (told,) = heic.lost_of_heic(path, image)
    assert "further pictures" in told


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_what_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    source = photo(tmp_path / "a.heic", noise(), tile_size=64)
    data = source.read_bytes()
    source.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"a\.heic: cannot be read \(it is cut off\)"):
        read_still(source)


def test_other_codings_are_told(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif")
    with pytest.raises(InputError, match="HEIC that is damaged, or not H.265; give a JPEG"):
        read_still(tmp_path / "a.heic")


def test_those_of_a_folder_take_no_others_name(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    photo(folder / "a.HEIC", noise())
    save(folder / "a.png", noise(seed=1))
    result = unmakeup_folder(folder, tmp_path / "out", options(box=None, whole=True))
    assert (len(result.done), result.failed) == (2, ())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.HEIC.png", "a.png"]


def test_two_pictures_do_not_become_one(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo(tmp_path / "in" / "a.heic", noise(3))
    save(tmp_path / "in" / "a.heic.png", noise(3))
    batch = unmakeup_folder(tmp_path / "in", tmp_path / "out", options(overwrite=True))
    assert [(len(batch.done), Path(name).name) for name, _ in batch.failed] == [(1, "a.heic.png")]


def test_how_to_read_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic, "find_spec", lambda name: None)
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    needed = "HEIC needs pillow-heif (pip install 'vsr[heic]')"
    with pytest.raises(InputError) as refused:
        read_still(path)
    assert str(refused.value) == f"{path}: {needed}, or give a JPEG, PNG, WebP or TIFF"
    told = left_out(tmp_path)
    assert str(told).endswith(f"left out: a.heic ({needed})")
    with pytest.raises(InputError) as none:  # as of all the photos of a phone
        pictures_in(tmp_path)
    assert str(none.value) == told

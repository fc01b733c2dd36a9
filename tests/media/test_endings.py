"""Files that end before their end, of which FFmpeg gives a part without a word."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.conftest import MakeClip
from vsrcli.errors import InputError
from vsrcli.media.endings import is_cut
from vsrcli.media.reader import Reader

PIXELS = np.random.default_rng(3).integers(0, 255, (48, 64, 3), np.uint8)
PICTURES = ("a.qoi", "raw.exr", "rle.exr", "zip1.exr", "zip16.exr")
ANIMATIONS = ("a.gif", "a.apng")


def write(path: Path) -> Path:
    if path.suffix == ".exr":
        return write_exr(path)
    image = Image.fromarray(PIXELS)
    if path.name in ANIMATIONS:
        others = [Image.fromarray(np.roll(PIXELS, n, 1)) for n in (1, 2, 3)]
        kind = {".gif": "GIF", ".apng": "PNG"}[path.suffix]
        image.save(path, kind, save_all=True, append_images=others, duration=100)
    else:
        image.save(path)
    return path


def write_exr(path: Path) -> Path:
    context = av.CodecContext.create("exr", "w")
    context.width, context.height, context.pix_fmt = 64, 48, "gbrpf32le"
    context.time_base, context.options = (
        Fraction(1, 25),
        {"compression": path.stem.replace("raw", "none")},
    )
    picture = av.VideoFrame(64, 48, "gbrpf32le")
    for plane in picture.planes:
        plane.update(np.random.default_rng(5).random((48, 64), np.float32).tobytes())
    path.write_bytes(b"".join(map(bytes, [*context.encode(picture), *context.encode(None)])))
    return path


@pytest.mark.parametrize("name", [*PICTURES, *ANIMATIONS])
def test_whole_ones_are_and_all_that_are_shorter_are_not(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    data = path.read_bytes()
    assert not is_cut(path)
    path.write_bytes(data + b"\0\0")  # filled up
    assert not is_cut(path)
    for left in (len(data) // 3, len(data) * 2 // 3, len(data) - 6):
        path.write_bytes(data[:left])
        assert is_cut(path)


@pytest.mark.parametrize("name", [*PICTURES, *ANIMATIONS])
def test_what_follows_the_end_does_no_harm(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes() + b"\r\nmore")
    assert not is_cut(path)


@pytest.mark.parametrize("end", [b"", b"\0", b"\0\0;"])
def test_a_gif_may_lack_the_mark_of_its_end_or_have_more_zeros(tmp_path: Path, end: bytes) -> None:
    path = write(tmp_path / "a.gif")
    path.write_bytes(path.read_bytes().removesuffix(b";") + end)
    assert not is_cut(path)


def places_in(data: bytearray) -> slice:
    """Where the places of the 48 scan lines stand in an OpenEXR."""
    length = 48 * 8
    at = next(n for n in range(400) if data[n : n + 8] == (n + length).to_bytes(8, "little"))
    return slice(at, at + length)


@pytest.mark.parametrize("place", [1 << 62, (1 << 64) - 1])
def test_an_exr_with_a_damaged_place_is_told(tmp_path: Path, place: int) -> None:
    path = write(tmp_path / "zip1.exr")
    data = bytearray(path.read_bytes())
    at = places_in(data).start
    data[at : at + 8] = place.to_bytes(8, "little")
    path.write_bytes(data)
    with Reader(path) as reader:
        assert len(list(reader)) == 1
    assert reader.damaged


def test_an_exr_whose_places_were_never_filled_in(tmp_path: Path) -> None:
    path = write(tmp_path / "zip1.exr")
    data = bytearray(path.read_bytes())
    places = places_in(data)
    data[places] = bytes(places.stop - places.start)
    path.write_bytes(data)
    assert not is_cut(path)
    path.write_bytes(data[:-100])
    assert is_cut(path)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_is_cut_off_is_told(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-600])
    notes: list[str] = []
    with Reader(path, note=notes.append) as reader:
        assert len(list(reader)) == 1
    assert reader.damaged
    assert notes == [f"{name}: the picture is damaged, and lacks a part"]
    with Reader(path, on_error="stop") as reader, pytest.raises(InputError, match="lacks a part"):
        list(reader)


@pytest.mark.parametrize("name", ANIMATIONS)
def test_an_animation_that_is_cut_off_is_told(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 5 // 8])
    notes: list[str] = []
    with Reader(path, note=notes.append) as reader:
        assert 2 <= len(list(reader)) < 4
    assert reader.truncated
    assert any("what there is of it was read" in note for note in notes)


def test_a_gif_that_ffmpeg_reads_up_to_damage_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gif")
    data = path.read_bytes()
    end = data.rindex(b"\x21\xf9\x04")  # where what says how the last picture is shown begins
    path.write_bytes(data[:end] + b"\0" + data[end:])
    with Reader(path) as reader:
        assert len(list(reader)) == 3
    assert reader.truncated


@pytest.mark.parametrize("left_out", [0, 1, 300])
def test_an_ivf_that_is_cut_off_is_told(make_clip: MakeClip, left_out: int) -> None:
    path = make_clip("a.ivf", codec="libvpx", frames=6)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - left_out])
    with Reader(path) as reader:
        assert len(list(reader)) <= 6
    assert reader.truncated == (left_out > 0)

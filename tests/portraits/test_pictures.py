"""Stills of every kind, read as they are looked at or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsrcli.errors import InputError, OutputError
from vsrcli.portraits.deep import read_deep, write_png
from vsrcli.portraits.pictures import read_still
from vsrcli.portraits.written import write_still
from vsrcli.unmakeup import unmakeup

from .stills import HEIGHT, MAKE, ORIENTATION, WIDTH, a_still, load, noise, options, run, save


@pytest.mark.parametrize("name", ["out.png", "out.webp", "out.tif"])
def test_alpha_is_untouched(tmp_path: Path, name: str) -> None:
    pixels = noise(4)
    photo = save(tmp_path / "face.png", pixels)
    run(photo, tmp_path / name)
    found = load(tmp_path / name)
    assert (found[..., 3] == pixels[..., 3]).all()
    assert (found[80:105, 110:130, :3] != pixels[80:105, 110:130, :3]).any()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_stay_sixteen(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = noise(channels, peak=65535)
    photo = tmp_path / f"deep{suffix}"
    still = read_still(save(tmp_path / "any.jpg", noise(), dpi=(300, 300)))
    still.exif[MAKE] = "Maker"
    alpha = pixels[..., 3] if channels == 4 else None
    deep = type(still)(pixels[..., :3], alpha, "PNG", still.exif, b"icc", (300, 300), False)
    write_still(deep, photo, overwrite=False, mark="test")
    found, found_alpha = read_deep(photo, 1)
    assert (found == pixels[..., :3]).all()
    assert found_alpha is None if alpha is None else (found_alpha == alpha).all()

    run(photo, tmp_path / f"out{suffix}", texture=0.0)
    changed, _ = read_deep(tmp_path / f"out{suffix}", 1)
    assert (changed[:4] == pixels[:4, :, :3]).all()
    change = (changed.astype(int) - pixels[..., :3])[80:105, 110:130]
    assert change.mean() == pytest.approx(-0.1 * 32768, rel=0.05)
    assert len(np.unique(change % 257)) > 100
    image = Image.open(tmp_path / f"out{suffix}")
    assert image.getexif()[MAKE] == "Maker"
    assert image.info["icc_profile"] == b"icc"
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_sixteen_bit_grey_stays_so(tmp_path: Path) -> None:
    photo = save(tmp_path / "deep.png", np.full((HEIGHT, WIDTH, 1), 30001, np.uint16))
    run(photo, tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").mode == "I;16"
    assert (np.abs(load(tmp_path / "out.png")[80:105, 110:130] - 27001) <= 1).all()


def test_sixteen_bits_are_not_cut_in_silence(tmp_path: Path) -> None:
    photo = save(tmp_path / "deep.png", noise(1, peak=65535))
    with pytest.raises(OutputError, match=r"out\.jpg: JPEG holds 8 bits.*\.png or \.tif"):
        run(photo, tmp_path / "out.jpg")


def test_a_palette_is_unpacked_and_said_so(tmp_path: Path) -> None:
    Image.fromarray(noise()).quantize(32).save(tmp_path / "face.png")
    notes: list[str] = []
    unmakeup(tmp_path / "face.png", tmp_path / "out.png", options(), note=notes.append)
    assert Image.open(tmp_path / "out.png").mode == "RGB"
    assert any("palette" in note for note in notes)


def test_cmyk_and_animations_are_refused(tmp_path: Path) -> None:
    Image.fromarray(noise()).convert("CMYK").save(tmp_path / "print.jpg")
    with pytest.raises(InputError, match=r"print\.jpg: CMYK.*convert it to RGB"):
        run(tmp_path / "print.jpg", tmp_path / "out.jpg")
    frames = [Image.fromarray(noise(seed=seed)) for seed in range(3)]
    for name in ("moving.webp", "moving.png", "pages.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(InputError, match="more than one picture"):
            run(tmp_path / name, tmp_path / "out.png")


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.jpg: not a picture"):
        run(tmp_path / "text.jpg", tmp_path / "out.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(InputError, match=r"folder\.jpg: is a folder; give a picture"):
        run(tmp_path / "folder.jpg", tmp_path / "out.jpg")
    with pytest.raises(InputError, match=r"gone\.jpg does not exist"):
        run(tmp_path / "gone.jpg", tmp_path / "out.jpg")
    cut = save(tmp_path / "cut.jpg", noise())
    cut.write_bytes(cut.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"cut\.jpg: cannot be read"):
        run(cut, tmp_path / "out.jpg")
    gif = save(tmp_path / "face.gif", noise())
    with pytest.raises(InputError, match="GIF is not supported"):
        run(gif, tmp_path / "out.png")


def test_transparency_that_sixteen_bits_of_grey_lose_is_told(tmp_path: Path) -> None:
    samples = np.full((64, 64), 900, np.uint16)
    Image.fromarray(samples).save(tmp_path / "g.png", transparency=900)
    assert any("transparency is left out" in note for note in read_still(tmp_path / "g.png").notes)


def test_bits_and_transparent_levels_are_unpacked(tmp_path: Path) -> None:
    checks = np.indices((20, 20)).sum(axis=0) % 2 == 0
    Image.fromarray(checks).save(tmp_path / "bits.png")
    found = read_still(tmp_path / "bits.png")
    assert (found.pixels[..., 0] == 255 * checks).all() and found.alpha is None
    levels = np.where(checks, 90, 200).astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "grey.png", transparency=90)
    Image.fromarray(np.dstack([levels] * 3)).save(tmp_path / "rgb.png", transparency=(90, 90, 90))
    for name, channels in (("grey.png", 1), ("rgb.png", 3)):
        found = read_still(tmp_path / name)
        assert found.pixels.shape[2] == channels and (found.pixels == levels[..., None]).all()
        assert found.alpha is not None and (found.alpha == np.where(checks, 0, 255)).all()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_sixteen_bits_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (20, 30, 3)).astype(np.uint16)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    write_png(tmp_path / "deep.png", pixels, pixels[..., 0], exif=exif, icc=None, dpi=None)
    found, quarters = read_still(tmp_path / "deep.png"), {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    np.testing.assert_array_equal(found.pixels, np.rot90(pixels, quarters))
    np.testing.assert_array_equal(found.alpha, np.rot90(pixels[..., 0], quarters))
    assert ORIENTATION not in found.exif


def test_sizes_that_are_no_portrait_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (15, 40)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png: 15x40 is too small"):
        read_still(tmp_path / "small.png")
    Image.new("RGB", (16, 40)).save(tmp_path / "least.png")
    assert read_still(tmp_path / "least.png").extent == (40, 16)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(InputError, match=r"least\.png: too many pixels"):
        read_still(tmp_path / "least.png")


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_sixteen_bits_are_refused_where_there_are_eight(tmp_path: Path, suffix: str) -> None:
    deep = replace(a_still((0, 0, 0)), pixels=noise(peak=65535))
    with pytest.raises(OutputError, match="holds 8 bits"):
        write_still(deep, tmp_path / f"a{suffix}", overwrite=False, mark="vsr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("AVIF", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"),
        ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n"),
    ],
)
def test_pictures_that_are_not_read_are_named(tmp_path: Path, kind: str, head: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(head + bytes(100))
    with pytest.raises(InputError, match=rf"photo\.jpg: {kind} is not supported; give a JPEG"):
        read_still(tmp_path / "photo.jpg")

"""Portraits in, portraits out: what changes, and all that must not."""

from __future__ import annotations

import runpy
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from importlib import resources
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from vsrcli.errors import InputError, OutputError, UsageError
from vsrcli.media.picture_tags import read_tags
from vsrcli.media.picture_text import png_chunks
from vsrcli.networks.crn import Found
from vsrcli.portraits import colour
from vsrcli.portraits.batch import pictures_in, unmakeup_folder
from vsrcli.portraits.curve import ToneCurve
from vsrcli.portraits.deep import LAYOUT, read_deep, write_png, write_tiff
from vsrcli.portraits.faces import find_faces
from vsrcli.portraits.holding import words_lost
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.outputs import check_outputs, default_output
from vsrcli.portraits.pictures import Still, read_still
from vsrcli.portraits.plan import plan
from vsrcli.portraits.reversal import Prediction, Weights, apply, predict, reaches_all
from vsrcli.portraits.traces import LEAST_TRUST, trust
from vsrcli.portraits.window import Window, resized
from vsrcli.portraits.written import write_still
from vsrcli.unmakeup import MARK, UnmakeupResult, unmakeup

TINY = str(Path(__file__).parent / "data" / "tiny_crn.onnx")
"""Tone: -0.1 x picture. Texture: half of what a 3 x 3 mean takes away."""
WIDTH, HEIGHT = 240, 200
BOX = (100, 60, 40, 64)
MAKE, TAKEN, ARTIST, ORIENTATION, GPS = 0x010F, 0x9003, 0x013B, 0x0112, 0x8825
CAMERA, EXPOSURE = 0x8769, 0x829A


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
    with resources.as_file(resources.files("skimage") / "data" / "astronaut.png") as path:
        return Image.open(path).convert("RGB")


EXAMPLE = Path(__file__).parents[1] / "examples" / "unmakeup.py"
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


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "face.png", noise())


def run(source: Path, output: Path, **fields: Any) -> UnmakeupResult:
    return unmakeup(source, output, options(**fields))


# What changes.


def test_tone_alone_adds_the_tone_component(source: Path, tmp_path: Path) -> None:
    flat = save(tmp_path / "flat.png", np.full((HEIGHT, WIDTH, 3), (200, 150, 100), np.uint8))
    run(flat, tmp_path / "out.png", texture=0.0)
    found = load(tmp_path / "out.png")
    middle = found[80:105, 110:130]  # within the window, away from its feathered edge
    assert (middle == np.rint(0.9 * np.array([200, 150, 100]))).all()
    assert (found[:4] == (200, 150, 100)).all() and (found[:, :10] == (200, 150, 100)).all()
    across = found[92, 60:120, 0]
    assert (np.diff(across) <= 0).all() and len(set(across.tolist())) > 5  # soft, not a step


def test_texture_alone_sharpens_and_keeps_the_mean(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out.png", tone=0.0)
    before, after = load(source)[75:110, 105:135], load(tmp_path / "out.png")[75:110, 105:135]
    assert abs(after.mean() - before.mean()) < 1
    assert 1.3 * before.std() < after.std() < 1.6 * before.std()


def test_strength_scales_the_change(tmp_path: Path) -> None:
    flat = save(tmp_path / "flat.png", np.full((HEIGHT, WIDTH, 3), 200, np.uint8))
    run(flat, tmp_path / "half.png", strength=0.5)
    assert (load(tmp_path / "half.png")[80:105, 110:130] == 190).all()


def test_the_photos_own_pixels_are_not_resampled(tmp_path: Path) -> None:
    """A face four times too large is seen reduced; its finest detail must come through."""
    big = np.asarray(
        Image.fromarray(noise()).resize((4 * WIDTH, 4 * HEIGHT), Image.Resampling.NEAREST)
    )
    big = big + np.random.default_rng(1).integers(-9, 10, big.shape).astype(np.int8)
    photo = save(tmp_path / "big.png", big.astype(np.uint8))
    run(photo, tmp_path / "out.png", box=(400, 240, 160, 256), texture=0.0)
    change = load(tmp_path / "out.png") - load(photo)
    inner = change[330:420, 430:530].astype(float)
    assert -30 < inner.mean() < -5
    # The single-pixel noise of the photo is 5.5 levels; none of it is in the change.
    assert np.abs(np.diff(inner, axis=1)).mean() < 1.0


def test_every_face_is_treated(tmp_path: Path) -> None:
    one = astronaut().crop((165, 20, 285, 300)).resize((240, 560), Image.Resampling.BICUBIC)
    both = Image.new("RGB", (480, 560))
    both.paste(one, (0, 0))
    both.paste(one, (240, 0))
    both.save(tmp_path / "two.png")
    result = run(tmp_path / "two.png", tmp_path / "out.png", box=None, texture=0.0)
    assert len(result.faces) == 2
    before = np.asarray(both).astype(np.int64)
    change = load(tmp_path / "out.png") - before
    for left, top, width, height in result.faces:
        spot = (slice(top + height // 3, top + 2 * height // 3), slice(left, left + width))
        assert change[spot].mean() < -5
    # Where both windows reach, the change is not added twice: white by 25.5 levels at most.
    seam = slice(200, 300), slice(230, 250)
    assert change[seam].mean() == pytest.approx(-0.1 * before[seam].mean(), abs=0.5)
    assert change.min() >= -26


def test_windows_over_one_place_share_the_change() -> None:
    still = a_still((100, 100, 100))
    change = np.full((1, 64, 64, 3), 10 / 255, np.float32)
    canvas, oval = np.zeros((64, 64, 3), np.float32), np.ones((64, 64), np.bool_)
    one = Prediction(ALL, canvas, change, 0.0, (0.0,), 1.0, oval)
    weights = Weights(np.ones(1, np.float32), np.zeros(1, np.float32))
    for count in (1, 2, 3):
        assert (apply(still, [one] * count, weights) == 110).all()
    other = replace(one, found=3 * change)
    assert (apply(still, [one, other], weights) == 120).all()


def test_a_window_that_ends_within_a_pixel_of_an_edge_is_soft_there_on_every_side() -> None:
    still = a_still((100, 100, 100))
    change = np.full((1, 64, 64, 3), 10 / 255, np.float32)
    canvas, oval = np.zeros((64, 64, 3), np.float32), np.ones((64, 64), np.bool_)
    weights = Weights(np.ones(1, np.float32), np.zeros(1, np.float32))
    changed = []
    for start in (0.5, -0.5):
        window = Window(start, start, 1.0, (64, 64))
        one = Prediction(window, canvas, change, 0.0, (0.0,), 1.0, oval)
        changed.append(apply(still, [one], weights))
    np.testing.assert_array_equal(changed[0], changed[1][::-1, ::-1])
    assert reaches_all(Window(-1e-9, 0.0, 1.0, (64, 64)), still.extent)
    assert not reaches_all(Window(-0.5, 0.0, 1.0, (64, 64)), still.extent)


def test_whole_takes_all_of_it(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out.png", box=None, whole=True, texture=0.0)
    change = load(tmp_path / "out.png") - load(source)
    for corner in (change[:20, :20], change[-20:, -20:], change[:20, -20:]):
        assert -16 < corner.mean() < -9


def test_whole_carries_the_faces_tone_on(tmp_path: Path) -> None:
    """In the face's window nothing changes; beyond it a curve does what happens there."""
    ramp = np.linspace(40, 220, 4 * WIDTH).astype(np.uint8)
    photo = save(tmp_path / "ramp.png", np.repeat(np.tile(ramp, (HEIGHT, 1))[..., None], 3, 2))
    box = (440, 60, 40, 64)
    run(photo, tmp_path / "face.png", box=box, texture=0.0)
    run(photo, tmp_path / "whole.png", box=box, texture=0.0, whole=True)
    before, face, whole = (load(tmp_path / f"{n}.png") for n in ("ramp", "face", "whole"))
    middle = (slice(80, 105), slice(450, 470))
    np.testing.assert_array_equal(face[middle], whole[middle])
    assert (face[:, :300] == before[:, :300]).all()
    seen = np.abs(whole - 0.9 * before) <= 1  # levels in the window, and those between
    assert seen[:, 420:500].all() and not (whole[:, 300:420] == before[:, 300:420]).any()
    # Levels that the window does not show are changed as the nearest that it does.
    assert np.ptp((before - whole)[:, :200]) <= 1 and (before - whole)[0, 0, 0] > 5


def test_whole_restores_texture_beyond_the_face(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out.png", whole=True, tone=0.0)
    before, after = load(source)[:40, :40], load(tmp_path / "out.png")[:40, :40]
    assert abs(after.mean() - before.mean()) < 1
    assert 1.3 * before.std() < after.std() < 1.6 * before.std()


def test_grey_stays_grey(tmp_path: Path) -> None:
    photo = save(tmp_path / "grey.png", np.full((HEIGHT, WIDTH, 1), 100, np.uint8))
    run(photo, tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").mode == "L"
    assert (load(tmp_path / "out.png")[80:105, 110:130] == 90).all()


def whitened(pixels: NDArray[Any]) -> NDArray[Any]:
    """What an app with a log curve of base 3 makes of PIXELS."""
    return np.rint(255 * np.log1p(pixels / 127.5) / np.log(3)).astype(np.uint8)


def ramp(size: tuple[int, int] = (HEIGHT, WIDTH)) -> NDArray[np.uint8]:
    """A picture with every level in every channel, differently placed."""
    y, x = np.mgrid[: size[0], : size[1]] / np.array(size)[:, None, None]
    return np.rint(255 * np.stack([x, y, (x + y) / 2], axis=2)).astype(np.uint8)


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_pair_tells_the_tone(tmp_path: Path, channels: int, size: tuple[int, int]) -> None:
    pair = (save(tmp_path / "b.png", ramp()), save(tmp_path / "a.png", whitened(ramp(size))))
    truth = noise(channels=channels)
    photo = save(tmp_path / "face.png", whitened(truth))
    result = run(photo, tmp_path / "out.png", pair=pair, texture=0.0)
    assert not result.unedited and result.components["1"] > 20
    inside = slice(80, 105), slice(110, 130)
    found = load(tmp_path / "out.png")[inside]
    assert np.abs(found - truth[inside].astype(np.int64)).max() <= 2
    assert np.abs(load(photo)[inside] - truth[inside].astype(np.int64)).max() > 20


def test_with_a_pair_texture_still_comes_from_the_network(tmp_path: Path) -> None:
    same = save(tmp_path / "same.png", ramp())
    photo = save(tmp_path / "face.png", noise())
    run(photo, tmp_path / "known.png", pair=(same, same))
    run(photo, tmp_path / "texture.png", tone=0.0)
    known, texture = (load(tmp_path / f"{name}.png") for name in ("known", "texture"))
    assert np.abs(known - texture).max() <= 1 and np.abs(known - load(photo)).max() > 20


def test_a_pair_replaces_all_of_the_networks_tone() -> None:
    still = a_still((180, 140, 110))
    parts = np.random.default_rng(0).normal(0, 0.1, (5, 64, 64, 3)).astype(np.float32)
    curve = ToneCurve(3)
    curve.learn(still.rgb(), np.full((64, 64, 3), -0.1, np.float32))
    found = predict(a_reverter(parts, tone=3), still, ALL, [], curve).found
    assert found[0] == pytest.approx(-0.1, abs=1e-3)
    assert not found[1:3].any()
    np.testing.assert_array_equal(found[3:], parts[3:])


def test_a_pair_has_nothing_left_alone(tmp_path: Path) -> None:
    photo = save(tmp_path / "dark.jpg", np.full((HEIGHT, WIDTH, 3), 12, np.uint8))
    pair = (save(tmp_path / "b.png", ramp()), save(tmp_path / "a.png", whitened(ramp())))
    assert not run(photo, tmp_path / "out.png", pair=pair).unedited


def test_pairs_of_two_photos_are_refused(tmp_path: Path) -> None:
    photo, target = save(tmp_path / "face.png", noise()), tmp_path / "out.png"
    for other in (noise(seed=1), np.roll(ramp(), 40, axis=1)):
        pair = (save(tmp_path / "b.png", ramp()), save(tmp_path / "a.png", other))
        with pytest.raises(InputError, match="a.png: not what was made of .*b.png"):
            run(photo, target, pair=pair)
    pair = (tmp_path / "b.png", save(tmp_path / "a.png", ramp()[:, :150]))
    with pytest.raises(InputError, match="a.png: not of the shape of"):
        run(photo, target, pair=pair)
    with pytest.raises(InputError, match="none.png: there is no such file"):
        run(photo, target, pair=(tmp_path / "b.png", tmp_path / "none.png"))
    assert not target.exists()


@pytest.mark.parametrize("level", [12, 255])
def test_a_pair_without_contrast_is_refused(tmp_path: Path, level: int) -> None:
    """Any picture looks like the edit of a single level."""
    photo = save(tmp_path / "face.png", noise())
    flat = save(tmp_path / "flat.png", np.full((HEIGHT, WIDTH, 3), level, np.uint8))
    for after in (photo, flat):
        with pytest.raises(InputError, match=r"flat\.png: all of one level, .* give a photo"):
            run(photo, tmp_path / "out.png", pair=(flat, after))
    with pytest.raises(InputError, match=r"flat\.png: not what was made of .*face\.png"):
        run(photo, tmp_path / "out.png", pair=(photo, flat))


# What must not.


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "face.webp", "face.tif"])
@pytest.mark.parametrize("fields", [{"strength": 0.0}, {"tone": 0.0, "texture": 0.0}])
def test_no_strength_copies_the_file(tmp_path: Path, name: str, fields: dict[str, float]) -> None:
    photo = save(tmp_path / name, noise())
    run(photo, tmp_path / f"out{photo.suffix}", **fields)
    assert (tmp_path / f"out{photo.suffix}").read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("name", ["out.jpg", "out.jpeg"])
def test_no_strength_copies_a_file_with_a_wrong_name(tmp_path: Path, name: str) -> None:
    """Written as the JPEG that it is called, it would lose what a PNG has."""
    photo = save(tmp_path / "face.jpg", noise(), format="PNG")
    run(photo, tmp_path / name, strength=0.0)
    assert (tmp_path / name).read_bytes() == photo.read_bytes()
    run(photo, tmp_path / "out.png", strength=0.0)
    np.testing.assert_array_equal(load(tmp_path / "out.png"), load(photo))
    notes: list[str] = []
    unmakeup(photo, tmp_path / "treated.jpg", options(), note=notes.append)
    assert any("face.jpg: is a PNG, whatever its name says" in note for note in notes)
    assert Image.open(tmp_path / "treated.jpg").format == "JPEG"


def test_a_photo_that_looks_unedited_is_left_alone(tmp_path: Path) -> None:
    photo = save(tmp_path / "dark.jpg", np.full((HEIGHT, WIDTH, 3), 12, np.uint8))
    notes: list[str] = []
    result = unmakeup(photo, tmp_path / "out.jpg", options(), note=notes.append)
    assert result.unedited and 0 < result.change < 2.55
    assert any("looks unedited, left alone" in note for note in notes)
    assert (tmp_path / "out.jpg").read_bytes() == photo.read_bytes()
    forced = run(photo, tmp_path / "forced.png", force=True)
    assert not forced.unedited
    assert (load(tmp_path / "forced.png")[80:105, 110:130] == 11).all()


def test_a_photo_that_may_be_unedited_is_treated_in_part(tmp_path: Path) -> None:
    photo = save(tmp_path / "dim.png", np.full((HEIGHT, WIDTH, 3), 26, np.uint8))
    notes: list[str] = []
    result = unmakeup(photo, tmp_path / "out.png", options(), note=notes.append)
    assert result.edited == pytest.approx(0.521, abs=1e-3) and not result.unedited
    assert result.trusted == pytest.approx(0.3 + 0.7 * (result.edited - 0.5) / 0.1, abs=0.01)
    assert any("may be unedited, so 45% of what is predicted" in note for note in notes)
    assert (load(tmp_path / "out.png")[80:105, 110:130] == 25).all()  # 26 - 0.45 x 2.6
    forced = run(photo, tmp_path / "forced.png", force=True)
    assert forced.trusted == 1 and (load(tmp_path / "forced.png")[80:105, 110:130] == 23).all()


def test_trust_rises_with_the_chance() -> None:
    assert trust(0.4, 0.4, 0.8) == 0
    shares = [trust(chance, 0.4, 0.8) for chance in (0.41, 0.6, 0.79, 0.8, 1.0)]
    assert shares == sorted(shares) and LEAST_TRUST < shares[0] < 0.35
    assert shares[1] == pytest.approx((1 + LEAST_TRUST) / 2) and shares[-2:] == [1, 1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_the_rest_of_exif_kept(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[MAKE], exif[ARTIST], exif[ORIENTATION] = "Maker", "Somebody", orientation
    exif.get_ifd(0x8769)[TAKEN] = "2024:05:06 07:08:09"
    exif.get_ifd(GPS)[1] = "N"
    photo = save(tmp_path / "face.png", noise(), exif=exif, dpi=(300, 300))
    run(photo, tmp_path / "out.png", box=None, whole=True, strength=0.01)
    image = Image.open(tmp_path / "out.png")
    kept = image.getexif()
    assert ORIENTATION not in kept or kept[ORIENTATION] == 1
    assert (kept[MAKE], kept[ARTIST]) == ("Maker", "Somebody")
    assert kept.get_ifd(0x8769)[TAKEN] == "2024:05:06 07:08:09"
    assert kept.get_ifd(GPS)[1] == "N"
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Image.Transpose
    upright = Image.fromarray(noise())
    if orientation in turns:
        upright = upright.transpose(turns[orientation])  # type: ignore[arg-type]
    assert image.size == upright.size
    assert np.abs(load(tmp_path / "out.png") - np.asarray(upright)).max() <= 2


@pytest.mark.parametrize("name", ["out.jpg", "out.png", "out.webp", "out.tif"])
def test_profile_and_exif_are_kept_in_every_format(tmp_path: Path, name: str) -> None:
    from PIL import ImageCms

    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[MAKE] = "Maker"
    photo = save(tmp_path / "face.jpg", noise(), exif=exif, icc_profile=icc, dpi=(240, 240))
    run(photo, tmp_path / name)
    image = Image.open(tmp_path / name)
    assert image.info["icc_profile"] == icc
    assert image.getexif()[MAKE] == "Maker"
    assert "estimate" in str(image.getexif()[0x000B])
    if name != "out.webp":  # the format has no place for it but EXIF
        assert image.info["dpi"] == pytest.approx((240, 240), abs=0.1)


def test_jpeg_is_written_at_95_without_subsampling(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out.jpg")
    save(tmp_path / "95.jpg", noise(), quality=95)
    image, known = Image.open(tmp_path / "out.jpg"), Image.open(tmp_path / "95.jpg")
    assert image.quantization == known.quantization  # type: ignore[attr-defined]
    assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # type: ignore[attr-defined]


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


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "flat.tif", "grey.tif"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_camera_and_place_are_kept_where_pillow_loses_them(
    tmp_path: Path, name: str, suffix: str
) -> None:
    exif = Image.Exif()
    exif[MAKE] = "Maker"
    exif.get_ifd(CAMERA).update({TAKEN: "2024:05:06 07:08:09", EXPOSURE: IFDRational(1, 60)})
    place = {1: "N", 2: (IFDRational(48), IFDRational(30), IFDRational(5, 2))}
    exif.get_ifd(GPS).update(place)
    pixels = noise(1 if name == "grey.tif" else 3, peak=65535 if "deep" in name else 255)
    write = write_png if name.endswith(".png") else write_tiff
    write(tmp_path / name, pixels, None, exif=exif, icc=None, dpi=None)
    assert (read_still(tmp_path / name).pixels == pixels).all()

    run(tmp_path / name, tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        kept = image.getexif()
        camera, where = kept.get_ifd(CAMERA), kept.get_ifd(GPS)
    assert kept[MAKE] == "Maker" and camera[TAKEN] == "2024:05:06 07:08:09"
    assert float(camera[EXPOSURE]) == pytest.approx(1 / 60)
    assert where[1] == "N" and [float(part) for part in where[2]] == [48.0, 30.0, 2.5]
    if suffix == ".png":  # the layout of a TIFF's pixels is nothing a PNG should tell
        assert not LAYOUT.intersection(kept)


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "face.tif"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_nothing_is_said_that_the_source_did_not_say(
    tmp_path: Path, name: str, suffix: str
) -> None:
    run(save(tmp_path / name, noise()), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        kept = set(image.getexif())
        assert not image.getexif().get_ifd(CAMERA) and not image.getexif().get_ifd(GPS)
        assert kept - LAYOUT == {0x000B}
        assert not {282, 283} & kept


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


# What is refused.


def test_no_face_is_one_sentence(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"face\.png: no face found; .*--box x,y,w,h.*--whole"):
        run(source, tmp_path / "out.png", box=None)
    assert not (tmp_path / "out.png").exists()


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
    with pytest.raises(InputError, match=r"gone\.jpg: there is no such file"):
        run(tmp_path / "gone.jpg", tmp_path / "out.jpg")
    cut = save(tmp_path / "cut.jpg", noise())
    cut.write_bytes(cut.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"cut\.jpg: cannot be read"):
        run(cut, tmp_path / "out.jpg")
    gif = save(tmp_path / "face.gif", noise())
    with pytest.raises(InputError, match="GIF is not supported"):
        run(gif, tmp_path / "out.png")


def test_outputs_are_checked_before_the_work(source: Path, tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(b"kept")
    with pytest.raises(OutputError, match=r"there\.png: exists already; use --overwrite"):
        run(source, tmp_path / "there.png")
    assert (tmp_path / "there.png").read_bytes() == b"kept"
    run(source, tmp_path / "there.png", overwrite=True)
    assert load(tmp_path / "there.png").shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(UsageError, match="is the input itself"):
        run(source, source, overwrite=True)
    with pytest.raises(OutputError, match=r"out\.gif: write to \.jpg, \.png"):
        run(source, tmp_path / "out.gif")
    transparent = save(tmp_path / "clear.png", noise(4))
    with pytest.raises(OutputError, match="JPEG has no transparency"):
        run(transparent, tmp_path / "clear.jpg")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "fields", [{"strength": 1.1}, {"tone": -0.1}, {"texture": float("nan")}, {"box": (0, 0, 4, 40)}]
)
def test_values_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        options(**fields)


def test_a_box_outside_the_picture_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="240x200"):
        run(source, tmp_path / "out.png", box=(200, 20, 60, 80))


# Around it.


def test_names_of_outputs(tmp_path: Path) -> None:
    assert default_output(Path("a/face.JPG")) == Path("a/face.unmakeup.JPG")
    assert default_output(Path("a/face.bmp")) == Path("a/face.unmakeup.png")
    with pytest.raises(UsageError, match="name an output"):
        default_output(Path("/"))
    folder = tmp_path / "shots"
    folder.mkdir()
    assert default_output(folder) == tmp_path / "shots.unmakeup"


def test_a_folder_goes_on_after_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    save(folder / "b.png", noise())
    save(folder / "c.jpg", noise())
    (folder / "a.jpg").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("not looked at")
    assert [path.name for path in pictures_in(folder)] == ["a.jpg", "b.png", "c.jpg"]
    (empty := tmp_path / "empty").mkdir()
    notes: list[str] = []
    result = unmakeup_folder(folder, tmp_path / "out", options(), note=notes.append)
    assert (result.total, len(result.done), len(result.failed)) == (3, 2, 1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.png", "c.jpg"]
    assert any("a.jpg" in note for note in notes)
    with pytest.raises(InputError, match="no JPEG"):
        pictures_in(empty)


def test_a_plan_writes_nothing(source: Path, tmp_path: Path) -> None:
    planned = plan(source, None, options())
    assert (planned.size, planned.faces) == ((WIDTH, HEIGHT), ((94, 60, 51, 64),))
    assert planned.output == str(tmp_path / "face.unmakeup.png")
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


def test_a_plan_names_what_the_run_would_lose(source: Path, tmp_path: Path) -> None:
    commented, target = tmp_path / "said.jpg", tmp_path / "out.png"
    Image.open(source).convert("RGB").save(commented, comment=b"by me")
    told: list[str] = []
    planned = plan(commented, target, options())
    unmakeup(commented, target, options(force=True), note=told.append)
    assert planned.notes == ("its comment is not kept; choose .jpg",)
    assert f"{commented.name}: {planned.notes[0]}" in told
    assert plan(commented, tmp_path / "out.jpg", options()).notes == ()


def test_the_comparison_shows_input_output_and_difference(source: Path, tmp_path: Path) -> None:
    page, output = tmp_path / "page.png", tmp_path / "out.png"
    unmakeup(source, output, options(texture=0.0), compare=page)
    shown = load(page)
    assert shown.shape[1] == 3 * WIDTH + 2 * 8
    rows = slice(shown.shape[0] - HEIGHT, None)
    first, second = shown[rows, :WIDTH], shown[rows, WIDTH + 8 : 2 * WIDTH + 8]
    assert (first == load(source)).all() and (second == load(output)).all()
    assert (shown[rows, 2 * WIDTH + 16 :] == 128 + 4 * (second - first)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_comparison_is_srgb_whatever_the_profile(tmp_path: Path, channels: int) -> None:
    """A page has no profile: in linear light, half of white would be shown as mid-grey."""
    icc = profile(SRGB if channels == 3 else [], gamma(1.0))
    grey = np.full((HEIGHT, WIDTH, channels), 128, np.uint8)
    photo = save(tmp_path / "linear.png", grey, icc_profile=icc)
    page = tmp_path / "page.png"
    unmakeup(photo, tmp_path / "out.png", options(texture=0.0), compare=page)
    shown, output = load(page)[-HEIGHT:], load(tmp_path / "out.png")
    assert (shown[:, :WIDTH] == 188).all()  # of sRGB, which is the same light
    light = output[80:105, 110:130] / 255
    wanted = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(shown[80:105, WIDTH + 118 : WIDTH + 138] - wanted).max() < 0.6
    assert (wanted < 175).all()


def test_the_components_are_drawn(source: Path, tmp_path: Path) -> None:
    unmakeup(source, tmp_path / "out.png", options(), components=tmp_path / "parts")
    names = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert [name for name in names if "component" not in name] == [
        "face-1.input.png",
        "face-1.output.png",
    ]
    tone = next(path for path in (tmp_path / "parts").iterdir() if "component-1." in path.name)
    gain = int(tone.name.split(".x")[1].removesuffix(".png"))
    seen = load(tmp_path / "parts" / "face-1.input.png")
    assert np.abs(load(tone) - (128 - 0.1 * gain * seen)).max() <= 0.1 * gain + 1


def test_the_cascade_finds_the_astronaut() -> None:
    (face,) = find_faces(np.asarray(astronaut()))
    assert abs(face.x - 223) < 15 and abs(face.y - 113) < 20 and 95 < face.height < 150


@pytest.mark.parametrize(("scale", "quality"), [(0.5, 95), (0.7, 90), (1.3, 80)])
def test_patterns_beside_a_face_are_not_taken_for_more(scale: float, quality: int) -> None:
    """In an edited portrait as it is passed on: they had set the scale of `--whole` as well."""
    beautified = runpy.run_path(str(EXAMPLE))["beautified"]
    edited = np.clip(np.rint(255 * beautified(np.asarray(astronaut()) / 255)), 0, 255)
    side, file = round(512 * scale), BytesIO()
    smaller = Image.fromarray(edited.astype(np.uint8)).resize(
        (side, side), Image.Resampling.LANCZOS
    )
    smaller.save(file, "JPEG", quality=quality)
    (face,) = find_faces(np.asarray(Image.open(file)))
    where = np.array([face.x, face.y, face.height]) / side
    np.testing.assert_allclose(where, (0.435, 0.227, 0.23), atol=0.02)


def test_a_smaller_face_beside_another_is_found() -> None:
    group, face = Image.new("RGB", (420, 240), "grey"), astronaut().crop((118, 10, 328, 230))
    group.paste(face, (0, 0))
    group.paste(face.resize((147, 154)), (240, 60))
    found = find_faces(np.asarray(group))
    assert [round(each.x, -1) for each in found] == [110, 310]


def test_two_threads_find_the_same_faces() -> None:
    picture = np.asarray(astronaut())
    assert find_faces(picture, threads=2) == find_faces(picture, threads=1) != []


@pytest.mark.parametrize("name", ["coffee.png", "rocket.jpg", "brick.png"])
def test_the_cascade_finds_nothing_where_there_is_nothing(name: str) -> None:
    with resources.as_file(resources.files("skimage") / "data" / name) as path:
        assert find_faces(np.asarray(Image.open(path).convert("RGB"))) == []


def test_the_example_reverses_what_it_edits(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = dict(line.split()[:2] for line in done.stdout.splitlines() if " dB" in line)
    assert float(figures["reversed"]) > float(figures["edited"]) + 3
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["edited.png", "original.png", "reversed.png", "strip.png"]


def test_a_window_and_back_is_the_identity_on_smooth_pictures() -> None:
    y, x = np.mgrid[:300, :260].astype(np.float32)
    smooth = np.stack([x / 260, y / 300, 0.5 + 0.3 * np.sin(x / 40) * np.cos(y / 30)], axis=2)
    for height in (40.0, 64.0, 100.0):
        window = Window.around(121.3, 140.7, height, 64, (112, 96))
        there = window.take(smooth.astype(np.float32))
        assert there.shape == (112, 96, 3)
        rows, columns = window.place((300, 260))
        back = window.give_back(there, (300, 260))
        inner = (slice(4, -4), slice(4, -4))
        assert np.abs(back - smooth[rows, columns])[inner].max() < 0.01


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((100.25, 60.5, 180.75, 140.25), (31, 40)),  # smaller, inside
        ((3.5, 1.25, 90.0, 199.5), (260, 300)),  # larger, near three edges
        ((0.0, 0.0, 240.0, 200.0), (50, 60)),  # all of it
    ],
)
def test_a_part_is_resized_as_the_whole_picture_would_be(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (200, 240, 1), dtype=np.uint8)
    whole = Image.fromarray(picture[..., 0].astype(np.float32))
    expected = whole.resize(size[::-1], Image.Resampling.BICUBIC, box)
    assert np.abs(resized(picture, size, box)[..., 0] - np.asarray(expected)).max() < 0.01


SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)]
P3 = [(0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)]


def test_the_network_sees_srgb_and_its_change_is_taken_back() -> None:
    icc, levels = profile(P3), (200, 120, 90)
    space = colour.space_of(icc)
    assert space is not None
    still, less_red = a_still(levels, icc), np.array([-0.2, 0, 0], np.float32)
    parts = np.broadcast_to(less_red, (1, 64, 64, 3))
    said = predict(a_reverter(parts, tone=1), still, ALL, [])
    seen = space.to_srgb(np.array(levels, np.float32) / 255)
    assert np.abs(said.canvas - seen).max() < 1e-3 < 0.01 < seen[0] - 200 / 255
    weights = Weights(np.ones(1, np.float32), np.zeros(1, np.float32))
    found = apply(still, [said], weights).astype(np.float64)
    wanted = 255 * space.from_srgb(seen + less_red)
    assert np.abs(found - wanted).max() <= 0.51
    assert np.abs(wanted - (levels + 255 * less_red)).max() > 3  # which is not that in P3


def test_wide_gamuts_are_taken_to_srgb_and_back() -> None:
    space = colour.space_of(profile(P3))
    assert space is not None
    pure = space.to_srgb(np.array([0.9175, 0.2003, 0.1386], np.float32))
    assert pure == pytest.approx((1, 0, 0), abs=0.01)  # sRGB's red, as Display P3 writes it
    picture = np.random.default_rng(0).uniform(0.3, 0.6, (5, 5, 3)).astype(np.float32)
    back = space.from_srgb(space.to_srgb(picture))
    assert np.abs(back - picture).max() < 1e-4


def test_srgb_and_profiles_without_primaries_are_left_as_they_are() -> None:
    assert colour.space_of(profile(SRGB)) is None
    assert (
        colour.space_of(profile(SRGB, parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92))) is None
    )
    assert colour.space_of(profile(SRGB, gamma(2.2))) is None
    assert colour.space_of(None) is None
    assert colour.space_of(b"nothing") is None


@pytest.mark.parametrize("kind", ["gamma", "table", "parametric"])
@pytest.mark.parametrize("power", [1.0, 1.8])
def test_other_tone_curves_are_taken_to_srgbs_and_back(kind: str, power: float) -> None:
    """As ProPhoto RGB (1.8) and linear pictures have: mid-grey had been seen 17 levels off."""
    table = [round(65535 * (index / 1023) ** power) for index in range(1024)]
    curve = {
        "gamma": gamma(power),
        "table": b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *table),
        "parametric": parametric(power, 1.0, 0.0, 1.0, 0.0),
    }[kind]
    space = colour.space_of(profile(SRGB, curve))
    assert space is not None
    levels = np.linspace(0.1, 0.9, 60, dtype=np.float32).reshape(4, 5, 3)
    wanted = 1.055 * levels ** (power / 2.4) - 0.055
    assert np.abs(space.to_srgb(levels) - wanted)[levels**power > 0.02].max() < 1e-3
    assert np.abs(space.from_srgb(space.to_srgb(levels)) - levels).max() < 1e-4


def test_grey_with_a_curve_of_its_own_is_seen_so() -> None:
    grey = colour.space_of(profile([], gamma(1.0)))
    assert grey is not None
    assert grey.to_srgb(np.full(3, 0.5, np.float32)) == pytest.approx(0.7354, abs=1e-3)
    still = replace(a_still((128, 128, 128), profile([], gamma(1.0))))
    still = replace(still, pixels=still.pixels[..., :1])
    less = np.full((1, 64, 64, 3), -0.1, np.float32)
    said = predict(a_reverter(less, tone=1), still, ALL, [])
    assert said.canvas == pytest.approx(0.7367, abs=1e-3)
    found = apply(still, [said], Weights(np.ones(1, np.float32), np.zeros(1, np.float32)))
    assert found.shape == (64, 64, 1) and (np.abs(found - 93.0) <= 1).all()


@pytest.mark.parametrize(
    "curve",
    [
        b"",
        b"curv\0\0\0\0\0\0",
        b"curv\0\0\0\0\0\0\xff\xff\0\0",
        b"para\0\0\0\0\0\7\0\0",
        b"curv\0\0\0\0" + struct.pack(">I3H", 3, 9, 8, 7),
        b"para\0\0\0\0" + struct.pack(">HHi", 0, 0, -(5 << 16)),
    ],
)
def test_a_curve_that_is_none_is_taken_for_srgbs(curve: bytes) -> None:
    assert colour.space_of(profile(SRGB, curve)) is None


def gamma(power: float) -> bytes:
    """An ICC profile's curve that is a power, or none."""
    one = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(power * 256))
    return b"curv\0\0\0\0" + bytes(4) if power == 1 else one


def parametric(
    power: float, scale: float, offset: float, slope: float, end: float = 0.04045
) -> bytes:
    """One with a straight piece, of SLOPE, up to END, as sRGB's."""
    given = (round(value * 65536) for value in (power, scale, offset, slope, end))
    return b"para\0\0\0\0" + struct.pack(">HH5i", 3, 0, *given)


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


def test_xmp_comments_texts_and_gamma_are_kept_or_told(tmp_path: Path) -> None:
    xmp, info = b"<x:xmpmeta/>", PngImagePlugin.PngInfo()
    info.add_text("Title", "mine")
    info.add(b"gAMA", struct.pack(">I", 100_000))
    image = Image.new("RGB", (64, 64), "grey")
    image.save(tmp_path / "a.jpg", xmp=xmp, comment=b"mine", exif=Image.Exif())
    image.save(tmp_path / "a.png", pnginfo=info)
    jpeg, png = (read_still(tmp_path / f"a.{kind}") for kind in ("jpg", "png"))
    deep = replace(png, pixels=noise(peak=65535), xmp=xmp)
    assert not (*jpeg.notes, *png.notes)
    for name, still in (("b.jpg", jpeg), ("b.webp", jpeg), ("b.png", jpeg), ("b.tif", jpeg)):
        write_still(still, tmp_path / name, overwrite=False, mark="vsr")
        with Image.open(tmp_path / name) as made:
            assert made.info["xmp"] == xmp
            assert made.getexif()[0x000B] == "vsr"
            assert made.info.get("comment") == (b"mine" if name == "b.jpg" else None)
    for still in (png, deep):
        write_still(still, tmp_path / "c.png", overwrite=True, mark="vsr")
        with Image.open(tmp_path / "c.png") as made:
            made.load()
            assert made.text["Title"] == "mine" and made.info["gamma"] == 1.0
    assert words_lost(jpeg, tmp_path / "b.jpg") == [] == words_lost(png, tmp_path / "b.png")
    assert words_lost(jpeg, tmp_path / "b.png") == ["its comment is not kept; choose .jpg"]
    lost = words_lost(png, tmp_path / "b.jpg")
    assert [text.split(" is ")[0].split(" are ")[0] for text in lost] == ["its texts", "its gamma"]


def test_what_is_lost_is_told_of_a_picture_that_is_written_anew(tmp_path: Path) -> None:
    source, notes = tmp_path / "phone.jpg", []
    picture = Image.new("RGB", (64, 64), "grey")
    picture.save(source, "MPO", save_all=True, append_images=[picture])
    untouched, whole = UnmakeupOptions(strength=0, whole=True), "further pictures"
    unmakeup(source, tmp_path / "copy.jpg", untouched, note=notes.append)
    assert (tmp_path / "copy.jpg").read_bytes() == source.read_bytes()
    assert not any(whole in note for note in notes)
    unmakeup(source, tmp_path / "other.png", untouched, note=notes.append)
    assert any(whole in note for note in notes)


def test_damaged_exif_is_told_and_no_obstacle(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "face.jpg"
    entry = b"\x69\x87\x04\0" + b"\xff" * 8  # a list of EXIF far behind the end
    cases = {b"MM\0*": (), b"MM\0*" + b"\xff" * 20: ("its EXIF is damaged and not kept",)}
    for exif, notes in {**cases, b"II*\0\x08\0\0\0\x01\0" + entry: None}.items():
        Image.new("RGB", (64, 64), "grey").save(path, exif=b"Exif\0\0" + exif)
        still = read_still(path)
        assert still.pixels.shape == (64, 64, 3)
        assert notes is None or (still.notes == notes and read_tags(path).exif is None)
        write_still(still, tmp_path / "out.jpg", overwrite=True, mark="vsr")
    assert not len(recwarn)


def test_a_plan_refuses_what_the_run_would(tmp_path: Path) -> None:
    save(tmp_path / "clear.png", noise(4))
    with pytest.raises(OutputError, match="no transparency"):
        plan(tmp_path / "clear.png", tmp_path / "out.jpg", options(box=BOX))
    save(tmp_path / "face.png", noise())
    with pytest.raises(UsageError, match="write it to a .png"):
        page = tmp_path / "page.jpg"
        plan(tmp_path / "face.png", tmp_path / "out.png", options(box=BOX), compare=page)


def test_nothing_that_is_read_is_written_over(tmp_path: Path) -> None:
    source, before, after = (tmp_path / f"{name}.png" for name in ("face", "before", "after"))
    for path in (source, before, after):
        Image.new("RGB", (64, 64), "grey").save(path)
    held = {path: path.read_bytes() for path in (source, before, after)}
    out = tmp_path / "out.png"
    overwriting = UnmakeupOptions(overwrite=True, whole=True)
    paired = replace(overwriting, pair=(before, after))
    with pytest.raises(UsageError, match="is read for this"):
        check_outputs(source, out, overwriting, compare=source)
    for path in (before, after):
        with pytest.raises(UsageError, match="is read for this"):
            check_outputs(source, path, paired)
    with pytest.raises(UsageError, match="is the output"):
        check_outputs(source, out, overwriting, compare=out)
    assert {path: path.read_bytes() for path in held} == held


def test_a_folder_of_components_is_looked_at_before_the_work(tmp_path: Path) -> None:
    source, folder = tmp_path / "face.png", tmp_path / "parts"
    Image.new("RGB", (64, 64), "grey").save(source)
    options = UnmakeupOptions(whole=True)
    with pytest.raises(OutputError, match="is a file"):
        check_outputs(source, tmp_path / "out.png", options, components=source)
    folder.mkdir()
    (folder / "face-1.input.png").write_bytes(b"of another run")
    with pytest.raises(OutputError, match="exists already"):
        check_outputs(source, tmp_path / "out.png", options, components=folder)


def test_white_that_is_zero_is_white_in_sixteen_bits(tmp_path: Path) -> None:
    samples = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = tmp_path / "negative.tif"
    Image.fromarray(samples).save(path, tiffinfo={262: 0})
    assert (read_still(path).pixels[..., 0] == 65535 - samples).all()
    Image.fromarray(samples).save(path)
    assert (read_still(path).pixels[..., 0] == samples).all()


def test_transparency_that_sixteen_bits_of_grey_lose_is_told(tmp_path: Path) -> None:
    samples = np.full((64, 64), 900, np.uint16)
    Image.fromarray(samples).save(tmp_path / "g.png", transparency=900)
    assert any("transparency is left out" in note for note in read_still(tmp_path / "g.png").notes)


# What a file says, and what another has no room for.


def with_chunk(path: Path, kind: bytes, content: bytes) -> Path:
    """A PNG with one more chunk behind its header."""
    data, check = path.read_bytes(), zlib.crc32(kind + content)
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
    path.write_bytes(data[:33] + chunk + data[33:])
    return path


def test_coded_colours_are_kept_and_known(source: Path, tmp_path: Path) -> None:
    wide = with_chunk(source, b"cICP", bytes([12, 13, 0, 1]))
    run(wide, tmp_path / "out.png", force=True)
    assert png_chunks(tmp_path / "out.png", (b"cICP",)) == ((b"cICP", bytes([12, 13, 0, 1])),)
    still = read_still(wide)
    assert still.primaries == 12
    space = colour.space_of(None, still.primaries)
    assert space is not None
    pure = space.to_srgb(np.array([0.9175, 0.2003, 0.1386], np.float32))
    assert pure == pytest.approx((1, 0, 0), abs=0.01)  # sRGB's red, as Display P3 writes it
    assert colour.space_of(profile([(0.7, 0.3, 0), (0.2, 0.7, 0), (0.1, 0, 0.8)]), 1) is None
    assert any("cICP" in line for line in words_lost(still, tmp_path / "out.jpg"))


def test_a_gamma_of_its_own_is_known(source: Path) -> None:
    linear = read_still(with_chunk(source, b"gAMA", struct.pack(">I", 100_000)))
    assert linear.space is not None
    assert linear.space.to_srgb(np.full(3, 0.5, np.float32)) == pytest.approx(0.7354, abs=1e-3)
    assert replace(linear, text=(*linear.text, (b"sRGB", b"\0"))).space is None
    assert replace(linear, icc=profile(SRGB)).space is None
    for nothing in (45455, 0, 1):
        assert replace(linear, text=((b"gAMA", struct.pack(">I", nothing)),)).space is None


def test_high_dynamic_range_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="high dynamic range"):
        run(with_chunk(source, b"cICP", bytes([9, 16, 0, 1])), tmp_path / "out.png")


def test_iptc_is_kept_in_a_jpeg_and_told_elsewhere(tmp_path: Path) -> None:
    words = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x09\x1c\x02\x50\0\x04Jane\0"
    plain = save(tmp_path / "plain.jpg", noise(), quality=95)
    data = plain.read_bytes()
    segment = b"\xff\xed" + struct.pack(">H", len(words) + 2) + words
    source = tmp_path / "iptc.jpg"
    source.write_bytes(data[:20] + segment + data[20:])
    run(source, tmp_path / "out.jpg", force=True)
    assert segment in (tmp_path / "out.jpg").read_bytes()
    assert any("IPTC" in line for line in words_lost(read_still(source), tmp_path / "out.png"))
    assert not words_lost(read_still(source), tmp_path / "out.jpg")


def test_too_much_xmp_for_a_jpeg_is_told(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{'a' * 70_000}</x:xmpmeta>")
    source = save(tmp_path / "words.png", noise(), pnginfo=text)
    assert any("XMP" in line for line in words_lost(read_still(source), tmp_path / "out.jpg"))
    assert not words_lost(read_still(source), tmp_path / "out.png")


@pytest.mark.parametrize("length", [65_300, 65_460, 70_000])
def test_a_makers_notes_that_are_too_long_for_a_jpeg_are_left_out(
    length: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ARTIST] = "Jane"
    exif.get_ifd(CAMERA)[0x927C] = b"M" * length
    exif.get_ifd(CAMERA)[TAKEN] = "2026:01:02 03:04:05"
    source = save(tmp_path / "long.png", noise(), exif=exif)
    notes: list[str] = []
    unmakeup(source, tmp_path / "out.jpg", options(force=True), note=notes.append)
    found = Image.open(tmp_path / "out.jpg").getexif()
    assert (found[ARTIST], found.get_ifd(CAMERA)[TAKEN]) == ("Jane", "2026:01:02 03:04:05")
    left_out = 0x927C not in found.get_ifd(CAMERA)
    assert left_out == (length > 65_300) == any("maker's notes" in note for note in notes)
    assert left_out == bool(plan(source, tmp_path / "other.jpg", options()).notes)
    assert 0x927C in read_still(source).exif.get_ifd(CAMERA)  # the original's are untouched


def test_a_grey_profile_is_not_put_on_colour(tmp_path: Path) -> None:
    grey = bytes(16) + b"GRAY" + bytes(200)
    source = save(tmp_path / "grey.png", noise(1), icc_profile=grey)
    run(source, tmp_path / "out.webp", force=True)
    assert "icc_profile" not in Image.open(tmp_path / "out.webp").info
    assert any("profile" in line for line in words_lost(read_still(source), Path("out.webp")))
    run(source, tmp_path / "out.png", force=True)
    assert Image.open(tmp_path / "out.png").info["icc_profile"] == grey


def test_a_webp_says_the_resolution_in_exif(tmp_path: Path) -> None:
    source = save(tmp_path / "dots.jpg", noise(), dpi=(300, 150))
    run(source, tmp_path / "out.webp", force=True)
    exif = Image.open(tmp_path / "out.webp").getexif()
    assert [float(exif[tag]) for tag in (0x011A, 0x011B, 0x0128)] == [300, 150, 2]


def test_what_was_added_is_told(tmp_path: Path) -> None:
    flat = save(tmp_path / "flat.png", np.full((HEIGHT, WIDTH, 3), 200, np.uint8))
    found = run(flat, tmp_path / "half.png", strength=0.5, force=True)
    assert (found.change, found.added) == (pytest.approx(20, 0.01), pytest.approx(10, 0.01))
    found = run(flat, tmp_path / "texture.png", tone=0.0, force=True)
    assert found.change == pytest.approx(20, 0.01) and found.added < 0.1


@pytest.mark.parametrize("name", ["out.png", "compare.png"])
def test_a_file_in_the_way_is_seen_before_the_work(name: str, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fields = {"compare": tmp_path / "file" / name} if name == "compare.png" else {}
    output = tmp_path / "free.png" if fields else tmp_path / "file" / name
    with pytest.raises(OutputError, match="is a file; name a folder"):
        plan(source, output, options(), **fields)


@pytest.mark.parametrize("name", ["folder", "folder.png"])
def test_a_folder_in_the_way_is_seen_before_the_work(
    name: str, source: Path, tmp_path: Path
) -> None:
    (tmp_path / name).mkdir()
    for output, fields in ((name, {}), ("out.png", {"compare": tmp_path / name})):
        with pytest.raises(OutputError, match=f"{name}: is a folder; name a file in it"):
            plan(source, tmp_path / output, options(overwrite=True), **fields)


def test_a_folder_does_not_go_into_a_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="name a folder"):
        unmakeup_folder(source.parent, tmp_path / "file", options(box=None))


def test_components_of_another_run_go(source: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    unmakeup(source, tmp_path / "a.png", options(force=True), components=parts)
    first = {path.name for path in parts.iterdir()}
    (parts / "face-2.output.png").touch()
    (parts / "face-1.of-mine.png").touch()
    dark = save(tmp_path / "dark.png", noise() // 4)
    unmakeup(dark, tmp_path / "b.png", options(force=True, overwrite=True), components=parts)
    second = {path.name for path in parts.iterdir()}
    assert "face-1.of-mine.png" in second and "face-2.output.png" not in second
    assert first != second - {"face-1.of-mine.png"} and len(first) == len(second) - 1


def test_what_nothing_was_done_to_is_not_marked(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out.jpg", strength=0.0)
    assert 0x000B not in Image.open(tmp_path / "out.jpg").getexif()
    run(source, tmp_path / "done.jpg", force=True)
    assert Image.open(tmp_path / "done.jpg").getexif()[0x000B] == MARK


def test_faces_are_told_within_the_picture(source: Path, tmp_path: Path) -> None:
    found = run(source, tmp_path / "out.png", box=(0, 20, 16, HEIGHT - 20), force=True)
    ((left, top, width, height),) = found.faces
    assert (left, top, height) == (0, 20, HEIGHT - 20) and left + width <= WIDTH


# Stills of every kind.


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_every_kind_of_pixels_is_written_without_loss(
    tmp_path: Path, mode: str, suffix: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, len(mode)), np.uint8)
    if mode[-1] == "A":
        pixels[:10, :, -1] = 0  # whose colours are kept all the same
    alpha = pixels[..., -1] if mode[-1] == "A" else None
    colours = pixels if alpha is None else pixels[..., :-1]
    still = replace(a_still((0, 0, 0)), pixels=colours, alpha=alpha)
    write_still(still, tmp_path / f"a{suffix}", overwrite=False, mark="vsr")
    found = read_still(tmp_path / f"a{suffix}")
    grey_webp = suffix == ".webp" and mode[0] == "L"  # which the format has not
    wanted = np.repeat(colours, 3, axis=2) if grey_webp else colours
    np.testing.assert_array_equal(found.pixels, wanted)
    assert (found.alpha is None) == (alpha is None)
    assert alpha is None or (found.alpha == alpha).all()


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


def test_comments_but_for_the_last_are_told(tmp_path: Path) -> None:
    photo = save(tmp_path / "face.jpg", noise(), comment=b"second")
    assert not read_still(photo).notes
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + b"\xff\xfe\0\7first" + data[2:])
    still = read_still(photo)
    assert still.comment == b"second"
    assert still.notes == ("of its comments only the last is kept",)


def test_the_comment_of_a_phones_photo_is_kept(tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 64), "grey")
    picture.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[picture], comment=b"mine")
    still = read_still(tmp_path / "a.jpg")
    assert (still.format, still.comment) == ("JPEG", b"mine")
    write_still(still, tmp_path / "b.jpg", overwrite=False, mark="vsr")
    assert read_still(tmp_path / "b.jpg").comment == b"mine"


# The tone as a curve.


def test_a_curve_is_the_mean_change_of_every_level() -> None:
    curve = ToneCurve(1)
    levels = np.linspace(0, 1, 64 * 40, dtype=np.float32).reshape(64, 40, 1)
    curve.learn(levels, 0.8 * levels - 0.3)
    curve.learn(levels, 0.8 * levels - 0.5)  # of a second picture: the mean counts
    off = np.abs(curve(levels) - (0.8 * levels - 0.4))
    assert off[3:-3].max() < 0.003 and off.max() < 0.02  # the ends are evened out


def test_a_curve_does_not_believe_a_few_pixels() -> None:
    curve = ToneCurve(1)
    curve.learn(np.full((20, 20, 1), 0.4, np.float32), np.full((20, 20, 1), -0.1, np.float32))
    curve.learn(np.full((3, 5, 1), 0.8, np.float32), np.full((3, 5, 1), 0.5, np.float32))
    levels = np.linspace(0, 1, 60, dtype=np.float32).reshape(6, 10, 1)
    assert np.abs(curve(levels) + 0.1).max() < 1e-6  # up to the ends, where no level was seen
    few = ToneCurve(1)
    few.learn(np.full((3, 5, 1), 0.8, np.float32), np.full((3, 5, 1), 0.5, np.float32))
    assert np.abs(few(levels) - 0.5).max() < 1e-6  # but there is nothing else


@pytest.mark.parametrize(("suffix", "size"), [(".webp", (16, 16384)), (".jpg", (65501, 16))])
def test_sizes_that_a_format_does_not_hold_are_refused_before_the_work(
    tmp_path: Path, suffix: str, size: tuple[int, int]
) -> None:
    source = tmp_path / "face.png"
    Image.new("RGB", size).save(source)
    with pytest.raises(OutputError, match="pixels a side; use .png or .tif"):
        plan(source, tmp_path / f"out{suffix}", options(box=(0, 0, 16, 16)))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("resolution", [(0, 0), (1, 0), (2**32 - 1, 1)])
def test_a_resolution_that_can_be_none_is_no_obstacle(
    tmp_path: Path, suffix: str, resolution: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x011A] = exif[0x011B] = IFDRational(*resolution)
    exif[0x0128] = 2
    source = save(tmp_path / "face.tif", noise(), exif=exif)
    assert read_still(source).dpi is None
    run(source, tmp_path / f"out{suffix}")
    assert load(tmp_path / f"out{suffix}").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_resolution_is_turned_with_the_picture(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x011A], exif[0x011B] = 6, IFDRational(300), IFDRational(150)
    photo = save(tmp_path / f"face{suffix}", noise(), exif=exif, dpi=(300, 150))
    run(photo, tmp_path / f"out{suffix}", box=(60, 100, 40, 64))
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.info["dpi"] == pytest.approx((150, 300), abs=0.02)
        assert (image.getexif()[0x011A], image.getexif()[0x011B]) == (150, 300)


def test_pixels_that_are_not_square_are_told(tmp_path: Path) -> None:
    told = "that its pixels are not square is not kept"
    for shape in ((16, 15), (1, 1)):
        oblong = [save(tmp_path / name, noise()) for name in ("face.png", "face.jpg")]
        with_chunk(oblong[0], b"pHYs", struct.pack(">IIB", *shape, 0))
        data = oblong[1].read_bytes()
        oblong[1].write_bytes(data[:13] + struct.pack(">BHH", 0, *shape) + data[18:])
        oblong.append(tmp_path / "face.tif")
        tifffile.imwrite(oblong[-1], noise(), resolution=shape, resolutionunit="none")
        for photo in oblong:
            assert (told in read_still(photo).notes) == (shape != (1, 1)), (photo, shape)


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


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("AVIF", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"),
        ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n"),
    ],
)
def test_pictures_that_are_not_read_are_named(tmp_path: Path, kind: str, head: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(head + bytes(100))
    with pytest.raises(InputError, match=rf"photo\.jpg: {kind} is not supported; give a JPEG"):
        read_still(tmp_path / "photo.jpg")


def test_the_preview_of_a_cameras_raw_file_is_not_taken_for_it(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "raw.dng", noise(), photometric="rgb", subfiletype=1)
    with pytest.raises(InputError, match=r"raw\.dng: a preview with a camera's raw data"):
        read_still(tmp_path / "raw.dng")


def test_a_link_of_a_folder_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (folder := tmp_path / "in").mkdir()
    save(folder / "a.png", noise())
    (folder / "b.jpg").symlink_to("gone.jpg")
    (folder / "c.png").symlink_to("c.png")
    (folder / "d.png").symlink_to("a.png")
    (folder / "e.png").symlink_to(".", target_is_directory=True)
    result = unmakeup_folder(folder, tmp_path / "out", options(box=None, whole=True))
    assert (result.total, len(result.done)) == (4, 2)
    assert [Path(source).name for source, _ in result.failed] == ["b.jpg", "c.png"]
    assert result.failed[0][1] == f"{folder / 'b.jpg'}: there is no such file"


def test_pictures_of_a_folder_that_are_not_read_are_named(tmp_path: Path) -> None:
    folder, notes = tmp_path / "in", list[str]()
    folder.mkdir()
    save(folder / "a.png", noise())
    for name in ("b.HEIC", "c.avif", "d.dng", "e.gif", "notes.txt", ".f.heic"):
        (folder / name).touch()
    fields = options(box=None, whole=True)
    assert unmakeup_folder(folder, tmp_path / "out", fields, note=notes.append).total == 1
    assert (
        f"{folder}: no JPEG, PNG, WebP or TIFF, so left out: b.HEIC, c.avif, d.dng and 1 more"
        in (notes)
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_content_credentials_are_told(tmp_path: Path, suffix: str) -> None:
    photo, told = save(tmp_path / f"a{suffix}", noise()), "its content credentials (C2PA)"
    assert not any(note.startswith(told) for note in read_still(photo).notes)
    manifest = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa"
    if suffix == ".png":
        with_chunk(photo, b"caBX", manifest)
    else:
        data = photo.read_bytes()
        segment = b"\xff\xeb" + struct.pack(">H", len(manifest) + 2) + manifest
        photo.write_bytes(data[:2] + segment + data[2:])
    assert any(note.startswith(told) for note in read_still(photo).notes)
    assert any(note.startswith(told) for note in read_tags(photo).lost)


@pytest.mark.parametrize("progressive", [False, True])
def test_what_follows_a_jpeg_in_its_file_is_told(tmp_path: Path, progressive: bool) -> None:
    photo, told = tmp_path / "a.jpg", "what follows the picture in its file"
    save(photo, noise(), progressive=progressive, restart_marker_blocks=2, exif=Image.Exif())
    picture = photo.read_bytes()
    for tail, lost in (
        (b"", False),
        (bytes(64), False),
        (b"\xff" * 9, False),
        (b"\0\0\0\x18ftypmp42", True),
    ):
        photo.write_bytes(picture + tail)
        assert any(note.startswith(told) for note in read_still(photo).notes) is lost
        assert any(note.startswith(told) for note in read_tags(photo).lost) is lost
    for end in range(100, len(picture), 997):  # cut short: nothing follows, and it is no obstacle
        photo.write_bytes(picture[:end])
        assert not any(note.startswith(told) for note in read_tags(photo).lost)


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_signed_samples_are_refused(tmp_path: Path, kind: type[np.signedinteger[Any]]) -> None:
    pixels = (noise(1)[..., 0] // 2).astype(kind)
    tifffile.imwrite(tmp_path / "face.tif", pixels, photometric="minisblack")
    with pytest.raises(InputError, match=r"face\.tif: signed samples"):
        read_still(tmp_path / "face.tif")


def exif_with(*entries: tuple[int, int, bytes]) -> bytes:
    """EXIF of tags with type and four bytes, one value each."""
    rows = [struct.pack("<HHI4s", tag, kind, 1, value) for tag, kind, value in entries]
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(rows))
    return head + b"".join(rows) + b"\0" * 4


@pytest.mark.parametrize(
    "entry", [(MAKE, 11, b"no\0\0"), (0x0128, 2, b"no\0\0"), (0x011A, 2, b"no\0\0")]
)
def test_what_pillow_cannot_write_of_exif_is_no_obstacle(
    tmp_path: Path, entry: tuple[int, int, bytes]
) -> None:
    source = tmp_path / "face.jpg"
    turned = (ORIENTATION, 3, b"\6\0\0\0")
    pixels = noise()
    save(source, pixels, exif=exif_with(*sorted([turned, entry])))
    assert read_still(source).extent == (WIDTH, HEIGHT)
    run(source, tmp_path / "out.png")


def texts_of(path: Path) -> tuple[bytes, bytes]:
    """The artist's name and the camera's owner in a picture's EXIF."""
    with Image.open(path) as image:
        exif = image.getexif()
        owner = exif.get_ifd(CAMERA)[0xA430]
        return exif[ARTIST].encode("latin-1"), owner.encode("latin-1")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_names_in_exif_keep_their_letters(tmp_path: Path, suffix: str) -> None:
    utf, latin = "J\u00fcrgen \u00c6r\u00f8".encode(), "\u00a9 M\u00fcller".encode("latin-1")
    end, names = 8 + 2 + 2 * 12 + 4, (utf + b"\0", latin + b"\0")
    camera = end + len(names[0])
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2)
    exif += struct.pack("<HHII", ARTIST, 2, len(names[0]), end)
    exif += struct.pack("<HHII", CAMERA, 4, 1, camera) + bytes(4) + names[0]
    exif += struct.pack("<HHHII", 1, 0xA430, 2, len(names[1]), camera + 2 + 12 + 4) + bytes(4)
    photo = save(tmp_path / "face.jpg", noise(), exif=exif + names[1])
    assert texts_of(photo) == (utf, latin)
    written = read_tags(photo).exif
    assert written is not None and utf in written and latin in written
    run(photo, tmp_path / f"once{suffix}")
    run(tmp_path / f"once{suffix}", tmp_path / f"out{suffix}")
    assert texts_of(tmp_path / f"out{suffix}") == (utf, latin)


def test_a_damaged_second_picture_of_a_tiff_does_not_end_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    damaged = save(folder / "a.tif", noise())
    save(folder / "b.png", noise())
    data = bytearray(damaged.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, len(data))  # a list without any size
    damaged.write_bytes(data + struct.pack("<HHHIII", 1, 254, 4, 1, 0, 0))
    result = unmakeup_folder(folder, tmp_path / "out", options(box=None, whole=True))
    assert [Path(each.source).name for each in result.done] == ["b.png"]
    assert [Path(each).name for each, _ in result.failed] == ["a.tif"]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_tells_the_size_of_the_upright_picture(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(CAMERA).update({0xA002: WIDTH, 0xA003: HEIGHT})
    run(save(tmp_path / "face.jpg", noise(), exif=exif), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        camera = image.getexif().get_ifd(CAMERA)
        assert (camera[0xA002], camera[0xA003]) == image.size == (HEIGHT, WIDTH)


@pytest.mark.parametrize("letter", ["n", "\u00fc"])
def test_the_longest_names_are_written(tmp_path: Path, letter: str) -> None:
    stem = letter * (250 // len(letter.encode()))
    source = save(tmp_path / "face.png", noise())
    run(source, tmp_path / f"{stem}.png")
    assert len(list(tmp_path.iterdir())) == 2

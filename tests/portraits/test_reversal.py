"""Portraits in, portraits out: what changes, and by how much."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vsrcli.portraits.faces import Face
from vsrcli.portraits.pictures import read_still
from vsrcli.portraits.reversal import Prediction, Weights, apply, over_all, reaches_all
from vsrcli.portraits.window import Window
from vsrcli.portraits.written import write_still

from .stills import ALL, EXAMPLE, HEIGHT, WIDTH, a_still, astronaut, load, noise, run, save


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
        assert (apply(still, [one] * count, weights, beyond=True) == 110).all()
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


def test_a_picture_without_a_face_is_seen_as_large_as_those_of_the_training() -> None:
    card: Any = SimpleNamespace(face_height=100, canvas=(200, 160))
    window, reduced = over_all(card, (401, 301), [])
    assert (window.scale, reduced) == (pytest.approx(160 / 301), False)
    assert window.size == (214, 160) and reaches_all(window, (401, 301))
    window, reduced = over_all(card, (400, 640), [])
    assert (window.scale, window.size, reduced) == (0.5, (200, 320), False)
    assert over_all(card, (100, 400), [Face(50, 50, 1000)])[0].size == (16, 40)


def test_a_whole_picture_too_large_for_the_network_is_reduced() -> None:
    card: Any = SimpleNamespace(face_height=100, canvas=(200, 160))
    extent = (3000, 2000)
    window, reduced = over_all(card, extent, [Face(1000, 1500, 50)])
    assert reduced and window.size == (1450, 967)  # 1.4 million pixels, not 24
    assert window.scale == pytest.approx((1.4 / 6) ** 0.5) and reaches_all(window, extent)
    window, reduced = over_all(card, extent, [Face(1000, 1500, 250)])
    assert (window.scale, window.size, reduced) == (0.4, (1200, 800), False)


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


def test_the_example_reverses_what_it_edits(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = dict(line.split()[:2] for line in done.stdout.splitlines() if " dB" in line)
    assert float(figures["reversed"]) > float(figures["edited"]) + 3
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["edited.png", "original.png", "reversed.png", "strip.png"]


def test_what_was_added_is_told(tmp_path: Path) -> None:
    flat = save(tmp_path / "flat.png", np.full((HEIGHT, WIDTH, 3), 200, np.uint8))
    found = run(flat, tmp_path / "half.png", strength=0.5, force=True)
    assert (found.change, found.added) == (pytest.approx(20, 0.01), pytest.approx(10, 0.01))
    found = run(flat, tmp_path / "texture.png", tone=0.0, force=True)
    assert found.change == pytest.approx(20, 0.01) and found.added < 0.1


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

"""Photos that look unedited, or are to be left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsrcli.portraits.traces import LEAST_TRUST, edited, traces, trust
from vsrcli.unmakeup import MARK, unmakeup

from .stills import HEIGHT, WIDTH, load, noise, options, run, save


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


def test_the_figures_of_a_wave_are_those_worked_out_by_hand() -> None:
    """On the half of the oval's pixels that lie nearest to crests and troughs, of any width."""
    angle = 2 * np.pi * (np.arange(160) + 0.5) / 16
    canvas = np.array([0.6, 0.5, 0.4]) + 0.1 * np.cos(angle)[None, :, None] * np.ones((160, 1, 1))
    canvas[:20] = (0, 0, 1)  # beyond the reach of the blur
    oval = np.zeros((160, 160), np.bool_)
    oval[60:100, 40:120] = True
    found = traces(canvas.astype(np.float32), oval, 0.5, 0.1, 0.02, 7.5)
    kept = [np.exp(-2 * (np.pi * sigma / 16) ** 2) for sigma in (0, 1, 2, 4, 8)]
    seen = np.sqrt(np.mean(np.cos(np.pi / 16 * np.array([1, 3])) ** 2))
    bands = np.log10(0.1 * seen * -np.diff(kept))
    assert found[:4] == pytest.approx(bands, abs=2e-3)
    light, warmth = 0.299 * 0.6 + 0.587 * 0.5 + 0.114 * 0.4, 0.6 / 0.4
    assert found[4:6] == pytest.approx([light, warmth], abs=1e-4)
    assert found[6:] == pytest.approx([np.log10(0.5), -1, np.log10(0.02), 6], abs=1e-5)
    red = np.full((160, 160, 3), (0.5, 0, 0), np.float32)
    least = [-5, -5, -5, -5, 0.1495, 50, 0, -5, -5, -6]
    assert traces(red, oval, 1, 0, 0, -7.5) == pytest.approx(least, abs=1e-4)


def test_the_chance_is_that_of_a_logistic_regression() -> None:
    figures = np.arange(10, dtype=np.float32)
    weights = tuple(0.01 * (index + 1) for index in range(10))
    odds = sum(0.01 * (index + 1) * index for index in range(10)) - 3
    assert edited(figures, (*weights, -3.0)) == pytest.approx(1 / (1 + np.exp(-odds)))
    assert edited(figures, (*weights, -1e9)) < 1e-20 and edited(figures, (*weights, 1e9)) == 1


def test_trust_rises_with_the_chance() -> None:
    assert trust(0.4, 0.4, 0.8) == 0
    shares = [trust(chance, 0.4, 0.8) for chance in (0.41, 0.6, 0.79, 0.8, 1.0)]
    assert shares == sorted(shares) and LEAST_TRUST < shares[0] < 0.35
    assert shares[1] == pytest.approx((1 + LEAST_TRUST) / 2) and shares[-2:] == [1, 1]


def test_what_nothing_was_done_to_is_not_marked(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out.jpg", strength=0.0)
    assert 0x000B not in Image.open(tmp_path / "out.jpg").getexif()
    run(source, tmp_path / "done.jpg", force=True)
    assert Image.open(tmp_path / "done.jpg").getexif()[0x000B] == MARK

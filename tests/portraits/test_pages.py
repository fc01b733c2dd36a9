"""Pictures that show what was done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsrcli.unmakeup import unmakeup

from .stills import HEIGHT, SRGB, WIDTH, gamma, load, noise, options, profile, save


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
    whole = seen.astype(float)
    for name in filter(lambda name: "component" in name, names):
        gain = int(name.split(".x")[1].removesuffix(".png"))
        whole += (load(tmp_path / "parts" / name) - 128) / gain
    made = load(tmp_path / "parts" / "face-1.output.png")
    assert np.abs(made - whole).mean() < 1 < 5 < np.abs(made - seen).mean()


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

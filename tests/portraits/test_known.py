"""The tone of an edit that is known by a pair of pictures, and its curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vsrcli.errors import InputError
from vsrcli.portraits.curve import ToneCurve
from vsrcli.portraits.reversal import predict

from .stills import ALL, HEIGHT, WIDTH, a_reverter, a_still, load, noise, run, save


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
    curve.learn(still.in_srgb((64, 64)), np.full((64, 64, 3), -0.1, np.float32))
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
    with pytest.raises(InputError, match="none.png does not exist"):
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

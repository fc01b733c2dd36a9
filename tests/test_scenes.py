"""Scene cuts: found where they are; motion, flashes and fades are none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from vsrcli.scenes import LONG_SIDE, NEAR, SEARCH, SceneCuts, novelty, thumbnail

Luma = NDArray[np.float32]
HEIGHT, WIDTH = 108, 192


def scene(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Luma:
    """A still of coarse and fine structure, as pictures have, in 0.1..0.9."""
    generator = np.random.default_rng(seed)
    picture = np.zeros((height, width))
    for cell, strength in ((48, 1.0), (24, 0.6), (12, 0.4), (6, 0.2)):
        grid = generator.standard_normal((height // cell + 2, width // cell + 2))
        rows, columns = np.arange(height) / cell, np.arange(width) / cell
        top, left = rows.astype(int), columns.astype(int)
        down, right = (rows - top)[:, None], (columns - left)[None]
        upper = grid[np.ix_(top, left)] * (1 - right) + grid[np.ix_(top, left + 1)] * right
        lower = grid[np.ix_(top + 1, left)] * (1 - right) + grid[np.ix_(top + 1, left + 1)] * right
        picture += strength * (upper * (1 - down) + lower * down)
    low, high = picture.min(), picture.max()
    return (0.1 + 0.8 * (picture - low) / (high - low)).astype(np.float32)


def cuts_of(frames: list[Luma]) -> list[int]:
    cuts = SceneCuts()
    return [index for index, frame in enumerate(frames) if cuts.push(frame)]


def noisy(frame: Luma, seed: int) -> Luma:
    noise = np.random.default_rng(seed).normal(0, 0.02, frame.shape)
    return np.clip(frame + noise, 0, 1).astype(np.float32)


def test_cuts_are_found() -> None:
    frames = [noisy(scene(seed), i) for seed in range(5) for i in range(4)]
    assert cuts_of(frames) == [4, 8, 12, 16]


def test_a_cut_at_the_second_frame_is_found() -> None:
    assert cuts_of([scene(0), scene(1), scene(1)]) == [1]


def test_bytes_are_the_luma_they_stand_for() -> None:
    bytes_ = np.rint(scene(0) * 255).astype(np.uint8)
    np.testing.assert_allclose(thumbnail(bytes_), thumbnail(bytes_ / np.float32(255)), atol=1e-6)


def test_a_still_shot_has_no_cut() -> None:
    assert cuts_of([noisy(scene(0), i) for i in range(10)]) == []


@pytest.mark.parametrize("speed", [1, 5, 15])
def test_a_pan_is_no_cut(speed: int) -> None:
    wide = scene(3, width=WIDTH + 20 * speed)
    frames = [wide[:, i * speed : i * speed + WIDTH] for i in range(20)]
    assert cuts_of(frames) == []


@pytest.mark.parametrize("flash", [lambda x: x * 0 + 1, lambda x: np.minimum(1, x * 0.5 + 0.6)])
@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(flash: Callable[[Luma], Luma], length: int) -> None:
    frames = [noisy(scene(4), i) for i in range(12)]
    for i in range(5, 5 + length):
        frames[i] = flash(frames[i]).astype(np.float32)
    assert cuts_of(frames) == []


@pytest.mark.parametrize("after", [4, 8])
def test_what_comes_out_of_black_begins_a_scene(after: int) -> None:
    black = np.zeros((HEIGHT, WIDTH), np.float32)
    assert cuts_of([scene(4)] * 2 + [black] * 3 + [scene(after)] * 2) == [5]


def test_a_shot_of_one_frame_is_a_scene() -> None:
    assert cuts_of([scene(0)] * 3 + [scene(1)] + [scene(0)] * 2) == [3, 4]


def test_a_fade_to_black_is_no_cut() -> None:
    frames = [scene(5) * np.float32(1 - i / 20) for i in range(20)]
    assert cuts_of(frames) == []


def test_a_dissolve_is_no_cut() -> None:
    frames = [scene(6) * np.float32(1 - i / 25) + scene(7) * np.float32(i / 25) for i in range(26)]
    assert cuts_of(frames) == []


def test_wild_motion_is_not_a_cut_at_every_frame() -> None:
    assert len(cuts_of([scene(seed) for seed in range(20)])) <= 4


@pytest.mark.parametrize("seed", range(4))
def test_a_wider_search_finds_no_less(seed: int) -> None:
    first, second = (thumbnail(noisy(scene(s), s)) for s in (seed, seed + seed % 2))
    second = np.roll(second, 3 * seed, 1)
    wide, near, none = (novelty(second, first, search) for search in (SEARCH, NEAR, 0))
    assert wide <= near + 1e-5 and near <= none + 1e-5


def test_thumbnails_are_small_and_keep_the_mean() -> None:
    picture = scene(8, 1080, 1920)
    small = thumbnail(picture)
    assert max(small.shape) == LONG_SIDE
    assert small.mean() == pytest.approx(picture.mean(), abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5), (16, 16)])
def test_any_size_is_taken(size: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).random(size, np.float32)
    assert cuts_of([frame, frame]) == []
    assert 0 <= novelty(thumbnail(frame), thumbnail(1 - frame)) <= 1

"""The filters the network is trained to undo do what beauty filters do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from models.crn import edits
from models.crn.filters import FAMILIES, luma

SIZE = 160


@pytest.fixture(scope="module")
def skin() -> NDArray[np.float32]:
    """Skin-coloured, with texture of some levels and one hard edge to something dark."""
    random = np.random.default_rng(0)
    base = np.tile(np.array([0.78, 0.58, 0.46], np.float32), (SIZE, SIZE, 1))
    texture = ndimage.gaussian_filter(random.normal(size=(SIZE, SIZE)), 1.5) * 0.08
    base += texture[..., None].astype(np.float32)
    base[:, 100:] *= 0.25
    return np.clip(base, 0, 1)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("variant", [0.1, 0.65, 0.95])
def test_every_family_smooths_skin_and_keeps_edges(
    skin: NDArray[np.float32], family: str, variant: float
) -> None:
    smooth = edits.Smoothing(family, radius=0.03, amount=0.9, variant=variant)(skin, 200)
    assert smooth.shape == skin.shape and smooth.dtype == np.float32
    assert smooth.min() >= 0 and smooth.max() <= 1
    inner = (slice(20, -20), slice(20, 80))
    before, after = (
        (luma(picture) - ndimage.gaussian_filter(luma(picture), 4))[inner].std()
        for picture in (skin, smooth)
    )
    assert after < 0.97 * before
    step = luma(smooth)[40:-40, 70:90].mean() - luma(smooth)[40:-40, 115:135].mean()
    assert step > 0.8 * (luma(skin)[:, 70:90].mean() - luma(skin)[:, 115:135].mean())


@pytest.mark.parametrize("tone", edits.TONES)
def test_every_tone_whitens_more_with_its_amount(tone: str) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[:, None, None] * np.ones(3, np.float32)
    skin = ramp * np.array([1.0, 0.75, 0.6], np.float32)
    weak, strong = (luma(edits.TONES[tone](skin, amount)) for amount in (0.1, 0.9))
    assert strong.mean() > weak.mean() > luma(skin).mean() - 0.01
    assert (np.diff(strong[:, 0]) >= -1e-6).all()


def test_the_log_curve_is_the_published_one() -> None:
    # ln(1 + (b - 1) x) / ln b with b = 4 at full amount.
    assert edits.log_curve(np.float32([0.5]), 1.0)[0] == pytest.approx(np.log(2.5) / np.log(4))
    assert edits.log_curve(np.float32([0.0, 1.0]), 0.3) == pytest.approx([0, 1], abs=1e-6)


def test_the_held_out_family_is_never_drawn_for_training() -> None:
    random = np.random.default_rng(0)
    drawn = {edits.draw_smoothing(random).family for _ in range(300)}
    assert drawn == set(edits.TRAINED)
    assert edits.HELD_OUT not in drawn and edits.HELD_OUT in FAMILIES


def test_no_edit_leaves_the_picture(skin: NDArray[np.float32]) -> None:
    eight = edits.quantise(skin).astype(np.float32) / 255
    assert (edits.Edit()(eight, 200, np.ones((SIZE, SIZE), np.float32)) == eight).all()


def test_an_edit_of_skin_alone_stays_there(skin: NDArray[np.float32]) -> None:
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[:, :80] = 1
    edit = edits.Edit(finish=edits.Finish(tone="gamma", amount=1.0), skin_only=True)
    found = edit(skin, 200, mask)
    assert np.abs(found - skin)[:, 80:].max() <= 0.5 / 255 + 1e-6
    assert (found - skin)[:, :80].mean() > 0.03


def test_draws_repeat_with_their_seed() -> None:
    first, second = (
        [edits.draw_finish(np.random.default_rng(seed)) for seed in range(20)] for _ in "ab"
    )
    assert first == second and len(set(first)) > 15

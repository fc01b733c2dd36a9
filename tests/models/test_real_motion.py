"""Real pairs that teach motion: flows are in LR pixels, and lead from frame to frame."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

MOVED = (6.0, -2.0)
"""How far a pixel is found further on in the next frame, HR pixels, (x, y)."""
FACTORS = (4, 3, 2)


@pytest.fixture
def clip(torch: Any) -> dict[str, Any]:
    from models.spmc.reduction import degrade_luma

    noise = gaussian_filter(np.random.default_rng(0).random((440, 440)), 10)
    picture = (255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)
    places = [(round(40 - t * MOVED[1]), round(40 - t * MOVED[0])) for t in range(3)]
    high = np.stack([picture[y : y + 352, x : x + 352] for y, x in places])
    stored = {"hr": high}
    for factor in FACTORS:
        size = 352 // factor * factor
        low = degrade_luma(high[:, :size, :size], factor, "bi")
        stored |= {f"{kind}_x{factor}": low for kind in ("bi", "bd", "contest")}
    return stored


@pytest.mark.parametrize("factor", FACTORS)
def test_flows_lead_from_frame_to_frame(
    torch: Any, clip: dict[str, Any], factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.spmc import real_motion
    from models.spmc.geometry import warp

    class Right:
        """Tells the true flow, mirrored pictures included; the first is 2 off at the top."""

        def __call__(self, first: Any, second: Any) -> Any:
            flows = torch.zeros(2, 2, *first.shape[2:])
            for index, (one, other) in enumerate(zip(first, second, strict=True)):
                candidates = [(s * m * MOVED[0], s * MOVED[1]) for s in (1, -1) for m in (1, -1)]
                errors = []
                for x, y in candidates:
                    flow = torch.tensor([x, y]).reshape(1, 2, 1, 1).expand(1, 2, *one.shape[1:])
                    difference = (warp(other[None], flow) - one).abs()
                    errors.append(float(difference[..., 30:-30, 30:-30].mean()))
                best = candidates[int(np.argmin(errors))]
                flows[index] = torch.tensor(best).reshape(2, 1, 1)
            flows[0, 1, :40] += 2
            return flows

    random.seed(0)
    monkeypatch.setattr(real_motion, "FACTORS", (factor,))
    (pair,) = real_motion.pairs(Right(), [clip], 1)
    assert pair.flows.shape == (2, 2, 80, 80) and pair.known.shape == (2, 1, 80, 80)
    wrong = 40 // factor
    below = pair.flows[:, :, wrong + 2 :]
    expected = torch.tensor(MOVED).reshape(2, 1, 1).expand(below.shape[1:]) / factor
    torch.testing.assert_close(below[0], expected)
    torch.testing.assert_close(below[1], -expected)
    assert not pair.known[:, :, : wrong - 1].any() and pair.known[:, :, wrong + 4 :].all()
    for _ in range(12):
        reference, neighbour, flow, known = real_motion.batch([pair], 1)
        assert reference.shape == known.shape == (1, 1, 64, 64)
        error = ((warp(neighbour, flow) - reference).abs() * known)[..., 4:-4, 4:-4]
        still = ((neighbour - reference).abs() * known)[..., 4:-4, 4:-4]
        assert float(error.mean()) < 0.15 * float(still.mean())


def test_small_clips_are_left_out(torch: Any, clip: dict[str, Any]) -> None:
    from models.spmc import real_motion

    small = {name: value[:, :64, :64] for name, value in clip.items()}
    assert list(real_motion.pairs(None, [small], 1)) == []  # type: ignore[arg-type]


def test_attention_is_where_something_is_to_be_seen(torch: Any) -> None:
    from models.spmc.train_motion import attention

    picture = torch.full((1, 1, 32, 32), 0.5)
    picture[..., 16:] += torch.rand(1, 1, 32, 16, generator=torch.Generator().manual_seed(0)) / 5
    found = attention(picture)
    assert float(found[..., :12].max()) == pytest.approx(0.3)
    assert float(found[..., 20:].min()) > 1
    assert float(found.max()) <= 3.3


def test_a_clip_of_two_frames_gives_one_pair(torch: Any, clip: dict[str, Any]) -> None:
    from models.spmc import real_motion

    def still(first: Any, second: Any) -> Any:
        return torch.zeros(2, 2, *first.shape[2:])

    short = {name: frames[:2] for name, frames in clip.items()}
    assert len(list(real_motion.pairs(still, [short, short], 2))) == 2

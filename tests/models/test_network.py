"""The geometry of the network: where splatted and gathered values end up."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module")
def torch() -> Any:
    """The package, which the `train` extra installs."""
    return pytest.importorskip("torch", reason="torch is not installed (pip install 'vsr[train]')")


def moved(torch: Any, x: float, y: float, height: int = 9, width: int = 12) -> Any:
    """A flow that is the same everywhere."""
    return torch.tensor([x, y]).reshape(1, 2, 1, 1).expand(1, 2, height, width)


def test_a_picture_at_rest_lies_in_the_middle_of_its_pixels(torch: Any) -> None:
    from models.spmc.geometry import PRIOR, splat

    picture = torch.rand(1, 1, 9, 12)
    values, weights = splat(picture, moved(torch, 0, 0), torch.zeros_like(picture))
    middle = torch.zeros(16)
    middle[[5, 6, 9, 10]] = 0.25
    expected = middle.expand(1, 9, 12, 16)
    torch.testing.assert_close(weights, expected + PRIOR)
    torch.testing.assert_close(values, expected * picture.reshape(1, 9, 12, 1))


@pytest.mark.parametrize(("x", "y"), [(0.375, 0.125), (0.125, -0.125), (-1.375, 2.625)])
def test_a_moved_pixel_hits_the_canvas_where_it_belongs(torch: Any, x: float, y: float) -> None:
    """An odd number of eighths puts the centre of a pixel on the centre of a canvas pixel."""
    from models.spmc.geometry import splat

    picture = torch.zeros(1, 1, 9, 12)
    picture[0, 0, 4, 5] = 1
    values, _ = splat(picture, moved(torch, x, y), torch.zeros_like(picture))
    canvas = torch.pixel_shuffle(values.permute(0, 3, 1, 2), 4)[0, 0]
    column, row = 4 * (5 + x + 0.5) - 0.5, 4 * (4 + y + 0.5) - 0.5
    assert canvas[int(row), int(column)] == pytest.approx(1)
    assert canvas.sum() == pytest.approx(1)


def test_the_reference_lies_on_the_canvas_beforehand(torch: Any) -> None:
    from models.spmc.geometry import PRIOR, splat

    picture, reference = torch.zeros(1, 1, 9, 12), torch.rand(1, 1, 9, 12)
    values, weights = splat(picture, moved(torch, 100, 100), reference)
    torch.testing.assert_close(weights, torch.full_like(weights, PRIOR))
    mean = torch.pixel_shuffle((values / weights).permute(0, 3, 1, 2), 4)
    torch.testing.assert_close(mean[:, :, ::4, ::4], reference)


@pytest.mark.parametrize(("x", "y"), [(2, -1), (2.4, -1.4), (-0.3, 0.45)])
def test_states_are_read_at_the_nearest_pixel(torch: Any, x: float, y: float) -> None:
    from models.spmc.geometry import LIMIT, nearest, place

    state = torch.rand(2, 9, 12, 3)
    flow = moved(torch, x, y).expand(2, 2, 9, 12)
    expected = torch.roll(state, (-round(y), -round(x)), (1, 2))
    found = nearest(state, flow)
    torch.testing.assert_close(found[:, 2:-2, 3:-3], expected[:, 2:-2, 3:-3])
    torch.testing.assert_close(found[:, 0, 0], state[:, max(0, round(y)), max(0, round(x))])
    off = place(flow)[0, 0, 0] / (2 * LIMIT)
    torch.testing.assert_close(off, torch.tensor([float(x - round(x)), float(y - round(y))]))


@pytest.mark.parametrize(("x", "y"), [(1, 0), (0.25, -0.5), (-1.2, 0.8)])
def test_detail_is_read_on_its_own_fine_grid(torch: Any, x: float, y: float) -> None:
    from models.spmc.geometry import nearest_detail

    fine = torch.rand(2, 1, 36, 48)
    detail = torch.pixel_unshuffle(fine, 4).permute(0, 2, 3, 1)
    found = nearest_detail(detail, moved(torch, x, y).expand(2, 2, 9, 12))
    picture = torch.pixel_shuffle(found.permute(0, 3, 1, 2), 4)
    expected = torch.roll(fine, (-round(4 * y), -round(4 * x)), (2, 3))
    torch.testing.assert_close(picture[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8])

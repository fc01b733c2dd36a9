"""The geometry of the network: where splatted and gathered values end up."""

from __future__ import annotations

from typing import Any

import pytest


def moved(torch: Any, x: float, y: float, height: int = 9, width: int = 12) -> Any:
    """A flow that is the same everywhere."""
    return torch.tensor([x, y]).reshape(1, 2, 1, 1).expand(1, 2, height, width)


def test_a_picture_at_rest_lies_in_the_middle_of_its_pixels(torch: Any) -> None:
    from models.spmc.geometry import places, splat

    picture = torch.rand(1, 1, 9, 12)
    at = places(moved(torch, 0, 0).unsqueeze(1))
    middle = torch.zeros(16)
    middle[[5, 6, 9, 10]] = 0.25
    expected = middle.expand(1, 9, 12, 16)
    torch.testing.assert_close(splat(torch.ones_like(picture), at), expected)
    torch.testing.assert_close(splat(picture, at), expected * picture.reshape(1, 9, 12, 1))


@pytest.mark.parametrize(("x", "y"), [(0.375, 0.125), (0.125, -0.125), (-1.375, 2.625)])
def test_a_moved_pixel_hits_the_canvas_where_it_belongs(torch: Any, x: float, y: float) -> None:
    """An odd number of eighths puts the centre of a pixel on the centre of a canvas pixel."""
    from models.spmc.geometry import places, splat

    picture = torch.zeros(1, 1, 9, 12)
    picture[0, 0, 4, 5] = 1
    values = splat(picture, places(moved(torch, x, y).unsqueeze(1)))
    canvas = torch.pixel_shuffle(values.permute(0, 3, 1, 2), 4)[0, 0]
    column, row = 4 * (5 + x + 0.5) - 0.5, 4 * (4 + y + 0.5) - 0.5
    assert canvas[int(row), int(column)] == pytest.approx(1)
    assert canvas.sum() == pytest.approx(1)


def test_frames_add_up_on_the_canvas_and_sequences_keep_apart(torch: Any) -> None:
    from models.spmc.geometry import places, read, splat

    values = torch.rand(2, 3, 9, 12)
    flows = torch.rand(2, 3, 2, 9, 12) * 4 - 2
    together = splat(values, places(flows))
    for b in range(2):
        alone = [
            splat(values[b, i].reshape(1, 1, 9, 12), places(flows[b, i].reshape(1, 1, 2, 9, 12)))
            for i in range(3)
        ]
        torch.testing.assert_close(together[b], torch.cat(alone).sum(0))
        expected = read(together[b : b + 1], places(flows[b : b + 1]))
        torch.testing.assert_close(read(together, places(flows))[b], expected[0])


def test_a_plane_is_read_where_splatting_writes(torch: Any) -> None:
    """Of a ramp, which bilinear reading continues exactly; outside there is nothing."""
    from models.spmc.geometry import places, read

    fine = (torch.arange(48) * 2.0 + torch.arange(36).reshape(36, 1) * 3.0).reshape(1, 1, 36, 48)
    canvas = torch.pixel_unshuffle(fine, 4).permute(0, 2, 3, 1)
    found = read(canvas, places(moved(torch, 0.3, -0.6).unsqueeze(1)))[0, 0]
    columns, rows = 4 * (torch.arange(12) + 0.8) - 0.5, 4 * (torch.arange(9) - 0.1) - 0.5
    expected = columns * 2 + rows.reshape(9, 1) * 3
    torch.testing.assert_close(found[1:, :11], expected[1:, :11])
    assert not read(canvas, places(moved(torch, 100, 0).unsqueeze(1))).any()


def test_where_nothing_arrives_the_canvas_says_so(torch: Any) -> None:
    from models.spmc.network import Fusion, SpmcConfig

    fusion = Fusion(SpmcConfig())
    pictures = torch.rand(1, 2, 9, 12)
    flows = moved(torch, 100, 100).unsqueeze(1)
    reference = pictures[:, :1]
    with torch.no_grad():
        given = pictures[:, 1:], flows, reference, fusion.enlarge(reference)
        innovation, doubt = fusion.compensate(*given)
        still = pictures[:, :1], flows * 0, reference, given[-1]
        _, less = fusion.compensate(*still)
    assert not innovation.any() and (doubt == 1).all()
    assert (less[..., [5, 6, 9, 10]] < 0.9).all() and (less[..., 0] == 1).all()


@pytest.mark.parametrize(("x", "y"), [(2, -1), (2.4, -1.4), (-0.3, 0.45)])
def test_states_are_read_at_the_nearest_pixel(torch: Any, x: float, y: float) -> None:
    from models.spmc.geometry import LIMIT, nearest, off_grid

    state = torch.rand(2, 9, 12, 3)
    flow = moved(torch, x, y).expand(2, 2, 9, 12)
    expected = torch.roll(state, (-round(y), -round(x)), (1, 2))
    found = nearest(state, flow)
    torch.testing.assert_close(found[:, 2:-2, 3:-3], expected[:, 2:-2, 3:-3])
    torch.testing.assert_close(found[:, 0, 0], state[:, max(0, round(y)), max(0, round(x))])
    off = off_grid(flow)[0, :, 0, 0] / (2 * LIMIT)
    torch.testing.assert_close(off, torch.tensor([float(x - round(x)), float(y - round(y))]))


@pytest.mark.parametrize(("x", "y"), [(1, 0), (0.25, -0.5), (-1.2, 0.8)])
def test_detail_is_read_on_its_own_fine_grid(torch: Any, x: float, y: float) -> None:
    from models.spmc.geometry import nearest_detail

    fine = torch.rand(2, 1, 36, 48)
    detail = torch.pixel_unshuffle(fine, 4)
    found = nearest_detail(detail, moved(torch, x, y).expand(2, 2, 9, 12))
    picture = torch.pixel_shuffle(found, 4)
    expected = torch.roll(fine, (-round(4 * y), -round(4 * x)), (2, 3))
    torch.testing.assert_close(picture[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8])


@pytest.mark.parametrize(("x", "y"), [(1.1, 0), (0.35, -0.6), (-1.17, 0.88)])
def test_detail_is_carried_between_fine_pixels(torch: Any, x: float, y: float) -> None:
    """Of waves five fine pixels long, far better than at the nearest one; whole steps are exact."""
    from models.spmc.geometry import moved_detail, nearest_detail, slopes

    def waves(x: float, y: float) -> Any:
        rows, columns = torch.meshgrid(torch.arange(36.0), torch.arange(48.0), indexing="ij")
        return (torch.sin((columns + 4 * x) * 1.2 + (rows + 4 * y) * 0.4))[None, None]

    detail = torch.pixel_unshuffle(waves(0, 0), 4)
    flow = moved(torch, x, y)
    found, nearest = moved_detail(detail, flow, slopes()), nearest_detail(detail, flow)
    wrong = [
        float((torch.pixel_shuffle(each, 4) - waves(x, y))[..., 8:-8, 8:-8].square().mean())
        for each in (found, nearest)
    ]
    assert wrong[0] < 0.2 * wrong[1]
    whole = moved(torch, 0.5, -0.25)
    assert torch.equal(moved_detail(detail, whole, slopes()), nearest_detail(detail, whole))


def test_steps_of_eight_bits_let_gradients_pass(torch: Any) -> None:
    from models.spmc.network import stepped

    state = torch.linspace(-2, 2, 999).requires_grad_()
    found = stepped(state)
    found.square().sum().backward()
    assert torch.equal(found * 64, (found * 64).round())
    assert float((found - state).detach().abs().max()) <= 1 / 128 + 1e-6
    torch.testing.assert_close(state.grad, 2 * found.detach())


def test_a_flow_and_its_inverse_lead_back(torch: Any) -> None:
    """Of a motion that turns and stretches, by up to three pixels; and of a step of two pixels."""
    from models.spmc.geometry import inverse, warp

    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    flow = torch.stack([0.06 * (rows - 20) + 1, 0.05 * (columns - 30) - 1]).unsqueeze(0)
    assert float(flow.abs().amax()) > 2.5
    there_and_back = (flow + warp(inverse(flow), flow))[..., 8:-8, 8:-8]
    assert float(there_and_back.abs().max()) < 0.002
    assert float((flow + warp(-flow, flow))[..., 8:-8, 8:-8].abs().max()) > 0.1
    step = torch.where(columns < 32, 2.0, 0.0).expand(1, 2, 48, 64)
    found = inverse(step)
    assert (found[..., :30] == -2).all() and (found[..., 34:] == 0).all()
    assert set(found.unique().tolist()) <= {-2.0, 0.0}


def test_flows_are_put_together_at_the_nearest_pixel(torch: Any) -> None:
    """Of a step of two pixels no mean is made; of a slow change it is within half of that."""
    from models.spmc.geometry import compose

    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    first = moved(torch, 1.4, -0.6, 48, 64)
    step = torch.where(columns < 32, 2.0, 0.0).expand(1, 2, 48, 64)
    found = compose(first, step)
    assert torch.equal(found, first + torch.where(columns < 31, 2.0, 0.0))
    slow = torch.stack([0.02 * rows, 0.03 * columns]).unsqueeze(0)
    exact = first + torch.stack([0.02 * (rows - 0.6), 0.03 * (columns + 1.4)])
    off = (compose(first, slow) - exact)[..., 1:-1, 1:-2].abs()
    assert 0.005 < float(off.max()) <= 0.015


def test_motion_learns_when_told_to(torch: Any) -> None:
    """What splatting makes of the flows has a gradient for them; stages without it keep motion."""
    from models.spmc.network import Spmc

    torch.manual_seed(0)
    network = Spmc()
    frames = torch.rand(1, 4, 16, 24)
    for learns in (False, True):
        network.zero_grad()
        network(frames, 1, motion_learns=learns).square().mean().backward()
        found = [parameter.grad for parameter in network.motion.parameters()]
        assert all((grad is not None and bool(grad.any())) == learns for grad in found)
        assert all(parameter.grad is not None for parameter in network.fusion.parameters())


def test_frames_that_only_lead_up_change_no_picture_and_teach_nothing(torch: Any) -> None:
    from models.spmc.network import Spmc, SpmcConfig

    network = Spmc(SpmcConfig(channels=16, inner=(16,), state=4, motion=(8, 8)))
    torch.nn.init.normal_(network.fusion.head.weight)
    frames = torch.rand(1, 5, 16, 16)
    whole = network(frames)
    late = network(frames, before=3)
    torch.testing.assert_close(late, whole[:, 3:])
    enters = network.fusion.merge.weight  # its channels from 36 on see the states
    given = [torch.autograd.grad(found[:, -1].sum(), enters)[0] for found in (whole, late)]
    assert float((given[0] - given[1]).abs().max()) > 0
    assert float(torch.autograd.grad(network(frames, before=4).sum(), enters)[0].abs().max()) > 0


def test_halved_pictures_show_no_pattern_that_is_not_there(torch: Any) -> None:
    """Two pixels fine, it would come out ten pixels wide; what is coarse stays, and in place."""
    from models.spmc.motion import half

    x = torch.arange(64.0)
    fine = torch.cos(2 * torch.pi * x / 2.1).expand(1, 1, 64, 64).contiguous()
    assert float(half(fine)[..., 2:-2].abs().max()) < 0.002
    ramp = x.expand(1, 1, 64, 64).contiguous()
    torch.testing.assert_close(half(ramp)[0, 0, 5, 1:-1], 2 * x[1:31] + 0.5)


def doubt(torch: Any, height: int = 32, width: int = 48) -> Any:
    """What the network says of its flow if it has nothing to say."""
    from models.spmc.motion import DOUBT

    return torch.zeros(1, DOUBT, height, width)


def test_a_noisy_flow_settles(torch: Any) -> None:
    """Of a motion that turns and stretches; errors of a thirtieth of a pixel are halved."""
    from models.spmc.motion import Settle

    torch.manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
    truth = torch.stack([0.01 * columns - 0.02 * rows, 0.02 * columns + 0.01 * rows])[None]
    noisy = truth + torch.randn_like(truth) / 30
    found = Settle()(noisy, doubt(torch))
    after, before = ((each - truth)[..., 8:-8, 8:-8].square().mean() for each in (found, noisy))
    assert after < 0.2 * before


def test_motion_edges_stay_where_they_are(torch: Any) -> None:
    """An object three pixels faster than what is behind it, in the middle of a block."""
    from models.spmc.motion import Settle

    flow = torch.zeros(1, 2, 32, 48)
    flow[:, 0, 9:23, 14:31] = 3
    assert float((Settle()(flow, doubt(torch)) - flow).abs().max()) < 0.05


def test_flow_that_is_doubted_follows_what_is_trusted(torch: Any) -> None:
    """A block that says a twentieth of a pixel less than those around, and that it knows little."""
    from models.spmc.motion import Settle

    flow, said = torch.ones(1, 2, 32, 48), doubt(torch)
    flow[:, :, 12:16, 20:24] = 0.95
    said[:, 0, 12:16, 20:24] = -0.25
    trusted = float(Settle()(flow, doubt(torch))[0, 0, 13:15, 21:23].mean())
    doubted = float(Settle()(flow, said)[0, 0, 13:15, 21:23].mean())
    assert trusted < doubted and doubted > 0.97

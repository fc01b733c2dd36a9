"""Channels taken out of the residual blocks: those that say nothing of their own go first."""

from __future__ import annotations

from typing import Any

import pytest


def network_of_twins(torch: Any) -> Any:
    """A small network whose channels C and C + 8 of every block say the same, twice as loudly."""
    from models.spmc.network import Spmc, SpmcConfig

    torch.manual_seed(0)
    network = Spmc(SpmcConfig(channels=16, inner=(16, 16), state=8, motion=(8, 8))).eval()
    for block in network.fusion.body:
        block.second.weight.data.mul_(10)
        for parameter in (block.first.weight, block.first.bias):
            parameter.data[8:] = 2 * parameter.data[:8]
    return network


def test_what_is_said_twice_can_go(torch: Any) -> None:
    from models.spmc.narrow import narrowed, watch

    network = network_of_twins(torch)
    clip = torch.rand(1, 6, 24, 32)
    with torch.no_grad():
        before = network(clip)
    for number, seen in enumerate(watch(network, [clip])):
        kept = seen.chosen(8)
        assert sorted(channel % 8 for channel in kept) == list(range(8))
        assert seen.error(kept) < 1e-5
        assert seen.error(kept[:7]) > 1e-3
        network.fusion.body[number] = narrowed(network.fusion.body[number], seen, kept)
    with torch.no_grad():
        after = network(clip)
    assert sum(each.numel() for each in network.fusion.body.parameters()) == 2 * (8 * 288 + 24)
    # Some values come near the middle between two pixels of the states; all others hardly change.
    assert float((after - before).square().mean().sqrt()) < 1e-4
    network.fusion.body = torch.nn.Identity()
    with torch.no_grad():
        assert float((network(clip) - before).square().mean().sqrt()) > 1e-2


def test_the_others_take_over_what_they_can(torch: Any) -> None:
    """Half of the channels, fitted, lose less of what the block adds than as they were."""
    from models.spmc.narrow import narrowed, watch
    from models.spmc.network import Residual, Spmc, SpmcConfig

    torch.manual_seed(1)
    network = Spmc(SpmcConfig(channels=16, inner=(16,), state=8, motion=(8, 8))).eval()
    clip = torch.rand(1, 6, 24, 32)
    [seen] = watch(network, [clip], pixels=2000)
    kept, block = seen.chosen(8), network.fusion.body[0]
    cut = Residual(16, 8)
    cut.first.weight.data, cut.first.bias.data = block.first.weight[kept], block.first.bias[kept]
    cut.second.weight.data, cut.second.bias.data = block.second.weight[:, kept], block.second.bias
    met: list[Any] = []
    hook = block.register_forward_pre_hook(lambda _, given: met.append(given[0]))
    with torch.no_grad():
        network(clip)
        hook.remove()
        blocks = block, narrowed(block, seen, kept), cut
        added = [torch.cat([each(x) - x for x in met]) for each in blocks]
    lost = [float((each - added[0]).square().mean() / added[0].square().mean()) for each in added]
    assert lost[1] < 0.7 * lost[2]
    assert lost[1] == pytest.approx(seen.error(kept), rel=0.3)


def test_sizes_are_read_off_weights(torch: Any) -> None:
    from models.spmc.network import Spmc, SpmcConfig, config_of

    weights = Spmc(SpmcConfig(inner=(16, 48, 8))).state_dict()
    assert config_of(weights) == SpmcConfig(inner=(16, 48, 8))
    other = SpmcConfig(channels=16, inner=(8, 4), state=12, score=4, motion=(8, 16, 24))
    assert config_of(Spmc(other).state_dict()) == other

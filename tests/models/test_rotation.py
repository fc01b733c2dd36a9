"""The residual stream turned: the same pictures, of values that reach less far."""

from __future__ import annotations

from typing import Any


def test_a_rotated_network_gives_the_same(torch: Any) -> None:
    from models.spmc.network import Spmc, SpmcConfig
    from models.spmc.rotation import rotate

    torch.manual_seed(0)
    network = Spmc(SpmcConfig(channels=16, inner=(16, 16), state=8, motion=(8, 8))).eval()
    network.fusion.merge.weight.data[3] *= 40
    seen: list[Any] = []
    network.fusion.merge.register_forward_hook(lambda _, __, out: seen.append(out))
    frames = torch.rand(1, 4, 16, 24)
    with torch.no_grad():
        before = network(frames)
        rotate(network.fusion)
        after = network(frames)
    torch.testing.assert_close(before, after, atol=1e-4, rtol=0)
    first, last = seen[0], seen[len(seen) // 2]
    assert float(last.abs().max()) < 0.5 * float(first.abs().max())
    torch.testing.assert_close(last.square().sum(1), first.square().sum(1), rtol=1e-3, atol=1e-4)

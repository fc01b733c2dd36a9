"""The optimiser that steps by orthogonalised momentum."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(("rows", "columns"), [(16, 144), (64, 16), (32, 32)])
def test_all_directions_become_alike(torch: Any, rows: int, columns: int) -> None:
    from models.spmc.muon import orthogonalised

    torch.manual_seed(0)
    matrix = torch.randn(rows, columns) @ torch.diag(10.0 ** torch.linspace(0, -1.5, columns))
    found = torch.linalg.svdvals(orthogonalised(matrix))
    assert float(found.max()) < 1.3
    assert float((found > 0.6).float().mean()) > 0.9


def test_a_small_direction_is_learnt_as_fast_as_a_large_one(torch: Any) -> None:
    """Four outputs of a convolution, one of which matters a hundred times less to the loss."""
    from models.spmc.muon import Muon

    layer = torch.nn.Conv2d(4, 4, 1)
    torch.nn.init.zeros_(layer.weight), torch.nn.init.zeros_(layer.bias)
    before = layer.weight.detach().clone()
    optimiser = Muon(layer.parameters())
    optimiser.param_groups[0]["lr"] = 0.1
    given = torch.eye(4).reshape(4, 4, 1, 1)
    error = layer(given) - given * torch.tensor([1.0, 1.0, 1.0, 0.01]).reshape(1, 4, 1, 1)
    error.square().sum().backward()
    optimiser.step()
    moved = (layer.weight.detach() - before).diagonal().flatten()
    assert float(moved.min()) > 0.5 * float(moved.max()) > 0
    assert layer.bias.any()  # by Adam

"""In how many bits networks are trained."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(("capability", "half"), [("AVX2", False), ("AVX512", True)])
def test_half_only_where_it_saves_time(
    torch: Any, monkeypatch: pytest.MonkeyPatch, capability: str, half: bool
) -> None:
    from models.common.precision import half_where_fast

    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    convolution, picture = torch.nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 8, 8)
    with half_where_fast():
        assert (convolution(picture).dtype == torch.bfloat16) == half

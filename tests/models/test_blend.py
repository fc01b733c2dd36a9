"""The mean of weights, and work that forked processes share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest

from vsrcli.errors import InputError


def test_the_mean_counts_each_state_by_its_share(
    tmp_path: Path, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.common.blend import main

    generator = torch.Generator().manual_seed(0)
    one, two = ({"w": torch.randn(3, 4, generator=generator)} for _ in "ab")
    torch.save(one, tmp_path / "one.pt")
    torch.save({"step": 7, "weights": one, "average": two}, tmp_path / "two.pt")  # a checkpoint
    parts = [f"{tmp_path / 'one.pt'}:3", f"{tmp_path / 'two.pt'}:1"]
    monkeypatch.setattr(sys, "argv", ["blend", str(tmp_path / "mean.pt"), *parts])
    main()
    found = torch.load(tmp_path / "mean.pt", weights_only=True)
    assert list(found) == ["w"]
    assert torch.allclose(found["w"], 0.75 * one["w"] + 0.25 * two["w"], atol=1e-7)


def test_equal_states_are_their_own_mean(torch: Any) -> None:
    from models.common.blend import blend

    weights = {"w": torch.randn(64, generator=torch.Generator().manual_seed(1))}
    assert (blend([(weights, 0.3), (weights, 0.4), (weights, 0.3)])["w"] == weights["w"]).all()


def test_other_networks_are_refused(torch: Any) -> None:
    from models.common.blend import blend

    with pytest.raises(InputError, match="different networks"):
        blend([({"w": torch.zeros(3)}, 1.0), ({"w": torch.zeros(4)}, 1.0)])


@pytest.mark.parametrize("share", ["inf", "nan", "0", "-1", "much", ""])
def test_a_share_is_a_number_above_zero(torch: Any, tmp_path: Path, share: str) -> None:
    """Of infinitely much the mean had been no number, without a word."""
    from models.common.blend import part

    torch.save({"w": torch.zeros(3)}, tmp_path / "one.pt")
    with pytest.raises(argparse.ArgumentTypeError, match="a share above 0"):
        part(f"{tmp_path / 'one.pt'}:{share}")


def test_an_average_follows_the_weights(torch: Any) -> None:
    from models.common.weights import copied, follow

    module = torch.nn.Linear(3, 2)
    before, average = copied(module), copied(module)
    with torch.no_grad():
        module.weight += 1
    assert (average["weight"] == before["weight"]).all()
    follow(average, module, 0.75)
    assert torch.allclose(average["weight"], before["weight"] + 0.25, atol=1e-6)
    assert (average["bias"] == before["bias"]).all()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_forked_work_comes_back_in_order(torch: Any) -> None:
    from models.crn.forked import forked

    held = list(range(100, 120))
    # A closure cannot be pickled: it is there because the process was forked.
    found = list(forked(lambda index: (held[index], torch.get_num_threads()), range(20), 2, 3))
    assert found == [(100 + index, 1) for index in range(20)]

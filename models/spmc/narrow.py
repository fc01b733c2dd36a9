"""Take channels out of the residual blocks: those whose part the others can play best.

    python -m models.spmc.narrow --weights WIDE.pt --clips CACHE --inner 32,32,48 --out NARROW.pt

Between the two convolutions of a block channels go one by one. It is always the one without which
what the block gives can be fitted best by the second convolution over those that are left: least
squares, on pixels of clips. The error of all candidates follows from one inverse, as in B. Hassibi,
D. G. Stork, "Second Order Derivatives for Network Pruning: Optimal Brain Surgeon", NIPS 1992; whole
channels and the fit of what they give are after Y. He, X. Zhang, J. Sun, "Channel Pruning for
Accelerating Very Deep Neural Networks", ICCV 2017 (arXiv 1707.06168). Training goes on from the
result: `python -m models.spmc.train CONFIG --weights NARROW.pt`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.common.command import check_target, positive, told
from models.common.weights import save
from models.spmc.network import Residual, Spmc, load
from models.spmc.quantise import load_clips
from vsrcli.errors import InputError

TAPS = 9
"""Places a 3x3 convolution reads."""
FRAMES, PIXELS = 8, 60
"""Of every clip: frames, and the places looked at in each."""
RIDGE = 1e-6
"""What is added to every variance, as a share of the mean one: dead channels have none."""


@dataclass
class Seen:
    """What a block was seen to do: moments of what its second convolution reads and gives."""

    read: Tensor = field(default_factory=lambda: torch.zeros(0))
    """Sums of products [C * TAPS + 1]^2 of the values read, channel by channel, and of a one."""
    given: Tensor = field(default_factory=lambda: torch.zeros(0))
    """Sums of products [C * TAPS + 1, C] of these with what the block adds."""
    energy: float = 0.0
    """Sum of squares of what it adds."""

    def add(self, values: Tensor, results: Tensor) -> None:
        """VALUES [P, C * TAPS] read and RESULTS [P, C] given, at so many places."""
        values = torch.cat([values, torch.ones(len(values), 1)], 1).double()
        results = results.double()
        read, given = values.T @ values, values.T @ results
        self.read = self.read + read if len(self.read) else read
        self.given = self.given + given if len(self.given) else given
        self.energy += float(results.square().sum())

    def fitted(self, channels: list[int]) -> tuple[Tensor, Tensor]:
        """What the CHANNELS alone give best: weights [K * TAPS + 1, C], and the inverse of their
        moments."""
        at = _rows(channels)
        mean = self.read.diagonal().mean()
        ridge = RIDGE * mean * torch.eye(len(at)).double()
        inverse = torch.linalg.inv(self.read[at][:, at] + ridge)
        return inverse @ self.given[at], inverse

    def error(self, channels: list[int]) -> float:
        """Share of the energy of what the block adds that the CHANNELS do not give."""
        at = _rows(channels)
        weights, _ = self.fitted(channels)
        wrong = self.read[at][:, at] @ weights - 2 * self.given[at]
        return 1 + float((weights * wrong).sum()) / self.energy

    def chosen(self, count: int) -> list[int]:
        """The COUNT channels that are left when the others have gone, one by one."""
        left = list(range((len(self.read) - 1) // TAPS))
        while len(left) > count:
            weights, inverse = self.fitted(left)
            losses = []
            for number in range(len(left)):
                own = slice(number * TAPS, (number + 1) * TAPS)
                change = torch.linalg.solve(inverse[own, own], weights[own])
                losses.append(float((weights[own] * change).sum()))
            left.pop(min(range(len(left)), key=losses.__getitem__))
        return left


def _rows(channels: list[int]) -> Tensor:
    """Where the values of CHANNELS stand among the moments, and the one behind all of them."""
    return torch.tensor([c * TAPS + tap for c in channels for tap in range(TAPS)] + [-1])


def watch(network: Spmc, clips: list[Tensor], pixels: int = PIXELS) -> list[Seen]:
    """What every block of NETWORK does on CLIPS [1, T, H, W], at PIXELS places of every frame."""
    seen = [Seen() for _ in network.fusion.body]
    hooks = [
        block.register_forward_hook(_watcher(each, pixels))
        for block, each in zip(network.fusion.body, seen, strict=True)
    ]
    with torch.no_grad():
        for clip in clips:
            network(clip)
    for hook in hooks:
        hook.remove()
    return seen


def _watcher(seen: Seen, pixels: int) -> Callable[[nn.Module, Any, Any], None]:
    def hook(block: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        assert isinstance(block, Residual)
        inner = F.pad(F.relu(block.first(inputs[0])), (1, 1, 1, 1))
        added = output - inputs[0]
        height, width = added.shape[2:]
        y, x = torch.randint(height, (pixels,)), torch.randint(width, (pixels,))
        taps = [inner[0][:, y + dy, x + dx] for dy in range(3) for dx in range(3)]
        seen.add(torch.stack(taps, 1).flatten(0, 1).T, added[0][:, y, x].T)

    return hook


def narrowed(block: Residual, seen: Seen, kept: list[int]) -> Residual:
    """BLOCK, which was SEEN to work, with the KEPT channels between its convolutions."""
    weights, _ = seen.fitted(kept)
    count, channels = len(kept), block.second.out_channels
    made = Residual(channels, count)
    taps = weights[:-1].reshape(count, 3, 3, channels).permute(3, 0, 1, 2)
    for parameter, value in (
        (made.first.weight, block.first.weight[kept]),
        (made.first.bias, _bias(block.first)[kept]),
        (made.second.weight, taps),
        (made.second.bias, weights[-1]),
    ):
        assert parameter is not None
        parameter.data.copy_(value)
    return made


def _bias(convolution: nn.Conv2d) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias


@told
def main() -> None:
    """Write the weights of a narrower network."""
    parser = argparse.ArgumentParser(
        prog="python -m models.spmc.narrow",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--weights", type=Path, required=True, help="of the wider network")
    parser.add_argument("--clips", type=Path, required=True, help="a cache of models.spmc.data")
    parser.add_argument(
        "--inner", required=True, type=counts, help="channels of every block, such as 32,48"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=positive, default=48, help="clips to look at")
    given = parser.parse_args()
    check_target(given.out)
    torch.manual_seed(0)
    network = load(given.weights)
    inner = given.inner
    widths = network.config.inner
    if len(inner) != len(widths) or any(a > b for a, b in zip(inner, widths, strict=True)):
        raise InputError(f"--inner: the blocks of {given.weights} have {widths} channels at most")
    clips = [
        torch.from_numpy(clip[:FRAMES]).float().unsqueeze(0) / 255
        for clip in load_clips(given.clips, given.count)
    ]
    seen = watch(network, clips)
    for number, (each, count) in enumerate(zip(seen, inner, strict=True)):
        block = network.fusion.body[number]
        assert isinstance(block, Residual)
        kept = each.chosen(count)
        network.fusion.body[number] = narrowed(block, each, kept)
        print(f"block {number}: {count} channels, {each.error(kept):.4f} of its energy lost")
    save(network.state_dict(), given.out)


def counts(text: str) -> list[int]:
    """Reads numbers of channels separated by commas."""
    found = [int(part) for part in text.split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError("a block has at least one channel")
    return found


if __name__ == "__main__":
    main()

"""Principal components of what edits take away, each as a convolution.

A discrepancy patch v (truth minus edited, 11 x 11 x 3) is the sum of u_i u_i' v over the principal
directions u_i. Over all overlapping patches of a picture that projection is a convolution with u_i,
then one with u_i turned round; the two together are one 21 x 21 kernel. Components 1 to 7 stand
alone, the many small ones go in groups, whose kernels add up; the last group is what is left.

Patches are not centred: a photo that was not edited has no discrepancy, and is no component.

    python -m models.crn.components --cache DIR [--pairs 1500]

writes components.npz beside this file.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.common.command import positive, told
from models.common.replacing import replacing
from vsrcli.errors import InputError

PATCH = 11
SINGLE = 7
GROUPS = (*((i, i + 1) for i in range(SINGLE)), (7, 20), (20, 100), (100, 3 * PATCH**2))
"""First and end component (from 0) of every branch."""
TONE = 3
"""The first so many components are colour; what follows is texture."""
BORDER = PATCH - 1
"""Pixels along a picture's edge where patches are missing: components are not defined there."""
STORE = Path(__file__).with_name("components.npz")


def names() -> list[str]:
    """What every group is called: "1" to "7", "8-20" ..."""
    return [str(first + 1) if end - first == 1 else f"{first + 1}-{end}" for first, end in GROUPS]


@dataclass(frozen=True)
class Components:
    """Directions and how much each varies."""

    directions: Tensor
    """[363, 363]: row i is u_i, laid out as [3, 11, 11]."""
    variances: Tensor
    """[363]: mean square of u_i' v over patches, pictures 0..1, largest first."""
    scales: Tensor
    """[groups]: root mean square, per sample, of every group's picture."""

    @classmethod
    def load(cls, path: Path = STORE) -> Components:
        """Those in the repository."""
        with np.load(path) as stored:
            return cls(
                *(torch.from_numpy(stored[n]) for n in ("directions", "variances", "scales"))
            )

    def check(self, scales: Tensor, path: Path) -> None:
        """InputError if SCALES, of the weights in PATH, are not of these components."""
        if not self.scales.equal(scales):
            raise InputError(
                f"{path} was trained on other components than {STORE.name} holds: make them anew "
                f"from its cache, or bring back those of the shipped weights (git checkout {STORE})"
            )

    def kernels(self) -> Tensor:
        """[3 (groups - 1), 3, 21, 21]: every group but the last as one convolution."""
        return torch.cat([self.kernel(*group) for group in GROUPS[:-1]])

    def kernel(self, first: int, end: int) -> Tensor:
        """[3, 3, 21, 21]: the projection on components FIRST to END, mean over the patches."""
        chosen = self.directions[first:end].reshape(-1, 3, PATCH, PATCH)
        # Correlation of u_i with itself, summed over i: output channel o, input channel c.
        padded = F.pad(chosen, [BORDER] * 4).transpose(0, 1)  # [c, i, 31, 31]
        both = F.conv2d(padded, chosen.transpose(0, 1))  # [c, o, 21, 21]
        return both.transpose(0, 1).contiguous() / PATCH**2

    def project(self, discrepancy: Tensor, count: int) -> Tensor:
        """u_i' v of every patch of DISCREPANCY [n, 3, h, w] for the first COUNT components."""
        return F.conv2d(discrepancy, self.directions[:count].reshape(-1, 3, PATCH, PATCH))


def split(discrepancy: Tensor, kernels: Tensor) -> Tensor:
    """DISCREPANCY [n, 3, h, w] as [n, groups, 3, h, w], which adds up to it."""
    return split_inside(F.pad(discrepancy, [BORDER] * 4), kernels)


def split_inside(discrepancy: Tensor, kernels: Tensor) -> Tensor:
    """The same where components are defined: [n, groups, 3, h - 20, w - 20]."""
    parts = F.conv2d(discrepancy, kernels).unflatten(1, (-1, 3))
    inner = discrepancy[..., BORDER:-BORDER, BORDER:-BORDER]
    return torch.cat([parts, (inner - parts.sum(1)).unsqueeze(1)], dim=1)


def fit(discrepancies: NDArray[np.float32]) -> Components:
    """Components of patches of DISCREPANCIES [n, 3, h, w]."""
    pictures = torch.from_numpy(discrepancies)
    moments = torch.zeros(3 * PATCH**2, 3 * PATCH**2, dtype=torch.float64)
    count = 0
    for picture in pictures:
        patches = F.unfold(picture[None], PATCH, stride=3)[0].T.double()
        moments += patches.T @ patches
        count += len(patches)
    variances, directions = torch.linalg.eigh(moments / count)
    # eigh's signs depend on the library: let every direction have a positive sum or first sample.
    directions = directions.flip(1).T
    signs = torch.sign(directions.sum(1) + 1e-6 * directions[:, 0])
    found = (directions * signs[:, None]).float().contiguous()
    partial = Components(found, variances.flip(0).float(), torch.ones(len(GROUPS)))
    kernels = partial.kernels()
    inner = slice(BORDER, -BORDER)
    squares = torch.zeros(len(GROUPS), dtype=torch.float64)
    for picture in pictures:
        parts = split(picture[None], kernels)[..., inner, inner]
        squares += parts.double().square().mean((0, 2, 3, 4))
    return Components(found, partial.variances, (squares / len(pictures)).sqrt().float())


@told
def main() -> None:
    """Fit and store."""
    from models.crn.data import Faces  # not for the network, which is made of this module

    parser = argparse.ArgumentParser(prog="python -m models.crn.components", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pairs", type=positive, default=1500)
    given = parser.parse_args()
    batch = Faces(given.cache, 128).batch(given.pairs, seed=1)
    found = fit((batch.truth - batch.edited).numpy())
    with replacing(STORE) as made, made.open("wb") as file:
        np.savez_compressed(
            file,
            directions=found.directions.numpy(),
            variances=found.variances.numpy(),
            scales=found.scales.numpy(),
        )
    share = found.variances / found.variances.sum()
    for name, (first, end), scale in zip(names(), GROUPS, found.scales, strict=True):
        print(f"{name:>8}  {share[first:end].sum():7.2%} of variance, rms {255 * scale:.2f} levels")


if __name__ == "__main__":
    main()

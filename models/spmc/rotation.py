"""Turn the residual stream of the fusion so that every channel holds as much as any other.

Few channels of the stream reach far, and all share one integer format, whose steps are then too
coarse for the rest. What writes to the stream and what reads it is linear, so it can be rotated
without any change to what comes out. A Hadamard matrix makes every channel a sum and difference of
all, so that none reaches much further than others, and the steps become finer. After S. Ashkboos et
al., "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs", NeurIPS 2024 (arXiv 2404.00456).
"""

from __future__ import annotations

import torch
from scipy.linalg import hadamard
from torch import Tensor, nn

from models.spmc.network import Fusion


def rotate(fusion: Fusion) -> None:
    """Rotate the residual stream of FUSION, in place; its channels must be a power of two."""
    count = fusion.merge.out_channels
    turn = torch.from_numpy(hadamard(count)).float() / count**0.5
    writers: list[nn.Conv2d] = [fusion.merge]
    readers: list[nn.Conv2d] = [fusion.project, fusion.head]
    for block in fusion.body:
        readers.append(block.first)
        writers.append(block.second)
    with torch.no_grad():
        for writer in writers:
            _set(writer.weight, torch.einsum("ij,jabc->iabc", turn, writer.weight))
            _set(writer.bias, turn @ writer.bias)
        for reader in readers:
            _set(reader.weight, torch.einsum("oiab,ji->ojab", reader.weight, turn))


def _set(parameter: Tensor | None, value: Tensor) -> None:
    assert parameter is not None
    parameter.copy_(value)

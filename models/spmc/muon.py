"""Muon: an optimiser that steps by orthogonalised momentum, for convolutions.

After K. Jordan and others, "Muon: An optimizer for hidden layers in neural networks" (2024), with
the length of step of J. Liu and others, "Muon is scalable for LLM training" (arXiv 2502.16982).
`torch.optim.Muon` takes matrices alone; here a convolution [O, I, h, w] is one of O rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the iteration's polynomial: it lifts small singular values fast and leaves all near 1."""
ITERATIONS = 5
LEAST_OUTPUTS = 3
"""Convolutions with fewer are Adam's: there are no directions to speak of."""
MOMENTUM = 0.95
LENGTH = 0.2
"""Root mean square of a step's entries, in learning rates: about what Adam's steps have."""


def orthogonalised(matrix: Tensor) -> Tensor:
    """MATRIX [rows, columns] with all its singular values made about 1 (0.7 to 1.2).

    By a Newton-Schulz iteration, float32.
    """
    wide = matrix.float() if matrix.shape[0] <= matrix.shape[1] else matrix.float().T
    wide = wide / (wide.norm() + 1e-7)
    first, third, fifth = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = wide @ wide.T
        wide = first * wide + (third * square + fifth * square @ square) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def _is_for_muon(parameter: Tensor) -> bool:
    return parameter.ndim == 4 and len(parameter) >= LEAST_OUTPUTS


class Muon(torch.optim.Adam):
    """Muon for convolutions of LEAST_OUTPUTS and more, Adam for biases and what else there is.

    Adam's estimate weighs every number by itself; a convolution's step by that is dominated by a
    few directions. Here all directions of its momentum count alike. Both kinds of step are about
    equally long, so they share a learning rate. The convolutions' momentum is kept in `exp_avg`.
    """

    def __init__(self, params: object) -> None:
        super().__init__(params, betas=(0.9, 0.99))  # type: ignore[arg-type]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step along the gradients; those of convolutions are used up."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and _is_for_muon(parameter):
                    self._step_convolution(parameter, group["lr"])
                    parameter.grad = None
        super().step(closure)

    def _step_convolution(self, parameter: Tensor, rate: float) -> None:
        state, gradient = self.state[parameter], parameter.grad
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["exp_avg"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(state["exp_avg"], MOMENTUM)
        step = orthogonalised(ahead.flatten(1))
        length = LENGTH * max(step.shape) ** 0.5
        parameter.sub_(step.reshape(parameter.shape), alpha=rate * length)

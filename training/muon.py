"""Muon: steps that are equally long in every direction, for convolutions between features.

The gradient of a convolution is mostly a few directions, and so is Adam's step. Muon takes the
momentum as a matrix and replaces it by the nearest one with orthonormal rows, so that rare
directions are learned as fast as common ones (Jordan et al., 2024,
https://kellerjordan.github.io/posts/muon/). What it is worth here: ``docs/experiments.md``.

:class:`torch.optim.Muon` refuses weights that are not flat, and computes in bfloat16, which costs
more than float32 on processors without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# Jordan's: five rounds of a polynomial of singular values that brings them near 1.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
# The root mean square of a step, as a share of the rate: about Adam's, so that one rate serves both
# (Liu et al., "Muon is Scalable for LLM Training", https://arxiv.org/abs/2502.16982, section 2.2).
_LIKE_ADAM = 0.2
_TINY = 1e-20


def inner_convolutions(network: nn.Module) -> list[Tensor]:
    """Return the weights of all convolutions but the first and the last, in the modules' order.

    Those two stand between features and a few pixels; Jordan et al. leave them to Adam.
    """
    layers = (m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))
    return [layer.weight for layer in layers][1:-1]


class Muon(torch.optim.Optimizer):
    """Muon for weights of convolutions.

    Parameters
    ----------
    weights
        Floating point ``(rows, channels, height, width)``, each taken as a matrix of so many rows.
    lr
        Rate; the root mean square of a step is a fifth of it.
    momentum
        Decay of the momentum, which is Nesterov's.
    """

    def __init__(self, weights: Iterable[Tensor], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step down the gradients; return what ``closure``, which computes them, does."""
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group["lr"], group["momentum"])
        return result

    def _move(self, weight: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum: Tensor = state["momentum"].lerp_(gradient, 1 - decay)
        step = orthogonal(gradient.lerp(momentum, decay).flatten(1))
        size = rate * _LIKE_ADAM * max(step.shape) ** 0.5
        weight.sub_(step.view(weight.shape), alpha=size)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix with orthonormal rows, or columns if it has fewer.

    Newton's and Schulz's rounds, as Jordan has them: singular values come to 0.68 to 1.14, the
    smallest excepted. All rounds act on the product of the matrix with itself, which is small.

    Parameters
    ----------
    matrix
        Floating point ``(rows, columns)``.
    """
    flat = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    flat = flat / flat.norm().clamp(min=_TINY)
    square = flat @ flat.T
    largest = square.norm().clamp(min=_TINY)  # at least the largest singular value's square
    square = square / largest
    a, b, c = _COEFFICIENTS
    rounds = torch.eye(len(flat), dtype=flat.dtype, device=flat.device)
    for _ in range(_ROUNDS):
        polynomial = torch.addmm(square, square, square, beta=b, alpha=c)
        polynomial.diagonal().add_(a)
        rounds = polynomial @ rounds
        square = polynomial @ square @ polynomial
    result: Tensor = (rounds / largest.sqrt()) @ flat
    return result if matrix.shape[0] <= matrix.shape[1] else result.T

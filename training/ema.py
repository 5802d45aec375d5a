"""Running mean of the weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class ExponentialMovingAverage:
    """A copy of a network whose weights follow slowly.

    The mean of the last iterations' weights gives a better network than the last ones alone (Polyak
    averaging). The decay rises from zero, so that the start is forgotten early:
    ``min(decay, (1 + n) / (10 + n))`` after n updates.

    Attributes
    ----------
    network
        The copy, in evaluation mode and without gradients.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, iteration: int) -> None:
        """Follow ``network`` after the 0-based ``iteration``."""
        rate = 1 - min(self.decay, (1 + iteration) / (10 + iteration))
        weights: Iterable[Tensor] = network.parameters()
        means: Iterable[Tensor] = self.network.parameters()
        for mean, weight in zip(means, weights, strict=True):
            mean.lerp_(weight, rate)
        for mean, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            mean.copy_(buffer)

"""A network for images of any size."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FullImage(nn.Module):
    """Pads an image to the network's size multiple, restores it, crops it and clips it to [0, 1].

    Maps float32 ``(batch, 1, height, width)`` in [0, 1] to the same shape, any height and width
    >= 1. The bottom and the right edge are repeated: a reflection would need as many pixels as it
    adds, and a picture may have one.
    """

    def __init__(self, network: nn.Module, size_multiple: int) -> None:
        super().__init__()
        self.network = network
        self.size_multiple = size_multiple

    def forward(self, image: Tensor) -> Tensor:
        """Restore ``image``."""
        height, width = image.shape[-2:]
        rows, columns = self._positions(height, image), self._positions(width, image)
        padded = image.index_select(-2, rows).index_select(-1, columns)
        restored: Tensor = self.network(padded)
        return restored[..., :height, :width].clamp(0, 1)

    def _positions(self, size: int, image: Tensor) -> Tensor:
        """Return which row or column stands at each place of the padded image."""
        padded = (size + self.size_multiple - 1) // self.size_multiple * self.size_multiple
        return torch.arange(padded, device=image.device).clamp(max=size - 1)

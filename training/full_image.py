"""A network for images of any size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FullImage(nn.Module):
    """Pads an image, restores it, crops it and clips it to [0, 1].

    Maps float32 ``(batch, 1, height, width)`` in [0, 1] to the same shape, any height and width
    >= 1. At the bottom and on the right the edges are repeated up to the next size multiple; a
    reflection would need as many pixels as it adds, and a picture may have one. What convolutions
    see around that is zeros, as they did at the edges of the patches that they learned from: edges
    repeated on all sides would take time and give less
    (``docs/experiments.md``).
    """

    def __init__(self, network: nn.Module, size_multiple: int) -> None:
        super().__init__()
        self.network = network
        self.size_multiple = size_multiple

    def forward(self, image: Tensor) -> Tensor:
        """Restore ``image``."""
        height, width = image.shape[-2:]
        right, bottom = (-size % self.size_multiple for size in (width, height))
        restored: Tensor = self.network(F.pad(image, (0, right, 0, bottom), mode="replicate"))
        return restored[..., :height, :width].clamp(0, 1)

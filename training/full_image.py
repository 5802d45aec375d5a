"""A network for images of any size."""

from __future__ import annotations

import torch.nn.functional as F
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
        missing = (0, -width % self.size_multiple, 0, -height % self.size_multiple)
        restored: Tensor = self.network(F.pad(image, missing, mode="replicate"))
        return restored[..., :height, :width].clamp(0, 1)

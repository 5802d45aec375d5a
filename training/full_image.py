"""A network for images of any size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FullImage(nn.Module):
    """Pads an image, restores it, crops it and clips it to [0, 1].

    Maps float32 ``(batch, 1, height, width)`` in [0, 1] to the same shape, any height and width
    >= 1. All edges are repeated: by one size multiple, so that the black which convolutions see
    around their input lies away from the picture (it would darken a white one by 2.5 levels along
    its edges), and at the bottom and on the right up to the next multiple. A reflection would need
    as many pixels as it adds, and a picture may have one.
    """

    def __init__(self, network: nn.Module, size_multiple: int) -> None:
        super().__init__()
        self.network = network
        self.size_multiple = size_multiple

    def forward(self, image: Tensor) -> Tensor:
        """Restore ``image``."""
        height, width = image.shape[-2:]
        margin = self.size_multiple
        right, bottom = (margin + -size % margin for size in (width, height))
        padded = F.pad(image, (margin, right, margin, bottom), mode="replicate")
        restored: Tensor = self.network(padded)
        return restored[..., margin : margin + height, margin : margin + width].clamp(0, 1)

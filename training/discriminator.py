"""The project's discriminator: patch logits at three scales."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class _PatchDiscriminator(nn.Module):
    """Logits for overlapping patches (Isola et al., https://arxiv.org/abs/1611.07004)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (1, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(
            # Spectral normalisation bounds the slope of the discriminator
            # (Miyato et al., https://arxiv.org/abs/1802.05957), so BCE keeps a gradient.
            spectral_norm(nn.Conv2d(channels, features, 4, stride=2, padding=1))
            for channels, features in pairwise(widths)
        )
        self.logits = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        for layer in self.layers:
            image = F.leaky_relu(layer(image), 0.2)
        logits: Tensor = self.logits(image)
        return logits


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators on the image and on its averages over 2x2 and 4x4 pixels.

    Maps ``(batch, 1, height, width)`` in [0, 1], sides of at least 32, to logits
    ``(batch, positions)``. It computes in float32 also under autocast: restored and pristine differ
    by grey levels that bfloat16 cannot tell apart (``docs/experiments.md``).
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_PatchDiscriminator(width) for _ in range(3))

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits that the patches of ``image`` are pristine."""
        with torch.autocast(image.device.type, enabled=False):
            image = (image.float() - 0.5) * 4
            logits = []
            for number, scale in enumerate(self.scales):
                scaled = F.avg_pool2d(image, 2**number) if number else image
                logits.append(scale(scaled).flatten(1))
            return torch.cat(logits, dim=1)

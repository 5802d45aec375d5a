"""The project's discriminator: logits for overlapping patches, from what is finer than 9 pixels."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

_AROUND = 9  # side, in pixels, of the mean that is taken away
# Restored and pristine differ by a few levels, and spectral normalisation amplifies nothing: with a
# gain of 8 the discriminator learned nearly nothing in 350 iterations (docs/experiments.md).
_GAIN = 32.0


class PatchDiscriminator(nn.Module):
    """Patch discriminator on an image less its local mean.

    Maps ``(batch, 1, height, width)`` in [0, 1], sides multiples of 8, to float32 logits
    ``(batch, positions)``, one for each square of 8x8 pixels, that look at 72x72 pixels.

    JPEG keeps what is smooth and loses what is fine, so the local mean tells nothing. Without it
    the grey levels by which restored and pristine differ are large enough for bfloat16, in which
    the network learns several times faster on processors with AMX (``docs/experiments.md``).
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        # Spectral normalisation bounds the slope of the discriminator (Miyato et al.,
        # https://arxiv.org/abs/1802.05957), so BCE keeps a gradient.
        layers = [spectral_norm(nn.Conv2d(4, widths[0], 3, padding=1))]
        for fine, coarse in pairwise(widths):
            layers.append(spectral_norm(nn.Conv2d(fine, coarse, 4, stride=2, padding=1)))
            layers.append(spectral_norm(nn.Conv2d(coarse, coarse, 3, padding=1)))
        self.layers = nn.ModuleList(layers)
        # Overlapping patches as in pix2pix (Isola et al., https://arxiv.org/abs/1611.07004).
        self.logits = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits that the patches of ``image`` are pristine."""
        with torch.autocast(image.device.type, enabled=False):
            image = image.float()
            mean = F.avg_pool2d(image, _AROUND, 1, _AROUND // 2, count_include_pad=False)
            fine = F.pixel_unshuffle((image - mean) * _GAIN, 2)
        features = fine.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            features = F.leaky_relu(layer(features), 0.2)
        logits: Tensor = self.logits(features)
        return logits.flatten(1).float()

"""The project's discriminator: logits for overlapping patches of a correction to a JPEG."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_AROUND = 9  # side, in pixels, of the mean that is taken away
# Bring a correction of some levels, and the detail of a picture, to about 1, where networks begin.
_CORRECTION_GAIN = 16.0
_DETAIL_GAIN = 8.0


class PatchDiscriminator(nn.Module):
    """Patch discriminator that sees the compressed image, and the change that a restored one made.

    Maps an image and the compressed one, ``(batch, 1, height, width)`` each, in [0, 1], sides
    multiples of 8, to float32 logits ``(batch, positions)``, one for each square of 8x8 pixels,
    that look at 64x64 pixels: whether the image is the pristine one.

    To see the input, too, is pix2pix's (Isola et al., https://arxiv.org/abs/1611.07004). Here it
    takes away all that restored and pristine have in common, so that the network learns to tell
    them apart several times sooner (``docs/experiments.md``), and the differences of some
    grey levels are large enough for bfloat16. Of the compressed image it gets what is finer than 9
    pixels: its local mean tells nothing.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        layers = [nn.Conv2d(8, widths[0], 3, padding=1)]
        for fine, coarse in pairwise(widths):
            layers.append(nn.Conv2d(fine, coarse, 4, stride=2, padding=1))
            layers.append(nn.Conv2d(coarse, coarse, 3, padding=1))
        self.layers = nn.ModuleList(layers)
        self.logits = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, image: Tensor, compressed: Tensor) -> Tensor:
        """Return the logits that the patches of ``image`` are pristine."""
        with torch.autocast(image.device.type, enabled=False):
            image, compressed = image.float(), compressed.float()
            mean = F.avg_pool2d(compressed, _AROUND, 1, _AROUND // 2, count_include_pad=False)
            correction = (image - compressed) * _CORRECTION_GAIN
            detail = (compressed - mean) * _DETAIL_GAIN
            seen = F.pixel_unshuffle(torch.cat([correction, detail], dim=1), 2)
        features = seen.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            features = F.leaky_relu(layer(features), 0.2)
        logits: Tensor = self.logits(features)
        return logits.flatten(1).float()

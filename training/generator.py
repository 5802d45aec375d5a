"""The project's generator: a residual U-Net that predicts a correction to its input.

::

    image ── stem ──┬─ blocks ─┬──────────────────────────── + ─ blocks ─ head ── + ── restored
              /r    │          └ down ─ blocks ─┬─── + ─ blocks ─ up ┘              │
                    │                           └ … ┘                               │
                    └───────────────────────────────────────────────────────────────┘

Only plain convolutions, ReLU, additions and one pixel shuffle: what every runtime has. There is no
normalisation layer, so the result for a pixel depends on its receptive field alone and tiles can be
exact. Why these widths and depths: ``docs/experiments.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Shape of a :class:`UNet`."""

    kind: ClassVar[str] = "unet"

    widths: tuple[int, ...] = (32, 96, 160)
    """Channels of each level, finest first."""

    encoder_blocks: tuple[int, ...] = (2, 2)
    """Residual blocks of each level but the coarsest, on the way down."""

    bottleneck_blocks: int = 4
    """Residual blocks of the coarsest level."""

    decoder_blocks: tuple[int, ...] = (2, 2)
    """Residual blocks of each level but the coarsest, on the way up."""

    stem_stride: int = 2
    """Side, in pixels, of the squares that the stem turns into one position of the finest level."""

    def __post_init__(self) -> None:
        """Check that the lists fit together."""
        levels = len(self.widths)
        if levels < 1 or min(self.widths) < 1:
            raise ValueError(f"widths: expected at least one positive number, got {self.widths}")
        for name in ("encoder_blocks", "decoder_blocks"):
            blocks = getattr(self, name)
            if len(blocks) != levels - 1 or any(number < 0 for number in blocks):
                raise ValueError(f"{name}: expected {levels - 1} numbers >= 0, got {blocks}")
        if self.bottleneck_blocks < 0:
            raise ValueError(f"bottleneck_blocks: expected >= 0, got {self.bottleneck_blocks}")
        if self.stem_stride < 1:
            raise ValueError(f"stem_stride: expected >= 1, got {self.stem_stride}")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU between them, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        # A deep stack of sums grows at the start; a small second convolution keeps it near identity
        # (Zhang, Dauphin, Ma: "Fixup Initialization", ICLR 2019, https://arxiv.org/abs/1901.09321).
        with torch.no_grad():
            self.conv2.weight.mul_(0.3)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(batch, width, height, width)`` to the same shape."""
        correction: Tensor = self.conv2(F.relu(self.conv1(features)))
        return features + correction


def _blocks(number: int, width: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(number)))


class UNet(nn.Module):
    """Residual U-Net on luma.

    Maps ``(batch, 1, height, width)`` in [0, 1] to the same shape; height and width are multiples
    of :attr:`size_multiple`. The output is not clipped.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, stride = config.widths, config.stem_stride
        # A 3x3 convolution on pixel-unshuffled input, written as the one convolution it is.
        self.stem = nn.Conv2d(1, widths[0], 3 * stride, stride=stride, padding=stride)
        self.encoder = nn.ModuleList(map(_blocks, config.encoder_blocks, widths))
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.bottleneck = _blocks(config.bottleneck_blocks, widths[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.decoder = nn.ModuleList(map(_blocks, config.decoder_blocks, widths))
        self.head = nn.Conv2d(widths[0], stride * stride, 3, padding=1)
        # Training starts at the identity, with the PSNR of the JPEG itself.
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this number of pixels."""
        return self.config.stem_stride * int(2 ** len(self.down))

    def forward(self, image: Tensor) -> Tensor:
        """Restore ``image``."""
        features = self.stem(image)
        skips = []
        for blocks, down in zip(self.encoder, self.down, strict=True):
            features = blocks(features)
            skips.append(features)
            features = down(features)
        features = self.bottleneck(features)
        for blocks, up in zip(reversed(self.decoder), reversed(self.up), strict=True):
            features = blocks(up(features) + skips.pop())
        return image + F.pixel_shuffle(self.head(features), self.config.stem_stride)

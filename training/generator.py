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

from training.planes import GREY
from training.winograd import residual_block


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Shape of a :class:`UNet`."""

    kind: ClassVar[str] = "unet"

    planes: int = 1
    """Planes of the image: 1 is luma, 3 are Y, Cb and Cr, of which the last two are restored."""

    widths: tuple[int, ...] = (32, 64, 96)
    """Channels of each level, finest first."""

    encoder_blocks: tuple[int, ...] = (5, 3)
    """Residual blocks of each level but the coarsest, on the way down."""

    bottleneck_blocks: int = 5
    """Residual blocks of the coarsest level."""

    decoder_blocks: tuple[int, ...] = (5, 3)
    """Residual blocks of each level but the coarsest, on the way up."""

    stem_stride: int = 2
    """Side, in pixels, of the squares that the stem turns into one position of the finest level."""

    block_widths: tuple[int, ...] | None = None
    """Channels between the two convolutions of a residual block, by level; None is as outside."""

    def __post_init__(self) -> None:
        """Check that the lists fit together."""
        if self.planes not in (1, 3):
            raise ValueError(f"planes: expected 1 or 3, got {self.planes}")
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
        inner = self.block_widths
        if inner is not None and (len(inner) != levels or min(inner) < 1):
            raise ValueError(f"block_widths: expected {levels} positive numbers, got {inner}")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU between them, added to the input.

    Parameters
    ----------
    width
        Channels of the input and of the result.
    inner_width
        Channels between the convolutions.
    """

    by_winograd = False
    """Whether training goes through :mod:`training.winograd`."""

    def __init__(self, width: int, inner_width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, inner_width, 3, padding=1)
        self.conv2 = nn.Conv2d(inner_width, width, 3, padding=1)
        # A deep stack of sums grows at the start; a small second convolution keeps it near identity
        # (Zhang, Dauphin, Ma: "Fixup Initialization", ICLR 2019, https://arxiv.org/abs/1901.09321).
        with torch.no_grad():
            self.conv2.weight.mul_(0.3)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(batch, channel, height, width)`` to the same shape."""
        if self.by_winograd and torch.is_grad_enabled():
            return residual_block(features, self.conv1, self.conv2)
        correction: Tensor = self.conv2(F.relu(self.conv1(features)))
        return features + correction


def _blocks(number: int, width: int, inner_width: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width, inner_width) for _ in range(number)))


class UNet(nn.Module):
    """Residual U-Net on luma, or on luma and chroma.

    Maps ``(batch, planes, height, width)`` in [0, 1] to the same shape; height and width are
    multiples of :attr:`size_multiple`. The output is not clipped. Of three planes the first, which
    is judged by nothing, stays as it is: its part of the head begins as zero and never moves. Three
    planes are centred first: near zero bfloat16 tells apart what it does not near grey, and what
    convolutions pad with is grey.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, stride = config.widths, config.stem_stride
        inner_widths = config.block_widths or widths
        # A 3x3 convolution on pixel-unshuffled input, written as the one convolution it is.
        self.stem = nn.Conv2d(config.planes, widths[0], 3 * stride, stride=stride, padding=stride)
        self.encoder = nn.ModuleList(map(_blocks, config.encoder_blocks, widths, inner_widths))
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.bottleneck = _blocks(config.bottleneck_blocks, widths[-1], inner_widths[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.decoder = nn.ModuleList(map(_blocks, config.decoder_blocks, widths, inner_widths))
        self.head = nn.Conv2d(widths[0], config.planes * stride * stride, 3, padding=1)
        # Training starts at the identity, with the PSNR of the JPEG itself.
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    @property
    def planes(self) -> int:
        """Planes of the image."""
        return self.config.planes

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this number of pixels."""
        return self.config.stem_stride * int(2 ** len(self.down))

    def forward(self, image: Tensor) -> Tensor:
        """Restore ``image``."""
        # Added, as the operators that a model file may use have no subtraction.
        features = self.stem(image if self.planes == 1 else image + -GREY)
        skips = []
        for blocks, down in zip(self.encoder, self.down, strict=True):
            features = blocks(features)
            skips.append(features)
            features = down(features)
        features = self.bottleneck(features)
        for blocks, up in zip(reversed(self.decoder), reversed(self.up), strict=True):
            features = blocks(up(features) + skips.pop())
        return image + F.pixel_shuffle(self.head(features), self.config.stem_stride)

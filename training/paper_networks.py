"""The networks of the paper, as far as it tells.

Zhao et al., "Compression artifacts reduction by improved generative adversarial networks", EURASIP
Journal on Image and Video Processing 2019:62, https://doi.org/10.1186/s13640-019-0465-0.

Its text fixes the kinds of layers and the skips. Tables 1 and 2, with the sizes, could not be had.
What is chosen here:

- Generator: a third party's reading of table 1 (https://github.com/calebtham/deJPEG): four
  strided convolutions of 64, 128, 256 and 512 channels and their mirror. No activation after the
  last layer: the paper names none.
- Discriminator: the convolutional discriminator of DCGAN (https://arxiv.org/abs/1511.06434), which
  the paper cites, with the same channels, "with an output dimension 1". It gives the logit; the
  paper's final sigmoid is part of the loss, where it is computed without overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

_WIDTHS = (64, 128, 256, 512)
_SLOPE = 0.2  # LeakyReLU of DCGAN


@dataclass(frozen=True, kw_only=True)
class PaperGeneratorConfig:
    """The paper's generator has no parameters of shape."""

    kind: ClassVar[str] = "paper"

    planes: ClassVar[int] = 1
    """Luma alone."""

    batch_norm: bool = True
    """The paper's choice; without it the convolutions have biases instead."""


class PaperGenerator(nn.Module):
    """Encoder of convolution-BatchNorm-LeakyReLU, mirrored decoder, concatenated skips.

    Maps ``(batch, 1, height, width)`` in [0, 1] to the same shape; height and width are multiples
    of 16. The output is not clipped.
    """

    planes = PaperGeneratorConfig.planes
    size_multiple = 16

    def __init__(self, config: PaperGeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config or PaperGeneratorConfig()
        norm = self.config.batch_norm
        self.encoder = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(1, _WIDTHS[0], 3, stride=2, padding=1), nn.LeakyReLU(_SLOPE)
                ),
                _encode(_WIDTHS[0], _WIDTHS[1], nn.LeakyReLU(_SLOPE), norm),
                _encode(_WIDTHS[1], _WIDTHS[2], nn.LeakyReLU(_SLOPE), norm),
                _encode(_WIDTHS[2], _WIDTHS[3], nn.ReLU(), norm),
            ]
        )
        self.decoder = nn.ModuleList(
            [
                _decode(_WIDTHS[3], _WIDTHS[2], norm),
                _decode(2 * _WIDTHS[2], _WIDTHS[1], norm),
                _decode(2 * _WIDTHS[1], _WIDTHS[0], norm),
                nn.ConvTranspose2d(2 * _WIDTHS[0], 1, 4, stride=2, padding=1),
            ]
        )

    def forward(self, image: Tensor) -> Tensor:
        """Restore ``image``."""
        features, skips = image, []
        for layer in self.encoder:
            features = layer(features)
            skips.append(features)
        skips.pop()
        for layer in self.decoder:
            features = layer(features)
            if skips:
                features = torch.cat([features, skips.pop()], dim=1)
        return features


def _encode(channels: int, width: int, activation: nn.Module, norm: bool = True) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=not norm)
    return _normalised(convolution, width, activation, norm)


def _decode(channels: int, width: int, norm: bool) -> nn.Sequential:
    convolution = nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=not norm)
    return _normalised(convolution, width, nn.ReLU(), norm)


def _normalised(
    convolution: nn.Module, width: int, activation: nn.Module, norm: bool
) -> nn.Sequential:
    # A bias before BatchNorm would be subtracted again.
    layers = [nn.BatchNorm2d(width)] if norm else []
    return nn.Sequential(convolution, *layers, activation)


class PaperDiscriminator(nn.Module):
    """Strided convolutions with LeakyReLU down to one logit a patch.

    Maps ``(batch, 1, 64, 64)`` in [0, 1] to logits ``(batch, 1)``. Larger patches give the mean of
    the logits of all positions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, _WIDTHS[0], 4, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
            _encode(_WIDTHS[0], _WIDTHS[1], nn.LeakyReLU(_SLOPE)),
            _encode(_WIDTHS[1], _WIDTHS[2], nn.LeakyReLU(_SLOPE)),
            _encode(_WIDTHS[2], _WIDTHS[3], nn.LeakyReLU(_SLOPE)),
            nn.Conv2d(_WIDTHS[3], 1, 4),
        )

    def forward(self, image: Tensor, _compressed: Tensor | None = None) -> Tensor:
        """Return the logit that ``image`` is pristine. What it was made of is not looked at."""
        logits: Tensor = self.layers(image)
        return logits.mean(dim=(2, 3))

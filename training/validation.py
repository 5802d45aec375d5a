"""What a run decides by: PSNR on pictures that it does not train on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from argan_plugin.jpeg import round_trip
from training.degradation import Luma, Pixels
from training.metrics import psnr
from training.planes import channels_first, judged, plane_count, to_planes

QUALITIES = (10, 20, 30, 40)
"""IJG qualities of the paper's tests."""

_SAMPLES = 4


class Validation:
    """Compressed and pristine crops, kept in memory.

    Parameters
    ----------
    crops
        Pristine, uint8, sides multiples of 16: luma ``(height, width)``, or colours ``(height,
        width, 3)``, whose chroma is stored at half the size, and judged alone.
    """

    def __init__(self, crops: Iterable[Pixels]) -> None:
        self.pristine = list(crops)
        self.compressed = {
            quality: [
                round_trip(crop, quality=quality, subsampling="4:2:0") for crop in self.pristine
            ]
            for quality in QUALITIES
        }
        self._references = [_judged(crop) for crop in self.pristine]

    def measure(
        self, network: nn.Module, device: torch.device
    ) -> tuple[dict[str, float], list[tuple[Luma, Luma, Luma]]]:
        """Return mean PSNR in dB by column of the log, and sample triples at the lowest quality.

        ``psnr_clean`` compares pristine crops with what the network makes of them: high when it
        does no harm. A crop that comes back exactly counts as 60 dB.
        """
        scores: dict[str, float] = {}
        samples: list[tuple[Luma, Luma, Luma]] = []
        for quality, inputs in self.compressed.items():
            outputs = [restore_judged(network, image, device) for image in inputs]
            pairs = zip(outputs, self._references, strict=True)
            scores[f"psnr_q{quality}"] = mean_psnr(pairs)
            if quality == QUALITIES[0]:
                triples = zip(map(_judged, inputs), outputs, self._references, strict=True)
                samples = [triple for triple, _ in zip(triples, range(_SAMPLES), strict=False)]
        untouched = (restore_judged(network, crop, device) for crop in self.pristine)
        scores["psnr_clean"] = mean_psnr(zip(untouched, self._references, strict=True))
        return scores, samples


@torch.inference_mode()
def restore_judged(network: nn.Module, image: Pixels, device: torch.device) -> Luma:
    """Return what ``network`` makes of a picture, in 8 bits, sides multiples of its size multiple.

    Parameters
    ----------
    image
        uint8, luma ``(height, width)`` or colours ``(height, width, 3)``.

    Returns
    -------
    ndarray
        uint8: luma ``(height, width)``, or Cb and Cr side by side ``(height, 2 * width)``.
    """
    return _in_8_bits(network(to_planes(_batch(image).to(device))).float())


def _judged(image: Pixels) -> Luma:
    """Return what there is to compare of a picture, as :func:`restore_judged` does."""
    return image if plane_count(image) == 1 else _in_8_bits(to_planes(_batch(image)))


def _batch(image: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(channels_first(image)))[None]


def _in_8_bits(planes: Tensor) -> Luma:
    rounded = (judged(planes).clamp(0, 1) * 255).round().to(torch.uint8)
    side_by_side: Luma = torch.cat(list(rounded[0]), dim=1).cpu().numpy()
    return side_by_side


def mean_psnr(pairs: Iterable[tuple[Luma, Luma]]) -> float:
    """Return the mean PSNR in dB of pictures to their references; equal ones count as 60 dB."""
    return float(np.mean([min(psnr(image, reference), 60.0) for image, reference in pairs]))

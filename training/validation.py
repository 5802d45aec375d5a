"""What a run decides by: PSNR on pictures that it does not train on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from argan_plugin.jpeg import round_trip
from training.degradation import Luma
from training.metrics import psnr

QUALITIES = (10, 20, 30, 40)
"""IJG qualities of the paper's tests."""

_SAMPLES = 4


class Validation:
    """Compressed and pristine crops, kept in memory.

    Parameters
    ----------
    crops
        Pristine luma, uint8 ``(height, width)``, sides multiples of 16.
    """

    def __init__(self, crops: Iterable[Luma]) -> None:
        self.pristine = list(crops)
        self.compressed = {
            quality: [round_trip(crop, quality=quality) for crop in self.pristine]
            for quality in QUALITIES
        }

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
            outputs = [restore_luma(network, image, device) for image in inputs]
            pairs = zip(outputs, self.pristine, strict=True)
            scores[f"psnr_q{quality}"] = mean_psnr(pairs)
            if quality == QUALITIES[0]:
                triples = zip(inputs, outputs, self.pristine, strict=True)
                samples = [triple for triple, _ in zip(triples, range(_SAMPLES), strict=False)]
        untouched = ((restore_luma(network, crop, device), crop) for crop in self.pristine)
        scores["psnr_clean"] = mean_psnr(untouched)
        return scores, samples


@torch.inference_mode()
def restore_luma(network: nn.Module, image: Luma, device: torch.device) -> Luma:
    """Run ``network`` on uint8 luma ``(height, width)``, sides multiples of its size multiple."""
    batch = torch.from_numpy(image).to(device)[None, None].float() / 255
    restored = network(batch).float().clamp(0, 1) * 255
    rounded: Luma = restored[0, 0].round().to(torch.uint8).cpu().numpy()
    return rounded


def mean_psnr(pairs: Iterable[tuple[Luma, Luma]]) -> float:
    """Return the mean PSNR in dB of pictures to their references; equal ones count as 60 dB."""
    return float(np.mean([min(psnr(image, reference), 60.0) for image, reference in pairs]))

"""A picture like the paper's figure 2: crops of JPEG, restored and original, with their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from argan_plugin.jpeg import round_trip
from training.metrics import psnr, ssim

if TYPE_CHECKING:
    from training.evaluate import Luma, Restorer

_CROP = 128


def draw_crops(
    restorers: Mapping[str, Restorer], pictures: Sequence[Path], target: Path, quality: int = 10
) -> None:
    """Draw the most detailed 128x128 crop of each picture, scores over the whole picture.

    Parameters
    ----------
    restorers
        By name, from :func:`training.evaluate.open_restorer`.
    pictures
        Originals, a row for each.
    target
        PNG, SVG or PDF file to write.
    quality
        IJG quality of the JPEG.
    """
    from training.evaluate import studio_luma

    figure = Figure(figsize=(3 * (2 + len(restorers)), 3.2 * len(pictures)), layout="constrained")
    grid = figure.subplots(len(pictures), 2 + len(restorers), squeeze=False)
    for axes, path in zip(grid, pictures, strict=True):
        original = studio_luma(path)
        compressed = round_trip(original, quality=quality)
        window = _most_detailed(original)
        columns = {f"JPEG q = {quality}": compressed} | {
            name: restorer(compressed) for name, restorer in restorers.items()
        }
        for cell, (label, image) in zip(
            axes, (columns | {path.name: original}).items(), strict=True
        ):
            score = (
                ""
                if image is original
                else (f"\n{psnr(image, original):.2f} dB / {ssim(image, original):.4f}")
            )
            cell.imshow(image[window], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            cell.set_title(label + score, fontsize=9)
            cell.set_axis_off()
    figure.savefig(target, dpi=110)


def _most_detailed(image: Luma) -> tuple[slice, slice]:
    """Return the crop with the largest variance, among places 64 pixels apart."""
    places = [
        (slice(top, top + _CROP), slice(left, left + _CROP))
        for top in range(0, max(1, image.shape[0] - _CROP + 1), _CROP // 2)
        for left in range(0, max(1, image.shape[1] - _CROP + 1), _CROP // 2)
    ]
    return max(places, key=lambda place: float(np.var(image[place])))

"""Compare weights of chroma before some are shipped: what docs/experiments.md decides by.

``python -m benchmarks.chroma_candidates WEIGHTS... --images PICTURES``, with the folder that they
were trained on: the validation pictures alone are restored, and what code draws. Luma is the
original's, so that chroma alone counts, and changes are made smaller as users get them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate
from tqdm import tqdm

from argan_plugin import arrays, color
from argan_plugin.chroma import chroma_change, planes_of
from argan_plugin.jpeg import Subsampling, round_trip
from argan_plugin.model import RestorationModel
from benchmarks import drawn_pictures
from benchmarks.candidates import FACTORS, by, parse
from training.checkpoint import load_weights
from training.datasets import validation_crops
from training.full_image import FullImage
from training.metrics import psnr, ssimulacra2
from training.pictures import kept_pictures
from training.planes import COLOURED
from training.recipes import chroma

Pixels = NDArray[np.uint8]
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Of Y, Cb and Cr as files hold them, float32 ``(3, height, width)``."""

Metric = Callable[[Pixels, Pixels], float]
"""Of a picture and its original."""

_CASES: dict[Subsampling, tuple[int, ...]] = {
    "4:2:0": (10, 20, 40, 75, 90, 95),
    "4:4:4": (10, 40, 75, 90, 95),
}
_DRAWN: dict[str, Callable[[], Pixels]] = {
    "code": drawn_pictures.code,
    "coloured cartoon": lambda: _coloured(drawn_pictures.cartoon()),
    "coloured text": lambda: _coloured(drawn_pictures.serif_text()),
    "coloured cells": lambda: _coloured(drawn_pictures.fluorescence()),
}
_DARK_TO_LIGHT = ((60, 20, 110), (205, 70, 120), (250, 215, 160))
_QUALITIES = (10, 20, 40, 75)
_METRICS: dict[str, Metric] = {"dB": psnr, "SSIMULACRA2": ssimulacra2}
_LEAST_ERROR = 1e-9  # squared levels; what comes back exactly has none
_PLAIN = 150
_PLAIN_SIDE = 64
_SEED = 2026


def open_network(weights: str | Path) -> Network:
    """Return the network of weights, of an ONNX file or of a shipped model's name."""
    if Path(weights).suffix != ".safetensors":
        model = RestorationModel(weights, device="cpu")
        return lambda planes: model.run(planes[np.newaxis])[0]
    network = load_weights(Path(weights)).network()
    full = FullImage(network, network.size_multiple)

    @torch.inference_mode()
    def run(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        restored: NDArray[np.float32] = full(torch.from_numpy(planes)[None])[0].numpy()
        return restored

    return run


def restored(given: Pixels, original: Pixels, network: Network | None) -> Pixels:
    """Return a picture with the original's luma, and with chroma restored if there is a network."""
    unit, aim = (arrays.to_unit(pixels, arrays.ValueRange(0, 255)) for pixels in (given, original))
    luma = color.luma(unit)
    change = np.zeros((2, *luma.shape), np.float32)
    if network is not None:
        planes = planes_of(luma, color.chroma(unit, luma))
        change = chroma_change(planes, network(planes))
    result = unit + color.rgb_change(color.luma(aim) - luma, change)
    pixels: Pixels = np.rint(result * 255).clip(0, 255).astype(np.uint8)
    return pixels


def photographs(network: Network, crops: Sequence[Pixels]) -> dict[str, str]:
    """Return by case the gain in PSNR of R, G and B in dB, its mean and that of the worst crop.

    And the PSNR of the mean error of pristine crops.
    """
    row = {}
    for subsampling, qualities in _CASES.items():
        for quality in qualities:
            given = [round_trip(crop, quality=quality, subsampling=subsampling) for crop in crops]
            gains = [_gain(psnr, *pair, network) for pair in zip(given, crops, strict=True)]
            row[f"{subsampling}, q = {quality}"] = f"{np.mean(gains):+.3f} ({min(gains):+.2f})"
    errors = [restored(crop, crop, network).astype(float) - crop for crop in crops]
    mean = max(np.mean([np.square(error).mean() for error in errors]), _LEAST_ERROR)
    row["pristine"] = f"{10 * np.log10(255**2 / mean):.1f}"
    return row


def resized(network: Network, crops: Sequence[Pixels]) -> dict[str, str]:
    """Return the mean gain in PSNR of R, G and B in dB of crops that were resized when compressed.

    As windows and copies show pictures; in 4:2:0, and the original is resized likewise.
    """
    row = {}
    for factor in FACTORS:
        originals = [by(factor, crop) for crop in crops]
        means = []
        for quality in _QUALITIES:
            files = (round_trip(crop, quality=quality, subsampling="4:2:0") for crop in crops)
            given = [by(factor, picture) for picture in files]
            gains = [_gain(psnr, *pair, network) for pair in zip(given, originals, strict=True)]
            means.append(float(np.mean(gains)))
        name = f"then resized by {factor}, q = {' / '.join(map(str, _QUALITIES))}"
        row[name] = " / ".join(f"{mean:+.3f}" for mean in means)
    return row


def drawn(network: Network) -> dict[str, str]:
    """Return by drawing, in 4:2:0, the gain in PSNR of R, G and B in dB and in SSIMULACRA2."""
    row = {}
    for drawing, draw in _DRAWN.items():
        original = draw()
        files = [round_trip(original, quality=q, subsampling="4:2:0") for q in _QUALITIES]
        for unit, metric in _METRICS.items():
            gains = [_gain(metric, given, original, network) for given in files]
            name = f"{drawing}, q = {' / '.join(map(str, _QUALITIES))}, {unit}"
            row[name] = " / ".join(f"{gain:+.2f}" for gain in gains)
    return row


def _coloured(drawing: Pixels) -> Pixels:
    """Return a drawing whose black is purple, whose grey is red and whose white is sand."""
    greys = np.linspace(0, 255, len(_DARK_TO_LIGHT))
    levels = [np.interp(drawing, greys, channel) for channel in zip(*_DARK_TO_LIGHT, strict=True)]
    return np.rint(np.stack(levels, axis=-1)).astype(np.uint8)


def plain(network: Network) -> dict[str, str]:
    """Return the mean change of plain colours in levels of R, G or B, whichever is most.

    The median of all, the largest, and how many change by more than a level anywhere.
    """
    rng = np.random.default_rng(_SEED)
    shifts, largest = [], []
    for colour in rng.integers(0, 256, (_PLAIN, 3)):
        picture = np.tile(colour.astype(np.uint8), (_PLAIN_SIDE, _PLAIN_SIDE, 1))
        change = restored(picture, picture, network).astype(int) - picture
        shifts.append(np.abs(change.mean(axis=(0, 1))).max())
        largest.append(np.abs(change).max())
    return {
        "plain colours, mean change": f"{np.median(shifts):.3f}, at most {max(shifts):.2f}",
        "plain colours off by more than 1": f"{sum(n > 1 for n in largest)} of {_PLAIN}",
    }


def _gain(metric: Metric, given: Pixels, original: Pixels, network: Network) -> float:
    """Return what chroma adds to a picture's score."""
    before, after = (metric(restored(given, original, n), original) for n in (None, network))
    return after - before


def compare(weights: Sequence[str | Path], folder: Path) -> str:
    """Return a Markdown table with a column for each of the weights."""
    kept = kept_pictures(folder, chroma().validation_share, planes=COLOURED)
    crops = list(validation_crops(list(kept.values()), range(len(kept))))
    columns = []
    for path in tqdm(weights, desc="Measuring", disable=None):
        network = open_network(path)
        of_crops = photographs(network, crops) | resized(network, crops)
        columns.append(of_crops | drawn(network) | plain(network))
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    headers = ["", *(Path(path).stem for path in weights)]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    what = "Compare weights of chroma on validation pictures, drawings and plain colours."
    options = parse("benchmarks.chroma_candidates", what, arguments)
    print(compare(options.weights, options.images))
    return 0


if __name__ == "__main__":
    sys.exit(main())

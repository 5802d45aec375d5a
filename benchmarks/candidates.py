"""Compare weights before one of them is shipped: what docs/experiments.md decides by.

``python -m benchmarks.candidates WEIGHTS... --images PICTURES``, with the folder that they were
trained on: the validation pictures alone are restored, and what code draws. The networks alone run,
without the bound of a file's steps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from tabulate import tabulate
from tqdm import tqdm

from argan_plugin.jpeg import round_trip
from benchmarks import drawn_pictures
from training.datasets import validation_crops
from training.evaluate import Restorer, open_restorer
from training.grounds import ramp
from training.metrics import detail, psnr, psnr_b, ssim, ssimulacra2
from training.pictures import kept_pictures
from training.recipes import fidelity
from training.validation import QUALITIES, mean_psnr

Luma = NDArray[np.uint8]

_SIZES = ((64, 64), (48, 80), (100, 93))
_GRADIENTS = 120
_SEED = 2026
_DRAWN = (
    drawn_pictures.text,
    drawn_pictures.serif_text,
    drawn_pictures.line_art,
    drawn_pictures.cartoon,
    drawn_pictures.tones,
    drawn_pictures.fluorescence,
    drawn_pictures.bars,
    drawn_pictures.rungs,
    drawn_pictures.dots,
)
_DRAWN_QUALITIES = (10, 40, 75, 90, 95)
FACTORS = (0.7, 1.5)
"""Of a resize behind the compression."""


def validation_pictures(folder: Path) -> list[Luma]:
    """Return the crops that a run on ``folder`` validates by."""
    kept = list(kept_pictures(folder, fidelity().validation_share).values())
    return list(validation_crops(kept, range(len(kept))))


def gradients() -> Iterator[Luma]:
    """Yield linear gradients between random greys, at random angles, uint8 ``(height, width)``."""
    rng = np.random.default_rng(_SEED)
    for number in range(_GRADIENTS):
        share = ramp(_SIZES[number % len(_SIZES)], rng.uniform(0, 2 * np.pi))
        first, last = rng.integers(0, 256, 2)
        yield np.rint(first + (last - first) * share).astype(np.uint8)


def photographs(restorer: Restorer, crops: Sequence[Luma]) -> dict[str, str]:
    """Return means by quality, PSNR and PSNR-B in dB and SSIM, and the PSNR of pristine crops.

    And what tells weights with texture from others: SSIMULACRA2 and the median share of the
    original's detail. A pristine crop that comes back exactly counts as 60 dB, as in a run's log.
    """
    ratios, with_blocks, structures, perceived, details = [], [], [], [], []
    for quality in QUALITIES:
        pairs = [(restorer(round_trip(crop, quality=quality)), crop) for crop in crops]
        ratios.append(mean_psnr(pairs))
        with_blocks.append(float(np.mean([psnr_b(*pair) for pair in pairs])))
        structures.append(float(np.mean([ssim(*pair) for pair in pairs])))
        perceived.append(float(np.mean([ssimulacra2(*pair) for pair in pairs])))
        details.append(float(np.nanmedian([detail(*pair) for pair in pairs])))
    pristine = mean_psnr((restorer(crop), crop) for crop in crops)
    return {
        f"PSNR, q = {' / '.join(map(str, QUALITIES))}": _joined(ratios, ".3f"),
        "PSNR-B": _joined(with_blocks, ".3f"),
        "SSIM": _joined(structures, ".4f"),
        "SSIMULACRA2": _joined(perceived, ".1f"),
        "detail": _joined(details, ".2f"),
        "pristine": f"{pristine:.1f}",
    }


def of_other_sharpness(restorer: Restorer, crops: Sequence[Luma]) -> dict[str, str]:
    """Return the mean PSNR in dB by quality of crops that were made softer or sharper before.

    The training pictures are reductions, as sharp as pixels allow; scans, enlarged pictures and
    what cameras sharpen are not.
    """
    kinds = {"enlarged by half": _enlarged, "sharpened": _sharpened}
    row = {}
    for kind, change in kinds.items():
        originals = [change(crop) for crop in crops]
        ratios = [
            mean_psnr((restorer(round_trip(one, quality=quality)), one) for one in originals)
            for quality in QUALITIES
        ]
        row[f"{kind}, PSNR"] = _joined(ratios, ".3f")
    return row


def resized(restorer: Restorer, crops: Sequence[Luma]) -> dict[str, str]:
    """Return the mean gain in PSNR in dB by quality of crops that were resized when compressed.

    As windows and copies show pictures; the original is resized likewise.
    """
    row = {}
    for factor in FACTORS:
        originals = [by(factor, crop) for crop in crops]
        gains = []
        for quality in QUALITIES:
            given = [by(factor, round_trip(crop, quality=quality)) for crop in crops]
            before = mean_psnr(zip(given, originals, strict=True))
            restored = [restorer(picture) for picture in given]
            gains.append(mean_psnr(zip(restored, originals, strict=True)) - before)
        row[f"compressed, then resized by {factor}, gain"] = _joined(gains, "+.3f")
    return row


def by(factor: float, picture: Luma) -> Luma:
    """Return a picture, uint8 ``(height, width)`` or with channels, at another size."""
    height, width = (round(side * factor) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def _enlarged(crop: Luma) -> Luma:
    """Return two thirds of ``crop`` at the size of the whole."""
    height, width = (side * 2 // 3 for side in crop.shape)
    size = crop.shape[1], crop.shape[0]
    part = Image.fromarray(crop[:height, :width])
    return np.asarray(part.resize(size, Image.Resampling.BICUBIC))


def _sharpened(crop: Luma) -> Luma:
    mask = ImageFilter.UnsharpMask(radius=1, percent=100, threshold=0)
    return np.asarray(Image.fromarray(crop).filter(mask))


def plain(restorer: Restorer) -> dict[str, str]:
    """Return how many plain greys and gradients change by more than a level, and the mean shift."""
    greys = [np.full(size, grey, np.uint8) for size in _SIZES for grey in range(256)]
    row = {}
    for kind, pictures in (("greys", greys), ("gradients", list(gradients()))):
        changes = [restorer(picture).astype(int) - picture for picture in pictures]
        worst = [int(np.abs(change).max()) for change in changes]
        shift = max(abs(float(change.mean())) for change in changes)
        row[f"{kind} off by more than 1"] = (
            f"{sum(level > 1 for level in worst)} of {len(worst)} (at most {max(worst)})"
        )
        row[f"largest mean change of {kind}"] = f"{shift:.3f}"
    return row


def drawn(restorer: Restorer) -> dict[str, str]:
    """Return by drawing the gain in PSNR, in dB."""
    row = {}
    for draw in _DRAWN:
        original = draw()
        gains = []
        for quality in _DRAWN_QUALITIES:
            given = round_trip(original, quality=quality)
            gains.append(psnr(restorer(given), original) - psnr(given, original))
        qualities = " / ".join(map(str, _DRAWN_QUALITIES))
        row[f"{draw.__name__.replace('_', ' ')}, gain at q = {qualities}"] = _joined(gains, "+.2f")
    return row


def compare(weights: Sequence[str | Path], folder: Path) -> str:
    """Return a Markdown table with a column for each of the weights."""
    crops = validation_pictures(folder)
    columns = []
    for path in tqdm(weights, desc="Measuring", disable=None):
        restorer = open_restorer(path)
        columns.append(
            photographs(restorer, crops)
            | of_other_sharpness(restorer, crops)
            | resized(restorer, crops)
            | plain(restorer)
            | drawn(restorer)
        )
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    headers = ["", *(Path(path).stem for path in weights)]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _joined(values: Sequence[float], form: str) -> str:
    return " / ".join(format(value, form) for value in values)


def parse(name: str, what: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the weights to compare and the folder of pictures, for the command of a module."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=what)
    parser.add_argument(
        "weights", nargs="+", metavar="MODEL", help=".safetensors, .onnx or the name of a model"
    )
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="the training pictures"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    what = "Compare weights on validation pictures, plain grounds and drawings."
    options = parse("benchmarks.candidates", what, arguments)
    print(compare(options.weights, options.images))
    return 0


if __name__ == "__main__":
    sys.exit(main())

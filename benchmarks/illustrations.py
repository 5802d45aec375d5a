"""Illustrations that people drew: ``python -m benchmarks.illustrations FOLDER...``.

The shipped weights have learned from a few graphics and from what code draws. Folders of what
people drew say what that is worth; Debian's packages ``openclipart-png`` (clip art),
``wesnoth-1.16-data`` (paintings, in ``data/core/images/portraits``, and pixel art, in ``units``)
and ``debian-handbook`` (screenshots) are such. The networks alone run, on luma.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tabulate import tabulate
from tqdm import tqdm

from argan_plugin.jpeg import round_trip
from training.evaluate import Restorer, open_restorer
from training.metrics import ssimulacra2
from training.validation import mean_psnr

Luma = NDArray[np.uint8]

QUALITIES = (10, 20, 40, 75, 90)
_SIDE = 256
_LARGEST = 16_000_000  # pixels; a few drawings of the packages are posters
_PLACES = 8
_LEAST_SPREAD = 12  # grey levels; what is less is hardly more than ground
_SEED = 2026


def crops(folder: Path, number: int, enlarged: int = 1) -> list[Luma]:
    """Return the most detailed of a few places of pictures taken by chance, the same each time.

    Parameters
    ----------
    folder
        Searched for ``*.png``, through all of its folders. What is transparent becomes white.
    number
        How many crops at most.
    enlarged
        Each pixel becomes a square of so many, as games and their screenshots show pixel art.

    Returns
    -------
    list of ndarray
        Luma, full range, uint8 ``(256, 256)``.
    """
    paths = sorted(folder.rglob("*.png"))
    chance = random.Random(_SEED)
    chance.shuffle(paths)
    found: list[Luma] = []
    for path in paths:
        with Image.open(path) as file:
            size = file.width * enlarged, file.height * enlarged
            if min(size) < _SIDE or size[0] * size[1] > _LARGEST:
                continue
            picture = file.convert("RGBA").resize(size, Image.Resampling.NEAREST)
        ground = Image.new("RGBA", picture.size, "white")
        luma = np.asarray(Image.alpha_composite(ground, picture).convert("L"))
        best = max((_cut(luma, chance) for _ in range(_PLACES)), key=_detail)
        if best.std() >= _LEAST_SPREAD:
            found.append(np.ascontiguousarray(best))
        if len(found) == number:
            break
    if not found:
        raise SystemExit(f"{folder}: expected PNG pictures of at least {_SIDE}x{_SIDE} pixels")
    return found


def _cut(luma: Luma, chance: random.Random) -> Luma:
    top, left = (chance.randrange(side - _SIDE + 1) for side in luma.shape)
    return luma[top : top + _SIDE, left : left + _SIDE]


def _detail(luma: Luma) -> float:
    return float(np.abs(np.diff(luma.astype(np.int16))).mean())


def gains(restorer: Restorer, originals: Sequence[Luma]) -> list[str]:
    """Return by quality the mean gain over the JPEG and the least, in dB, and in SSIMULACRA2.

    What is nearer than 60 dB to its original counts as 60 dB.
    """
    rows = []
    for quality in QUALITIES:
        in_psnr, in_points = [], []
        for original in originals:
            given = round_trip(original, quality=quality)
            restored = restorer(given)
            ratios = (mean_psnr([(image, original)]) for image in (restored, given))
            in_psnr.append(float(np.subtract(*ratios)))
            in_points.append(ssimulacra2(restored, original) - ssimulacra2(given, original))
        least, mean, points = min(in_psnr), np.mean(in_psnr), np.mean(in_points)
        rows.append(f"{mean:+.2f} (least {least:+.2f}), {points:+.1f}")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table for each folder."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.illustrations",
        description="What models gain on folders of illustrations, saved as JPEG.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="PNG pictures")
    parser.add_argument(
        "--models",
        nargs="+",
        default=["argan", "argan-texture"],
        metavar="MODEL",
        help=".safetensors, .onnx or the name of a model",
    )
    parser.add_argument("--number", type=int, default=40, help="crops of each folder")
    parser.add_argument(
        "--enlarged", type=int, default=1, metavar="N", help="each pixel as a square of NxN (1)"
    )
    options = parser.parse_args(arguments)
    for folder in options.folders:
        originals = crops(folder, options.number, options.enlarged)
        columns = [
            gains(open_restorer(model), originals)
            for model in tqdm(options.models, desc=folder.name, disable=None)
        ]
        rows = list(zip(QUALITIES, *columns, strict=True))
        print(f"{folder.name}: {len(originals)} crops of {_SIDE}x{_SIDE} pixels\n")
        print(tabulate(rows, ["q", *options.models], tablefmt="github"), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

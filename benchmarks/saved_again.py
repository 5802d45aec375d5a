"""Measure what restoring gains on pictures cut, resized or saved twice: docs/real-files.md.

``python -m benchmarks.saved_again --images LIVE1 --json benchmarks/saved_again.json``: qualities
are drawn from 20 to 80 with a fixed seed for each picture, the same for every case.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.jpeg import round_trip
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from benchmarks.command import run
from training.metrics import psnr
from training.pictures import find_pictures, read_luma

Luma = NDArray[np.uint8]

HEADER = (
    "| saved | JPEG | network alone | restored | gain | least gain | most gain | pictures |\n"
    "|---|---|---|---|---|---|---|---|"
)
_QUALITIES = (20, 80)
_FINE = 90
_FACTORS = (0.6, 1.4)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: PSNR of luma in dB, means over the pictures."""

    case: str
    compressed: float
    by_network: float
    """Taking blocks to lie as in a file, without a look at the pixels."""
    restored: float
    least: float
    most: float
    pictures: int

    def __str__(self) -> str:
        """Return the row in Markdown."""
        gain = self.restored - self.compressed
        return (
            f"| {self.case} | {self.compressed:.2f} | {self.by_network:.2f} | "
            f"{self.restored:.2f} | {gain:+.2f} | {self.least:+.2f} | {self.most:+.2f} | "
            f"{self.pictures} |"
        )


def same_grid(original: Luma, rng: np.random.Generator) -> tuple[Luma, Luma]:
    """Return the original and what saving it twice leaves of it."""
    first, second = rng.integers(*_QUALITIES, size=2, endpoint=True).tolist()
    return original, round_trip(round_trip(original, quality=first), quality=second)


def shifted_grid(original: Luma, rng: np.random.Generator) -> tuple[Luma, Luma]:
    """Cut a few rows and columns between the two, so that the grids differ."""
    first, second = rng.integers(*_QUALITIES, size=2, endpoint=True).tolist()
    down, across = np.unravel_index(rng.integers(1, 64), (8, 8))
    once = round_trip(original, quality=first)[down:, across:]
    return original[down:, across:], round_trip(np.ascontiguousarray(once), quality=second)


def resized(original: Luma, rng: np.random.Generator) -> tuple[Luma, Luma]:
    """Resize by a factor of 0.6 to 1.4 between the two; the original is resized likewise."""
    first, second = rng.integers(*_QUALITIES, size=2, endpoint=True).tolist()
    pristine, once = _resized(original, round_trip(original, quality=first), rng)
    return pristine, round_trip(once, quality=second)


def resized_alone(original: Luma, rng: np.random.Generator) -> tuple[Luma, Luma]:
    """Save it once, and resize what comes back by a factor of 0.6 to 1.4."""
    quality = int(rng.integers(*_QUALITIES, endpoint=True))
    return _resized(original, round_trip(original, quality=quality), rng)


def resized_and_saved_finely(original: Luma, rng: np.random.Generator) -> tuple[Luma, Luma]:
    """Save it once, resize it, and save that with a high quality."""
    pristine, once = resized_alone(original, rng)
    return pristine, round_trip(once, quality=_FINE)


def _resized(original: Luma, once: Luma, rng: np.random.Generator) -> tuple[Luma, Luma]:
    """Return both at another size."""
    factor = rng.uniform(*_FACTORS)
    size = round(original.shape[1] * factor), round(original.shape[0] * factor)
    pristine, other = (
        np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        for image in (original, once)
    )
    return pristine, other


def cut(original: Luma, rng: np.random.Generator) -> tuple[Luma, Luma]:
    """Save it once, and cut a few rows and columns off what comes back."""
    quality = int(rng.integers(*_QUALITIES, endpoint=True))
    down, across = np.unravel_index(rng.integers(1, 64), (8, 8))
    once = round_trip(original, quality=quality)[down:, across:]
    return original[down:, across:], np.ascontiguousarray(once)


def cut_and_saved_finely(original: Luma, rng: np.random.Generator) -> tuple[Luma, Luma]:
    """Save it once, cut it, and save what is left of it with a high quality."""
    pristine, once = cut(original, rng)
    return pristine, round_trip(once, quality=_FINE)


CASES: dict[str, Callable[[Luma, np.random.Generator], tuple[Luma, Luma]]] = {
    "once, and cut": cut,
    "once, cut, then at 90": cut_and_saved_finely,
    "twice, on one grid": same_grid,
    "twice, on shifted grids": shifted_grid,
    "resized in between": resized,
    "once, and resized": resized_alone,
    "once, resized, then at 90": resized_and_saved_finely,
}


def measure(folder: Path, model: RestorationModel) -> Iterator[Row]:
    """Yield a row for each case; a picture's draws hang on its name alone."""
    pictures = find_pictures(folder)
    for case, spoil in CASES.items():
        scores = []
        for path in pictures:
            rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
            original, compressed = spoil(read_luma(path), rng)
            by_network = restore(compressed, model=model, grid=(0, 0))
            restored = restore(compressed, model=model)
            scores.append([psnr(image, original) for image in (compressed, by_network, restored)])
        before, by_network_alone, after = np.array(scores).T
        yield Row(
            case=case,
            compressed=float(before.mean()),
            by_network=float(by_network_alone.mean()),
            restored=float(after.mean()),
            least=float((after - before).min()),
            most=float((after - before).max()),
            pictures=len(pictures),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    return run(
        arguments,
        name="saved_again",
        description="Measure what restoring gains on pictures cut, resized or saved twice.",
        header=HEADER,
        measure=measure,
    )


if __name__ == "__main__":
    sys.exit(main())

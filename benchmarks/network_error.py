"""Find what `argan_plugin.plausible` should take the network's own error to be.

``python -m benchmarks.network_error --images PICTURES``, with the folder that the model was trained
on: the pictures are those of `benchmarks.harmless`, test sets are not among them. New weights are
wrong in other places, so this is measured anew for each; docs/experiments.md keeps the tables.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from argan_plugin.declipping import cut_off
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.model import RestorationModel
from argan_plugin.plausible import as_table, plausible_change
from benchmarks.command import run
from benchmarks.harmless import Luma, originals
from training.metrics import psnr

ERRORS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
QUALITIES = (20, 40, 60, 75, 85, 90, 95, 98)
HEADER = (
    "| picture | quality | without | " + " | ".join(f"{error:g}" for error in ERRORS) + " |\n"
    "|---|---|---|" + "---|" * len(ERRORS)
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of picture at one quality: gains over the JPEG in dB, luma alone."""

    kind: str
    quality: int
    means: list[float]
    """Over the pictures: without the bound, and by it with each of `ERRORS`."""
    least: list[float]
    """Smallest of one picture, in the same order."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        gains = zip(self.means, self.least, strict=True)
        cells = " | ".join(f"{mean:+.2f} / {least:+.2f}" for mean, least in gains)
        return f"| {self.kind} | {self.quality} | {cells} |"


def measure(folder: Path, model: RestorationModel) -> Iterator[Row]:
    """Yield a row for each kind of picture and each quality."""
    for kind, lumas in originals(folder):
        for quality in QUALITIES:
            gains = np.array([_gains(luma, quality, model) for luma in lumas])
            yield Row(
                kind=kind,
                quality=quality,
                means=gains.mean(axis=0).tolist(),
                least=gains.min(axis=0).tolist(),
            )


def _gains(original: Luma, quality: int, model: RestorationModel) -> list[float]:
    file = io.BytesIO()
    Image.fromarray(original).save(file, "JPEG", quality=quality)
    steps = as_table(read_jpeg_info(file.getvalue()).quantization[0])
    given = np.asarray(Image.open(file))
    luma = given.astype(np.float32) / 255
    beyond = cut_off(luma, steps)
    whole = luma if beyond is None else luma + beyond
    alone, change = (model.run(seen[np.newaxis, np.newaxis])[0, 0] - seen for seen in (luma, whole))
    bounded = (plausible_change(change, steps, network_error=error) for error in ERRORS)
    results = [alone, *(kept + (whole - luma) for kept in bounded)]
    levels = [np.rint(255 * (luma + kept).clip(0, 1)).astype(np.uint8) for kept in results]
    before = psnr(given, original)
    # of what is without any error before and after, the difference is no number
    after = [psnr(restored, original) for restored in levels]
    return [0.0 if decibels == before else decibels - before for decibels in after]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    return run(
        arguments,
        name="network_error",
        description="Find what the network's own error should be taken to be.",
        header=HEADER,
        measure=measure,
    )


if __name__ == "__main__":
    sys.exit(main())

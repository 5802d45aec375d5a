"""Measure what the file's steps and consistency with it add to the network: docs/real-files.md.

``python -m benchmarks.consistent --images LIVE1 --json benchmarks/consistent.json``: luma and JPEG
as in the tables of quality, see `training.evaluate`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from argan_plugin.consistency import restore_jpeg
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from benchmarks.command import run
from training.evaluate import studio_luma
from training.metrics import psnr
from training.pictures import find_pictures

QUALITIES = (10, 20, 30, 40, 60, 75, 90, 95)
HEADER = (
    "| quality | JPEG | by the network alone | with the file's steps | they add | least, of one "
    "picture | and consistent | consistency adds | least, of one picture |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quality: PSNR of luma in dB, means over the pictures."""

    quality: int
    compressed: float
    restored: float
    """By `restore` without the file's steps."""
    with_steps: float
    steps_least: float
    """Smallest gain of one picture by the steps."""
    consistent: float
    least: float
    """Smallest gain of one picture by consistency, which comes after the steps."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        return (
            f"| {self.quality} | {self.compressed:.2f} | {self.restored:.2f} | "
            f"{self.with_steps:.2f} | {self.with_steps - self.restored:+.3f} | "
            f"{self.steps_least:+.3f} | {self.consistent:.2f} | "
            f"{self.consistent - self.with_steps:+.3f} | {self.least:+.3f} |"
        )


def measure(folder: Path, model: RestorationModel) -> Iterator[Row]:
    """Yield a row for each quality."""
    pictures = find_pictures(folder)
    for quality in QUALITIES:
        scores = []
        for path in pictures:
            original = studio_luma(path)
            file = io.BytesIO()
            Image.fromarray(original).save(file, "JPEG", quality=quality)
            steps = read_jpeg_info(file.getvalue()).quantization[0]
            compressed = np.asarray(Image.open(file))
            results = [
                compressed,
                restore(compressed, model=model, grid=(0, 0)),
                restore(compressed, model=model, steps=steps),
                restore_jpeg(file.getvalue(), model=model),
            ]
            scores.append([psnr(result, original) for result in results])
        table = np.array(scores)
        before, alone, kept, consistent = table.mean(axis=0).tolist()
        yield Row(
            quality=quality,
            compressed=before,
            restored=alone,
            with_steps=kept,
            steps_least=float((table[:, 2] - table[:, 1]).min()),
            consistent=consistent,
            least=float((table[:, 3] - table[:, 2]).min()),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    return run(
        arguments,
        name="consistent",
        description="Measure what the file's steps and consistency with it add.",
        header=HEADER,
        measure=measure,
    )


if __name__ == "__main__":
    sys.exit(main())

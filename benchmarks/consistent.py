"""Measure what consistency with the file gains: docs/real-files.md.

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
from argan_plugin.model import RestorationModel
from benchmarks.command import run
from training.datasets import find_pictures
from training.evaluate import studio_luma
from training.metrics import psnr

QUALITIES = (10, 20, 30, 40, 60, 75, 90, 95)
HEADER = (
    "| quality | JPEG | restored | and consistent | consistency adds | least, of one picture |\n"
    "|---|---|---|---|---|---|"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quality: PSNR of luma in dB, means over the pictures."""

    quality: int
    compressed: float
    restored: float
    consistent: float
    least: float

    def __str__(self) -> str:
        """Return the row in Markdown."""
        return (
            f"| {self.quality} | {self.compressed:.2f} | {self.restored:.2f} | "
            f"{self.consistent:.2f} | {self.consistent - self.restored:+.3f} | {self.least:+.3f} |"
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
            results = [
                restore_jpeg(file.getvalue(), model=model, strength=strength, consistent=kept)
                for strength, kept in ((0, False), (1, False), (1, True))
            ]
            scores.append([psnr(result, original) for result in results])
        compressed, restored, kept = np.mean(scores, axis=0).tolist()
        least = min(after - before for _, before, after in scores)
        yield Row(
            quality=quality, compressed=compressed, restored=restored, consistent=kept, least=least
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    return run(
        arguments,
        name="consistent",
        description="Measure what consistency with the file gains.",
        header=HEADER,
        measure=measure,
    )


if __name__ == "__main__":
    sys.exit(main())

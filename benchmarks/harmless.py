"""Measure what happens to pictures that need little or nothing: docs/real-files.md.

``python -m benchmarks.harmless --images PICTURES --json benchmarks/harmless.json``, with the folder
that the model was trained on: of its photographs only the middles of the validation pictures are
taken.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.inspection import WORTHWHILE_UP_TO, inspect_jpeg, why_to_skip
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from benchmarks.command import run
from training.datasets import find_pictures, read_luma, split_names
from training.drawings import draw
from training.metrics import psnr, ssimulacra2
from training.recipes import fidelity

Luma = NDArray[np.uint8]

HEADER = (
    "| picture | stored | PSNR to the original | after | least change of one | PSNR to the input | "
    "SSIMULACRA2 | after | left alone |\n|---|---|---|---|---|---|---|---|---|"
)
_SIDE = 384
_DRAWN = 8  # pictures of each kind that is made here
_SEED = 2026
_QUALITIES = (None, 98, 95, 92, 90, 85)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of picture, stored in one way: means over the pictures, luma alone."""

    kind: str
    quality: int | None
    """Of the JPEG file; None for PNG."""
    psnr_before: float
    """In dB; inf for PNG."""
    psnr_after: float
    least: float
    """Smallest gain of one picture in dB; for PNG, its PSNR after."""
    psnr_to_input: float
    score_before: float
    """SSIMULACRA2."""
    score_after: float
    skipped: int
    """By ``--skip-above-quality 90``."""
    pictures: int

    def __str__(self) -> str:
        """Return the row in Markdown."""
        stored = "PNG" if self.quality is None else f"JPEG, q = {self.quality}"
        before = "equal" if self.quality is None else f"{self.psnr_before:.2f}"
        least = f"{self.least:.2f}" if self.quality is None else f"{self.least:+.2f}"
        return (
            f"| {self.kind} | {stored} | {before} | {self.psnr_after:.2f} | {least} | "
            f"{self.psnr_to_input:.2f} | {self.score_before:.1f} | {self.score_after:.1f} | "
            f"{self.skipped} of {self.pictures} |"
        )


def originals(folder: Path) -> Iterator[tuple[str, list[Luma]]]:
    """Yield kinds of pictures that never were compressed, uint8 (height, width) each."""
    pictures = find_pictures(folder)
    names = [path.relative_to(folder).as_posix() for path in pictures]
    _, kept = split_names(names, fidelity().validation_share)
    lumas = {names[number]: _middle(read_luma(pictures[number])) for number in kept}
    screens = [luma for name, luma in lumas.items() if name.startswith("screenshots/")]
    photographs = [luma for name, luma in lumas.items() if not name.startswith("screenshots/")]
    yield "photographs", photographs
    if screens:
        yield "screenshots", screens
    rng = np.random.default_rng(_SEED)
    yield "text and line art", [draw(photographs[0], rng) for _ in range(_DRAWN)]
    rows, columns = np.mgrid[:_SIDE, :_SIDE] / (_SIDE - 1)
    ramps = []
    for _ in range(_DRAWN):
        low, high = np.sort(rng.integers(0, 256, 2))
        angle, curve = rng.uniform(0, np.pi / 2), rng.uniform(0.5, 2)
        along = (rows * np.sin(angle) + columns * np.cos(angle)) / (np.sin(angle) + np.cos(angle))
        ramps.append(np.rint(low + (high - low) * along**curve).astype(np.uint8))
    yield "gradients", ramps
    grain = [
        rng.normal(rng.integers(64, 192), 2 ** rng.uniform(1, 5), ramps[0].shape) for _ in ramps
    ]
    yield "noise", [np.rint(noise.clip(0, 255)).astype(np.uint8) for noise in grain]


def measure(folder: Path, model: RestorationModel) -> Iterator[Row]:
    """Yield a row for each kind of picture and each way to store it."""
    for kind, lumas in originals(folder):
        for quality in _QUALITIES:
            yield _row(kind, quality, lumas, model)


def _row(kind: str, quality: int | None, lumas: Sequence[Luma], model: RestorationModel) -> Row:
    scores, skipped = [], 0
    for original in lumas:
        file = io.BytesIO()
        if quality is None:
            Image.fromarray(original).save(file, "PNG")
        else:
            Image.fromarray(original).save(file, "JPEG", quality=quality)
        found = inspect_jpeg(file.getvalue())
        skipped += why_to_skip(WORTHWHILE_UP_TO, found.file, found.earlier) is not None
        given = np.asarray(Image.open(file))
        restored = restore(given, model=model)
        before, after = psnr(given, original), psnr(restored, original)
        scores.append(
            (
                before,
                after,
                after if quality is None else after - before,
                psnr(restored, given),
                ssimulacra2(given, original),
                ssimulacra2(restored, original),
            )
        )
    means, (_, _, least, *_) = np.mean(scores, axis=0).tolist(), np.min(scores, axis=0).tolist()
    return Row(
        kind=kind,
        quality=quality,
        psnr_before=means[0],
        psnr_after=means[1],
        least=least,
        psnr_to_input=means[3],
        score_before=means[4],
        score_after=means[5],
        skipped=skipped,
        pictures=len(lumas),
    )


def _middle(luma: Luma) -> Luma:
    tops = [max(0, size - _SIDE) // 2 for size in luma.shape]
    return np.ascontiguousarray(luma[tops[0] : tops[0] + _SIDE, tops[1] : tops[1] + _SIDE])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    return run(
        arguments,
        name="harmless",
        description="Measure what happens to pictures that need little or nothing.",
        header=HEADER,
        measure=measure,
    )


if __name__ == "__main__":
    sys.exit(main())

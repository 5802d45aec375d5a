"""Measure what ``argan FOLDER -o FOLDER`` does to pictures that need little: docs/real-files.md.

``python -m benchmarks.harmless --images PICTURES --json benchmarks/harmless.json``, with the folder
that the model was trained on: of its photographs only the middles of the validation pictures are
taken. Each is stored as a file and goes through `restore_file`, as the command has it by default.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.batch import Job
from argan_plugin.inspection import WORTHWHILE_UP_TO
from argan_plugin.model import RestorationModel
from argan_plugin.restore_file import restore_file
from argan_plugin.settings import Settings
from benchmarks.command import run
from benchmarks.drawn_pictures import bars, rungs
from training.marks import draw_marks
from training.metrics import psnr, ssimulacra2
from training.pictures import kept_pictures
from training.recipes import fidelity

Luma = NDArray[np.uint8]

HEADER = (
    "| picture | stored | PSNR to the original | after | least change of one | PSNR to the input | "
    "SSIMULACRA2 | after | left alone |\n|---|---|---|---|---|---|---|---|---|"
)
_SIDE = 384
_DRAWN = 8  # pictures of each kind that is made here
_SEED = 2026
_QUALITIES = (None, 98, 95, 92, 90, 85, 75, 50, 20)
_SETTINGS = Settings(skip_above_quality=WORTHWHILE_UP_TO, show_progress=False)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of picture, stored in one way: means over the pictures, luma alone."""

    kind: str
    quality: int | None
    """Of the JPEG file; None for PNG."""
    psnr_before: float
    """In dB; inf for PNG."""
    psnr_after: float
    """Of PNG, as `psnr_to_input`."""
    least: float
    """Smallest gain of one picture in dB; for PNG, its PSNR after."""
    psnr_to_input: float
    """Of those that were not left alone; inf if all were."""
    score_before: float
    """SSIMULACRA2."""
    score_after: float
    skipped: int
    """How many were left alone."""
    pictures: int

    def __str__(self) -> str:
        """Return the row in Markdown."""
        stored = "PNG" if self.quality is None else f"JPEG, q = {self.quality}"
        least = _decibels(self.least) if self.quality is None else f"{self.least:+.2f}"
        return (
            f"| {self.kind} | {stored} | {_decibels(self.psnr_before)} | "
            f"{_decibels(self.psnr_after)} | {least} | {_decibels(self.psnr_to_input)} | "
            f"{self.score_before:.1f} | {self.score_after:.1f} | "
            f"{self.skipped} of {self.pictures} |"
        )


def originals(folder: Path) -> Iterator[tuple[str, list[Luma]]]:
    """Yield kinds of pictures that never were compressed, uint8 (height, width) each."""
    kept = kept_pictures(folder, fidelity().validation_share)
    lumas = {name: _middle(luma) for name, luma in kept.items()}
    screens = [luma for name, luma in lumas.items() if name.startswith("screenshots/")]
    photographs = [luma for name, luma in lumas.items() if not name.startswith("screenshots/")]
    yield "photographs", photographs
    if screens:
        yield "screenshots", screens
    rng = np.random.default_rng(_SEED)
    yield "text and line art", [draw_marks(photographs[0], rng) for _ in range(_DRAWN)]
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
    yield "even bars", [bars(), rungs()]
    yield "noise", [np.rint(noise.clip(0, 255)).astype(np.uint8) for noise in grain]


def measure(folder: Path, model: RestorationModel) -> Iterator[Row]:
    """Yield a row for each kind of picture and each way to store it."""
    for kind, lumas in originals(folder):
        for quality in _QUALITIES:
            yield _row(kind, quality, lumas, model)


def _row(kind: str, quality: int | None, lumas: Sequence[Luma], model: RestorationModel) -> Row:
    skipped = 0
    before, after, gains, to_input, scores = [], [], [], [], []
    for original in lumas:
        given, found = _given_and_restored(original, quality, model)
        restored = given if found is None else found
        skipped += found is None
        before.append(psnr(given, original))
        after.append(psnr(restored, original))
        # of what is without any error before and after, the difference is no number
        gains.append(0.0 if after[-1] == before[-1] else after[-1] - before[-1])
        to_input.append(psnr(restored, given))
        scores.append((ssimulacra2(given, original), ssimulacra2(restored, original)))
    changed = [decibels for decibels in to_input if math.isfinite(decibels)]
    mean_to_input = float(np.mean(changed)) if changed else math.inf
    score_before, score_after = np.mean(scores, axis=0).tolist()
    is_png = quality is None
    return Row(
        kind=kind,
        quality=quality,
        psnr_before=math.inf if is_png else float(np.mean(before)),
        psnr_after=mean_to_input if is_png else float(np.mean(after)),
        least=min(after if is_png else gains),
        psnr_to_input=mean_to_input,
        score_before=score_before,
        score_after=score_after,
        skipped=skipped,
        pictures=len(lumas),
    )


def _given_and_restored(
    original: Luma, quality: int | None, model: RestorationModel
) -> tuple[Luma, Luma | None]:
    """Return what a file of a picture holds, and what the command makes of it; None for nothing."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "picture"), Path(folder, "restored.png")
        if quality is None:
            Image.fromarray(original).save(source, "PNG")
        else:
            Image.fromarray(original).save(source, "JPEG", quality=quality)
        result = restore_file(Job(source, target), model, _SETTINGS, overwrite=False)
        if result.failed:
            raise RuntimeError(result.failed)
        given = np.asarray(Image.open(source))
        return given, None if result.skipped else np.asarray(Image.open(target))


def _decibels(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "equal"


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

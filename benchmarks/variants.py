"""Export weights in every form and say what each costs: docs/runtimes.md.

``python -m benchmarks.variants weights.safetensors --images LIVE1 --calibration-images PICTURES``
measures the size of each file, the time that ONNX Runtime takes on the CPU, and PSNR as
`training.evaluate` does.
"""

from __future__ import annotations

import argparse
import collections
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.conditions import conditions_now, finish
from benchmarks.runtimes import TIMED_SHAPE, seconds_per_megapixel
from export.errors import ExportError
from export.graph import GraphForm
from export.runtimes import Run, open_onnxruntime
from export.to_onnx import export_onnx
from training.checkpoint import CheckpointError, load_weights
from training.evaluate import Restorer, open_restorer, score_pictures
from training.full_image import FullImage
from training.pictures import PictureFolderError, find_pictures
from training.validation import QUALITIES, restore_judged

HEADER = (
    "| options | MB | s/megapixel | "
    + " | ".join(f"q = {quality}" for quality in QUALITIES)
    + " | largest loss | pictures |\n"
    + "|---" * (len(QUALITIES) + 5)
    + "|"
)

Scores = dict[tuple[str, int], float]
"""PSNR in dB by picture and quality."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one form costs."""

    options: str
    """Of ``python -m export``."""
    megabytes: float = math.nan
    seconds_per_megapixel: float = math.nan
    psnr: list[float] = field(default_factory=list)
    """Mean over the pictures in dB, by quality."""
    loss: float = math.nan
    """By how many dB the mean on the same pictures is below the first form's, at the worst
    quality."""
    pictures: int = 0
    """How many were measured: a form of one size takes those of that size."""
    problem: str = ""
    """Why there is no such file."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        if self.problem:
            return f"| {self.options} | {self.problem} |" + " |" * (len(QUALITIES) + 3)
        cells = [
            self.options,
            f"{self.megabytes:.2f}",
            f"{self.seconds_per_megapixel:.2f}",
            *(f"{value:.2f}" for value in self.psnr),
            # adding 0 turns a rounded -0 into 0
            f"{round(self.loss, 3) + 0:.3f} dB",
            str(self.pictures),
        ]
        return f"| {' | '.join(cells)} |"


def forms(pictures: Sequence[Path]) -> dict[str, GraphForm]:
    """Return the forms by the options that give them, the one to compare with first."""
    sizes: collections.Counter[tuple[int, int]] = collections.Counter()
    for path in pictures:
        with Image.open(path) as image:
            sizes[image.size] += 1
    ((width, height), _), *_ = sizes.most_common(1)
    return {
        "(none)": GraphForm(),
        "`--bare`": GraphForm(bare=True),
        f"`--batch 1 --height {height} --width {width}`": GraphForm(
            batch=1, height=height, width=width
        ),
        "`--precision float16`": GraphForm(precision="float16"),
        "`--precision int8`": GraphForm(precision="int8"),
    }


class _Runner(nn.Module):
    """A file, in the place of the network that it came from."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def forward(self, image: Tensor) -> Tensor:
        return torch.from_numpy(self._run(image.numpy()))


def restorer_of(path: Path, form: GraphForm, size_multiple: int, threads: int) -> Restorer:
    """Return a function on uint8 luma: the plugin's if it takes the file.

    What a bare graph leaves out is done around it.
    """
    if form.any_size:
        return open_restorer(path)
    runner: nn.Module = _Runner(open_onnxruntime(path, threads))
    if form.bare:
        runner = FullImage(runner, size_multiple)
    return lambda image: restore_judged(runner, image, torch.device("cpu"))


def measure(
    path: Path, restorer: Restorer, pictures: Sequence[Path], form: GraphForm, threads: int
) -> tuple[float, Scores]:
    """Return seconds per megapixel, and PSNR by picture and quality."""
    shape = (1, 1, form.height or TIMED_SHAPE[2], form.width or TIMED_SHAPE[3])
    noise = np.random.default_rng(0).random(shape, np.float32)
    seconds = seconds_per_megapixel(open_onnxruntime(path, threads), noise)
    fitting = [picture for picture in pictures if _fits(picture, form)]
    scores = score_pictures(restorer, fitting, ["psnr"])
    return seconds, {(score.picture, score.quality): score.restored["psnr"] for score in scores}


def _fits(picture: Path, form: GraphForm) -> bool:
    with Image.open(picture) as image:
        width, height = image.size
    return form.height in (None, height) and form.width in (None, width)


def main(arguments: Sequence[str] | None = None) -> int:
    """Export, measure and print the table; return 1 after an error that stderr explains."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.variants",
        description="Export weights in every form and measure size, speed and PSNR.",
    )
    parser.add_argument("checkpoint", type=Path, help="weights.safetensors of a training run")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="originals to measure PSNR on"
    )
    parser.add_argument(
        "--calibration-images",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="other pictures, to calibrate int8 on",
    )
    parser.add_argument("--most", type=int, metavar="N", help="measure the first N pictures alone")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the CPU (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except (CheckpointError, ExportError, PictureFolderError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    weights = load_weights(options.checkpoint)
    pictures = find_pictures(options.images)[: options.most]
    if not pictures:
        raise PictureFolderError(f"{options.images}: expected a folder of original pictures.")
    print(HEADER)
    rows: list[Row] = []
    reference: Scores = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, form in forms(pictures).items():
            path = Path(folder, f"argan-{len(rows)}.onnx")
            try:
                report = export_onnx(
                    weights, path, form=form, calibration_images=options.calibration_images
                )
            except ExportError as error:
                if not rows:
                    raise
                problem = " ".join(str(error).split()).removeprefix(f"{path}: ")
                row = Row(options=name, problem=problem)
            else:
                if not rows:
                    conditions = conditions_now(report.info, options.threads)
                restorer = restorer_of(path, form, report.info.size_multiple, options.threads)
                seconds, scores = measure(path, restorer, pictures, form, options.threads)
                reference = reference or scores
                row = _row(name, report.size, seconds, scores, reference)
            print(row, flush=True)
            rows.append(row)
    finish(conditions, rows, options.json)


def _row(name: str, size: int, seconds: float, scores: Scores, reference: Scores) -> Row:
    psnr = _means(scores)
    before = _means({key: reference[key] for key in scores})
    return Row(
        options=name,
        megabytes=size / 1e6,
        seconds_per_megapixel=seconds,
        psnr=psnr,
        loss=max(old - new for old, new in zip(before, psnr, strict=True)),
        pictures=len({picture for picture, _ in scores}),
    )


def _means(scores: Scores) -> list[float]:
    """Return the mean of each quality."""
    return [
        float(np.mean([value for (_, q), value in scores.items() if q == quality]))
        for quality in QUALITIES
    ]


if __name__ == "__main__":
    sys.exit(main())

"""How good a model is on a folder of originals, on the paper's terms.

The convention of the literature: a colour picture's luma in the studio range of ITU-R BT.601
(MATLAB's ``rgb2ycbcr``), rounded to 8 bits, stored as a grey JPEG at IJG quality q, restored,
rounded, and compared over the whole picture. Figures on another luma or another SSIM are not
comparable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tabulate import tabulate
from tqdm import tqdm

from argan_plugin.jpeg import round_trip
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from training import metrics
from training.checkpoint import load_weights
from training.datasets import PictureFolderError, find_pictures
from training.full_image import FullImage
from training.published import PUBLISHED
from training.validation import QUALITIES, restore_luma

Luma = NDArray[np.uint8]
Restorer = Callable[[Luma], Luma]

_STUDIO_WEIGHTS = np.array([65.481, 128.553, 24.966])

METRICS: dict[str, Callable[[Luma, Luma], float]] = {
    "psnr": metrics.psnr,
    "ssim": metrics.ssim,
    "ssim-8x8": metrics.ssim_uniform,
    "psnr-b": metrics.psnr_b,
    "ssimulacra2": metrics.ssimulacra2,
}
"""By name; SSIMULACRA2 takes a second a picture, the others a tenth of it together."""

CONVENTION = (
    "Luma of ITU-R BT.601, studio range 16..235, 8 bits, grey JPEG; means over the pictures. "
    "ssim: Gaussian window 11x11, sigma 1.5; ssim-8x8: uniform window, the older scale."
)


@dataclass(frozen=True, kw_only=True)
class Score:
    """One picture at one quality."""

    picture: str
    quality: int
    compressed: dict[str, float]
    """By metric: the JPEG against the original."""
    restored: dict[str, float]
    """By metric: the model's result against the original."""


def studio_luma(path: Path) -> Luma:
    """Return a picture's luma as the literature's tests take it, uint8 ``(height, width)``.

    A grey picture is luma already. Colour: ``16 + (65.481 R + 128.553 G + 24.966 B) / 255``
    (ITU-R BT.601, as in MATLAB's ``rgb2ycbcr``), rounded.
    """
    with Image.open(path) as image:
        if image.mode == "L":
            return np.asarray(image)
        rgb = np.asarray(image.convert("RGB"), np.float64)
    luma: Luma = np.rint(16 + rgb @ _STUDIO_WEIGHTS / 255).astype(np.uint8)
    return luma


def open_restorer(model: str | Path) -> Restorer:
    """Return a function on uint8 luma for weights, an ONNX file or a shipped model's name.

    ONNX files go the way of every user: through :func:`argan_plugin.restore`.
    """
    if Path(model).suffix == ".safetensors":
        network = load_weights(Path(model)).network()
        full = FullImage(network, network.size_multiple)
        return lambda image: restore_luma(full, image, torch.device("cpu"))
    session = RestorationModel(model)
    return lambda image: restore(image, model=session)


def score_pictures(
    restorer: Restorer, pictures: Sequence[Path], names: Sequence[str]
) -> list[Score]:
    """Compress, restore and compare every picture at every quality, by the named metrics."""
    scores = []
    for path in tqdm(pictures, desc="Evaluating", disable=None):
        original = studio_luma(path)
        for quality in QUALITIES:
            compressed = round_trip(original, quality=quality)
            restored = restorer(compressed)
            scores.append(
                Score(
                    picture=path.name,
                    quality=quality,
                    compressed={name: METRICS[name](compressed, original) for name in names},
                    restored={name: METRICS[name](restored, original) for name in names},
                )
            )
    return scores


def evaluate(
    model: str | Path,
    folders: Sequence[Path],
    *,
    names: Sequence[str] = tuple(METRICS),
    json_path: Path | None = None,
    figure_path: Path | None = None,
) -> None:
    """Print a Markdown table for each folder of originals; optionally write JSON and a figure.

    Raises
    ------
    PictureFolderError
        If a folder holds no picture.
    """
    restorer = open_restorer(model)
    report: dict[str, Any] = {"model": str(model), "convention": CONVENTION, "sets": {}}
    for folder in folders:
        pictures = find_pictures(folder)
        if not pictures:
            raise PictureFolderError(f"{folder}: expected a folder of original pictures.")
        scores = score_pictures(restorer, pictures, names)
        print(f"\n{folder.name}, {len(pictures)} pictures\n")
        print(_table(folder.name, model, scores, names))
        report["sets"][folder.name] = [vars(score) for score in scores]
        if figure_path is not None:
            # matplotlib takes a second to import
            from training.figure import draw_crops

            target = figure_path.with_stem(f"{figure_path.stem}-{folder.name}")
            draw_crops(restorer, pictures, target)
    print(f"\n{CONVENTION}")
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=1))


def _table(name: str, model: str | Path, scores: Sequence[Score], names: Sequence[str]) -> str:
    """Return the means, a block of rows for each quality, beside the published figures."""

    def means(results: Sequence[dict[str, float]]) -> list[float]:
        return [float(np.mean([result[metric] for result in results])) for metric in names]

    rows: list[list[str | float]] = []
    decimals = {"psnr": ".2f", "psnr-b": ".2f", "ssimulacra2": ".1f"}
    for quality in QUALITIES:
        here = [score for score in scores if score.quality == quality]
        for row in PUBLISHED.get(name, ()) if "psnr" in names[:1] else ():
            rows.append([quality, f"{row.method} (published)", row.psnr[QUALITIES.index(quality)]])
        for label, results in (
            ("JPEG", [score.compressed for score in here]),
            (Path(model).stem, [score.restored for score in here]),
        ):
            rows.append([quality, label, *means(results)])
    formats = ["", "", *(decimals.get(metric, ".4f") for metric in names)]
    return tabulate(rows, ["q", "method", *names], tablefmt="github", floatfmt=formats)

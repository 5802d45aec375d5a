"""How good a model is on a folder of originals, on the paper's terms.

The convention of the literature: a colour picture's luma in the studio range of ITU-R BT.601
(MATLAB's ``rgb2ycbcr``), rounded to 8 bits, stored as a grey JPEG at IJG quality q, restored,
rounded, and compared over the whole picture. Figures on another luma or another SSIM are not
comparable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

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
from training.checkpoint import CheckpointError, load_weights
from training.full_image import FullImage
from training.pictures import PictureFolderError, find_pictures
from training.published import PUBLISHED
from training.validation import QUALITIES, restore_judged

Luma = NDArray[np.uint8]
Restorer = Callable[[Luma], Luma]
Side = Literal["compressed", "restored"]

_CROPS = 4  # pictures in the figure, evenly chosen
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


Results = dict[str, dict[str, list["Score"]]]
"""Scores by test set and model."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One picture at one quality."""

    picture: str
    quality: int
    compressed: dict[str, float]
    """By metric: the JPEG against the original."""
    restored: dict[str, float]
    """By metric: the model's result against the original."""


def name_of_set(folder: Path) -> str:
    """Return the name of a test set: its folder's, in small letters."""
    return folder.resolve().name.lower()


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
        if network.planes != 1:
            raise CheckpointError(
                f"{model}: expected a network that restores luma, got one of chroma. Measure it by "
                "python -m benchmarks.chroma."
            )
        full = FullImage(network, network.size_multiple)
        return lambda image: restore_judged(full, image, torch.device("cpu"))
    session = RestorationModel(model, device="cpu")  # float32, the same on every machine
    return lambda image: restore(image, model=session, grid=(0, 0))


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
    models: Sequence[str | Path],
    folders: Sequence[Path],
    *,
    names: Sequence[str] = tuple(METRICS),
    compare: bool = False,
    json_path: Path | None = None,
    figure_path: Path | None = None,
    plot_path: Path | None = None,
    worst_path: Path | None = None,
) -> None:
    """Print a Markdown table for each folder of originals; optionally write JSON and pictures.

    Parameters
    ----------
    models
        Weights, ONNX files or names of shipped models.
    folders
        Of originals.
    names
        Keys of :data:`METRICS`.
    compare
        Whether published figures stand beside these, with their sources, where a folder is called
        as in :data:`training.published.PUBLISHED`.
    json_path
        Gets every figure of every picture.
    figure_path
        Gets crops of the JPEG, of what each model makes of it, and of the original.
    plot_path
        Gets PSNR against quality, and gain against cost, of these and of the published methods.
    worst_path
        Gets crops of the pictures of all folders that the first model helps least.

    Raises
    ------
    PictureFolderError
        If a folder holds no picture.
    ValueError
        If a plot or the worst pictures are wanted without the metric ``psnr``.
    """
    if (plot_path or worst_path) and "psnr" not in names:
        raise ValueError("what --plot and --worst draw needs the metric psnr")
    pictures = {folder: find_pictures(folder) for folder in folders}
    for folder, found in pictures.items():
        if not found:
            raise PictureFolderError(f"{folder}: expected a folder of original pictures.")
    restorers = {Path(model).stem: open_restorer(model) for model in models}
    results: Results = {}
    for folder, found in pictures.items():
        scores = {
            model: score_pictures(restorer, found, names) for model, restorer in restorers.items()
        }
        name = name_of_set(folder)
        results[name] = scores
        print(f"\n{name}, {len(found)} pictures\n")
        print(table(name, scores, compare=compare))
        if figure_path is not None:
            # matplotlib takes a second to import
            from training.figure import draw_crops

            target = figure_path.with_stem(f"{figure_path.stem}-{name}")
            draw_crops(restorers, found[:: max(1, len(found) // _CROPS)][:_CROPS], target)
    print(f"\n{CONVENTION}")
    if compare:
        for row in (row for name in results for row in PUBLISHED.get(name, ())):
            print(f"{row.method} (published): {row.source}")
    if json_path is not None:
        save_results(json_path, results, weights_of(models))
    if plot_path is not None:
        from training.comparison import draw_comparison

        draw_comparison(results, {Path(model).stem: model for model in models}, plot_path)
    if worst_path is not None:
        from training.worst import draw_worst

        draw_worst(results, restorers, pictures, worst_path)


def table(name: str, results: Mapping[str, Sequence[Score]], *, compare: bool) -> str:
    """Return the means of a test set in Markdown: a block of rows for each quality.

    Parameters
    ----------
    name
        Of the test set.
    results
        Scores by model.
    compare
        Whether the published figures stand beside them.
    """
    (first, *_) = results.values()
    names = list(first[0].restored)
    rows: list[list[str | float | None]] = []
    for index, quality in enumerate(QUALITIES):
        for row in PUBLISHED.get(name, ()) if compare else ():
            figures = [row.figures(metric) for metric in names]
            values = [None if known is None else known[index] for known in figures]
            rows.append([quality, f"{row.method} (published)", *values])
        rows.append([quality, "JPEG", *(mean(first, "compressed", m, quality) for m in names)])
        for model, scores in results.items():
            rows.append([quality, model, *(mean(scores, "restored", m, quality) for m in names)])
    decimals = {"psnr": ".2f", "psnr-b": ".2f", "ssimulacra2": ".1f"}
    formats = ["", "", *(decimals.get(metric, ".4f") for metric in names)]
    return tabulate(rows, ["q", "method", *names], tablefmt="github", floatfmt=formats)


def mean(scores: Sequence[Score], side: Side, metric: str, quality: int) -> float:
    """Return the mean of a metric over the pictures at one quality."""
    values = [getattr(score, side)[metric] for score in scores if score.quality == quality]
    return float(np.mean(values))


def weights_of(models: Sequence[str | Path]) -> dict[str, str]:
    """Return the SHA-256 of the weights in each ONNX file or shipped model, by its name."""
    return {
        Path(model).stem: RestorationModel(model, device="cpu").info.weights_sha256
        for model in models
        if Path(model).suffix != ".safetensors"
    }


def save_results(path: Path, results: Results, weights: Mapping[str, str]) -> None:
    """Write every figure of every picture, and the weights' SHA-256 by model, as JSON."""
    sets = {
        name: {model: [asdict(score) for score in scores] for model, scores in models.items()}
        for name, models in results.items()
    }
    report = {
        "convention": CONVENTION,
        "date": datetime.now(UTC).date().isoformat(),
        "weights": dict(weights),
        "sets": sets,
    }
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def load_results(path: Path) -> tuple[str, Results]:
    """Return the date and the scores that :func:`save_results` wrote."""
    report = json.loads(path.read_text(encoding="utf-8"))
    return report["date"], {
        name: {model: [Score(**score) for score in scores] for model, scores in models.items()}
        for name, models in report["sets"].items()
    }

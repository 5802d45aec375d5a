"""The tables of quality in README and model card, from docs/evaluation.json.

That file is what ``python -m training evaluate --all-models --images LIVE1 CLASSIC5 --json FILE``
writes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from statistics import mean, stdev

from tabulate import tabulate

from argan_plugin.model import open_model
from training import evaluate
from training.published import PUBLISHED
from training.validation import QUALITIES
from training.worst import QUALITY, worst_pictures

_FILE = Path(__file__).parent.parent / "docs" / "evaluation.json"
_HIGHLIGHTS = ("AR-CNN", "DnCNN-3", "FBCNN")


@cache
def results() -> tuple[str, evaluate.Results]:
    """Return the date and the scores of the last evaluation."""
    return evaluate.load_results(_FILE)


def summary() -> str:
    """Return PSNR on LIVE1 beside the best known networks, for the README."""
    date, measured = results()
    scores = measured["live1"]
    (first, *_) = scores.values()
    rows = [["JPEG", *_psnr(first, "compressed"), ""]]
    for row in PUBLISHED["live1"]:
        if row.method in _HIGHLIGHTS:
            cost = f"{row.kflop_per_pixel:,.0f}" if row.kflop_per_pixel else ""
            rows.append([f"{row.method} (published)", *(f"{v:.2f}" for v in row.psnr), cost])
    for model, of_model in scores.items():
        cost = f"{open_model(model, device='cpu').info.kflop_per_pixel:,.0f}"
        figures = (f"**{value}**" for value in _psnr(of_model, "restored"))
        rows.append([f"**{model}**", *figures, cost])
    header = ["method", *(f"q = {quality}" for quality in QUALITIES), "kFLOP per pixel"]
    lines = [" | ".join(header), "|".join(["---"] * len(header)), *map(" | ".join, rows)]
    pictures = len({score.picture for score in first})
    return (
        f"**LIVE1, {pictures} pictures: PSNR in dB**\n\n"
        + "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)
        + f"\n\nMeasured {date}."
    )


def card(model: str) -> str:
    """Return all metrics of a model on all test sets, the spread, and its worst pictures."""
    date, measured = results()
    parts = []
    for name, scores in measured.items():
        of_model = scores[model]
        pictures = len({score.picture for score in of_model})
        table = evaluate.table(name, {model: of_model}, compare=True)
        parts.append(f"**{name}, {pictures} pictures**\n\n{table}")
    parts.append(_spread(model, measured))
    parts.append(_worst(model, measured))
    parts.append(f"Measured {date}.")
    return "\n\n".join(parts)


def _psnr(scores: list[evaluate.Score], side: evaluate.Side) -> list[str]:
    return [f"{evaluate.mean(scores, side, 'psnr', quality):.2f}" for quality in QUALITIES]


def _spread(model: str, results: evaluate.Results) -> str:
    """Return mean and standard deviation of the gain over the pictures."""
    rows = []
    for name, scores in results.items():
        for quality in QUALITIES:
            gains = [
                score.restored["psnr"] - score.compressed["psnr"]
                for score in scores[model]
                if score.quality == quality
            ]
            rows.append([name, quality, mean(gains), stdev(gains), min(gains), max(gains)])
    header = ["set", "q", "mean", "standard deviation", "smallest", "largest"]
    table = tabulate(rows, header, tablefmt="github", floatfmt=".2f")
    return f"**Gain in PSNR over the pictures, in dB**\n\n{table}"


def _worst(model: str, results: evaluate.Results) -> str:
    """Return the pictures of all sets with the smallest gain at the lowest quality."""
    rows = [
        [name, score.picture, score.compressed["psnr"], score.restored["psnr"], gain]
        for gain, name, score in worst_pictures(results, model)
    ]
    table = tabulate(
        rows, ["set", "picture", "JPEG", model, "gain"], tablefmt="github", floatfmt=".2f"
    )
    return (
        f"**The {len(rows)} pictures with the smallest gain at q = {QUALITY}, PSNR in dB**"
        f"\n\n{table}"
    )

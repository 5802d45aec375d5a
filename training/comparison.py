"""A plot of models beside published methods: PSNR against quality, and gain against cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from argan_plugin.model import RestorationModel
from training.evaluate import Results, mean
from training.published import PUBLISHED
from training.validation import QUALITIES


def draw_comparison(results: Results, models: Mapping[str, str | Path], target: Path) -> None:
    """Draw a row for each test set.

    Parameters
    ----------
    results
        Scores by test set and model, with the metric ``psnr``.
    models
        Where each model comes from; the cost of ``.safetensors`` weights is not known, so that they
        are left out of the plot of costs.
    target
        PNG, SVG or PDF file to write.
    """
    costs = {
        name: RestorationModel(model, device="cpu").info.kflop_per_pixel
        for name, model in models.items()
        if Path(model).suffix != ".safetensors"
    }
    colours: dict[str, str] = {}  # a method has one in all plots

    def colour(method: str) -> str:
        return colours.setdefault(method, f"C{len(colours)}")

    figure = Figure(figsize=(11, 4 * len(results)), layout="constrained")
    grid = figure.subplots(len(results), 2, squeeze=False)
    for (against_quality, against_cost), (name, scores) in zip(grid, results.items(), strict=True):
        (first, *_) = scores.values()
        jpeg = np.array([mean(first, "compressed", "psnr", quality) for quality in QUALITIES])
        against_quality.plot(QUALITIES, jpeg, ":", color="grey", label="JPEG")
        for row in PUBLISHED.get(name, ()):
            label = f"{row.method} (published)"
            against_quality.plot(QUALITIES, row.psnr, "--", color=colour(row.method), label=label)
            if row.kflop_per_pixel is not None:
                gain = float(np.mean(np.array(row.psnr) - jpeg))
                marker = f"o{colour(row.method)}"
                _point(against_cost, row.kflop_per_pixel, gain, row.method, marker)
        for model, of_model in scores.items():
            psnr = [mean(of_model, "restored", "psnr", quality) for quality in QUALITIES]
            against_quality.plot(QUALITIES, psnr, "-o", color=colour(model), label=model)
            if model in costs:
                gain = float(np.mean(psnr - jpeg))
                _point(against_cost, costs[model], gain, model, f"*{colour(model)}")
        against_quality.set(title=name, xlabel="JPEG quality", ylabel="PSNR (dB)", xticks=QUALITIES)
        against_cost.set(
            title=name,
            xlabel="kFLOP per pixel",
            ylabel="mean gain over the JPEG (dB)",
            xscale="log",
        )
        against_cost.margins(x=0.2, y=0.12)
        for axes in (against_quality, against_cost):
            axes.grid(alpha=0.3)
        against_quality.legend(fontsize=8)
    figure.savefig(target, dpi=110)


def _point(axes: Axes, cost: float, gain: float, label: str, marker: str) -> None:
    axes.plot(cost, gain, marker, markersize=9)
    axes.annotate(label, (cost, gain), xytext=(7, 4), textcoords="offset points", fontsize=8)

"""The plots of the pages, from the measurements' JSON files."""

from __future__ import annotations

import json
import math
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import peers
from benchmarks.quality import results
from training.comparison import draw_comparison

_PEERS = Path(__file__).with_name("peers.json")


def quality(target: Path) -> None:
    """Draw PSNR against quality, and gain against cost, from docs/evaluation.json."""
    _, scores = results()
    models = {model: model for of_set in scores.values() for model in of_set}
    draw_comparison(scores, models, target)


def speed(target: Path) -> None:
    """Draw time and memory against size from the JSON of :mod:`benchmarks.peers`.

    Memory below 1 MiB, which is within the error, is left out: the axes are logarithmic.
    """
    rows = [peers.Row(**row) for row in json.loads(_PEERS.read_text(encoding="utf-8"))["rows"]]
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    time, memory = figure.subplots(1, 2)
    for row in rows:
        if row.problem:
            continue
        sizes = peers.MEGAPIXELS
        pairs = zip(row.seconds_per_megapixel, sizes, strict=True)
        seconds = [per_megapixel * size for per_megapixel, size in pairs]
        peak = [mib if mib >= 1 else math.nan for mib in row.peak_mib]
        time.plot(sizes, seconds, "-o", markersize=4, label=row.method)
        memory.plot(sizes, peak, "-o", markersize=4, label=row.method)
    time.set(ylabel="seconds")
    memory.set(ylabel="peak memory (MiB)")
    for axes in (time, memory):
        axes.set(xlabel="megapixels", xscale="log", yscale="log")
        axes.grid(alpha=0.3)
    time.legend(fontsize=8)
    figure.savefig(target, dpi=110)

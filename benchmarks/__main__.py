"""Everything about speed in one command: ``python -m benchmarks``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import peers, tables

_HERE = Path(__file__).parent
_PLOT = tables.ROOT / "docs" / "images" / "speed.png"


def draw(source: Path, target: Path) -> None:
    """Draw time and memory against size from the JSON of :mod:`benchmarks.peers`."""
    rows = [peers.Row(**row) for row in json.loads(source.read_text(encoding="utf-8"))["rows"]]
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    time, memory = figure.subplots(1, 2)
    for row in rows:
        if row.problem:
            continue
        sizes = peers.MEGAPIXELS
        pairs = zip(row.seconds_per_megapixel, sizes, strict=True)
        seconds = [per_megapixel * size for per_megapixel, size in pairs]
        time.plot(sizes, seconds, "-o", markersize=4, label=row.method)
        memory.plot(sizes, row.peak_mib, "-o", markersize=4, label=row.method)
    time.set(ylabel="seconds")
    memory.set(ylabel="peak memory (MiB)")
    for axes in (time, memory):
        axes.set(xlabel="megapixels", xscale="log", yscale="log")
        axes.grid(alpha=0.3)
    memory.legend(fontsize=8)
    figure.savefig(target, dpi=110)


def main() -> int:
    """Measure beside the peers, and bring docs/speed.md and its plot up to date."""
    source = _HERE / "peers.json"
    peers.main(["--json", str(source)])
    draw(source, _PLOT)
    return tables.main()


if __name__ == "__main__":
    sys.exit(main())

"""Time and memory beside what a user would take instead: docs/speed.md.

``python -m benchmarks.peers`` measures on grey pictures of 0.1 to 100 megapixels, one process for
each measurement, all methods in turn at each size, so that they share whatever else the machine
does. ``jpegqs`` and ``jpeg2png`` are Debian packages; the table says if one is not there.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

import argan_plugin
from argan_plugin.model import open_model
from benchmarks.conditions import conditions_now, finish
from benchmarks.peer_methods import METHODS, Luma, MissingProgramError

MEGAPIXELS = (0.1, 1.0, 10.0, 100.0)
_ENOUGH_RUNS, _ENOUGH_SECONDS = 3, 8.0
_SAMPLE = Path(argan_plugin.__file__).parent / "samples" / "vintage_cars.jpg"

HEADER = (
    "| method | "
    + " | ".join(f"{size:g} MP" for size in MEGAPIXELS)
    + " | "
    + " | ".join(f"{size:g} MP" for size in MEGAPIXELS)
    + " |\n"
    + "|---" * (2 * len(MEGAPIXELS) + 1)
    + "|"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method."""

    method: str
    seconds_per_megapixel: list[float]
    """By size; NaN where it was not run, because it would have taken longer than the limit."""
    peak_mib: list[float]
    """By size: the most memory of the process, less what it had with the picture and the method
    loaded, in MiB."""
    problem: str = ""
    """Why it was not run at all."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        if self.problem:
            return f"| {self.method} | {self.problem} |" + " |" * (2 * len(MEGAPIXELS) - 1)
        cells = [f"{seconds:.3f} s" for seconds in self.seconds_per_megapixel]
        cells += [f"{mib:.0f} MiB" for mib in self.peak_mib]
        return f"| {self.method} | {' | '.join(c if 'nan' not in c else '' for c in cells)} |"


def picture(megapixels: float) -> Luma:
    """Return a compressed photograph of the size, made of copies of the sample, uint8."""
    with Image.open(_SAMPLE) as image:
        sample = np.asarray(image.convert("L"))
    height = round(math.sqrt(megapixels * 1e6 * 3 / 4))
    width = round(megapixels * 1e6 / height)
    copies = (-(-height // sample.shape[0]), -(-width // sample.shape[1]))
    return np.ascontiguousarray(np.tile(sample, copies)[:height, :width])


def measure(method: str, megapixels: float, threads: int) -> tuple[float, float]:
    """Return seconds per megapixel (the fastest of some runs) and the peak memory in MiB.

    Needs a process of its own: the peak is the process's.

    Raises
    ------
    MissingProgramError
        If the method is a program that is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        image = picture(megapixels)
        work = METHODS[method](image, threads, Path(folder))
        before = _own_peak_mib()
        seconds: list[float] = []
        while len(seconds) < _ENOUGH_RUNS and sum(seconds) < _ENOUGH_SECONDS:
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        peak = _own_peak_mib() - before + _peak_mib(resource.RUSAGE_CHILDREN)
    return min(seconds) / (image.size / 1e6), peak


def _own_peak_mib() -> float:
    # Linux counts what the process that started this one had at that time among getrusage's peak.
    status = Path("/proc/self/status")
    if not status.exists():
        return _peak_mib(resource.RUSAGE_SELF)
    lines = status.read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 2**10


def _peak_mib(who: int) -> float:
    peak = resource.getrusage(who).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB on Linux


def measure_all(
    methods: Sequence[str], sizes: Sequence[float], threads: int, limit: float, rounds: int
) -> list[Row]:
    """Measure every method at every size that would take at most ``limit`` seconds.

    All methods take turns ``rounds`` times at each size, and the least counts: what else a machine
    does comes and goes, and must not hit one method alone.
    """
    rows = {name: Row(method=name, seconds_per_megapixel=[], peak_mib=[]) for name in methods}
    os.environ["OMP_NUM_THREADS"] = str(threads)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        for size in sizes:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
            for name in list(rows) * rounds:
                row = rows[name]
                if row.problem:
                    continue
                known = row.seconds_per_megapixel
                too_slow = bool(known) and not known[-1] * size <= limit
                try:
                    figures = (
                        (math.nan, math.nan)
                        if too_slow
                        else pool.submit(measure, name, size, threads).result()
                    )
                except MissingProgramError as error:
                    rows[name] = replace(row, problem=str(error))
                    continue
                found[name].append(figures)
                print(f"{name}, {size:g} MP: {figures[0]:.3f} s/MP, {figures[1]:.0f} MiB")
            for name, all_figures in found.items():
                if all_figures:
                    seconds, peaks = zip(*all_figures, strict=True)
                    rows[name].seconds_per_megapixel.append(min(seconds))
                    rows[name].peak_mib.append(min(peaks))
    return list(rows.values())


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options ``--threads``, ``--limit`` and ``--rounds``."""
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the CPU (2)")
    parser.add_argument(
        "--limit",
        type=float,
        default=60.0,
        metavar="S",
        help="leave out what would take longer than this many seconds (60)",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="of turns, of which the least counts (3)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Measure time and memory beside other methods.",
    )
    add_limits(parser)
    parser.add_argument(
        "--methods", nargs="+", choices=tuple(METHODS), default=tuple(METHODS), metavar="NAME"
    )
    parser.add_argument(
        "--sizes", nargs="+", type=float, default=MEGAPIXELS, metavar="MP", help="in megapixels"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    options = parser.parse_args(arguments)
    conditions = conditions_now(open_model(device="cpu").info, options.threads)
    rows = measure_all(
        options.methods, options.sizes, options.threads, options.limit, options.rounds
    )
    print(f"\n{HEADER}")
    for row in rows:
        print(row)
    finish(conditions, rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
